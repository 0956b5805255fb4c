//! What *prepare* works with: the service's files, and a place to keep its steps.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::{PlatformError, Prepared, StoredFile};

/// How far a *prepare* came.
#[derive(Debug, Clone)]
pub enum Preparation {
    /// All is done; what the commit needs.
    Ready(Prepared),
    /// The network works on it. Ask again later, with the state.
    Later(Pause),
}

/// A wait in the middle of *prepare*. Nobody waits inside: the worker is free meanwhile.
#[derive(Debug, Clone)]
pub struct Pause {
    /// What the next call needs.
    pub state: Value,
    /// How long the network probably needs.
    pub wait: std::time::Duration,
    /// Why, as a sentence for people.
    pub reason: String,
}

/// What *prepare* works with.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// The service's files.
    pub media: &'a dyn MediaSource,
    /// Where steps are kept.
    pub steps: &'a dyn Steps,
    /// What an earlier call kept or returned.
    pub state: Option<&'a Value>,
}

/// Keeps the steps of a *prepare*, so that a crash repeats none that costs something.
#[async_trait]
pub trait Steps: Send + Sync {
    /// Stores the state. `Ok` means that it survives a power loss.
    ///
    /// # Errors
    /// The store failed, or another worker has the target by now: stop, nothing more may be done for it.
    async fn keep(&self, state: &Value) -> Result<(), PlatformError>;
}

/// Where stored files are read from. Errors say whether another try may help: a file that is gone is
/// [`crate::FailureClass::Rejected`].
#[async_trait]
pub trait MediaSource: Send + Sync {
    /// The whole content of a stored image, at most 20 MB; made to fit where `fit` is given.
    ///
    /// # Errors
    /// The file is gone or cannot be read, or it cannot be made to fit.
    async fn image(
        &self,
        file: &StoredFile,
        fit: Option<&Fit>,
    ) -> Result<ReadyImage, PlatformError>;

    /// The content of a stored video, piece by piece, with its index first where that can be done.
    ///
    /// # Errors
    /// The file is gone or cannot be read.
    async fn video(&self, file: &StoredFile) -> Result<Pieces, PlatformError>;

    /// Fetches a public address into the library.
    ///
    /// # Errors
    /// The address is not allowed, or does not give a picture or video.
    async fn fetch(&self, url: &str) -> Result<StoredFile, PlatformError>;
}

/// What a network takes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Largest size of the file.
    pub bytes: u64,
    /// Largest width and height in pixels.
    pub side: u32,
}

/// An image as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyImage {
    /// `image/jpeg` or `image/png`, unless it was sent as it is.
    pub content_type: String,
    /// The content.
    pub content: Bytes,
}

/// A file piece by piece.
pub struct Pieces {
    /// Bytes in all pieces together.
    pub length: u64,
    /// The pieces.
    pub stream: BoxStream<'static, std::io::Result<Bytes>>,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
