//! Accounts with their sealed tokens, and OAuth connections under way.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::codec::{from_db, json, json_opt, owner, parse, parse_opt, to_db};
use super::db::{execute, row, rows};
use super::trouble::Res;
use crate::store::{AccountRow, ConnectRow, Millis, Owner};

const ACCOUNT: &str = "id, team, mode, platform, name, scopes, usable, connected_at, access_sealed, refresh_sealed, \
     access_expires_at, refresh_expires_at, token_version";

fn account(row: &Row) -> Res<AccountRow> {
    Ok(AccountRow {
        id: row.get("id"),
        owner: owner(row, "team", "mode")?,
        platform: row.get("platform"),
        name: row.get("name"),
        scopes: parse(row.get("scopes"), "scopes")?,
        usable: row.get("usable"),
        connected_at: row.get("connected_at"),
        access_sealed: row.get("access_sealed"),
        refresh_sealed: row.get("refresh_sealed"),
        access_expires_at: row.get("access_expires_at"),
        refresh_expires_at: row.get("refresh_expires_at"),
        token_version: from_db(row.get("token_version")),
    })
}

pub(super) async fn put<C: GenericClient>(client: &C, row: &AccountRow) -> Res<()> {
    // The version never goes back: a refresh of the old tokens that is still under way must find another one.
    execute(
        client,
        "INSERT INTO accounts (id, team, mode, platform, name, scopes, usable, connected_at, access_sealed, \
         refresh_sealed, access_expires_at, refresh_expires_at, token_version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (team, mode, id) DO UPDATE SET platform = excluded.platform, name = excluded.name, \
         scopes = excluded.scopes, usable = excluded.usable, connected_at = excluded.connected_at, \
         access_sealed = excluded.access_sealed, refresh_sealed = excluded.refresh_sealed, \
         access_expires_at = excluded.access_expires_at, refresh_expires_at = excluded.refresh_expires_at, \
         token_version = greatest(excluded.token_version, accounts.token_version + 1), renewing_until = NULL",
        &[
            &row.id,
            &row.owner.team,
            &row.owner.mode.as_str(),
            &row.platform,
            &row.name,
            &json(&row.scopes)?,
            &row.usable,
            &row.connected_at,
            &row.access_sealed,
            &row.refresh_sealed,
            &row.access_expires_at,
            &row.refresh_expires_at,
            &to_db(row.token_version),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn get<C: GenericClient>(
    client: &C,
    owner: &Owner,
    id: &str,
) -> Res<Option<AccountRow>> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts WHERE team = $1 AND mode = $2 AND id = $3");
    row(client, &sql, &[&owner.team, &owner.mode.as_str(), &id])
        .await?
        .as_ref()
        .map(account)
        .transpose()
}

pub(super) async fn list<C: GenericClient>(client: &C, owner: &Owner) -> Res<Vec<AccountRow>> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts WHERE team = $1 AND mode = $2 ORDER BY id");
    rows(client, &sql, &[&owner.team, &owner.mode.as_str()])
        .await?
        .iter()
        .map(account)
        .collect()
}

pub(super) async fn save_tokens<C: GenericClient>(
    client: &C,
    row: &AccountRow,
    expect: u64,
) -> Res<bool> {
    let changed = execute(
        client,
        "UPDATE accounts SET access_sealed = $5, refresh_sealed = $6, access_expires_at = $7, refresh_expires_at = $8, \
         scopes = $9, usable = $10, token_version = token_version + 1, renewing_until = NULL \
         WHERE team = $1 AND mode = $2 AND id = $3 AND token_version = $4",
        &[
            &row.owner.team,
            &row.owner.mode.as_str(),
            &row.id,
            &to_db(expect),
            &row.access_sealed,
            &row.refresh_sealed,
            &row.access_expires_at,
            &row.refresh_expires_at,
            &json(&row.scopes)?,
            &row.usable,
        ],
    )
    .await?;
    Ok(changed == 1)
}

pub(super) async fn begin_renewal<C: GenericClient>(
    client: &C,
    owner: &Owner,
    id: &str,
    now: Millis,
    until: Millis,
) -> Res<bool> {
    let changed = execute(
        client,
        "UPDATE accounts SET renewing_until = $5 WHERE team = $1 AND mode = $2 AND id = $3 \
         AND (renewing_until IS NULL OR renewing_until <= $4)",
        &[&owner.team, &owner.mode.as_str(), &id, &now, &until],
    )
    .await?;
    Ok(changed == 1)
}

pub(super) async fn end_renewal<C: GenericClient>(client: &C, owner: &Owner, id: &str) -> Res<()> {
    execute(
        client,
        "UPDATE accounts SET renewing_until = NULL WHERE team = $1 AND mode = $2 AND id = $3",
        &[&owner.team, &owner.mode.as_str(), &id],
    )
    .await?;
    Ok(())
}

pub(super) async fn delete<C: GenericClient>(client: &C, owner: &Owner, id: &str) -> Res<bool> {
    let changed = execute(
        client,
        "DELETE FROM accounts WHERE team = $1 AND mode = $2 AND id = $3",
        &[&owner.team, &owner.mode.as_str(), &id],
    )
    .await?;
    Ok(changed == 1)
}

const CONNECT: &str = "id, team, mode, platform, state_hash, redirect_uri, return_url, created_at, expires_at, status, \
     account_id, error";

fn connection(row: &Row) -> Res<ConnectRow> {
    Ok(ConnectRow {
        id: row.get("id"),
        owner: owner(row, "team", "mode")?,
        platform: row.get("platform"),
        state_hash: row.get("state_hash"),
        redirect_uri: row.get("redirect_uri"),
        return_url: row.get("return_url"),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
        status: row.get("status"),
        account_id: row.get("account_id"),
        error: parse_opt(row.get("error"), "error")?,
    })
}

pub(super) async fn create_connect<C: GenericClient>(client: &C, row: &ConnectRow) -> Res<()> {
    execute(
        client,
        "INSERT INTO connects (id, team, mode, platform, state_hash, redirect_uri, return_url, created_at, expires_at, \
         status, account_id, error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            &row.id,
            &row.owner.team,
            &row.owner.mode.as_str(),
            &row.platform,
            &row.state_hash,
            &row.redirect_uri,
            &row.return_url,
            &row.created_at,
            &row.expires_at,
            &row.status,
            &row.account_id,
            &json_opt(row.error.as_ref())?,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn take_connect<C: GenericClient>(
    client: &C,
    state_hash: &[u8],
    now: Millis,
) -> Res<Option<ConnectRow>> {
    let sql = format!(
        "UPDATE connects SET status = 'exchanging' WHERE state_hash = $1 AND status = 'pending' AND expires_at > $2 \
         RETURNING {CONNECT}"
    );
    row(client, &sql, &[&state_hash, &now])
        .await?
        .as_ref()
        .map(connection)
        .transpose()
}

pub(super) async fn finish_connect<C: GenericClient>(client: &C, row: &ConnectRow) -> Res<()> {
    execute(
        client,
        "UPDATE connects SET status = $4, account_id = $5, error = $6 WHERE team = $1 AND mode = $2 AND id = $3 \
         AND status IN ('pending', 'exchanging')",
        &[
            &row.owner.team,
            &row.owner.mode.as_str(),
            &row.id,
            &row.status,
            &row.account_id,
            &json_opt(row.error.as_ref())?,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn get_connect<C: GenericClient>(
    client: &C,
    owner: &Owner,
    id: &str,
) -> Res<Option<ConnectRow>> {
    let sql = format!("SELECT {CONNECT} FROM connects WHERE id = $1 AND team = $2 AND mode = $3");
    row(client, &sql, &[&id, &owner.team, &owner.mode.as_str()])
        .await?
        .as_ref()
        .map(connection)
        .transpose()
}
