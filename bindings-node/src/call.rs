//! Options of a call, and its answer as a value.

use std::sync::Arc;
use std::time::Duration;

use multi_upload_core::{CallOptions, Error};
use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A callback into JavaScript that does not keep the process alive and never makes the core wait.
pub(crate) type Observer = ThreadsafeFunction<Value, (), Value, Status, false, true, 64>;

/// Stops a call when an `AbortSignal` fires.
#[napi]
#[derive(Clone, Default)]
pub struct CancelToken(pub(crate) CancellationToken);

#[napi]
impl CancelToken {
    /// A new token.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the calls that carry the token.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// Options of one call.
#[napi(object)]
#[derive(Default)]
pub struct CallSettings {
    /// Makes the call safe to repeat in another process.
    pub idempotency_key: Option<String>,
    /// Total time in milliseconds.
    pub timeout_ms: Option<f64>,
    /// How many times it may be sent.
    pub max_attempts: Option<u32>,
}

pub(crate) fn options(
    settings: Option<CallSettings>,
    cancel: Option<&CancelToken>,
    progress: Option<Observer>,
    attempt: Option<Observer>,
) -> CallOptions {
    let settings = settings.unwrap_or_default();
    CallOptions {
        idempotency_key: settings.idempotency_key,
        timeout: settings.timeout_ms.and_then(milliseconds),
        max_attempts: settings.max_attempts,
        cancel: cancel.map(|token| token.0.clone()).unwrap_or_default(),
        on_attempt: attempt.map(|observer| {
            let tell: Arc<dyn Fn(&multi_upload_core::Attempt) + Send + Sync> = Arc::new(move |attempt| {
                let value = json!({
                    "number": attempt.number, "delay_ms": attempt.delay_ms, "cause": attempt.cause,
                });
                observer.call(value, ThreadsafeFunctionCallMode::NonBlocking);
            });
            tell
        }),
        on_progress: progress.map(|observer| {
            let tell: Arc<dyn Fn(multi_upload_core::Progress) + Send + Sync> = Arc::new(move |progress| {
                let value = json!({"done": progress.done, "total": progress.total});
                observer.call(value, ThreadsafeFunctionCallMode::NonBlocking);
            });
            tell
        }),
    }
}

pub(crate) fn milliseconds(ms: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(ms / 1_000.0).ok()
}

/// `{"ok": …}` or `{"error": …}`.
pub(crate) fn answer(result: Result<Value, Error>) -> Value {
    match result {
        Ok(value) => json!({"ok": value}),
        Err(error) => failure(&error),
    }
}

pub(crate) fn failure(error: &Error) -> Value {
    let causes: Vec<String> =
        std::iter::successors(std::error::Error::source(error), |cause| cause.source())
            .map(ToString::to_string)
            .collect();
    json!({"error": error.info(), "causes": causes})
}
