//! Receiving a piece: from a body to safe bytes, in constant memory.
//!
//! Blocks are hashed and written while the next ones arrive. Every [`SECURE_EVERY`] bytes are made safe and noted, so that a death in
//! the middle of a large body costs no more than that.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::checksum::{Checksum, Whole};
use super::inbox::{Partial, Writer, failed};
use super::recognise;
use super::settings::{MAX_BYTES, MAX_IMAGE_BYTES, size};
use super::{AppendError, Library, UNFINISHED_MS};
use crate::store::MediaRow;

/// How much is hashed and written at once.
const BLOCK: usize = 1024 * 1024;
/// How much may be lost by a sudden death.
const SECURE_EVERY: u64 = 64 * 1024 * 1024;
/// Longest silence between two parts of a body.
const SILENCE: Duration = Duration::from_secs(30);
/// What a file is can be told from so many bytes.
const ENOUGH: usize = 32;
/// The rest of a body that is refused is read up to here, so that the caller, still sending, gets the answer.
const DISCARD: usize = 32 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// It broke off, or another request goes on with the file.
    Cut,
    /// It goes beyond the length of the file.
    TooLong,
}

/// What the row says of a file that is not complete.
pub(super) struct Sofar {
    pub(super) whole: Whole,
    pub(super) inbox: Value,
}

impl Sofar {
    /// Reads [`MediaRow::state`].
    pub(super) fn of(row: &MediaRow) -> Result<Self, ErrorInfo> {
        let damaged = || {
            ErrorInfo::new(
                ErrorCode::StorageFailed,
                "the state of the file cannot be read",
            )
        };
        let Some(text) = &row.state else {
            return Ok(Self {
                whole: Whole::default(),
                inbox: Value::Null,
            });
        };
        let mut state: Value = serde_json::from_str(text).map_err(|_| damaged())?;
        let whole = state["sha256"].as_str().and_then(Whole::from_text);
        Ok(Self {
            whole: whole.ok_or_else(damaged)?,
            inbox: state["inbox"].take(),
        })
    }
}

/// Who works on a block, with everything it needs.
struct Worker {
    writer: Box<dyn Writer>,
    whole: Whole,
    checksum: Option<Checksum>,
}

impl Worker {
    /// Hashes and writes a block, both at once.
    async fn take(mut self, block: Vec<Bytes>) -> Result<Self, ErrorInfo> {
        let hashed = block.clone();
        let (mut whole, mut checksum) = (self.whole, self.checksum);
        let hashing = tokio::task::spawn_blocking(move || {
            whole.update(&hashed);
            if let Some(checksum) = &mut checksum {
                checksum.update(&hashed);
            }
            (whole, checksum)
        });
        let (hashed, written) = tokio::join!(hashing, self.writer.write(&block));
        written.map_err(|error| failed(&error))?;
        (self.whole, self.checksum) =
            hashed.map_err(|gone| failed(&std::io::Error::other(gone)))?;
        Ok(self)
    }
}

/// Receives the body of one request.
pub(super) struct Receiver<'a> {
    library: &'a Library,
    row: &'a mut MediaRow,
    worker: Option<Worker>,
    running: Option<JoinHandle<Result<Worker, ErrorInfo>>>,
    block: Vec<Bytes>,
    in_block: usize,
    /// Bytes received that the row does not count yet.
    unsafe_bytes: u64,
    verified: bool,
    /// The first bytes were looked at.
    known: bool,
}

