//! A database as one file: copied while others write, and checked before it is used.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::open;
use crate::store::{StoreError, StoreResult};

/// Writes everything that is committed now to `target`, which may exist if it is empty. Others may read and write meanwhile.
pub(crate) fn copy(database: &Path, target: &Path) -> StoreResult<()> {
    open::create_private(target)?;
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
    Ok(())
}

/// The schema of a file that is a sound database of ours; otherwise a sentence says why it is not one.
pub(crate) fn check(database: &Path) -> Result<u32, String> {
    let read = || -> rusqlite::Result<(String, u32)> {
        let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let sound = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let version = conn.query_row(
            "SELECT coalesce(max(version), 0) FROM schema_version",
            [],
            |row| row.get(0),
        )?;
        Ok((sound, version))
    };
    let (sound, version) = read().map_err(|error| error.to_string())?;
    if sound != "ok" {
        return Err(sound);
    }
    if version == 0 || version as usize > open::MIGRATIONS.len() {
        return Err(format!(
            "it has schema {version} and this program knows 1 to {}",
            open::MIGRATIONS.len()
        ));
    }
    Ok(version)
}

/// Folds the log into the file, for a database that nobody else has open.
pub(crate) fn fold_log(database: &Path) -> StoreResult<()> {
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let busy: u32 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy != 0 {
        return Err(StoreError::Failed("another process has it open".to_owned()));
    }
    Ok(())
}
