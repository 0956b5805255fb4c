//! Files on their way in: how bytes become safe before a file is complete.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::Value;

/// A file of which a part is there.
pub(super) struct Partial<'a> {
    pub(super) id: &'a str,
    /// Bytes that are safe.
    pub(super) offset: u64,
    /// What the inbox said last of them.
    pub(super) state: &'a Value,
}

/// Keeps the bytes of files that are not complete.
#[async_trait]
pub(super) trait Inbox: Send + Sync {
    /// Goes on with a file behind its last safe byte.
    async fn open(&self, file: &Partial<'_>) -> io::Result<Box<dyn Writer>>;

    /// Brings a file whose bytes are all safe to its place on the shelf. May be repeated, also when it was done.
    async fn place(&self, file: &Partial<'_>) -> io::Result<()>;

    /// Removes what there is of a file.
    async fn forget(&self, file: &Partial<'_>);

    /// How many more bytes fit; `None` where that is not known.
    async fn room(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Removes what belongs to no file that is still wanted.
    async fn sweep(&self) {}
}

/// Takes the bytes of one file.
#[async_trait]
pub(super) trait Writer: Send {
    /// Takes the next bytes. They are not safe yet.
    async fn write(&mut self, block: &[Bytes]) -> io::Result<()>;

    /// Makes safe whatever was taken; `last` when the file ends there. Gives what [`Partial::state`] must be from now on.
    async fn secure(&mut self, last: bool) -> io::Result<Value>;
}

/// What callers are told when keeping bytes failed.
pub(super) fn failed(error: &io::Error) -> ErrorInfo {
    tracing::error!(%error, "the files' place failed");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ErrorInfo::new(ErrorCode::StorageFull, "the disk of the files is full")
                .with_remedy("Free space on the disk of the media folder, then go on with the upload: what was confirmed is kept.")
        }
        io::ErrorKind::NotFound => ErrorInfo::new(
            ErrorCode::StorageFailed,
            "the bytes that arrived before are not here",
        )
        .with_remedy(
            "Several nodes must share their files: set MULTI_UPLOAD_BLOBS to an s3:// address on all of them; otherwise upload the file again.",
        ),
        _ => ErrorInfo::new(
            ErrorCode::StorageFailed,
            "the place of the files could not be used",
        ),
    }
}
