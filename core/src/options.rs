//! What a single call may change, its observers, and its limit in time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use multi_upload_wire::{ErrorCode, Outcome};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// Is called before each attempt.
pub type AttemptObserver = Arc<dyn Fn(&Attempt) + Send + Sync>;
/// Is called when a long call has come further.
pub type ProgressObserver = Arc<dyn Fn(Progress) + Send + Sync>;

/// What a single call may change.
#[derive(Clone, Default)]
pub struct CallOptions {
    /// Your own key, 1 to 255 visible ASCII characters; absent means a new UUIDv7 for each call that needs one.
    /// The same key with the same content has its effect once, however often it is sent.
    pub idempotency_key: Option<String>,
    /// Total time for the call. Absent means that of the client; for the `wait` calls and `media.upload`, no limit. Lists apply it to each page.
    pub timeout: Option<Duration>,
    /// How often a request is sent at most, the first time included.
    pub max_attempts: Option<u32>,
    /// Ends the call with `CANCELLED`. What was sent may still take effect.
    pub cancel: CancellationToken,
    /// Is called before each attempt; must not block.
    pub on_attempt: Option<AttemptObserver>,
    /// Is called with the progress of `create_many`, `wait_many` and `media.upload`; must not block.
    pub on_progress: Option<ProgressObserver>,
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOptions")
            .field("idempotency_key", &self.idempotency_key)
            .field("timeout", &self.timeout)
            .field("max_attempts", &self.max_attempts)
            .finish_non_exhaustive()
    }
}

/// An attempt about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// How long was waited for it, in milliseconds; 0 for the first.
    pub delay_ms: u64,
    /// Code of the error that made it necessary.
    pub cause: Option<String>,
}

/// How far a long call has come: rows, uploads or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Done so far; never goes down.
    pub done: u64,
    /// All of it.
    pub total: u64,
}

/// Limits of one logical call, over all its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    deadline: Option<Instant>,
    allowed: Duration,
}

impl Limit {
    /// Ends `allowed` from now.
    pub(crate) fn after(allowed: Duration) -> Self {
        Self {
            // A time beyond the clock's range is no limit.
            deadline: Instant::now().checked_add(allowed),
            allowed,
        }
    }

    /// Ends after the caller's time, if the caller set one.
    pub(crate) fn of(options: &CallOptions) -> Self {
        options.timeout.map_or(
            Self {
                deadline: None,
                allowed: Duration::MAX,
            },
            Self::after,
        )
    }

    /// Ends here or `allowed` from now, whichever is first.
    pub(crate) fn or_after(self, allowed: Duration) -> Self {
        if self.left().is_some_and(|left| left <= allowed) {
            self
        } else {
            Self::after(allowed)
        }
    }

    /// The whole time.
    pub(crate) fn allowed(self) -> Duration {
        self.allowed
    }

    /// Time left; `None` without a limit.
    pub(crate) fn left(self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

impl CallOptions {
    /// Waits on purpose, unless the call is cancelled or its time ends first.
    pub(crate) async fn pause(&self, delay: Duration, limit: Limit) -> Result<(), Error> {
        if limit.left().is_some_and(|left| left <= delay) {
            if let Some(left) = limit.left() {
                tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => return Err(cancelled()),
                    () = tokio::time::sleep(left) => {}
                }
            }
            return Err(over_time(limit, "and it was not finished"));
        }
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(cancelled()),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }

    /// Reports progress.
    pub(crate) fn progress(&self, done: usize, total: usize) {
        if let Some(observer) = &self.on_progress {
            observer(Progress {
                done: done as u64,
                total: total as u64,
            });
        }
    }
}

/// The caller cancelled. Without an effect, unless the loop knows better.
pub(crate) fn cancelled() -> Error {
    let mut error = Error::new(ErrorCode::Cancelled, "the caller cancelled the call");
    error.info_mut().outcome = Outcome::None;
    error
}

/// The time of the call is over.
pub(crate) fn over_time(limit: Limit, what: &str) -> Error {
    let mut error = Error::new(
        ErrorCode::DeadlineExceeded,
        format!(
            "the {} s allowed for the call are over, {what}",
            limit.allowed.as_secs_f64()
        ),
    );
    error.info_mut().exhausted = true;
    error.info_mut().outcome = Outcome::None;
    error
}
