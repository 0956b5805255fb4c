//! Uploaded files: received piece by piece, recognised by their content, kept on disk.
//!
//! A file's row in the store says how many bytes are safe; bytes beyond that are from a piece whose
//! end was never confirmed and are cut off before the next one. A file that is complete but is not
//! an image that we know is removed at once.

mod disk;
mod recognise;
mod refusals;
mod source;

use std::collections::HashSet;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use multi_upload_wire::{ErrorCode, ErrorInfo};

use disk::{facts, on_disk, remove, sweep, sync_folder};
use recognise::Fault;
pub(crate) use refusals::refusals;
pub(crate) use source::stored_file;

use crate::clock::Clock;
use crate::ids::new_id;
use crate::store::{MediaRow, Millis, Owner, Store, StoreResult};

/// Largest image.
pub(crate) const MAX_IMAGE_BYTES: u64 = 20 * 1024 * 1024;
/// An upload that is not complete after this time is given up.
const UNFINISHED_MS: Millis = 24 * 3_600_000;
/// Longest silence between two pieces of a body.
const SILENCE: Duration = Duration::from_secs(30);

/// The files of all teams.
#[derive(Clone)]
pub(crate) struct Library(Arc<Inner>);

struct Inner {
    /// Complete files.
    files: PathBuf,
    /// Files on their way in.
    incoming: PathBuf,
    store: Arc<dyn Store>,
    clock: Clock,
    /// Files that a request is writing to just now.
    busy: Mutex<HashSet<String>>,
}

/// Why a piece was not taken.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// There is no such file, or it has expired.
    NotFound,
    /// The piece begins elsewhere than where the file ends.
    WrongOffset { expected: u64 },
    /// Another request is writing to the file.
    Busy,
    /// The piece goes beyond the announced length. What was announced has been kept.
    TooLong,
    /// The body broke off. What arrived before has been kept.
    Cut { offset: u64 },
    /// Refused, or a fault of disk or database.
    Failed(Box<ErrorInfo>),
}

impl<E: Into<ErrorInfo>> From<E> for AppendError {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

impl Library {
    /// Opens the folder; removes what was given up.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the folder cannot be used.
    pub(crate) fn open(
        folder: PathBuf,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Self, ErrorInfo> {
        let (files, incoming) = (folder.join("files"), folder.join("incoming"));
        for dir in [&files, &incoming] {
            std::fs::create_dir_all(dir).map_err(|error| {
                ErrorInfo::new(
                    ErrorCode::ConfigInvalid,
                    format!("the folder {} cannot be made: {error}", dir.display()),
                )
                .with_remedy("Choose a data folder that this user may write to.")
            })?;
        }
        sweep(&incoming);
        Ok(Self(Arc::new(Inner {
            files,
            incoming,
            store,
            clock,
            busy: Mutex::default(),
        })))
    }

    /// Begins a file of `length` bytes.
    pub(crate) async fn create(&self, owner: &Owner, length: u64) -> StoreResult<MediaRow> {
        let now = self.0.clock.now();
        let row = MediaRow {
            id: new_id("md"),
            owner: owner.clone(),
            ready: false,
            length,
            offset: 0,
            content_type: None,
            width: None,
            height: None,
            sha256: None,
            created_at: now,
            expires_at: Some(now + UNFINISHED_MS),
        };
        self.0.store.put_media(row.clone()).await?;
        Ok(row)
    }

    /// One file; none if it was given up.
    pub(crate) async fn get(&self, owner: &Owner, id: &str) -> StoreResult<Option<MediaRow>> {
        if !is_id(id) {
            return Ok(None);
        }
        let row = self.0.store.media(owner, id).await?;
        let now = self.0.clock.now();
        Ok(row.filter(|row| row.ready || row.expires_at.is_none_or(|end| end > now)))
    }

    /// Adds a piece at `offset`. Whatever is answered as received is on disk.
    pub(crate) async fn append<S, E>(
        &self,
        owner: &Owner,
        id: &str,
        offset: u64,
        pieces: S,
    ) -> Result<MediaRow, AppendError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let _turn = Turn::take(&self.0, id).ok_or(AppendError::Busy)?;
        let mut row = self.get(owner, id).await?.ok_or(AppendError::NotFound)?;
        if row.offset != offset {
            return Err(AppendError::WrongOffset {
                expected: row.offset,
            });
        }
        if row.ready {
            return Ok(row);
        }
        let received = self.receive(&row, pieces).await?;
        row.offset += received.bytes;
        if row.offset == row.length && received.end != End::TooLong {
            return Ok(self.complete(row).await?);
        }
        if received.bytes > 0 {
            self.0.store.put_media(row.clone()).await?;
        }
        match received.end {
            End::Whole => Ok(row),
            End::Cut => Err(AppendError::Cut { offset: row.offset }),
            End::TooLong => Err(AppendError::TooLong),
        }
    }

