//! Accounts with their sealed tokens, and OAuth connections under way.

use rusqlite::{Connection, Row, params};

use super::codec::{from_db, json, json_opt, mode_from_db, parse, parse_opt, to_db};
use crate::store::{AccountRow, ConnectRow, Millis, Owner, StoreResult};

const ACCOUNT: &str = "id, team, mode, platform, name, scopes, usable, connected_at, access_sealed, refresh_sealed, \
     access_expires_at, refresh_expires_at, token_version";

fn account(row: &Row<'_>) -> StoreResult<AccountRow> {
    let mode: String = row.get(2)?;
    let scopes: String = row.get(5)?;
    Ok(AccountRow {
        id: row.get(0)?,
        owner: Owner {
            team: row.get(1)?,
            mode: mode_from_db(&mode)?,
        },
        platform: row.get(3)?,
        name: row.get(4)?,
        scopes: parse(&scopes, "scopes")?,
        usable: row.get(6)?,
        connected_at: row.get(7)?,
        access_sealed: row.get(8)?,
        refresh_sealed: row.get(9)?,
        access_expires_at: row.get(10)?,
        refresh_expires_at: row.get(11)?,
        token_version: from_db(row.get(12)?),
    })
}

pub(super) fn put(conn: &Connection, row: &AccountRow) -> StoreResult<()> {
    // The version never goes back: a refresh of the old tokens that is still under way must find another one.
    conn.prepare_cached(
        "INSERT INTO accounts (id, team, mode, platform, name, scopes, usable, connected_at, access_sealed, \
         refresh_sealed, access_expires_at, refresh_expires_at, token_version) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
         ON CONFLICT DO UPDATE SET platform = excluded.platform, name = excluded.name, scopes = excluded.scopes, \
         usable = excluded.usable, connected_at = excluded.connected_at, access_sealed = excluded.access_sealed, \
         refresh_sealed = excluded.refresh_sealed, access_expires_at = excluded.access_expires_at, \
         refresh_expires_at = excluded.refresh_expires_at, \
         token_version = max(excluded.token_version, accounts.token_version + 1), renewing_until = NULL",
    )?
    .execute(params![
        row.id,
        row.owner.team,
        row.owner.mode.as_str(),
        row.platform,
        row.name,
        json(&row.scopes)?,
        row.usable,
        row.connected_at,
        row.access_sealed,
        row.refresh_sealed,
        row.access_expires_at,
        row.refresh_expires_at,
        to_db(row.token_version),
    ])?;
    Ok(())
}

pub(super) fn get(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<AccountRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {ACCOUNT} FROM accounts WHERE team = ?1 AND mode = ?2 AND id = ?3"
    ))?;
    let mut rows = statement.query(params![owner.team, owner.mode.as_str(), id])?;
    rows.next()?.map(account).transpose()
}

pub(super) fn list(conn: &Connection, owner: &Owner) -> StoreResult<Vec<AccountRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {ACCOUNT} FROM accounts WHERE team = ?1 AND mode = ?2 ORDER BY id"
    ))?;
    let mut rows = statement.query(params![owner.team, owner.mode.as_str()])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        accounts.push(account(row)?);
    }
    Ok(accounts)
}

pub(super) fn save_tokens(conn: &Connection, row: &AccountRow, expect: u64) -> StoreResult<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE accounts SET access_sealed = ?5, refresh_sealed = ?6, access_expires_at = ?7, \
             refresh_expires_at = ?8, scopes = ?9, usable = ?10, token_version = token_version + 1, \
             renewing_until = NULL WHERE team = ?1 AND mode = ?2 AND id = ?3 AND token_version = ?4",
        )?
        .execute(params![
            row.owner.team,
            row.owner.mode.as_str(),
            row.id,
            to_db(expect),
            row.access_sealed,
            row.refresh_sealed,
            row.access_expires_at,
            row.refresh_expires_at,
            json(&row.scopes)?,
            row.usable,
        ])?;
    Ok(changed == 1)
}

