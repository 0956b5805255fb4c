//! Files on their way in, on disk: one growing file each, moved to its place when it is complete.
//!
//! Bytes behind the last safe one are from a piece whose end was never confirmed; they are cut off before the next.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::inbox::{Inbox, Partial, Writer};
use super::shelf::blocking;

/// A file that nobody wrote to for this long was given up.
const GIVEN_UP: Duration = Duration::from_secs(2 * 24 * 3_600);

/// Files on their way in on a disk.
pub(super) struct DiskInbox {
    incoming: PathBuf,
    files: PathBuf,
    // Held for its lock; released when the library goes.
    _lock: Option<File>,
}

impl DiskInbox {
    /// Makes the folders and takes their lock, if they need one.
    pub(super) fn open(folder: &Path, lock: bool) -> io::Result<Self> {
        let (incoming, files) = (folder.join("incoming"), folder.join("files"));
        for dir in [&incoming, &files] {
            std::fs::create_dir_all(dir)?;
        }
        let lock = if lock {
            Some(File::create(folder.join("media.lock"))?)
        } else {
            None
        };
        if lock.as_ref().is_some_and(|lock| lock.try_lock().is_err()) {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another engine uses it",
            ));
        }
        Ok(Self {
            incoming,
            files,
            _lock: lock,
        })
    }
}

#[async_trait]
impl Inbox for DiskInbox {
    async fn open(&self, file: &Partial<'_>) -> io::Result<Box<dyn Writer>> {
        let (path, offset) = (self.incoming.join(file.id), file.offset);
        let file = blocking(move || {
            let mut file = File::options()
                .create(offset == 0)
                .truncate(false)
                .write(true)
                .open(path)?;
            if file.metadata()?.len() < offset {
                return Err(io::ErrorKind::NotFound.into());
            }
            file.set_len(offset)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        })
        .await?;
        Ok(Box::new(DiskWriter(Arc::new(file))))
    }

    async fn place(&self, file: &Partial<'_>) -> io::Result<()> {
        let (from, to) = (self.incoming.join(file.id), self.files.join(file.id));
        let folder = self.files.clone();
        blocking(move || {
            match std::fs::rename(from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
                done => done?,
            }
            // A rename is safe once its folder is.
            if cfg!(unix) {
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }

    async fn forget(&self, file: &Partial<'_>) {
        let paths = [self.incoming.join(file.id), self.files.join(file.id)];
        let removed = blocking(move || {
            for path in paths {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "a file could not be removed");
        }
    }

    #[cfg(unix)]
    async fn room(&self) -> io::Result<Option<u64>> {
        let folder = self.incoming.clone();
        blocking(move || {
            let disk = nix::sys::statvfs::statvfs(&folder)?;
            // The types of these numbers differ between systems.
            #[allow(clippy::useless_conversion, reason = "not on every system")]
            let (blocks, each) = (
                u64::from(disk.blocks_available()),
                u64::from(disk.fragment_size()),
            );
            Ok(Some(blocks.saturating_mul(each)))
        })
        .await
    }

    async fn sweep(&self) {
        let incoming = self.incoming.clone();
        let swept = blocking(move || {
            for entry in std::fs::read_dir(incoming)? {
                let entry = entry?;
                let idle = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
                if idle > GIVEN_UP {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        });
        if let Err(error) = swept.await {
            tracing::warn!(%error, "the folder of incoming files could not be swept");
        }
    }
}

struct DiskWriter(Arc<File>);

#[async_trait]
impl Writer for DiskWriter {
    async fn write(&mut self, block: &[Bytes]) -> io::Result<()> {
        let (file, block) = (Arc::clone(&self.0), block.to_vec());
        blocking(move || {
            for piece in &block {
                (&*file).write_all(piece)?;
            }
            Ok(())
        })
        .await
    }

    async fn secure(&mut self, _: bool) -> io::Result<Value> {
        let file = Arc::clone(&self.0);
        blocking(move || file.sync_data()).await?;
        Ok(Value::Null)
    }
}
