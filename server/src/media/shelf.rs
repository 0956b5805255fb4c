//! Complete files, wherever they are kept.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt as _};

/// A file is read from disk in pieces of this size.
const PIECE: usize = 512 * 1024;

/// Content as it is read.
pub(crate) type Stream = BoxStream<'static, io::Result<Bytes>>;

/// Complete files by name.
#[derive(Clone)]
pub(super) struct Shelf {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Shelf {
    /// Below `prefix` of a store.
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            store,
            prefix: Path::from(prefix).join("files"),
        }
    }

    /// Where a file is.
    pub(super) fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// The size of a file; `None` if there is none.
    pub(super) async fn size(&self, name: &str) -> io::Result<Option<u64>> {
        match self.store.head(&self.path(name)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Some bytes of a file.
    pub(super) async fn range(&self, name: &str, range: Range<u64>) -> io::Result<Bytes> {
        Ok(self.store.get_range(&self.path(name), range).await?)
    }

    /// A file from a byte on, which must lie within it.
    pub(super) async fn stream(&self, name: &str, from: u64) -> io::Result<Stream> {
        let options = GetOptions {
            range: (from > 0).then_some(GetRange::Offset(from)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.path(name), options).await?;
        Ok(match found.payload {
            GetResultPayload::File(file, _) => from_disk(file, from).await?,
            GetResultPayload::Stream(stream) => stream.map_err(io::Error::from).boxed(),
        })
    }

    /// Removes a file, if it is there.
    pub(super) async fn remove(&self, name: &str) {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%error, "a file could not be removed"),
        }
    }
}

async fn from_disk(mut file: std::fs::File, from: u64) -> io::Result<Stream> {
    let file = blocking(move || {
        file.seek(SeekFrom::Start(from))?;
        Ok(file)
    })
    .await?;
    let pieces = stream::try_unfold(file, async |mut file| {
        blocking(move || {
            let mut piece = Vec::with_capacity(PIECE);
            let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
            Ok((read > 0).then(|| (Bytes::from(piece), file)))
        })
        .await
    });
    Ok(pieces.boxed())
}

/// Runs a short piece of disk work beside the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|gone| Err(io::Error::other(gone)))
}
