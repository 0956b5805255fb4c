//! Bringing the schema up to date.

use deadpool_postgres::GenericClient as _;

use super::db::{Db, begin};
use super::trouble::Res;
use crate::store::StoreError;

/// Every migration, in order; the schema's number is the position, from 1. A released one never changes.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_first.sql")];

/// The advisory lock under which one process migrates at a time: "multiup" in ASCII.
const LOCK: i64 = 0x006d_756c_7469_7570;

/// The oldest PostgreSQL that the tests run on.
const OLDEST: i32 = 150_000;

/// One transaction for each step: a crash in between leaves a finished step, and of several processes that start at once
/// each step is done by one.
pub(super) async fn migrate(db: &Db) -> Res<()> {
    let mut client = db.client().await?;
    let server: i32 = client
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .await?
        .get(0);
    if server < OLDEST {
        return Err(StoreError::Failed(format!(
            "this is PostgreSQL {}, and multi-upload needs 15 or newer. Upgrade the database server",
            server / 10_000
        ))
        .into());
    }
    loop {
        let step = begin(&mut client).await?;
        step.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
            .await?;
        step.batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY)",
        )
        .await?;
        let version: i32 = step
            .query_one("SELECT coalesce(max(version), 0) FROM schema_version", &[])
            .await?
            .get(0);
        let known = MIGRATIONS.len();
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        if done > known {
            return Err(StoreError::Failed(format!(
                "the database has schema {version} and this program knows up to {known}: a newer multi-upload wrote it. \
                 Start that version, or restore a backup made before the upgrade"
            ))
            .into());
        }
        let Some(migration) = MIGRATIONS.get(done) else {
            step.commit().await?;
            return Ok(());
        };
        step.batch_execute(migration).await?;
        step.execute(
            "INSERT INTO schema_version (version) VALUES ($1)",
            &[&(version + 1)],
        )
        .await?;
        step.commit().await?;
    }
}
