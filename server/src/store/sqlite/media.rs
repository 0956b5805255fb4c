//! Rows of uploaded files, and forgetting what has lost its use.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::codec::{from_db, json_opt, mode_from_db, parse, to_db};
use crate::store::{
    Begun, EXPIRY_AHEAD, EXPIRY_GRACE, GoneMedia, MediaRow, Millis, Owner, StoreResult,
};

const COLUMNS: &str = "id, team, mode, ready, length, received, key, metadata, state, facts, sha256, blob, created_at, expires_at";

/// States in which an upload may still need its files.
const OPEN: &str = "u.status IN ('draft', 'scheduled', 'queued', 'publishing')";

pub(super) fn begin(
    conn: &Connection,
    row: &MediaRow,
    allowance: Option<u64>,
) -> StoreResult<Begun> {
    let Owner { team, mode } = &row.owner;
    if let Some(key) = &row.key {
        let sql = format!("SELECT {COLUMNS} FROM media WHERE team = ?1 AND mode = ?2 AND key = ?3");
        let known = conn
            .prepare_cached(&sql)?
            .query_row(params![team, mode.as_str(), key], |row| Ok(read(row)))
            .optional()?;
        if let Some(known) = known {
            return Ok(Begun::Known(Box::new(known?)));
        }
    }
    if let Some(allowance) = allowance {
        let used = bytes(conn, &row.owner)?;
        if used.saturating_add(row.length) > allowance {
            return Ok(Begun::Full { used });
        }
    }
    let sql = format!(
        "INSERT INTO media ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    );
    conn.prepare_cached(&sql)?.execute(params![
        row.id,
        team,
        mode.as_str(),
        row.ready,
        to_db(row.length),
        to_db(row.offset),
        row.key,
        row.metadata,
        row.state,
        json_opt(row.facts.as_ref())?,
        row.sha256,
        row.blob,
        row.created_at,
        row.expires_at,
    ])?;
    Ok(Begun::New)
}

pub(super) fn advance(conn: &Connection, row: &MediaRow, from: u64) -> StoreResult<bool> {
    let changed = conn
        .prepare_cached(
            "UPDATE media SET length = ?5, received = ?6, state = ?7, expires_at = ?8 \
             WHERE team = ?1 AND mode = ?2 AND id = ?3 AND received = ?4 AND ready = 0",
        )?
        .execute(params![
            row.owner.team,
            row.owner.mode.as_str(),
            row.id,
            to_db(from),
            to_db(row.length),
            to_db(row.offset),
            row.state,
            row.expires_at,
        ])?;
    Ok(changed == 1)
}

pub(super) fn finish(conn: &Connection, row: &MediaRow) -> StoreResult<Option<MediaRow>> {
    let mut row = MediaRow {
        ready: true,
        state: None,
        blob: Some(row.id.clone()),
        ..row.clone()
    };
    let twin: Option<String> = conn
        .prepare_cached(
            "SELECT blob FROM media WHERE team = ?1 AND mode = ?2 AND sha256 = ?3 AND ready = 1 AND length = ?4",
        )?
        .query_row(
            params![row.owner.team, row.owner.mode.as_str(), row.sha256, to_db(row.length)],
            |row| row.get(0),
        )
        .optional()?;
    row.blob = twin.or(row.blob);
    let changed = conn
        .prepare_cached(
            "UPDATE media SET ready = 1, length = ?4, received = ?5, state = NULL, facts = ?6, sha256 = ?7, blob = ?8, \
             expires_at = ?9 WHERE team = ?1 AND mode = ?2 AND id = ?3 AND ready = 0",
        )?
        .execute(params![
            row.owner.team,
            row.owner.mode.as_str(),
            row.id,
            to_db(row.length),
            to_db(row.offset),
            json_opt(row.facts.as_ref())?,
            row.sha256,
            row.blob,
            row.expires_at,
        ])?;
    Ok((changed == 1).then_some(row))
}

pub(super) fn get(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<MediaRow>> {
    let sql = format!("SELECT {COLUMNS} FROM media WHERE team = ?1 AND mode = ?2 AND id = ?3");
    conn.prepare_cached(&sql)?
        .query_row(params![owner.team, owner.mode.as_str(), id], |row| {
            Ok(read(row))
        })
        .optional()?
        .transpose()
}

fn read(row: &Row<'_>) -> StoreResult<MediaRow> {
    let mode: String = row.get(2)?;
    let facts: Option<String> = row.get(9)?;
    Ok(MediaRow {
        id: row.get(0)?,
        owner: Owner {
            team: row.get(1)?,
            mode: mode_from_db(&mode)?,
        },
        ready: row.get(3)?,
        length: from_db(row.get(4)?),
        offset: from_db(row.get(5)?),
        key: row.get(6)?,
        metadata: row.get(7)?,
        state: row.get(8)?,
        facts: facts.map(|text| parse(&text, "facts")).transpose()?,
        sha256: row.get(10)?,
        blob: row.get(11)?,
        created_at: row.get(12)?,
        expires_at: row.get(13)?,
    })
}

pub(super) fn bytes(conn: &Connection, owner: &Owner) -> StoreResult<u64> {
    let sum: i64 = conn
        .prepare_cached(
            "SELECT coalesce(sum(size), 0) FROM (SELECT max(max(length, received)) AS size FROM media \
             WHERE team = ?1 AND mode = ?2 GROUP BY coalesce(blob, id))",
        )?
        .query_row(params![owner.team, owner.mode.as_str()], |row| row.get(0))?;
    Ok(from_db(sum))
}

pub(super) fn delete(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Option<GoneMedia>> {
    match get(conn, owner, id)? {
        Some(row) => remove(conn, row).map(Some),
        None => Ok(None),
    }
}

fn remove(conn: &Connection, row: MediaRow) -> StoreResult<GoneMedia> {
    let key = params![row.owner.team, row.owner.mode.as_str(), row.id];
    for sql in [
        "DELETE FROM media WHERE team = ?1 AND mode = ?2 AND id = ?3",
        "DELETE FROM media_uses WHERE team = ?1 AND mode = ?2 AND media = ?3",
    ] {
        conn.prepare_cached(sql)?.execute(key)?;
    }
    let shared = conn
        .prepare_cached("SELECT 1 FROM media WHERE blob = ?1")?
        .exists([&row.blob])?;
    Ok(GoneMedia { row, last: !shared })
}

pub(super) fn expire(
    conn: &Connection,
    now: Millis,
    keep: Millis,
    limit: u32,
) -> StoreResult<Vec<GoneMedia>> {
    let sql = format!(
        "WITH used AS (SELECT m.team, m.mode, m.id, max(CASE WHEN {OPEN} THEN ?1 ELSE u.updated_at END) + ?2 AS until \
           FROM media m JOIN media_uses x ON x.team = m.team AND x.mode = m.mode AND x.media = m.id \
           JOIN uploads u ON u.team = m.team AND u.mode = m.mode AND u.id = x.upload \
           WHERE m.expires_at <= ?3 AND m.ready = 1 GROUP BY m.team, m.mode, m.id) \
         UPDATE media SET expires_at = used.until FROM used WHERE media.team = used.team AND media.mode = used.mode \
           AND media.id = used.id AND used.until > media.expires_at"
    );
    conn.prepare_cached(&sql)?
        .execute(params![now, keep, now + EXPIRY_AHEAD])?;
    let sql =
        format!("SELECT {COLUMNS} FROM media WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2");
    let over = conn
        .prepare_cached(&sql)?
        .query_map(params![now - EXPIRY_GRACE, limit], |row| Ok(read(row)))?
        .map(|row| row?)
        .collect::<StoreResult<Vec<_>>>()?;
    over.into_iter().map(|row| remove(conn, row)).collect()
}

/// Notes that an upload names these files.
pub(super) fn set_uses(
    conn: &Connection,
    owner: &Owner,
    upload: &str,
    media: &[&str],
) -> StoreResult<()> {
    for id in media {
        conn.prepare_cached(
            "INSERT OR IGNORE INTO media_uses (team, mode, media, upload) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![owner.team, owner.mode.as_str(), id, upload])?;
    }
    Ok(())
}

pub(super) fn clear_uses(conn: &Connection, owner: &Owner, upload: &str) -> StoreResult<()> {
    conn.prepare_cached("DELETE FROM media_uses WHERE team = ?1 AND mode = ?2 AND upload = ?3")?
        .execute(params![owner.team, owner.mode.as_str(), upload])?;
    Ok(())
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
