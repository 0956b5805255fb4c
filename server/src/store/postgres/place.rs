//! Tells this database from one that was restored from it.
//!
//! The note `place` says where and by which transaction it was written: the number that the server gave itself when it was
//! made, that of the database in it, the timeline, and the transaction. A dump carries the text to another place, and even in the
//! same one the row is written by another transaction. A recovery to a point in time, and the promotion of a standby,
//! which may lack the last changes, begin a timeline.

use deadpool_postgres::GenericClient;

use super::db::{Db, begin, execute, row};
use super::trouble::Res;
use crate::store::{Millis, StoreError};

/// Where this is, as text.
const HERE: &str = "(SELECT system_identifier FROM pg_control_system()) || '/' || \
     (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || \
     left(pg_walfile_name(pg_current_wal_lsn()), 8)";

pub(super) async fn is_copy<C: GenericClient>(client: &C) -> Res<bool> {
    let sql =
        format!("SELECT value <> xmin::text || '/' || {HERE} FROM notes WHERE name = 'place'");
    let found = row(client, &sql, &[]).await?;
    Ok(found.is_some_and(|row| row.get(0)))
}

pub(super) async fn beat(db: &Db, now: Millis, adopt: bool) -> Res<Millis> {
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let beat = row(
        &tx,
        "INSERT INTO notes (name, value) VALUES ('beat', $1) ON CONFLICT (name) DO UPDATE \
         SET value = greatest(notes.value::bigint, excluded.value::bigint)::text RETURNING value::bigint",
        &[&now.to_string()],
    )
    .await?
    .ok_or_else(|| StoreError::Failed("the heartbeat was not stored".to_owned()))?;
    let sql = format!(
        "INSERT INTO notes (name, value) VALUES ('place', pg_current_xact_id()::xid::text || '/' || {HERE}) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value \
         WHERE $1 OR notes.value = notes.xmin::text || '/' || {HERE}"
    );
    execute(&tx, &sql, &[&adopt]).await?;
    tx.commit().await?;
    Ok(beat.get(0))
}
