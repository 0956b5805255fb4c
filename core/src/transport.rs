//! How the client reaches the service: over HTTP, or in-process without a socket.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};

/// Carries one request to the service and brings the whole answer back.
///
/// A transport never repeats a request and never follows a redirect: the one loop that repeats
/// stands in the client.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends once. Dropping the future may leave the request running at the other end.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query, beginning with `/v1/`, percent-encoded.
    pub path: String,
    /// Headers, without `Host`, `Content-Length` and `Authorization` (the transport knows the key).
    pub headers: HeaderMap,
    /// Body.
    pub body: RequestBody,
    /// Time for this attempt, from connecting to the last byte of the answer.
    pub timeout: Duration,
}

/// A body that can be sent again.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum RequestBody {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes that are read as they are sent.
    Stream(StreamBody),
}

/// A body that is read as it is sent; each [`StreamBody::open`] begins again.
#[derive(Clone)]
pub struct StreamBody {
    length: u64,
    open: Arc<dyn Fn() -> BoxStream<'static, io::Result<Bytes>> + Send + Sync>,
}

impl StreamBody {
    /// A body of `length` bytes.
    pub fn new(
        length: u64,
        open: impl Fn() -> BoxStream<'static, io::Result<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            length,
            open: Arc::new(open),
        }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes.
    #[must_use]
    pub fn open(&self) -> BoxStream<'static, io::Result<Bytes>> {
        (self.open)()
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// The answer, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most 64 MiB.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nothing was sent: DNS, connect.
    #[error("could not connect: {0}")]
    Connect(String),
    /// The certificate or the handshake failed; nothing was sent.
    #[error("secure connection failed: {0}")]
    Tls(String),
    /// It was sent, or may have been; no answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// It was sent, or may have been; the answer was cut or unreadable.
    #[error("the answer was cut: {0}")]
    Cut(String),
}
