//! Rows of uploaded files, and forgetting what has lost its use.

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;

use super::codec::{from_db, json_opt, owner, parse, to_db};
use super::db::{Db, begin as begin_transaction, execute, row, rows};
use super::trouble::Res;
use crate::store::{Begun, EXPIRY_AHEAD, EXPIRY_GRACE, GoneMedia, MediaRow, Millis, Owner};

const COLUMNS: &str = "id, team, mode, ready, length, received, key, metadata, state, facts, sha256, blob, created_at, expires_at";

/// States in which an upload may still need its files.
const OPEN: &str = "u.status IN ('draft', 'scheduled', 'queued', 'publishing')";

pub(super) async fn begin(db: &Db, new: &MediaRow, allowance: Option<u64>) -> Res<Begun> {
    let mut client = db.client().await?;
    let tx = begin_transaction(&mut client).await?;
    if let Some(allowance) = allowance {
        // Two files that are begun at once must not both take the last of it.
        execute(
            &tx,
            "SELECT pg_advisory_xact_lock(hashtextextended('media of ' || $1, 0))",
            &[&new.owner.team],
        )
        .await?;
        let used = bytes(&tx, &new.owner).await?;
        if used.saturating_add(new.length) > allowance {
            return Ok(match known(&tx, new).await? {
                Some(known) => Begun::Known(Box::new(known)),
                None => Begun::Full { used },
            });
        }
    }
    let sql = format!(
        "INSERT INTO media ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (team, mode, key) WHERE key IS NOT NULL DO NOTHING"
    );
    let stored = execute(
        &tx,
        &sql,
        &[
            &new.id,
            &new.owner.team,
            &new.owner.mode.as_str(),
            &new.ready,
            &to_db(new.length),
            &to_db(new.offset),
            &new.key,
            &new.metadata,
            &new.state,
            &json_opt(new.facts.as_ref())?,
            &new.sha256,
            &new.blob,
            &new.created_at,
            &new.expires_at,
        ],
    )
    .await?;
    if stored == 0
        && let Some(known) = known(&tx, new).await?
    {
        return Ok(Begun::Known(Box::new(known)));
    }
    tx.commit().await?;
    Ok(Begun::New)
}

async fn known<C: GenericClient>(client: &C, new: &MediaRow) -> Res<Option<MediaRow>> {
    let sql = format!("SELECT {COLUMNS} FROM media WHERE team = $1 AND mode = $2 AND key = $3");
    let of = &new.owner;
    let found = row(client, &sql, &[&of.team, &of.mode.as_str(), &new.key]).await?;
    found.as_ref().map(read).transpose()
}

pub(super) async fn advance<C: GenericClient>(client: &C, new: &MediaRow, from: u64) -> Res<bool> {
    let changed = execute(
        client,
        "UPDATE media SET length = $5, received = $6, state = $7, expires_at = $8 \
         WHERE team = $1 AND mode = $2 AND id = $3 AND received = $4 AND NOT ready",
        &[
            &new.owner.team,
            &new.owner.mode.as_str(),
            &new.id,
            &to_db(from),
            &to_db(new.length),
            &to_db(new.offset),
            &new.state,
            &new.expires_at,
        ],
    )
    .await?;
    Ok(changed == 1)
}

pub(super) async fn finish(db: &Db, new: &MediaRow) -> Res<Option<MediaRow>> {
    let mut new = MediaRow {
        ready: true,
        state: None,
        blob: Some(new.id.clone()),
        ..new.clone()
    };
    let mut client = db.client().await?;
    let tx = begin_transaction(&mut client).await?;
    // Locked, so that it is not removed as the last one before this row names its blob.
    let twin = row(
        &tx,
        "SELECT blob FROM media WHERE team = $1 AND mode = $2 AND sha256 = $3 AND ready AND length = $4 LIMIT 1 FOR SHARE",
        &[
            &new.owner.team,
            &new.owner.mode.as_str(),
            &new.sha256,
            &to_db(new.length),
        ],
    )
    .await?;
    if let Some(twin) = twin {
        new.blob = twin.get(0);
    }
    let changed = execute(
        &tx,
        "UPDATE media SET ready = true, length = $4, received = $5, state = NULL, facts = $6, sha256 = $7, blob = $8, \
         expires_at = $9 WHERE team = $1 AND mode = $2 AND id = $3 AND NOT ready",
        &[
            &new.owner.team,
            &new.owner.mode.as_str(),
            &new.id,
            &to_db(new.length),
            &to_db(new.offset),
            &json_opt(new.facts.as_ref())?,
            &new.sha256,
            &new.blob,
            &new.expires_at,
        ],
    )
    .await?;
    tx.commit().await?;
    Ok((changed == 1).then_some(new))
}

