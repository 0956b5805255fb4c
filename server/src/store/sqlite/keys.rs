//! API keys and wrapped data keys.

use multi_upload_wire::Scope;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::codec::{is_taken, json, json_opt, mode_from_db, parse, parse_opt};
use crate::store::{ApiKeyRow, DataKeyRow, Millis, Owner, StoreResult};

const API_KEY: &str =
    "id, team, mode, name, hash, scopes, accounts, created_at, expires_at, revoked_at";

fn api_key(row: &Row<'_>) -> StoreResult<ApiKeyRow> {
    let mode: String = row.get(2)?;
    let scopes: String = row.get(5)?;
    Ok(ApiKeyRow {
        id: row.get(0)?,
        owner: Owner {
            team: row.get(1)?,
            mode: mode_from_db(&mode)?,
        },
        name: row.get(3)?,
        hash: row.get(4)?,
        scopes: parse::<Vec<Scope>>(&scopes, "scopes")?,
        accounts: parse_opt(row.get(6)?, "accounts")?,
        created_at: row.get(7)?,
        expires_at: row.get(8)?,
        revoked_at: row.get(9)?,
    })
}

pub(super) fn create(conn: &Connection, row: &ApiKeyRow) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT INTO api_keys (id, team, mode, name, hash, scopes, accounts, created_at, expires_at, revoked_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        row.id,
        row.owner.team,
        row.owner.mode.as_str(),
        row.name,
        row.hash,
        json(&row.scopes)?,
        json_opt(row.accounts.as_ref())?,
        row.created_at,
        row.expires_at,
        row.revoked_at,
    ])?;
    Ok(())
}

pub(super) fn get(conn: &Connection, id: &str) -> StoreResult<Option<ApiKeyRow>> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {API_KEY} FROM api_keys WHERE id = ?1"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(api_key).transpose()
}

pub(super) fn list(conn: &Connection, team: &str) -> StoreResult<Vec<ApiKeyRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {API_KEY} FROM api_keys WHERE team = ?1 ORDER BY id DESC"
    ))?;
    let mut rows = statement.query([team])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(api_key(row)?);
    }
    Ok(keys)
}

pub(super) fn revoke(conn: &Connection, team: &str, id: &str, now: Millis) -> StoreResult<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE api_keys SET revoked_at = ?3 WHERE team = ?1 AND id = ?2 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > ?3)",
        )?
        .execute(params![team, id, now])?;
    Ok(changed == 1)
}

pub(super) fn data_keys(conn: &Connection, team: &str) -> StoreResult<Vec<DataKeyRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT team, version, wrapped, created_at FROM data_keys WHERE team = ?1 ORDER BY version",
    )?;
    let keys = statement
        .query_map([team], |row| {
            Ok(DataKeyRow {
                team: row.get(0)?,
                version: row.get(1)?,
                wrapped: row.get(2)?,
                created_at: row.get(3)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(keys)
}

pub(super) fn add_data_key(conn: &Connection, row: &DataKeyRow) -> StoreResult<bool> {
    let added = conn
        .prepare_cached(
            "INSERT INTO data_keys (team, version, wrapped, created_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![row.team, row.version, row.wrapped, row.created_at]);
    match added {
        Ok(_) => Ok(true),
        Err(error) if is_taken(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn note(conn: &Connection, name: &str) -> StoreResult<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT value FROM notes WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(super) fn beat(conn: &Connection, now: Millis) -> StoreResult<Millis> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO notes (name, value) VALUES ('beat', ?1) ON CONFLICT (name) DO UPDATE \
             SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER)) RETURNING CAST(value AS INTEGER)",
        )?
        .query_row([now.to_string()], |row| row.get(0))?)
}

pub(super) fn put_notes(conn: &Connection, notes: &[(&'static str, String)]) -> StoreResult<()> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO notes (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?;
    for (name, value) in notes {
        statement.execute(params![name, value])?;
    }
    Ok(())
}
