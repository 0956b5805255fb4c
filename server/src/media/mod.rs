//! Uploaded files: received piece by piece, recognised by their content, kept on disk or in a bucket.
//!
//! A file's row in the store says how many bytes are safe. An *inbox* keeps the bytes of files that are not complete, a *shelf* the
//! complete ones. Files of one owner with the same content share one place on the shelf, which goes with the last of their rows.

mod checksum;
mod inbox;
mod inbox_disk;
mod inbox_parts;
mod open;
mod receive;
mod recognise;
mod refusals;
mod settings;
mod shelf;
mod source;
mod turns;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use multi_upload_wire::{ErrorCode, ErrorInfo, MediaFacts, MediaKind};

pub(crate) use checksum::{ALGORITHMS, Checksum};
use inbox::{Inbox, Partial, failed};
use receive::{End, Receiver, Sofar};
pub(crate) use refusals::refusals;
use settings::size;
pub use settings::{Blobs, MAX_BYTES, MAX_IMAGE_BYTES, MediaSettings, parse_size};
use shelf::Shelf;
pub(crate) use source::stored_file;
use turns::Turns;

use crate::clock::Clock;
use crate::ids::new_id;
use crate::store::{Begun, GoneMedia, MediaRow, Millis, Owner, Store, StoreResult};

/// An upload that is not complete after this time without a new byte is given up.
const UNFINISHED_MS: Millis = 24 * 3_600_000;
/// Files that one transaction removes, at most.
const SWEEP: u32 = 200;

/// The files of all teams.
#[derive(Clone)]
pub(crate) struct Library(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    inbox: Arc<dyn Inbox>,
    settings: MediaSettings,
    store: Arc<dyn Store>,
    clock: Clock,
    turns: Turns,
}

/// A file to begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewFile {
    /// Its size in bytes; `None` while it is not known.
    pub(crate) length: Option<u64>,
    /// The same key begins the same file.
    pub(crate) key: Option<String>,
    /// What the caller says about it.
    pub(crate) metadata: Option<String>,
}

/// What comes with a piece.
#[derive(Debug, Clone, Default)]
pub(crate) struct Piece {
    /// Where it begins: where the file ends.
    pub(crate) offset: u64,
    /// The size of the file, which may become known only now.
    pub(crate) length: Option<u64>,
    /// That the piece must have. Then all of it is kept or nothing.
    pub(crate) checksum: Option<Checksum>,
}

/// Why a piece was not taken.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// There is no such file, or it has expired.
    NotFound,
    /// The piece begins elsewhere than where the file ends.
    WrongOffset { expected: u64 },
    /// The file has another length than the piece says.
    WrongLength { length: u64 },
    /// Another request is writing to the file.
    Busy,
    /// The piece goes beyond the announced length. What was announced has been kept.
    TooLong,
    /// The body broke off. What arrived before has been kept.
    Cut { offset: u64 },
    /// The piece is not what its checksum says; nothing of it was kept.
    ChecksumMismatch,
    /// Refused, or a fault of disk or database.
    Failed(Box<ErrorInfo>),
}

