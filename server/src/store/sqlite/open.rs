//! Opening the database file: refusals, file mode, settings, migrations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::store::{StoreError, StoreResult};

/// How long a connection waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Every migration, in order; the schema's number is the position, from 1. A released one never changes.
pub(super) const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_first.sql")];

/// Statements kept compiled, per connection.
const STATEMENTS: usize = 128;

/// The connection of the writer, on a database that exists and has the newest schema.
pub(super) fn writer(path: &Path) -> StoreResult<Connection> {
    refuse_network_file_system(path)?;
    create_private(path)?;
    let mut conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::Failed(format!(
            "the database {} cannot use a write-ahead log (its journal mode stays {mode}): its folder must be on a local disk",
            path.display()
        )));
    }
    // An acknowledged row survives a power loss: NORMAL would forget the newest commits.
    conn.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a plain fsync leaves the bytes in the drive's cache; elsewhere these two do nothing.
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cache_size", -16_000)?;
    // A log of 16 MB between checkpoints: fewer syncs of the main file than with the default of 4 MB.
    conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    conn.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    migrate(&mut conn, path)?;
    Ok(conn)
}

/// A connection that can only read. The writer's must have been opened before.
pub(super) fn reader(path: &Path) -> StoreResult<Connection> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// Brings the schema up to date, one transaction for each step: a crash in between leaves a finished step.
fn migrate(conn: &mut Connection, path: &Path) -> StoreResult<()> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY) STRICT",
    )?;
    loop {
        // The version is read under the write lock, so two processes that start at once do each step once.
        let step = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: usize = step.query_row(
            "SELECT coalesce(max(version), 0) FROM schema_version",
            [],
            |row| row.get::<_, u32>(0),
        )? as usize;
        if version > MIGRATIONS.len() {
            return Err(StoreError::Failed(format!(
                "the database {} has schema {version} and this program knows up to {}: a newer multi-upload wrote it. \
                 Start that version, or restore a backup made before the upgrade",
                path.display(),
                MIGRATIONS.len()
            )));
        }
        let Some(migration) = MIGRATIONS.get(version) else {
            return Ok(());
        };
        step.execute_batch(migration)?;
        step.execute(
            "INSERT INTO schema_version (version) VALUES (?1)",
            [version as i64 + 1],
        )?;
        step.commit()?;
    }
}

/// Makes the file readable for its owner only, before SQLite writes into it; SQLite gives the log the same mode.
pub(super) fn create_private(path: &Path) -> StoreResult<()> {
    let failed = |error: std::io::Error| {
        StoreError::Failed(format!(
            "the database {} cannot be opened: {error}",
            path.display()
        ))
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// Locks and shared memory of SQLite's log do not work over a network: rows would be lost without an error.
fn refuse_network_file_system(path: &Path) -> StoreResult<()> {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else {
        return Ok(());
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let folder = folder.canonicalize().unwrap_or(folder);
    match file_system_of(&mounts, &folder) {
        Some(kind) if is_network(&kind) => Err(StoreError::Failed(format!(
            "{} is on a network file system ({kind}), where SQLite can lose data. \
             Choose a folder on a local disk with --data or MULTI_UPLOAD_DATA",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The type of the file system that holds `folder`, by the text of `/proc/self/mountinfo`.
fn file_system_of(mounts: &str, folder: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        // "36 35 98:0 /root /mount/point options - type source options"
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(point), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else {
            continue;
        };
        let point = PathBuf::from(point.replace("\\040", " "));
        let depth = point.components().count();
        // Later lines cover earlier ones at the same place.
        if folder.starts_with(&point) && best.is_none_or(|(deepest, _)| depth >= deepest) {
            best = Some((depth, kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

fn is_network(kind: &str) -> bool {
    matches!(
        kind,
        "nfs"
            | "nfs4"
            | "cifs"
            | "smb3"
            | "smbfs"
            | "afs"
            | "ncpfs"
            | "fuse.sshfs"
            | "fuse.rclone"
            | "fuse.s3fs"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /srv/shared rw,relatime shared:5 - nfs4 server:/export rw
41 40 0:51 / /srv/shared/local rw,relatime - xfs /dev/vdb rw
42 27 0:52 / /srv/my\\040files rw,relatime - fuse.sshfs host: rw
";

    #[test]
    fn the_deepest_mount_decides() {
        let kind = |folder: &str| file_system_of(MOUNTS, Path::new(folder));
        assert_eq!(kind("/var/lib").as_deref(), Some("ext4"));
        assert_eq!(kind("/srv/shared/data").as_deref(), Some("nfs4"));
        assert_eq!(kind("/srv/shared/local/data").as_deref(), Some("xfs"));
        assert_eq!(kind("/srv/my files").as_deref(), Some("fuse.sshfs"));
        assert_eq!(kind("/srv/sharedother").as_deref(), Some("ext4"));
    }

    #[test]
    fn network_kinds_are_refused_and_local_ones_are_not() {
        for kind in ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"] {
            assert!(is_network(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "btrfs", "apfs", "tmpfs", "overlay", "9p"] {
            assert!(!is_network(kind), "{kind}");
        }
    }
}
