//! One request of the API as data, before anything is sent: made once, sent as often as needed.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use tokio::time::Instant;

use crate::error::Error;
use crate::media::Source;
use crate::transport::StreamBody;

/// A path under construction; every part is percent-encoded.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    text: String,
    has_query: bool,
}

impl Path {
    /// Begins with a fixed path.
    pub(crate) fn new(path: &str) -> Self {
        Self {
            text: path.to_owned(),
            has_query: false,
        }
    }

    /// Appends an id as one segment. `argument` names it in the error.
    pub(crate) fn id(mut self, argument: &str, value: &str) -> Result<Self, Error> {
        // "." and ".." would be resolved away and reach another path.
        if value.is_empty() || value.bytes().all(|byte| byte == b'.') {
            return Err(Error::invalid(
                &format!("/{argument}"),
                "invalid",
                format!("`{argument}` must be an id, not {value:?}"),
            ));
        }
        self.text.push('/');
        encode(&mut self.text, value);
        Ok(self)
    }

    /// Appends a fixed segment.
    pub(crate) fn then(mut self, segment: &str) -> Self {
        self.text.push('/');
        self.text.push_str(segment);
        self
    }

    /// Appends a query parameter.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        encode(&mut self.text, value);
        self
    }

    /// Appends a query parameter that is there.
    pub(crate) fn maybe(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(name, value.as_ref()),
            None => self,
        }
    }

    /// Path and query.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The path alone: queries may hold what users search for, which has no place in a log.
    pub(crate) fn without_query(&self) -> &str {
        self.text.split('?').next().unwrap_or(&self.text)
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// What happens if the request runs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Read,
    /// The second time changes nothing more.
    Idempotent,
    /// An idempotency key makes it safe.
    Keyed,
    /// It may report a conflict with itself: sent again only if it never left.
    Never,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) method: Method,
    pub(crate) path: Path,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    /// A part of a file as the body.
    pub(crate) piece: Option<Piece>,
    pub(crate) repeat: Repeat,
    /// Replaces the client's time for one attempt, for requests that wait on purpose.
    pub(crate) attempt_timeout: Option<Duration>,
}

impl Plan {
    fn new(method: Method, path: Path, repeat: Repeat) -> Self {
        Self {
            method,
            path,
            headers: HeaderMap::new(),
            body: None,
            piece: None,
            repeat,
            attempt_timeout: None,
        }
    }

    pub(crate) fn get(path: Path) -> Self {
        Self::new(Method::GET, path, Repeat::Read)
    }

    pub(crate) fn delete(path: Path) -> Self {
        Self::new(Method::DELETE, path, Repeat::Idempotent)
    }

    /// A POST without a body.
    pub(crate) fn post(path: Path) -> Self {
        Self::new(Method::POST, path, Repeat::Keyed)
    }

    /// A POST of JSON.
    pub(crate) fn post_json(path: Path, body: &impl Serialize) -> Result<Self, Error> {
        Self::post(path).json(body)
    }

    /// A PATCH of JSON. Guarded by a version the second time would meet the first one's new version.
    pub(crate) fn patch_json(
        path: Path,
        body: &impl Serialize,
        guarded: bool,
    ) -> Result<Self, Error> {
        let repeat = if guarded {
            Repeat::Never
        } else {
            Repeat::Idempotent
        };
        Self::new(Method::PATCH, path, repeat).json(body)
    }

    /// Adds a piece to a file. Before a repetition the service is asked where the file ends.
    pub(crate) fn append(path: Path) -> Self {
        Self::new(Method::PATCH, path, Repeat::Idempotent)
    }

    fn json(self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| {
            Error::invalid("", "invalid", "the arguments cannot be written as JSON")
                .with_source(error)
        })?;
        Ok(self.bytes(
            Bytes::from(body),
            HeaderValue::from_static("application/json"),
        ))
    }

    /// With a body.
    pub(crate) fn bytes(mut self, body: Bytes, content_type: HeaderValue) -> Self {
        self.headers.insert(header::CONTENT_TYPE, content_type);
        self.body = Some(body);
        self
    }

    /// With a part of a file.
    pub(crate) fn piece(mut self, piece: Piece) -> Self {
        let octets = HeaderValue::from_static("application/offset+octet-stream");
        self.headers.insert(header::CONTENT_TYPE, octets);
        self.piece = Some(piece);
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// With a time for one attempt.
    pub(crate) fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }
}

/// A part of a file as the body of a request.
#[derive(Clone)]
pub(crate) struct Piece {
    source: Source,
    /// Where it begins in the file.
    pub(crate) from: u64,
    /// Where it ends.
    pub(crate) to: u64,
    /// Is told how far the file has gone out.
    told: Arc<dyn Fn(u64) + Send + Sync>,
    watch: Arc<Mutex<Watch>>,
}

struct Watch {
    /// When bytes went out last.
    moved: Instant,
    fault: Option<io::Error>,
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl Piece {
    pub(crate) fn new(
        source: Source,
        from: u64,
        to: u64,
        told: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Self {
        let watch = Watch {
            moved: Instant::now(),
            fault: None,
        };
        Self {
            source,
            from,
            to,
            told,
            watch: Arc::new(Mutex::new(watch)),
        }
    }

    /// The bytes from `from` on, which is not before the piece begins.
    pub(crate) fn body(&self, from: u64) -> StreamBody {
        self.watched(|watch| watch.moved = Instant::now());
        let piece = self.clone();
        StreamBody::new(self.to - from, move || {
            let piece = piece.clone();
            let mut at = from;
            let bytes = piece.source.open(from, piece.to);
            bytes
                .map(move |part| match part {
                    Ok(part) => {
                        // When the next one is asked for, those before have gone out.
                        piece.watched(|watch| watch.moved = Instant::now());
                        (piece.told)(at);
                        at += part.len() as u64;
                        Ok(part)
                    }
                    Err(error) => {
                        let kind = error.kind();
                        piece.watched(|watch| watch.fault = Some(error));
                        Err(kind.into())
                    }
                })
                .boxed()
        })
    }

    /// When bytes went out last.
    pub(crate) fn moved(&self) -> Instant {
        self.watched(|watch| watch.moved)
    }

    /// What went wrong with reading the source, once.
    pub(crate) fn fault(&self) -> Option<io::Error> {
        self.watched(|watch| watch.fault.take())
    }

    /// Has reading the source failed?
    pub(crate) fn has_fault(&self) -> bool {
        self.watched(|watch| watch.fault.is_some())
    }

    fn watched<T>(&self, look: impl FnOnce(&mut Watch) -> T) -> T {
        look(&mut self.watch.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_queries_are_encoded() {
        let path = Path::new("/v1/accounts")
            .id("account", "pinterest:549/ü")
            .expect("an id")
            .then("boards")
            .query("q", "a b&c=d")
            .maybe("privacy", None::<&str>)
            .maybe("limit", Some("5"));
        assert_eq!(
            path.as_str(),
            "/v1/accounts/pinterest%3A549%2F%C3%BC/boards?q=a%20b%26c%3Dd&limit=5"
        );
        assert_eq!(
            path.without_query(),
            "/v1/accounts/pinterest%3A549%2F%C3%BC/boards"
        );
    }

    #[test]
    fn an_id_that_would_leave_its_path_is_refused() {
        for bad in ["", ".", ".."] {
            let error = Path::new("/v1/uploads")
                .id("id", bad)
                .expect_err("not an id");
            assert_eq!(error.code(), "VALIDATION_FAILED");
            assert_eq!(error.info().errors[0].pointer, "/id");
        }
    }
}
