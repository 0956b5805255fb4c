//! Backup while the service runs, and restore while it does not. SQLite in a data folder only: PostgreSQL has its own.

use std::fs::File;
use std::path::{Path, PathBuf};

use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde::Serialize;

use crate::audit;
use crate::clock::{Clock, rfc3339};
use crate::config::Database;
use crate::engine::lock_folder;
use crate::epoch;
use crate::store::{self, sqlite};

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where it is.
    pub file: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The schema of the database in it.
    pub schema: u32,
    /// When it was begun, RFC 3339.
    pub created_at: String,
}

/// A restore that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The database that is now the backup.
    pub database: PathBuf,
    /// Where the database is that was there before, if there was one.
    pub before: Option<PathBuf>,
    /// The schema of the database in the backup; an older one is brought up to date by the next start.
    pub schema: u32,
}

/// Copies the database of a data folder to one file, mode 0600, also while an engine runs. Tokens in it are sealed and API keys
/// hashed; the root key and uploaded files are not in it.
///
/// # Errors
/// `CONFIG_INVALID` with PostgreSQL, where there is no database, and when the file exists (unless `force`);
/// `STORAGE_FAILED` or `STORAGE_FULL` when it cannot be written. The file is there entirely or not at all.
pub async fn backup(
    database: &Database,
    data: &Path,
    file: &Path,
    force: bool,
) -> Result<Backup, ErrorInfo> {
    refuse_postgres(database, "pg_dump")?;
    let (data, file) = (data.to_owned(), file.to_owned());
    blocking(move || copy_out(&data, &file, force)).await
}

/// Replaces the database of a data folder, that no engine uses, by a backup. The former one stays beside it as
/// `multi-upload.db.before-restore-<time>`. The next start looks for whatever was due before it sends it.
///
/// # Errors
/// `DATA_IN_USE` while an engine has the folder; `CONFIG_INVALID` with PostgreSQL and when the file is no sound backup;
/// `STORAGE_FAILED` when it cannot be written.
pub async fn restore(database: &Database, data: &Path, file: &Path) -> Result<Restored, ErrorInfo> {
    refuse_postgres(database, "pg_restore")?;
    let (data, file) = (data.to_owned(), file.to_owned());
    blocking(move || put_back(&data, &file)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ErrorInfo> + Send + 'static,
) -> Result<T, ErrorInfo> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(ErrorInfo::new(
            ErrorCode::StorageFailed,
            "the copy did not finish",
        ))
    })
}

fn copy_out(data: &Path, file: &Path, force: bool) -> Result<Backup, ErrorInfo> {
    let database = data.join(store::FILE);
    if !database.is_file() {
        return Err(invalid(
            format!("there is no database in the data folder {}", data.display()),
            "Name the data folder of the service with --data or MULTI_UPLOAD_DATA.",
        ));
    }
    if file.exists() && !force {
        return Err(invalid(
            format!("{} exists already", file.display()),
            "Choose another name, or replace it with --force.",
        ));
    }
    let created_at = rfc3339(Clock::system().now());
    let part = beside(file, "part")?;
    let made = write_copy(&database, &part, file);
    if made.is_err() {
        // It may not have been begun.
        let _ = std::fs::remove_file(&part);
    }
    let (bytes, schema) = made?;
    Ok(Backup {
        file: file.to_owned(),
        bytes,
        schema,
        created_at,
    })
}

fn write_copy(database: &Path, part: &Path, file: &Path) -> Result<(u64, u32), ErrorInfo> {
    let cannot = |error: std::io::Error| failed("written", file, &error);
    sqlite::copy(database, part).map_err(|error| match error {
        store::StoreError::Full => ErrorInfo::new(
            ErrorCode::StorageFull,
            format!("the disk is full: {} cannot be written", file.display()),
        ),
        error => ErrorInfo::new(
            ErrorCode::StorageFailed,
            format!(
                "the database cannot be copied to {}: {error}",
                file.display()
            ),
        ),
    })?;
    let schema = sqlite::check(part).map_err(|why| {
        ErrorInfo::new(
            ErrorCode::StorageFailed,
            format!("the copy is not sound: {why}"),
        )
    })?;
    let copy = File::open(part).map_err(cannot)?;
    copy.sync_all().map_err(cannot)?;
    let bytes = copy.metadata().map_err(cannot)?.len();
    std::fs::rename(part, file).map_err(cannot)?;
    sync_folder(file).map_err(cannot)?;
    Ok((bytes, schema))
}

