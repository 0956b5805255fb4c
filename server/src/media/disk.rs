//! Work on the disk.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use multi_upload_wire::{ErrorCode, ErrorInfo};
use sha2::{Digest as _, Sha256};

use super::recognise::{self, Facts, Fault};
use super::{MAX_IMAGE_BYTES, UNFINISHED_MS};

/// Runs a short piece of disk work beside the async threads.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ErrorInfo> {
    let done = match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(gone) => Err(std::io::Error::other(gone)),
    };
    done.map_err(|error| {
        tracing::error!(%error, "the media folder failed");
        if error.kind() == std::io::ErrorKind::StorageFull {
            ErrorInfo::new(
                ErrorCode::StorageFull,
                "the disk of the data folder is full",
            )
        } else {
            ErrorInfo::new(
                ErrorCode::StorageFailed,
                "the media folder could not be used",
            )
        }
    })
}

/// Kind, pixels and hash of a complete file.
pub(super) fn facts(path: &Path) -> std::io::Result<Result<(Facts, String), Fault>> {
    let mut content = Vec::new();
    std::fs::File::open(path)?
        .take(MAX_IMAGE_BYTES + 1)
        .read_to_end(&mut content)?;
    Ok(recognise::image(&content).map(|facts| {
        let hash = Sha256::digest(&content);
        let hex = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        (facts, hex)
    }))
}

/// A rename is safe once its folder is.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "a file could not be removed");
    }
}

/// Removes what came in and was never finished.
pub(super) fn sweep(incoming: &Path) {
    let limit = Duration::from_millis(UNFINISHED_MS.unsigned_abs());
    let Ok(entries) = std::fs::read_dir(incoming) else {
        return;
    };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|at| at.elapsed().ok())
            .is_some_and(|age| age > limit);
        if old {
            remove(&entry.path());
        }
    }
}