impl<'a> Receiver<'a> {
    pub(super) async fn open(
        library: &'a Library,
        row: &'a mut MediaRow,
        checksum: Option<Checksum>,
    ) -> Result<Self, ErrorInfo> {
        let Sofar { whole, inbox } = Sofar::of(row)?;
        let partial = Partial {
            id: &row.id,
            offset: row.offset,
            state: &inbox,
        };
        let writer = library
            .0
            .inbox
            .open(&partial)
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self {
            library,
            known: row.offset > 0,
            verified: checksum.is_none(),
            row,
            worker: Some(Worker {
                writer,
                whole,
                checksum,
            }),
            running: None,
            block: Vec::new(),
            in_block: 0,
            unsafe_bytes: 0,
        })
    }

    /// Takes the body to its end. Whatever is kept of it is safe and noted in the row, here and in the store.
    pub(super) async fn receive<S, E>(
        mut self,
        body: S,
        cut: &CancellationToken,
    ) -> Result<End, AppendError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let mut body = std::pin::pin!(body);
        let ceiling = if self.row.length > 0 {
            self.row.length
        } else {
            MAX_BYTES
        };
        let mut left = ceiling - self.row.offset;
        let end = loop {
            let next = tokio::select! {
                biased;
                // What has come is taken first: the line may be gone, its bytes are here.
                next = tokio::time::timeout(SILENCE, body.next()) => next,
                () = cut.cancelled() => break End::Cut,
            };
            let mut piece = match next {
                Ok(Some(Ok(piece))) => piece,
                Ok(None) => break End::Whole,
                Ok(Some(Err(_))) | Err(_) => break End::Cut,
            };
            let fits = piece.len() as u64 <= left;
            if !fits {
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            }
            left -= piece.len() as u64;
            self.unsafe_bytes += piece.len() as u64;
            self.in_block += piece.len();
            self.block.push(piece);
            if !fits {
                break End::TooLong;
            }
            if let Err(refusal) = self.look(false) {
                discard(body).await;
                return Err(refusal.into());
            }
            if self.in_block >= BLOCK {
                self.flush().await?;
            }
            if self.verified && self.unsafe_bytes >= SECURE_EVERY {
                self.secure().await?;
                self.library.check_room(self.row, 0).await?;
            }
        };
        if end != End::TooLong {
            self.look(true)?;
        }
        if !self.verified {
            self.flush().await?;
            let worker = self.idle().await?;
            let checksum = worker.checksum.take();
            // What cannot be verified is not kept.
            match end {
                End::Whole if checksum.is_some_and(Checksum::holds) => {}
                End::Whole => return Err(AppendError::ChecksumMismatch),
                End::Cut | End::TooLong => return Ok(end),
            }
        }
        self.secure().await?;
        Ok(end)
    }

    /// Looks at the first bytes: a file that will be refused need not arrive as a whole.
    fn look(&mut self, ended: bool) -> Result<(), ErrorInfo> {
        let at_end = ended && self.row.length == self.row.offset + self.unsafe_bytes;
        if self.known || (self.in_block < ENOUGH && !at_end) {
            return Ok(());
        }
        self.known = true;
        let first: Vec<u8> = self.block.iter().flatten().copied().take(ENOUGH).collect();
        if let Some(refusal) = recognise::refuses(&first) {
            return Err(refusal);
        }
        if recognise::is_image(&first) && self.row.length > MAX_IMAGE_BYTES {
            return Err(too_large(self.row.length));
        }
        Ok(())
    }

    /// Hands the block over to the worker.
    async fn flush(&mut self) -> Result<(), ErrorInfo> {
        if self.in_block == 0 {
            return Ok(());
        }
        self.idle().await?;
        let block = std::mem::take(&mut self.block);
        self.in_block = 0;
        if let Some(worker) = self.worker.take() {
            self.running = Some(tokio::spawn(worker.take(block)));
        }
        Ok(())
    }

    /// The worker, once it has nothing to do.
    async fn idle(&mut self) -> Result<&mut Worker, ErrorInfo> {
        if let Some(running) = self.running.take() {
            let done = running.await;
            self.worker = Some(done.map_err(|gone| failed(&std::io::Error::other(gone)))??);
        }
        self.worker.as_mut().ok_or_else(|| {
            // Only after an error, which ended everything.
            ErrorInfo::new(ErrorCode::StorageFailed, "an earlier block failed")
        })
    }

    /// Makes safe what has come and notes it.
    async fn secure(&mut self) -> Result<(), AppendError> {
        self.flush().await?;
        let from = self.row.offset;
        let to = from + self.unsafe_bytes;
        let last = self.row.length == to;
        let worker = self.idle().await?;
        let inbox = worker
            .writer
            .secure(last)
            .await
            .map_err(|error| failed(&error))?;
        let state = json!({ "sha256": worker.whole.text(), "inbox": inbox });
        self.row.offset = to;
        self.row.state = Some(state.to_string());
        self.row.expires_at = self.library.0.clock.now() + UNFINISHED_MS;
        self.unsafe_bytes = 0;
        if self
            .library
            .0
            .store
            .advance_media(self.row.clone(), from)
            .await?
        {
            return Ok(());
        }
        // Another node went on with it, or it was removed.
        match self
            .library
            .0
            .store
            .media(&self.row.owner, &self.row.id)
            .await?
        {
            Some(row) => Err(AppendError::WrongOffset {
                expected: row.offset,
            }),
            None => Err(AppendError::NotFound),
        }
    }
}

/// The refusal of an image beyond its limit.
pub(super) fn too_large(length: u64) -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::MediaTooLarge,
        format!(
            "the image has {} ({length} bytes); at most {} are taken",
            size(length),
            size(MAX_IMAGE_BYTES)
        ),
    )
}

async fn discard<S: Stream<Item = Result<Bytes, E>>, E>(mut body: std::pin::Pin<&mut S>) {
    let reading = async {
        let mut left = DISCARD;
        while let Some(Ok(piece)) = body.next().await {
            if piece.len() > left {
                return;
            }
            left -= piece.len();
        }
    };
    // Whether it ended or not, the answer is the same.
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}
