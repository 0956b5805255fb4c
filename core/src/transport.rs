//! How the client reaches the service: over HTTP, or in-process without a socket.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
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
