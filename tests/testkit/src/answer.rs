//! Bytes on the wire: answers, and everything that can go wrong with them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame};
use serde_json::{Value, json};
use tokio::time::{Sleep, sleep};

use crate::case::{Fault, Reply};

/// The connection ends here, on purpose.
#[derive(Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// A body with pauses and, perhaps, an end before its end.
#[derive(Default)]
pub(crate) struct Wire {
    parts: VecDeque<Part>,
}

enum Part {
    Bytes(Bytes),
    /// Lets what was written reach the socket.
    Flush,
    Pause(Duration),
    Sleeping(Pin<Box<Sleep>>),
    Cut,
}

impl Wire {
    fn whole(bytes: Bytes) -> Self {
        Self {
            parts: VecDeque::from([Part::Bytes(bytes)]),
        }
    }

    fn truncated(bytes: &Bytes, after: usize) -> Self {
        let head = bytes.slice(..after.min(bytes.len()));
        Self {
            parts: VecDeque::from([Part::Bytes(head), Part::Flush, Part::Cut]),
        }
    }

    fn slow(bytes: &Bytes, chunk: usize, every: Duration) -> Self {
        let mut parts = VecDeque::new();
        for piece in bytes.chunks(chunk.max(1)) {
            parts.push_back(Part::Bytes(bytes.slice_ref(piece)));
            parts.push_back(Part::Pause(every));
        }
        Self { parts }
    }
}

impl Body for Wire {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            match self.parts.pop_front() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Part::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Part::Cut) => return Poll::Ready(Some(Err(Cut))),
                Some(Part::Flush) => {
                    // hyper writes out what it has whenever the body is not ready.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Part::Pause(time)) => {
                    self.parts.push_front(Part::Sleeping(Box::pin(sleep(time))));
                }
                Some(Part::Sleeping(mut nap)) => {
                    if nap.as_mut().poll(context).is_pending() {
                        self.parts.push_front(Part::Sleeping(nap));
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }
}

/// What the connection must do.
pub(crate) enum Answer {
    /// Send this.
    Send(Response<Wire>),
    /// Close without an answer, by RST or FIN.
    Drop {
        /// By RST.
        reset: bool,
    },
}

/// Carries out a step's reply. Comes back never where the script says so; the connection ends that
/// when the client goes away.
pub(crate) async fn answer(reply: &Reply) -> Answer {
    if let Some(delay) = reply.delay_ms {
        sleep(Duration::from_millis(delay)).await;
    }
    match reply.fault {
        Some(Fault::Reset) => return Answer::Drop { reset: true },
        Some(Fault::Close) => return Answer::Drop { reset: false },
        Some(Fault::Never) => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Some(Fault::Truncated { .. } | Fault::Slow { .. }) | None => {}
    }
    let (kind, bytes) = content(reply);
    let mut response = Response::builder()
        .status(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if let Some(kind) = kind
        && !reply
            .headers
            .keys()
            .any(|name| name.eq_ignore_ascii_case("content-type"))
    {
        response = response.header(CONTENT_TYPE, kind);
    }
    if reply.status != 204 {
        response = response.header(CONTENT_LENGTH, bytes.len());
    }
    let body = match reply.fault {
        Some(Fault::Truncated { after_bytes }) => Wire::truncated(&bytes, after_bytes),
        Some(Fault::Slow {
            chunk_bytes,
            every_ms,
        }) => Wire::slow(&bytes, chunk_bytes, Duration::from_millis(every_ms)),
        _ => Wire::whole(bytes),
    };
    Answer::Send(response.body(body).unwrap_or_else(|error| {
        json_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "error": error.to_string() }),
        )
    }))
}

fn content(reply: &Reply) -> (Option<&'static str>, Bytes) {
    if let Some(value) = &reply.json {
        let kind = if reply.status >= 400 {
            "application/problem+json"
        } else {
            "application/json"
        };
        (Some(kind), value.to_string().into())
    } else if let Some(text) = &reply.text {
        (Some("text/plain; charset=utf-8"), text.clone().into())
    } else if let Some(text) = &reply.base64 {
        let bytes = BASE64.decode(text).unwrap_or_default();
        (Some("application/octet-stream"), bytes.into())
    } else {
        (None, Bytes::new())
    }
}

/// A plain JSON answer of the kit itself.
pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response<Wire> {
    let text = value.to_string();
    let length = http::HeaderValue::from(text.len());
    let mut response = Response::new(Wire::whole(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    headers.insert(CONTENT_LENGTH, length);
    response
}