pub(super) async fn get<C: GenericClient>(
    client: &C,
    of: &Owner,
    id: &str,
) -> Res<Option<MediaRow>> {
    let sql = format!("SELECT {COLUMNS} FROM media WHERE team = $1 AND mode = $2 AND id = $3");
    let found = row(client, &sql, &[&of.team, &of.mode.as_str(), &id]).await?;
    found.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Res<MediaRow> {
    let facts: Option<&str> = row.get("facts");
    Ok(MediaRow {
        id: row.get("id"),
        owner: owner(row, "team", "mode")?,
        ready: row.get("ready"),
        length: from_db(row.get("length")),
        offset: from_db(row.get("received")),
        key: row.get("key"),
        metadata: row.get("metadata"),
        state: row.get("state"),
        facts: facts.map(|text| parse(text, "facts")).transpose()?,
        sha256: row.get("sha256"),
        blob: row.get("blob"),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
    })
}

pub(super) async fn bytes<C: GenericClient>(client: &C, of: &Owner) -> Res<u64> {
    let sum = row(
        client,
        "SELECT coalesce(sum(size), 0)::bigint FROM (SELECT max(greatest(length, received)) AS size FROM media \
         WHERE team = $1 AND mode = $2 GROUP BY coalesce(blob, id)) each_once",
        &[&of.team, &of.mode.as_str()],
    )
    .await?;
    Ok(sum.map_or(0, |row| from_db(row.get(0))))
}

pub(super) async fn delete(db: &Db, of: &Owner, id: &str) -> Res<Option<GoneMedia>> {
    let mut client = db.client().await?;
    let tx = begin_transaction(&mut client).await?;
    let sql =
        format!("DELETE FROM media WHERE team = $1 AND mode = $2 AND id = $3 RETURNING {COLUMNS}");
    let gone = row(&tx, &sql, &[&of.team, &of.mode.as_str(), &id]).await?;
    let gone = match gone {
        Some(gone) => Some(after(&tx, read(&gone)?).await?),
        None => None,
    };
    tx.commit().await?;
    Ok(gone)
}

/// Forgets who used a file whose row was removed, and asks whether others have its content. A new statement sees what was
/// committed while the removal waited for a lock.
async fn after(tx: &Transaction<'_>, row: MediaRow) -> Res<GoneMedia> {
    execute(
        tx,
        "DELETE FROM media_uses WHERE team = $1 AND mode = $2 AND media = $3",
        &[&row.owner.team, &row.owner.mode.as_str(), &row.id],
    )
    .await?;
    let shared = rows(
        tx,
        "SELECT 1 FROM media WHERE blob = $1 LIMIT 1",
        &[&row.blob],
    )
    .await?;
    Ok(GoneMedia {
        row,
        last: shared.is_empty(),
    })
}

pub(super) async fn expire(db: &Db, now: Millis, keep: Millis, limit: u32) -> Res<Vec<GoneMedia>> {
    let mut client = db.client().await?;
    let tx = begin_transaction(&mut client).await?;
    let sql = format!(
        "WITH used AS (SELECT m.team, m.mode, m.id, max(CASE WHEN {OPEN} THEN $1::bigint ELSE u.updated_at END) + $2::bigint \
             AS until \
           FROM media m JOIN media_uses x ON x.team = m.team AND x.mode = m.mode AND x.media = m.id \
           JOIN uploads u ON u.team = m.team AND u.mode = m.mode AND u.id = x.upload \
           WHERE m.expires_at <= $3::bigint AND m.ready GROUP BY m.team, m.mode, m.id) \
         UPDATE media SET expires_at = used.until FROM used WHERE media.team = used.team AND media.mode = used.mode \
           AND media.id = used.id AND used.until > media.expires_at"
    );
    execute(&tx, &sql, &[&now, &keep, &(now + EXPIRY_AHEAD)]).await?;
    let sql = format!(
        "DELETE FROM media WHERE (team, mode, id) IN (SELECT team, mode, id FROM media WHERE expires_at <= $1 \
         ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}"
    );
    let over = rows(&tx, &sql, &[&(now - EXPIRY_GRACE), &i64::from(limit)]).await?;
    let mut gone = Vec::with_capacity(over.len());
    for row in &over {
        gone.push(after(&tx, read(row)?).await?);
    }
    tx.commit().await?;
    Ok(gone)
}

/// Notes which files uploads name: (upload, file) of each.
pub(super) async fn set_uses(tx: &Transaction<'_>, uses: &[(&Owner, &str, String)]) -> Res<()> {
    if uses.is_empty() {
        return Ok(());
    }
    let column =
        |of: fn(&(&Owner, &str, String)) -> String| uses.iter().map(of).collect::<Vec<_>>();
    execute(
        tx,
        "INSERT INTO media_uses (team, mode, upload, media) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING",
        &[
            &column(|row| row.0.team.clone()),
            &column(|row| row.0.mode.as_str().to_owned()),
            &column(|row| row.1.to_owned()),
            &column(|row| row.2.clone()),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn clear_uses(tx: &Transaction<'_>, of: &Owner, upload: &str) -> Res<()> {
    execute(
        tx,
        "DELETE FROM media_uses WHERE team = $1 AND mode = $2 AND upload = $3",
        &[&of.team, &of.mode.as_str(), &upload],
    )
    .await?;
    Ok(())
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