impl<E: Into<ErrorInfo>> From<E> for AppendError {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

impl Library {
    /// Opens the place of the files.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when it cannot be used.
    pub(crate) async fn open(
        settings: MediaSettings,
        data: &Path,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Self, ErrorInfo> {
        let (shelf, inbox) = open::open(&settings.blobs, data).await?;
        Ok(Self(Arc::new(Inner {
            shelf,
            inbox,
            settings,
            store,
            clock,
            turns: Turns::default(),
        })))
    }

    /// Begins a file, or finds the one that its key began before (then true).
    ///
    /// # Errors
    /// `MEDIA_TOO_LARGE`, `QUOTA_EXHAUSTED`, `STORAGE_FULL`, `IDEMPOTENCY_BODY_MISMATCH`.
    pub(crate) async fn begin(
        &self,
        owner: &Owner,
        file: NewFile,
    ) -> Result<(MediaRow, bool), ErrorInfo> {
        let length = file.length.unwrap_or(0);
        if length > MAX_BYTES {
            return Err(ErrorInfo::new(
                ErrorCode::MediaTooLarge,
                format!(
                    "the file has {} ({length} bytes); at most {} are taken",
                    size(length),
                    size(MAX_BYTES)
                ),
            ));
        }
        let now = self.0.clock.now();
        let row = MediaRow {
            id: new_id("md"),
            owner: owner.clone(),
            ready: false,
            length,
            offset: 0,
            key: file.key,
            metadata: file.metadata,
            state: None,
            facts: None,
            sha256: None,
            blob: None,
            created_at: now,
            expires_at: now + UNFINISHED_MS,
        };
        self.check_room(&row, length).await?;
        let allowance = self.0.settings.allowance;
        let mut begun = self.0.store.begin_media(row.clone(), allowance).await?;
        if let Begun::Known(known) = &begun
            && known.expires_at <= now
        {
            // Over, and not swept yet.
            self.discard(known).await?;
            begun = self.0.store.begin_media(row.clone(), allowance).await?;
        }
        match begun {
            Begun::New => Ok((row, false)),
            Begun::Known(known) if file.length.is_some() && known.length != length => {
                Err(ErrorInfo::new(
                    ErrorCode::IdempotencyBodyMismatch,
                    format!(
                        "the key began a file of {} bytes, not {length}",
                        known.length
                    ),
                ))
            }
            Begun::Known(known) => Ok((*known, true)),
            Begun::Full { used } => Err(self.over_allowance(used, length)),
        }
    }

    /// One file; none if it was given up.
    pub(crate) async fn get(&self, owner: &Owner, id: &str) -> StoreResult<Option<MediaRow>> {
        if !is_id(id) {
            return Ok(None);
        }
        let row = self.0.store.media(owner, id).await?;
        let now = self.0.clock.now();
        Ok(row.filter(|row| row.expires_at > now))
    }

    /// One file as it stands now; one that only lacks its last step gets it.
    pub(crate) async fn look(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<MediaRow>, AppendError> {
        match self.get(owner, id).await? {
            Some(row) if is_whole(&row) => self.settled(owner, id).await,
            other => Ok(other),
        }
    }

    /// One file as it stands once nobody writes to it any more: a caller who asks where to go on has given up its earlier request.
    pub(crate) async fn settled(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<MediaRow>, AppendError> {
        match self.get(owner, id).await? {
            Some(row) if !row.ready => {}
            other => return Ok(other),
        }
        let _turn = self.0.turns.take(id).await.ok_or(AppendError::Busy)?;
        match self.get(owner, id).await? {
            // It died between the last byte and the end.
            Some(row) if is_whole(&row) => Ok(Some(self.complete(row).await?)),
            other => Ok(other),
        }
    }

    /// Adds a piece. Whatever is answered as received is safe.
    pub(crate) async fn append<S, E>(
        &self,
        owner: &Owner,
        id: &str,
        piece: Piece,
        body: S,
    ) -> Result<MediaRow, AppendError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        if !is_id(id) {
            return Err(AppendError::NotFound);
        }
        let turn = self.0.turns.take(id).await.ok_or(AppendError::Busy)?;
        let mut row = self.get(owner, id).await?.ok_or(AppendError::NotFound)?;
        if row.offset != piece.offset {
            return Err(AppendError::WrongOffset {
                expected: row.offset,
            });
        }
        if let Some(length) = piece.length {
            if row.length == 0 && (row.offset.max(1)..=MAX_BYTES).contains(&length) {
                row.length = length;
            } else if row.length != length {
                return Err(AppendError::WrongLength { length: row.length });
            }
        }
        if row.ready {
            return Ok(row);
        }
        self.check_room(&row, row.length.saturating_sub(row.offset))
            .await?;
        let end = match Receiver::open(self, &mut row, piece.checksum).await {
            Ok(receiver) => receiver.receive(body, &turn.end).await,
            Err(info) => Err(info.into()),
        };
        let end = match end {
            Err(AppendError::Failed(info)) if is_refusal(&info) => {
                self.discard(&row).await?;
                return Err(AppendError::Failed(info));
            }
            end => end?,
        };
        match end {
            End::TooLong => Err(AppendError::TooLong),
            _ if is_whole(&row) => Ok(self.complete(row).await?),
            End::Whole => Ok(row),
            End::Cut => Err(AppendError::Cut { offset: row.offset }),
        }
    }

    /// Takes a whole file from a stream, for content that the service fetches itself.
    ///
    /// # Errors
    /// Those of [`Library::begin`] and `MEDIA_TYPE_UNSUPPORTED`; `MEDIA_FETCH_FAILED` when the stream breaks off. Nothing is kept then.
    #[allow(dead_code, reason = "used by fetched addresses")]
    pub(crate) async fn ingest<S, E>(
        &self,
        owner: &Owner,
        body: S,
        length: Option<u64>,
    ) -> Result<MediaRow, ErrorInfo>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let file = NewFile {
            length,
            ..NewFile::default()
        };
        let (row, _) = self.begin(owner, file).await?;
        let done = self.append(owner, &row.id, Piece::default(), body).await;
        let done = match done {
            // Its end says how long it was.
            Ok(after) if !after.ready && length.is_none() && after.offset > 0 => {
                let end = Piece {
                    offset: after.offset,
                    length: Some(after.offset),
                    checksum: None,
                };
                let nothing = futures_util::stream::empty::<Result<Bytes, E>>();
                self.append(owner, &row.id, end, nothing).await
            }
            done => done,
        };
        let problem = match done {
            Ok(row) if row.ready => return Ok(row),
            Ok(row) => cut_off(row.offset),
            Err(AppendError::Failed(info)) => *info,
            Err(AppendError::TooLong) => ErrorInfo::new(
                ErrorCode::MediaTooLarge,
                format!(
                    "the file is larger than {}",
                    size(length.unwrap_or(MAX_BYTES))
                ),
            ),
            Err(AppendError::Cut { offset }) => cut_off(offset),
            Err(_) => cut_off(0),
        };
        self.discard(&row).await?;
        Err(problem)
    }

    /// Removes a file. A file that an upload still needs is the caller's to judge.
    pub(crate) async fn delete(&self, owner: &Owner, id: &str) -> Result<bool, AppendError> {
        if !is_id(id) {
            return Ok(false);
        }
        let _turn = self.0.turns.take(id).await.ok_or(AppendError::Busy)?;
        let gone = self.0.store.delete_media(owner, id).await?;
        let was_there = gone.is_some();
        if let Some(gone) = gone {
            self.clear(gone).await;
        }
        Ok(was_there)
    }

    /// The content of a complete file from a byte on, and the size of the whole.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no complete file, `STORAGE_FAILED`.
    pub(crate) async fn stream(
        &self,
        owner: &Owner,
        id: &str,
        from: u64,
    ) -> Result<(u64, shelf::Stream), ErrorInfo> {
        let (row, name) = self.complete_file(owner, id).await?;
        if from >= row.length {
            return Ok((row.length, futures_util::stream::empty().boxed()));
        }
        let stream = self.0.shelf.stream(&name, from).await;
        Ok((row.length, stream.map_err(|error| failed(&error))?))
    }

    /// The whole content of an image, or of another file of at most 20 MiB.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no complete file, `MEDIA_TOO_LARGE`, `STORAGE_FAILED`.
    pub(crate) async fn read(&self, owner: &Owner, id: &str) -> Result<Bytes, ErrorInfo> {
        let (row, name) = self.complete_file(owner, id).await?;
        if row.length > MAX_IMAGE_BYTES {
            return Err(receive::too_large(row.length));
        }
        let content = self.0.shelf.range(&name, 0..row.length).await;
        content.map_err(|error| failed(&error))
    }

    /// Removes what has expired.
    pub(crate) async fn sweep(&self) -> StoreResult<()> {
        self.0.inbox.sweep().await;
        let keep = self.keep();
        loop {
            let now = self.0.clock.now();
            let gone = self.0.store.expire_media(now, keep, SWEEP).await?;
            let count = gone.len();
            for file in gone {
                self.clear(file).await;
            }
            if count < SWEEP as usize {
                return Ok(());
            }
        }
    }

    fn keep(&self) -> Millis {
        Millis::try_from(self.0.settings.keep.as_millis()).unwrap_or(Millis::MAX / 4)
    }

    async fn complete_file(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<(MediaRow, String), ErrorInfo> {
        // An upload may need a file a little longer than it can be named.
        let row = if is_id(id) {
            self.0.store.media(owner, id).await?
        } else {
            None
        };
        match row {
            Some(MediaRow {
                ready: true,
                blob: Some(ref name),
                ..
            }) => {
                let name = name.clone();
                row.map(|row| (row, name))
            }
            _ => None,
        }
        .ok_or_else(|| ErrorInfo::new(ErrorCode::NotFound, "there is no complete file of this id"))
    }

    /// All bytes are safe: bring the file to its place, recognise the content, say that it is ready.
    async fn complete(&self, mut row: MediaRow) -> Result<MediaRow, ErrorInfo> {
        let Sofar { whole, inbox } = Sofar::of(&row)?;
        let partial = partial(&row, &inbox);
        let placed = self.0.inbox.place(&partial).await;
        placed.map_err(|error| failed(&error))?;
        match self.recognise(&row).await {
            Ok(facts) => row.facts = Some(facts),
            Err(info) => {
                if is_refusal(&info) {
                    self.discard(&row).await?;
                }
                return Err(info);
            }
        }
        row.sha256 = Some(whole.hex());
        row.expires_at = self.0.clock.now() + self.keep();
        let id = row.id.clone();
        let done = self.0.store.finish_media(row).await?.ok_or_else(|| {
            ErrorInfo::new(
                ErrorCode::NotFound,
                "the file was removed while it was completed",
            )
        })?;
        if done.blob.as_deref() != Some(&*id) {
            self.0.shelf.remove(&id).await;
        }
        Ok(done)
    }

    async fn recognise(&self, row: &MediaRow) -> Result<MediaFacts, ErrorInfo> {
        let facts = recognise::facts(self.0.shelf.clone(), row.id.clone(), row.length).await?;
        if facts.kind == MediaKind::Image && row.length > MAX_IMAGE_BYTES {
            return Err(receive::too_large(row.length));
        }
        Ok(facts)
    }

    /// Removes a file that is not taken.
    async fn discard(&self, row: &MediaRow) -> StoreResult<()> {
        if let Some(gone) = self.0.store.delete_media(&row.owner, &row.id).await? {
            self.clear(gone).await;
        }
        Ok(())
    }

    /// Removes the content of a file whose row is gone.
    async fn clear(&self, gone: GoneMedia) {
        let GoneMedia { row, last } = gone;
        match &row.blob {
            Some(name) if last => self.0.shelf.remove(name).await,
            Some(_) => {}
            None => {
                let inbox = Sofar::of(&row).map(|sofar| sofar.inbox).unwrap_or_default();
                self.0.inbox.forget(&partial(&row, &inbox)).await;
            }
        }
    }

    /// Fails if `more` bytes would leave too little room, or the team has more than it may.
    async fn check_room(&self, row: &MediaRow, more: u64) -> Result<(), ErrorInfo> {
        let keep_free = self.0.settings.min_free;
        let room = self.0.inbox.room().await.map_err(|error| failed(&error))?;
        if let Some(room) = room
            && room < keep_free.saturating_add(more)
        {
            return Err(ErrorInfo::new(
                ErrorCode::StorageFull,
                format!(
                    "the disk of the files has {} left, of which {} are kept free; nothing was lost",
                    size(room),
                    size(keep_free)
                ),
            )
            .with_remedy(
                "Free space on the disk of the media folder, lower MULTI_UPLOAD_MIN_FREE, or keep files elsewhere with MULTI_UPLOAD_BLOBS.",
            ));
        }
        if row.length == 0
            && row.offset > 0
            && let Some(allowance) = self.0.settings.allowance
        {
            let used = self.0.store.media_bytes(&row.owner).await?;
            if used > allowance {
                return Err(self.over_allowance(used, 0));
            }
        }
        Ok(())
    }

    fn over_allowance(&self, used: u64, more: u64) -> ErrorInfo {
        let allowance = self.0.settings.allowance.unwrap_or(u64::MAX);
        ErrorInfo::new(
            ErrorCode::QuotaExhausted,
            format!(
                "the team has {} of files and may have {}; this one has {}",
                size(used),
                size(allowance),
                size(more)
            ),
        )
        .with_remedy(
            "Remove files that are not needed (DELETE /v1/media/{id}), wait until unused ones expire, or raise MULTI_UPLOAD_MEDIA_QUOTA.",
        )
    }
}

fn partial<'a>(row: &'a MediaRow, state: &'a serde_json::Value) -> Partial<'a> {
    Partial {
        id: &row.id,
        offset: row.offset,
        state,
    }
}

/// All its bytes are safe, but it was not completed.
fn is_whole(row: &MediaRow) -> bool {
    !row.ready && row.length > 0 && row.offset == row.length
}

/// The content itself is refused: it will not be better next time.
fn is_refusal(info: &ErrorInfo) -> bool {
    info.is(ErrorCode::MediaTypeUnsupported)
        || info.is(ErrorCode::MediaTooLarge)
        || info.is(ErrorCode::MediaPixelsExceeded)
}

fn cut_off(offset: u64) -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::MediaFetchFailed,
        format!("the content broke off after {offset} bytes"),
    )
}

/// `md_` and 32 hex digits: nothing else becomes part of a path.
fn is_id(id: &str) -> bool {
    id.strip_prefix("md_").is_some_and(|rest| {
        rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}