    /// Removes a file. A file that an upload still needs is the caller's to judge.
    pub(crate) async fn delete(&self, owner: &Owner, id: &str) -> Result<bool, AppendError> {
        if !is_id(id) {
            return Ok(false);
        }
        let _turn = Turn::take(&self.0, id).ok_or(AppendError::Busy)?;
        let was_there = self.0.store.delete_media(owner, id).await?;
        if was_there {
            for path in [self.0.files.join(id), self.0.incoming.join(id)] {
                remove(&path);
            }
        }
        Ok(was_there)
    }

    /// The whole content of a complete file.
    pub(crate) async fn read(&self, owner: &Owner, id: &str) -> std::io::Result<Bytes> {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let row = self
            .get(owner, id)
            .await
            .map_err(std::io::Error::other)?
            .filter(|row| row.ready)
            .ok_or_else(missing)?;
        let bytes = tokio::fs::read(self.0.files.join(&row.id)).await?;
        Ok(bytes.into())
    }

    /// Writes the pieces to disk, at most up to the announced length.
    async fn receive<S, E>(&self, row: &MediaRow, pieces: S) -> Result<Received, ErrorInfo>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
    {
        let path = self.0.incoming.join(&row.id);
        let offset = row.offset;
        let mut file = on_disk(move || {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            file.set_len(offset)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        })
        .await?;
        let mut left = row.length - row.offset;
        let mut bytes = 0;
        let mut pieces = std::pin::pin!(pieces);
        let end = loop {
            let mut piece = match tokio::time::timeout(SILENCE, pieces.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(None) => break End::Whole,
                Ok(Some(Err(_))) | Err(_) => break End::Cut,
            };
            let fits = usize::try_from(left).map_or(true, |left| piece.len() <= left);
            if !fits {
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            }
            let length = piece.len() as u64;
            file = on_disk(move || {
                file.write_all(&piece)?;
                Ok(file)
            })
            .await?;
            left -= length;
            bytes += length;
            if !fits {
                break End::TooLong;
            }
        };
        on_disk(move || file.sync_all()).await?;
        Ok(Received { bytes, end })
    }

    /// All bytes are here: recognise the content, move the file to its place, say that it is ready.
    async fn complete(&self, mut row: MediaRow) -> Result<MediaRow, ErrorInfo> {
        let from = self.0.incoming.join(&row.id);
        let path = from.clone();
        let facts = on_disk(move || facts(&path)).await?;
        let (facts, sha256) = match facts {
            Ok(facts) => facts,
            Err(fault) => {
                self.0.store.delete_media(&row.owner, &row.id).await?;
                remove(&from);
                return Err(ErrorInfo::new(
                    ErrorCode::MediaTypeUnsupported,
                    match fault {
                        Fault::Unknown => {
                            "the content is not a JPEG, PNG or WebP image; nothing was kept"
                        }
                        Fault::CutOff => {
                            "the image is cut off: its end is missing; nothing was kept"
                        }
                    },
                ));
            }
        };
        let (to, folder) = (self.0.files.join(&row.id), self.0.files.clone());
        on_disk(move || {
            std::fs::rename(from, to)?;
            sync_folder(&folder)
        })
        .await?;
        row.ready = true;
        row.content_type = Some(facts.content_type.to_owned());
        row.width = Some(facts.width);
        row.height = Some(facts.height);
        row.sha256 = Some(sha256);
        row.expires_at = None;
        self.0.store.put_media(row.clone()).await?;
        Ok(row)
    }
}

struct Received {
    bytes: u64,
    end: End,
}

/// How a body ended.
#[derive(PartialEq, Eq)]
enum End {
    Whole,
    Cut,
    TooLong,
}

/// The right to write to one file; given back when dropped.
struct Turn<'a> {
    inner: &'a Inner,
    id: String,
}

impl<'a> Turn<'a> {
    fn take(inner: &'a Inner, id: &str) -> Option<Self> {
        let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(id.to_owned()).then(|| Self {
            inner,
            id: id.to_owned(),
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut busy = self
            .inner
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.id);
    }
}

/// `md_` and 32 hex digits: nothing else becomes part of a path.
fn is_id(id: &str) -> bool {
    id.strip_prefix("md_").is_some_and(|rest| {
        rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}
