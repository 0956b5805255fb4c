//! Putting an answer onto the connection, whole or broken.
//!
//! A cut works through axum and hyper alone, so also where the router is nested in another server: a body that declares its
//! full length and then fails makes hyper give the connection up. Failing at the first poll takes the head away too,
//! because hyper writes the head together with the first piece of the body.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;

use super::{Action, Cut, Drip, Hang};
use crate::answer::Answer;

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Whole,
    Cut(Cut),
    Hang(Hang),
    Drip(Drip),
}

/// How many more bytes a connection may write; shared with the connection by [`Sandbox::serve`](crate::Sandbox::serve).
#[derive(Clone, Debug)]
pub(crate) struct Limit(Arc<AtomicU64>);

impl Default for Limit {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Limit {
    fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn left(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn spend(&self, bytes: u64) {
        if self.left() != u64::MAX {
            self.0.fetch_sub(bytes, Ordering::SeqCst);
        }
    }
}

impl Wire {
    pub(crate) fn of(action: &Action) -> Self {
        if let Some(cut) = action.cut {
            Self::Cut(cut)
        } else if let Some(hang) = action.hang {
            Self::Hang(hang)
        } else if let Some(drip) = action.drip {
            Self::Drip(drip)
        } else {
            Self::Whole
        }
    }

    /// Whether the caller sees the status.
    pub(crate) fn shows_status(self) -> bool {
        match self {
            Self::Whole | Self::Drip(_) => true,
            Self::Cut(cut) => cut.after_bytes.is_some(),
            Self::Hang(_) => false,
        }
    }

    /// Sends the answer; `limit` belongs to the connection where the sandbox serves it itself.
    pub(crate) async fn send(self, answer: Answer, limit: Option<&Limit>) -> Response<Body> {
        match self {
            Self::Whole => {
                // A connection that outlived an earlier cut is whole again.
                if let Some(limit) = limit {
                    limit.set(u64::MAX);
                }
                let body = Body::from(answer.body.clone());
                respond(answer, body)
            }
            Self::Cut(Cut {
                at_byte: Some(bytes),
                ..
            }) if limit.is_some() => {
                if let Some(limit) = limit {
                    limit.set(bytes);
                }
                let body = Body::from(answer.body.clone());
                respond(answer, body)
            }
            Self::Cut(cut) => cut_short(answer, cut.after_bytes),
            Self::Hang(hang) => {
                tokio::time::sleep(Duration::from_millis(hang.max_ms)).await;
                cut_short(answer, None)
            }
            Self::Drip(drip) => {
                let body = dripping(answer.body.clone(), drip);
                respond(answer, body)
            }
        }
    }
}

fn respond(answer: Answer, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if answer.status != 204 {
        response
            .headers_mut()
            .insert("content-length", HeaderValue::from(answer.body.len()));
    }
    response
}

fn cut_short(mut answer: Answer, after_bytes: Option<usize>) -> Response<Body> {
    let sent = after_bytes.map(|bytes| answer.body.slice(..bytes.min(answer.body.len())));
    // A body that is sent in full would not be cut: there has to be something left to wait for.
    if sent
        .as_ref()
        .is_none_or(|sent| sent.len() == answer.body.len())
    {
        answer.body = Bytes::from([&answer.body[..], b"\n"].concat());
    }
    if answer.status == 204 {
        answer.status = 200;
    }
    let pieces = stream::unfold(Step::Piece(sent), |step| async move {
        match step {
            Step::Piece(Some(bytes)) if !bytes.is_empty() => Some((Ok(bytes), Step::Flush)),
            // An empty piece would be skipped; the flush alone brings the head out.
            Step::Piece(Some(_)) | Step::Flush => {
                // Once around the event loop, so that what was written so far leaves before the error does.
                tokio::task::yield_now().await;
                Some((Err(cut_error()), Step::End))
            }
            Step::Piece(None) => Some((Err(cut_error()), Step::End)),
            Step::End => None,
        }
    });
    respond(answer, Body::from_stream(pieces))
}

enum Step {
    Piece(Option<Bytes>),
    Flush,
    End,
}

fn cut_error() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "cut by a fault of the sandbox",
    )
}

fn dripping(body: Bytes, drip: Drip) -> Body {
    Body::from_stream(stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(drip.every_ms)).await;
        let piece = rest.split_to(drip.bytes.min(rest.len()));
        Some((Ok::<_, Infallible>(piece), rest))
    }))
}
