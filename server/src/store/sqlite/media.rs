//! Rows of uploaded files, and forgetting what has lost its use.

use rusqlite::{Connection, params};

use super::codec::{from_db, mode_from_db, to_db};
use crate::store::{MediaRow, Millis, Owner, StoreResult};

pub(super) fn put(conn: &Connection, row: &MediaRow) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO media (id, team, mode, ready, length, received, content_type, width, height, sha256, \
         created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        row.id,
        row.owner.team,
        row.owner.mode.as_str(),
        row.ready,
        to_db(row.length),
        to_db(row.offset),
        row.content_type,
        row.width,
        row.height,
        row.sha256,
        row.created_at,
        row.expires_at,
    ])?;
    Ok(())
}

pub(super) fn get(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<MediaRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, team, mode, ready, length, received, content_type, width, height, sha256, created_at, expires_at \
         FROM media WHERE team = ?1 AND mode = ?2 AND id = ?3",
    )?;
    let mut rows = statement.query(params![owner.team, owner.mode.as_str(), id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let mode: String = row.get(2)?;
    Ok(Some(MediaRow {
        id: row.get(0)?,
        owner: Owner {
            team: row.get(1)?,
            mode: mode_from_db(&mode)?,
        },
        ready: row.get(3)?,
        length: from_db(row.get(4)?),
        offset: from_db(row.get(5)?),
        content_type: row.get(6)?,
        width: row.get(7)?,
        height: row.get(8)?,
        sha256: row.get(9)?,
        created_at: row.get(10)?,
        expires_at: row.get(11)?,
    }))
}

pub(super) fn delete(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<bool> {
    let changed = conn
        .prepare_cached("DELETE FROM media WHERE team = ?1 AND mode = ?2 AND id = ?3")?
        .execute(params![owner.team, owner.mode.as_str(), id])?;
    Ok(changed == 1)
}

/// Rows that one transaction forgets, at most: other changes do not wait long for it.
pub(super) const FORGET: u32 = 2_000;

/// One portion of [`Store::forget`](crate::store::Store::forget): how many rows went.
pub(super) fn forget(conn: &Connection, before: Millis) -> StoreResult<u64> {
    // Keys are numbered as time goes, so the old ones are the lowest and a look at those is enough.
    let keys = conn
        .prepare_cached(
            "DELETE FROM idempotency WHERE n IN (SELECT n FROM idempotency ORDER BY n LIMIT ?2) AND created_at < ?1",
        )?
        .execute(params![before, FORGET])?;
    let connects = conn
        .prepare_cached(
            "DELETE FROM connects WHERE id IN (SELECT id FROM connects WHERE expires_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before, FORGET])?;
    Ok((keys + connects) as u64)
}
