//! The client and its streams.

use std::sync::Arc;

use multi_upload_cli::{Local, LocalOptions};
use multi_upload_core::{Client as CoreClient, ClientOptions, Error, ItemStream, MediaInput};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use napi::bindgen_prelude::{Buffer, Either};
use napi_derive::napi;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::call::{CallSettings, CancelToken, Observer, answer, failure, milliseconds, options};
use crate::feed::NativeFeed;

/// How an HTTP client is made.
#[napi(object)]
#[derive(Default)]
pub struct HttpSettings {
    /// Address of the service; else `MULTI_UPLOAD_URL`.
    pub url: Option<String>,
    /// API key; else `MULTI_UPLOAD_API_KEY`.
    pub key: Option<String>,
    /// Total time of a call.
    pub timeout_ms: Option<f64>,
    /// Time of one attempt.
    pub attempt_timeout_ms: Option<f64>,
    /// How many times a call may be sent.
    pub max_attempts: Option<u32>,
    /// First wait before a repetition.
    pub retry_base_delay_ms: Option<f64>,
    /// Longest wait before a repetition.
    pub retry_max_delay_ms: Option<f64>,
    /// Whether waits are spread at random.
    pub retry_jitter: Option<bool>,
}

/// A client over HTTP, or with the engine inside this process.
#[napi]
pub struct NativeClient {
    core: CoreClient,
    local: Option<Arc<Local>>,
}

#[napi]
impl NativeClient {
    /// A client over HTTP, or `{"error": …}`.
    #[napi]
    pub fn http(settings: HttpSettings) -> Either<NativeClient, Value> {
        match http_options(settings).and_then(CoreClient::http) {
            Ok(core) => Either::A(Self { core, local: None }),
            Err(error) => Either::B(failure(&error)),
        }
    }

    /// A client with the whole engine inside this process, or `{"error": …}`.
    #[napi]
    pub async fn local(
        path: String,
        sandbox: bool,
        listen: Option<String>,
    ) -> Either<NativeClient, Value> {
        match start(path, sandbox, listen).await {
            Ok(local) => Either::A(Self {
                core: local.client.clone(),
                local: Some(Arc::new(local)),
            }),
            Err(error) => Either::B(failure(&error)),
        }
    }

    /// Where the sandbox of a local engine listens.
    #[napi(getter)]
    pub fn sandbox_url(&self) -> Option<String> {
        self.local
            .as_ref()
            .and_then(|local| local.sandbox_url.clone())
    }

    /// Runs an operation: `{"ok": …}` or `{"error": …}`.
    #[napi]
    pub async fn call(
        &self,
        op: String,
        args: Value,
        settings: Option<CallSettings>,
        cancel: Option<&CancelToken>,
        progress: Option<Observer>,
        attempt: Option<Observer>,
    ) -> Value {
        answer(
            self.core
                .call(&op, args, options(settings, cancel, progress, attempt))
                .await,
        )
    }

    /// Stores a file from memory.
    #[napi]
    pub async fn upload_bytes(
        &self,
        bytes: Buffer,
        settings: Option<CallSettings>,
        cancel: Option<&CancelToken>,
        progress: Option<Observer>,
        attempt: Option<Observer>,
    ) -> Value {
        let input = MediaInput::Bytes(Vec::from(bytes).into());
        let options = options(settings, cancel, progress, attempt);
        answer(
            self.core
                .media()
                .upload(input, &options)
                .await
                .map(|media| json!(media)),
        )
    }

    /// Stores a file whose bytes come through a feed.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "one door for JavaScript")]
    pub async fn upload_feed(
        &self,
        feed: &NativeFeed,
        length: Option<f64>,
        settings: Option<CallSettings>,
        cancel: Option<&CancelToken>,
        progress: Option<Observer>,
        attempt: Option<Observer>,
    ) -> Value {
        let input = feed.input(length);
        let options = options(settings, cancel, progress, attempt);
        answer(
            self.core
                .media()
                .upload(input, &options)
                .await
                .map(|media| json!(media)),
        )
    }

    /// Runs an operation that gives many items.
    #[napi]
    pub fn stream(
        &self,
        op: String,
        args: Value,
        settings: Option<CallSettings>,
        cancel: Option<&CancelToken>,
    ) -> NativeStream {
        let cancel = cancel.cloned().unwrap_or_default();
        let items = self
            .core
            .stream(&op, args, options(settings, Some(&cancel), None, None));
        NativeStream {
            items: Arc::new(Mutex::new(items)),
            cancel,
        }
    }

    /// Stops a local engine; armed sends are finished first.
    #[napi]
    pub async fn close(&self) {
        if let Some(local) = &self.local {
            local.shutdown().await;
        }
    }
}

/// Items of a list or a feed.
#[napi]
pub struct NativeStream {
    items: Arc<Mutex<ItemStream>>,
    cancel: CancelToken,
}

#[napi]
impl NativeStream {
    /// The next item: `{"ok": …}`, `{"error": …}`, or nothing at the end. Parallel calls take turns.
    #[napi]
    pub async fn next(&self) -> Option<Value> {
        self.items.lock().await.next().await.map(answer)
    }

    /// Stops the stream.
    #[napi]
    pub fn close(&self) {
        self.cancel.cancel();
    }
}

fn http_options(settings: HttpSettings) -> Result<ClientOptions, Error> {
    let mut options = ClientOptions::given_or_env(settings.url, settings.key)?;
    if let Some(timeout) = settings.timeout_ms.and_then(milliseconds) {
        options.timeout = timeout;
    }
    if let Some(timeout) = settings.attempt_timeout_ms.and_then(milliseconds) {
        options.attempt_timeout = timeout;
    }
    if let Some(attempts) = settings.max_attempts {
        options.max_attempts = attempts;
    }
    if let Some(delay) = settings.retry_base_delay_ms.and_then(milliseconds) {
        options.retry.base_delay = delay;
    }
    if let Some(cap) = settings.retry_max_delay_ms.and_then(milliseconds) {
        options.retry.cap = cap;
    }
    if let Some(jitter) = settings.retry_jitter {
        options.retry.jitter = jitter;
    }
    Ok(options)
}

async fn start(path: String, sandbox: bool, listen: Option<String>) -> Result<Local, Error> {
    let listen = listen
        .map(|address| address.parse())
        .transpose()
        .map_err(|_| {
            Error::from(ErrorInfo::new(
                ErrorCode::ConfigInvalid,
                "`listen` is not an address such as 127.0.0.1:8787",
            ))
        })?;
    Local::start(LocalOptions {
        path: path.into(),
        sandbox,
        listen,
    })
    .await
    .map_err(Error::from)
}