pub(super) fn begin_renewal(
    conn: &Connection,
    owner: &Owner,
    id: &str,
    now: Millis,
    until: Millis,
) -> StoreResult<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE accounts SET renewing_until = ?5 WHERE team = ?1 AND mode = ?2 AND id = ?3 \
             AND (renewing_until IS NULL OR renewing_until <= ?4)",
        )?
        .execute(params![owner.team, owner.mode.as_str(), id, now, until])?;
    Ok(changed == 1)
}

pub(super) fn end_renewal(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<()> {
    conn.prepare_cached(
        "UPDATE accounts SET renewing_until = NULL WHERE team = ?1 AND mode = ?2 AND id = ?3",
    )?
    .execute(params![owner.team, owner.mode.as_str(), id])?;
    Ok(())
}

pub(super) fn delete(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<bool> {
    let changed = conn
        .prepare_cached("DELETE FROM accounts WHERE team = ?1 AND mode = ?2 AND id = ?3")?
        .execute(params![owner.team, owner.mode.as_str(), id])?;
    Ok(changed == 1)
}

const CONNECT: &str = "id, team, mode, platform, state_hash, redirect_uri, return_url, created_at, expires_at, status, \
     account_id, error";

fn connection(row: &Row<'_>) -> StoreResult<ConnectRow> {
    let mode: String = row.get(2)?;
    Ok(ConnectRow {
        id: row.get(0)?,
        owner: Owner {
            team: row.get(1)?,
            mode: mode_from_db(&mode)?,
        },
        platform: row.get(3)?,
        state_hash: row.get(4)?,
        redirect_uri: row.get(5)?,
        return_url: row.get(6)?,
        created_at: row.get(7)?,
        expires_at: row.get(8)?,
        status: row.get(9)?,
        account_id: row.get(10)?,
        error: parse_opt(row.get(11)?, "error")?,
    })
}

pub(super) fn create_connect(conn: &Connection, row: &ConnectRow) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT INTO connects (id, team, mode, platform, state_hash, redirect_uri, return_url, created_at, expires_at, \
         status, account_id, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        row.id,
        row.owner.team,
        row.owner.mode.as_str(),
        row.platform,
        row.state_hash,
        row.redirect_uri,
        row.return_url,
        row.created_at,
        row.expires_at,
        row.status,
        row.account_id,
        json_opt(row.error.as_ref())?,
    ])?;
    Ok(())
}

pub(super) fn take_connect(
    conn: &Connection,
    state_hash: &[u8],
    now: Millis,
) -> StoreResult<Option<ConnectRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "UPDATE connects SET status = 'exchanging' WHERE state_hash = ?1 AND status = 'pending' AND expires_at > ?2 \
         RETURNING {CONNECT}"
    ))?;
    let mut rows = statement.query(params![state_hash, now])?;
    let taken = rows.next()?.map(connection).transpose()?;
    // To the end, so that the update is done whatever SQLite does on a reset.
    while rows.next()?.is_some() {}
    Ok(taken)
}

pub(super) fn finish_connect(conn: &Connection, row: &ConnectRow) -> StoreResult<()> {
    conn.prepare_cached(
        "UPDATE connects SET status = ?4, account_id = ?5, error = ?6 WHERE team = ?1 AND mode = ?2 AND id = ?3 \
         AND status IN ('pending', 'exchanging')",
    )?
    .execute(params![
        row.owner.team,
        row.owner.mode.as_str(),
        row.id,
        row.status,
        row.account_id,
        json_opt(row.error.as_ref())?,
    ])?;
    Ok(())
}

pub(super) fn get_connect(
    conn: &Connection,
    owner: &Owner,
    id: &str,
) -> StoreResult<Option<ConnectRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {CONNECT} FROM connects WHERE id = ?1 AND team = ?2 AND mode = ?3"
    ))?;
    let mut rows = statement.query(params![id, owner.team, owner.mode.as_str()])?;
    rows.next()?.map(connection).transpose()
}
