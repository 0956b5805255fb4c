//! `ErrorInfo`: the object that stands in an HTTP answer, on a failed target, in a Python
//! exception and in a JavaScript error. RFC 9457 (`application/problem+json`) with our members.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::registry::{ErrorCode, registry_entry};

/// What kind of trouble it is: one exception class per category in every language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Category {
    /// The caller or the connected account is not signed in.
    Auth,
    /// Signed in, but not allowed.
    Permission,
    /// The object does not exist, or is not visible to this key.
    NotFound,
    /// The state of the object does not allow the call.
    Conflict,
    /// The request is wrong; `errors` names the fields.
    Validation,
    /// Too many calls; `retry_after_ms` says when to come back.
    RateLimit,
    /// An allowance is used up.
    Quota,
    /// The picture or video cannot be used.
    Media,
    /// The other side could not be reached.
    Connection,
    /// No answer in time.
    Timeout,
    /// The caller cancelled.
    Cancelled,
    /// The network (Pinterest and others) refused or failed.
    Platform,
    /// The service could not do its work just now.
    Server,
    /// A setting is missing or wrong.
    Config,
    /// A fault of ours.
    Internal,
}

impl Category {
    /// Every category, in the order of the documentation.
    pub const ALL: [Self; 15] = [
        Self::Auth,
        Self::Permission,
        Self::NotFound,
        Self::Conflict,
        Self::Validation,
        Self::RateLimit,
        Self::Quota,
        Self::Media,
        Self::Connection,
        Self::Timeout,
        Self::Cancelled,
        Self::Platform,
        Self::Server,
        Self::Config,
        Self::Internal,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Validation => "validation",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Media => "media",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Platform => "platform",
            Self::Server => "server",
            Self::Config => "config",
            Self::Internal => "internal",
        }
    }

    /// The category of an HTTP status, for codes that a newer server knows and we do not.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Auth,
            403 => Self::Permission,
            404 | 410 => Self::NotFound,
            409 | 412 => Self::Conflict,
            413 | 415 => Self::Media,
            429 => Self::RateLimit,
            400..=499 => Self::Validation,
            _ => Self::Server,
        }
    }
}

/// May the call be repeated? Judged with the idempotency key in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same call may succeed later.
    Yes,
    /// The same call will fail again.
    No,
    /// First find out whether it had an effect.
    AfterReconcile,
}

/// Did the call have an effect?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing happened.
    None,
    /// It happened; only the answer is missing or late.
    Applied,
    /// It may have happened.
    Unknown,
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the request body, or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong, as a stable word: `required`, `unknown`, `invalid`, `too_long`, `conflict` and others.
    pub code: String,
    /// The same in a sentence, with the figure and the limit.
    pub detail: String,
}

/// What the network itself answered, redacted and at most 2 kB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlatformFailure {
    /// `pinterest`, `tiktok` and so on.
    pub name: String,
    /// HTTP status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The network's own code, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The network's own message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The network's request id, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// The target that a publishing error speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetRef {
    /// `tg_…`
    pub id: String,
    /// `pinterest:549…`
    pub account: String,
    /// Number of the publishing attempt, from 1.
    pub attempt: u32,
}

/// The error object. `code` is the contract; `title` and `detail` are for people and may change.
///
/// No field ever holds a secret: tokens, keys and query strings are left out when it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorInfo {
    /// Documentation page of the code.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// What kind of problem it is, the same for every occurrence.
    pub title: String,
    /// HTTP status; 0 where the error was made without an answer.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Stable code from the registry, `UPPER_SNAKE`.
    pub code: String,
    /// Class of the code.
    pub category: Category,
    /// May the call be repeated?
    pub retry: Retry,
    /// Did it have an effect?
    pub outcome: Outcome,
    /// Wait at least this long before the next try, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// How many times the call was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// True when it was worth repeating but the tries or the time ran out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exhausted: bool,
    /// The key that was sent: a new process can go on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Id of the request in the service's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The caller's own label of the upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The wrong fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The network's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformFailure>,
    /// The target concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetRef>,
    /// The next step in words.
    pub remedy: String,
    /// The same page as `type`, as a link to show.
    pub doc_url: String,
}

impl ErrorInfo {
    /// An error of a known code, with the registry's defaults.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let entry = registry_entry(code);
        let doc_url = entry.doc_url();
        Self {
            type_uri: doc_url.clone(),
            title: entry.title.to_owned(),
            status: entry.status,
            detail: detail.into(),
            instance: None,
            code: entry.name.to_owned(),
            category: entry.category,
            retry: entry.retry,
            outcome: entry.outcome,
            retry_after_ms: None,
            attempts: None,
            exhausted: false,
            idempotency_key: None,
            request_id: None,
            external_id: None,
            errors: Vec::new(),
            platform: None,
            target: None,
            remedy: entry.remedy.to_owned(),
            doc_url,
        }
    }

    /// The registry's code, or `None` for a code that only a newer version knows.
    #[must_use]
    pub fn known_code(&self) -> Option<ErrorCode> {
        ErrorCode::from_name(&self.code)
    }

    /// Is it this code?
    #[must_use]
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code == code.as_str()
    }

    /// With another remedy than the registry's.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// With the wrong fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// With a wait before the next try.
    #[must_use]
    pub fn with_retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// With the network's own answer.
    #[must_use]
    pub fn with_platform(mut self, platform: PlatformFailure) -> Self {
        self.platform = Some(platform);
        self
    }
}

impl fmt::Display for ErrorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        // A single wrong field is often the whole detail: saying it twice helps nobody.
        for error in self
            .errors
            .iter()
            .filter(|error| error.detail != self.detail)
        {
            write!(f, "\n  {}: {}", error.pointer, error.detail)?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\n  {}", self.remedy)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ErrorInfo {}
