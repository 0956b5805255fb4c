//! A transport that plays a script, so that time can stand still in a test.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use multi_upload_core::{
    Client, ClientOptions, Request, RequestBody, Response, RetryOptions, Transport, TransportError,
};
use serde_json::{Value, json};

/// One answer of the script.
pub(crate) enum Reply {
    /// An answer with JSON.
    Json(u16, Value),
    /// An answer with headers.
    With(u16, Vec<(&'static str, String)>, Value),
    /// No answer.
    Fail(TransportError),
    /// No answer, ever.
    Never,
    /// An answer after a while.
    After(Duration, Box<Reply>),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) bytes: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

type Answerer = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// The transport.
pub(crate) struct Script {
    answer: Box<Answerer>,
    seen: Mutex<Vec<Seen>>,
}

impl Script {
    /// Answers by a function of the request and its number, from 0.
    pub(crate) fn by(answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            seen: Mutex::default(),
        })
    }

    /// Answers in order; a request beyond the script is a failure of the test.
    pub(crate) fn of(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::by(move |seen, _| {
            replies
                .lock()
                .expect("no panic")
                .pop_front()
                .unwrap_or_else(|| panic!("not in the script: {}", seen.line))
        })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// A client on this script, without jitter.
    pub(crate) fn client(self: &Arc<Self>) -> Client {
        self.client_with(ClientOptions {
            api_key: "mu_test_topsecret".to_owned(),
            retry: RetryOptions {
                jitter: false,
                ..RetryOptions::default()
            },
            ..ClientOptions::default()
        })
    }

    pub(crate) fn client_with(self: &Arc<Self>, options: ClientOptions) -> Client {
        Client::with_transport(Arc::clone(self) as Arc<dyn Transport>, options)
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let bytes = match request.body {
            RequestBody::Bytes(bytes) => bytes,
            RequestBody::Stream(body) => {
                let mut all = Vec::new();
                let mut pieces = body.open();
                while let Some(piece) = pieces.next().await {
                    let piece = piece.map_err(|error| TransportError::Cut(error.to_string()))?;
                    all.extend_from_slice(&piece);
                }
                assert_eq!(all.len() as u64, body.length());
                Bytes::from(all)
            }
            _ => Bytes::new(),
        };
        let seen = Seen {
            line: format!("{} {}", request.method, request.path),
            headers: request.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
        };
        let number = {
            let mut all = self.seen.lock().expect("no panic");
            all.push(seen.clone());
            all.len() - 1
        };
        let mut reply = (self.answer)(&seen, number);
        loop {
            reply = match reply {
                Reply::Json(status, body) => return Ok(response(status, Vec::new(), &body)),
                Reply::With(status, headers, body) => return Ok(response(status, headers, &body)),
                Reply::Fail(error) => return Err(error),
                Reply::Never => std::future::pending().await,
                Reply::After(delay, reply) => {
                    tokio::time::sleep(delay).await;
                    *reply
                }
            }
        }
    }
}

fn response(status: u16, headers: Vec<(&'static str, String)>, body: &Value) -> Response {
    let mut map = HeaderMap::new();
    map.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    for (name, value) in headers {
        map.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value).expect("a header"),
        );
    }
    Response {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: map,
        body: Bytes::from(body.to_string()),
    }
}

pub(crate) fn cut() -> Reply {
    Reply::Fail(TransportError::Cut("reset".to_owned()))
}

pub(crate) fn not_sent() -> Reply {
    Reply::Fail(TransportError::Connect("refused".to_owned()))
}

pub(crate) fn problem(status: u16, code: &str) -> Reply {
    Reply::Json(status, json!({"code": code, "detail": "why"}))
}

/// An upload with one target in the same state.
pub(crate) fn upload(id: &str, status: &str) -> Value {
    json!({
        "id": id, "status": status, "scheduled_at": null, "timezone": null, "external_id": null,
        "version": 1, "created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00Z",
        "content": {"accounts": ["pinterest:1"]},
        "targets": [{
            "id": "tg_1", "account": "pinterest:1", "platform": "pinterest", "status": status,
            "attempts": 0, "next_attempt_at": null, "board_id": null, "remote_id": null,
            "remote_url": null, "published_at": null, "error": null,
        }],
    })
}
