//! The multi-upload client: uploads, boards, accounts, media, waiting and retries, over HTTP or in-process.
//!
//! [`Client`] is the way in. Its namespaces ([`Client::uploads`] and others) are typed; [`Client::call`] and
//! [`Client::stream`] are the same operations by name with JSON, the one door of the language bindings.
//!
//! What is sent again, and when, is decided in [`retry`] and nowhere else. Every error is an [`Error`] around the
//! product's one error object.

mod accounts;
mod answer;
mod args;
mod batch;
mod boards;
mod call;
mod client;
mod compose;
mod config;
mod error;
mod feed;
mod hint;
mod keys;
mod media;
mod operation;
mod options;
mod page;
mod request;
pub mod retry;
mod service;
mod slots;
pub mod tls;
pub mod transport;
mod transport_http;
mod uploads;
mod watch;
pub mod webhook;
mod webhooks;

pub use accounts::Accounts;
pub use boards::{BoardFilter, Boards};
pub use client::Client;
pub use compose::LocalMedia;
pub use config::{ClientOptions, ENV_API_KEY, ENV_URL, RetryOptions};
pub use error::Error;
pub use hint::{retry_after, should_retry};
pub use keys::ApiKeys;
pub use media::{ByteStream, Media, MediaInput};
pub use multi_upload_wire as wire;
pub use operation::{OPERATIONS, Operation, Shape};
pub use options::{Attempt, AttemptObserver, CallOptions, Progress, ProgressObserver};
pub use page::{ItemStream, Items};
pub use service::{Health, Service};
pub use slots::Slots;
pub use tokio_util::sync::CancellationToken;
pub use transport::{Request, RequestBody, Response, StreamBody, Transport, TransportError};
pub use transport_http::USER_AGENT;
pub use uploads::{UploadFilter, Uploads};
pub use webhooks::Webhooks;
