//! Rows of uploaded files, and forgetting what has lost its use.

use deadpool_postgres::GenericClient;

use super::codec::{from_db, owner, small_from_db, to_db};
use super::db::{execute, row};
use super::trouble::Res;
use crate::store::{MediaRow, Millis, Owner};

pub(super) async fn put<C: GenericClient>(client: &C, row: &MediaRow) -> Res<()> {
    execute(
        client,
        "INSERT INTO media (id, team, mode, ready, length, received, content_type, width, height, sha256, created_at, \
         expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (team, mode, id) DO UPDATE SET ready = excluded.ready, length = excluded.length, \
         received = excluded.received, content_type = excluded.content_type, width = excluded.width, \
         height = excluded.height, sha256 = excluded.sha256, created_at = excluded.created_at, \
         expires_at = excluded.expires_at",
        &[
            &row.id,
            &row.owner.team,
            &row.owner.mode.as_str(),
            &row.ready,
            &to_db(row.length),
            &to_db(row.offset),
            &row.content_type,
            &row.width.map(i64::from),
            &row.height.map(i64::from),
            &row.sha256,
            &row.created_at,
            &row.expires_at,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn get<C: GenericClient>(
    client: &C,
    of: &Owner,
    id: &str,
) -> Res<Option<MediaRow>> {
    let found = row(
        client,
        "SELECT id, team, mode, ready, length, received, content_type, width, height, sha256, created_at, expires_at \
         FROM media WHERE team = $1 AND mode = $2 AND id = $3",
        &[&of.team, &of.mode.as_str(), &id],
    )
    .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(MediaRow {
        id: row.get("id"),
        owner: owner(&row, "team", "mode")?,
        ready: row.get("ready"),
        length: from_db(row.get("length")),
        offset: from_db(row.get("received")),
        content_type: row.get("content_type"),
        width: row.get::<_, Option<i64>>("width").map(small_from_db),
        height: row.get::<_, Option<i64>>("height").map(small_from_db),
        sha256: row.get("sha256"),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
    }))
}

pub(super) async fn delete<C: GenericClient>(client: &C, owner: &Owner, id: &str) -> Res<bool> {
    let changed = execute(
        client,
        "DELETE FROM media WHERE team = $1 AND mode = $2 AND id = $3",
        &[&owner.team, &owner.mode.as_str(), &id],
    )
    .await?;
    Ok(changed == 1)
}

/// Rows that one statement forgets, at most: other changes do not wait long for it.
const PORTION: i64 = 2_000;

/// Old idempotency keys and connections, in portions; rows that are in use at the moment are left for the next time.
const FORGET: [&str; 2] = [
    "DELETE FROM idempotency i USING (SELECT team, mode, key FROM idempotency WHERE created_at < $1 ORDER BY created_at \
     LIMIT $2 FOR UPDATE SKIP LOCKED) old WHERE i.team = old.team AND i.mode = old.mode AND i.key = old.key",
    "DELETE FROM connects WHERE id IN (SELECT id FROM connects WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 \
     FOR UPDATE SKIP LOCKED)",
];

/// How many rows went.
pub(super) async fn forget<C: GenericClient>(client: &C, before: Millis) -> Res<u64> {
    let mut gone = 0;
    for sql in FORGET {
        loop {
            let portion = execute(client, sql, &[&before, &PORTION]).await?;
            gone += portion;
            if portion < PORTION.unsigned_abs() {
                break;
            }
        }
    }
    Ok(gone)
}
