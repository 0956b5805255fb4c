//! Why a call to a network failed, and what that means for what comes next.

use std::fmt;
use std::time::Duration;

use multi_upload_wire::ErrorInfo;

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureClass {
    /// Nothing left this machine: DNS, connect or TLS failed.
    NotSent,
    /// The access token is no longer accepted; a refresh may help.
    TokenExpired,
    /// Only a new consent helps: refresh refused, scopes missing.
    ReconnectRequired,
    /// The app may not do this yet (trial, pending approval): the operator must act, the account is fine.
    AppNotAllowed,
    /// A documented limit; see [`PlatformError::retry_after`].
    RateLimited,
    /// A spam block: the whole account slows down for hours.
    SpamBlocked,
    /// A documented refusal of this content or object.
    Rejected,
    /// The object does not exist.
    NotFound,
    /// 5xx, gateway page, cut or missing answer.
    Unavailable,
    /// An answer that makes no sense.
    BadAnswer,
}

/// A failed call to a network.
#[derive(Debug, Clone)]
pub struct PlatformError {
    /// What it means.
    pub class: FailureClass,
    /// How long the network asks to wait.
    pub retry_after: Option<Duration>,
    /// The error object for the user: code, the network's own words, remedy.
    pub info: Box<ErrorInfo>,
}

impl PlatformError {
    /// A failure of a class.
    #[must_use]
    pub fn new(class: FailureClass, info: ErrorInfo) -> Self {
        Self {
            class,
            retry_after: None,
            info: Box::new(info),
        }
    }
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.fmt(f)
    }
}

impl std::error::Error for PlatformError {}