fn put_back(data: &Path, file: &Path) -> Result<Restored, ErrorInfo> {
    let lock = lock_folder(data, &format!("pid {}, restore", std::process::id()))?;
    let database = data.join(store::FILE);
    let new = beside(&database, "restoring")?;
    let done = replace(data, file, &new, &database);
    if done.is_err() {
        // It may not have been begun.
        let _ = std::fs::remove_file(&new);
    }
    // Released when it is closed, too.
    let _ = lock.unlock();
    done
}

/// A crash at any point leaves the old database or the new one, and once the marker is there either is looked at with doubt.
fn replace(data: &Path, file: &Path, new: &Path, database: &Path) -> Result<Restored, ErrorInfo> {
    let cannot = |error: std::io::Error| failed("replaced", database, &error);
    copy_private(file, new).map_err(|error| failed("read", file, &error))?;
    let schema = sqlite::check(new).map_err(|why| {
        invalid(
            format!("{} is not a backup that can be used: {why}", file.display()),
            "Choose a file that `multi-upload backup` wrote, and a multi-upload as new as the one that wrote it.",
        )
    })?;
    epoch::mark_restored(data).map_err(cannot)?;
    let before = if database.is_file() {
        Some(put_aside(database).map_err(cannot)?)
    } else {
        None
    };
    std::fs::rename(new, database).map_err(cannot)?;
    sync_folder(database).map_err(cannot)?;
    Ok(Restored {
        database: database.to_owned(),
        before,
        schema,
    })
}

/// Gives the database a second name, and takes its log away, which must not be read into another one.
fn put_aside(database: &Path) -> std::io::Result<PathBuf> {
    let stamp = rfc3339(Clock::system().now()).replace([':', '.'], "-");
    let named = |suffix: &str| PathBuf::from(format!("{}{suffix}", database.display()));
    let aside = format!(".before-restore-{stamp}");
    if let Err(error) = sqlite::fold_log(database) {
        // Damaged perhaps, which may be why it is restored: its log is kept with it.
        tracing::warn!(%error, "the log of the old database could not be folded into it");
    }
    let before = named(&aside);
    if std::fs::hard_link(database, &before).is_err() {
        copy_private(database, &before)?;
    }
    // They tell of rows that the restored database does not have.
    let checkpoints = database.with_file_name(audit::FILE);
    if checkpoints.exists() {
        std::fs::rename(&checkpoints, format!("{}{aside}", checkpoints.display()))?;
    }
    for part in ["-wal", "-shm"] {
        if named(part).exists() {
            std::fs::rename(named(part), named(&format!("{aside}{part}")))?;
        }
    }
    Ok(before)
}

fn copy_private(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = File::open(from)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut target = options.open(to)?;
    std::io::copy(&mut source, &mut target)?;
    target.sync_all()
}

/// A name in the same folder that nobody else uses.
fn beside(file: &Path, what: &str) -> Result<PathBuf, ErrorInfo> {
    let name = file.file_name().ok_or_else(|| {
        invalid(
            format!("{} is not the name of a file", file.display()),
            "Name the file to write.",
        )
    })?;
    let id = crate::ids::new_id(what);
    Ok(file.with_file_name(format!(".{}.{id}", name.to_string_lossy())))
}

/// Makes a new name in a folder survive a power loss.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn refuse_postgres(database: &Database, tool: &str) -> Result<(), ErrorInfo> {
    match database {
        Database::Folder => Ok(()),
        Database::Postgres(_) => Err(invalid(
            "a PostgreSQL database is not backed up or restored by multi-upload".to_owned(),
            format!(
                "Use {tool} with the database's URL (pg_dump to back up, pg_restore to restore, with every engine stopped)."
            ),
        )),
    }
}

fn invalid(detail: String, remedy: impl Into<String>) -> ErrorInfo {
    ErrorInfo::new(ErrorCode::ConfigInvalid, detail).with_remedy(remedy)
}

fn failed(what: &str, file: &Path, error: &std::io::Error) -> ErrorInfo {
    invalid(
        format!("{} cannot be {what}: {error}", file.display()),
        "Check the path, the permissions and the space on the disk.",
    )
}
