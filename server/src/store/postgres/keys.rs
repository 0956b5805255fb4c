//! API keys and wrapped data keys.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::codec::{json, json_opt, owner, parse, parse_opt, small_from_db};
use super::db::{execute, row, rows};
use super::trouble::Res;
use crate::store::{ApiKeyRow, DataKeyRow, Millis};

const API_KEY: &str =
    "id, team, mode, name, hash, scopes, accounts, created_at, expires_at, revoked_at";

fn api_key(row: &Row) -> Res<ApiKeyRow> {
    Ok(ApiKeyRow {
        id: row.get("id"),
        owner: owner(row, "team", "mode")?,
        name: row.get("name"),
        hash: row.get("hash"),
        scopes: parse(row.get("scopes"), "scopes")?,
        accounts: parse_opt(row.get("accounts"), "accounts")?,
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
        revoked_at: row.get("revoked_at"),
    })
}

pub(super) async fn create<C: GenericClient>(client: &C, row: &ApiKeyRow) -> Res<()> {
    execute(
        client,
        "INSERT INTO api_keys (id, team, mode, name, hash, scopes, accounts, created_at, expires_at, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            &row.id,
            &row.owner.team,
            &row.owner.mode.as_str(),
            &row.name,
            &row.hash,
            &json(&row.scopes)?,
            &json_opt(row.accounts.as_ref())?,
            &row.created_at,
            &row.expires_at,
            &row.revoked_at,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn get<C: GenericClient>(client: &C, id: &str) -> Res<Option<ApiKeyRow>> {
    let sql = format!("SELECT {API_KEY} FROM api_keys WHERE id = $1");
    row(client, &sql, &[&id])
        .await?
        .as_ref()
        .map(api_key)
        .transpose()
}

pub(super) async fn list<C: GenericClient>(client: &C, team: &str) -> Res<Vec<ApiKeyRow>> {
    let sql = format!("SELECT {API_KEY} FROM api_keys WHERE team = $1 ORDER BY id DESC");
    rows(client, &sql, &[&team])
        .await?
        .iter()
        .map(api_key)
        .collect()
}

pub(super) async fn revoke<C: GenericClient>(
    client: &C,
    team: &str,
    id: &str,
    now: Millis,
) -> Res<bool> {
    let changed = execute(
        client,
        "UPDATE api_keys SET revoked_at = $3 WHERE team = $1 AND id = $2 AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > $3)",
        &[&team, &id, &now],
    )
    .await?;
    Ok(changed == 1)
}

pub(super) async fn data_keys<C: GenericClient>(client: &C, team: &str) -> Res<Vec<DataKeyRow>> {
    let found = rows(
        client,
        "SELECT team, version, wrapped, created_at FROM data_keys WHERE team = $1 ORDER BY version",
        &[&team],
    )
    .await?;
    Ok(found
        .iter()
        .map(|row| DataKeyRow {
            team: row.get(0),
            version: small_from_db(row.get(1)),
            wrapped: row.get(2),
            created_at: row.get(3),
        })
        .collect())
}

pub(super) async fn add_data_key<C: GenericClient>(client: &C, row: &DataKeyRow) -> Res<bool> {
    let added = execute(
        client,
        "INSERT INTO data_keys (team, version, wrapped, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (team, version) DO NOTHING",
        &[
            &row.team,
            &i64::from(row.version),
            &row.wrapped,
            &row.created_at,
        ],
    )
    .await?;
    Ok(added == 1)
}

pub(super) async fn note<C: GenericClient>(client: &C, name: &str) -> Res<Option<String>> {
    let found = row(client, "SELECT value FROM notes WHERE name = $1", &[&name]).await?;
    Ok(found.map(|row| row.get(0)))
}

pub(super) async fn put_notes<C: GenericClient>(
    client: &C,
    notes: &[(&'static str, String)],
) -> Res<()> {
    let names: Vec<&str> = notes.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = notes.iter().map(|(_, value)| value.as_str()).collect();
    execute(
        client,
        "INSERT INTO notes (name, value) SELECT * FROM unnest($1::text[], $2::text[]) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[&names, &values],
    )
    .await?;
    Ok(())
}
