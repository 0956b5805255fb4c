//! The registry: every code, once. The server answers with it, the client classifies by it, and
//! `cargo xtask gen` writes the exception classes and the documentation from it.

use super::info::{Category, Outcome, Retry};

/// What the registry knows about a code.
#[derive(Debug, Clone, Copy)]
pub struct RegistryEntry {
    /// The code itself.
    pub code: ErrorCode,
    /// The code as text, `UPPER_SNAKE`.
    pub name: &'static str,
    /// Its class.
    pub category: Category,
    /// HTTP status of the answer; 0 where the client makes the error without an answer.
    pub status: u16,
    /// May the call be repeated?
    pub retry: Retry,
    /// Did it have an effect, unless the occurrence knows better?
    pub outcome: Outcome,
    /// Short text, the same for every occurrence.
    pub title: &'static str,
    /// What to do next.
    pub remedy: &'static str,
}

impl RegistryEntry {
    /// The page that explains the code.
    #[must_use]
    pub fn doc_url(&self) -> String {
        format!(
            "https://github.com/multi-upload/multi-upload/blob/main/docs/errors.md#{}",
            self.name.to_ascii_lowercase()
        )
    }
}

macro_rules! registry {
    ($($name:ident = $text:literal, $category:ident, $status:literal, $retry:ident, $outcome:ident, $title:literal, $remedy:literal;)*) => {
        /// A stable error code. New ones may come with any version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $title] $name,)*
        }

        impl ErrorCode {
            /// The code as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code of a text, if this version knows it.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }
        }

        /// Every code, in the order of the documentation.
        pub const REGISTRY: &[RegistryEntry] = &[
            $(RegistryEntry {
                code: ErrorCode::$name,
                name: $text,
                category: Category::$category,
                status: $status,
                retry: Retry::$retry,
                outcome: Outcome::$outcome,
                title: $title,
                remedy: $remedy,
            },)*
        ];
    };
}

registry! {
    // auth
    ApiKeyMissing = "API_KEY_MISSING", Auth, 401, No, None,
        "No API key",
        "Send the header `Authorization: Bearer <key>`; `multi-upload keys create` makes a key.";
    ApiKeyInvalid = "API_KEY_INVALID", Auth, 401, No, None,
        "The API key is not valid",
        "Check the key for missing characters, or make a new one with `multi-upload keys create`.";
    ApiKeyExpired = "API_KEY_EXPIRED", Auth, 401, No, None,
        "The API key has expired or was revoked",
        "Make a new key with `multi-upload keys create`.";
    TokenExpired = "TOKEN_EXPIRED", Auth, 401, Yes, None,
        "The network's access token has expired",
        "Nothing to do: the token is renewed and the call repeated.";
    AccountReconnectRequired = "ACCOUNT_RECONNECT_REQUIRED", Auth, 409, No, None,
        "The account must be connected again",
        "Connect the account again; its scheduled uploads are kept and go on.";
    // permission
    ScopeMissing = "SCOPE_MISSING", Permission, 403, No, None,
        "The key may not do this",
        "Use a key with the scope that the detail names.";
    AccountNotAllowed = "ACCOUNT_NOT_ALLOWED", Permission, 403, No, None,
        "The key may not use this account",
        "Use a key that includes this account, or one without an account limit.";
    PlatformAccessTier = "PLATFORM_ACCESS_TIER", Permission, 403, No, None,
        "The network's app may not do this yet",
        "Ask the network for a higher access tier of your app, or use its sandbox host.";
    PlanLimit = "PLAN_LIMIT", Permission, 403, No, None,
        "The plan does not include this",
        "Change the plan, or do without the feature.";
    // input
    ValidationFailed = "VALIDATION_FAILED", Validation, 422, No, None,
        "The request is not valid",
        "Correct the fields named in `errors` and send it again.";
    NoFreeSlot = "NO_FREE_SLOT", Validation, 422, No, None,
        "No posting slot is free",
        "Add slots for the account with `POST /v1/slots` or `multi-upload slots add`, or send `scheduled_at`.";
    JsonMalformed = "JSON_MALFORMED", Validation, 400, No, None,
        "The body is not valid JSON",
        "Send one JSON object with the content type `application/json`.";
    JsonTooDeep = "JSON_TOO_DEEP", Validation, 400, No, None,
        "The JSON is nested too deeply",
        "Flatten the body: at most 64 levels.";
    BodyTooLarge = "BODY_TOO_LARGE", Validation, 413, No, None,
        "The body is too large",
        "Send less in one request; files go through `/v1/media`.";
    ContentTypeUnsupported = "CONTENT_TYPE_UNSUPPORTED", Validation, 415, No, None,
        "The content type is not supported here",
        "Send the content type that the detail names.";
    ScheduleInPast = "SCHEDULE_IN_PAST", Validation, 422, No, None,
        "The time has passed",
        "Choose a time in the future, or leave `scheduled_at` out to publish now.";
    TimezoneUnknown = "TIMEZONE_UNKNOWN", Validation, 422, No, None,
        "The time zone is not known",
        "Use an IANA name such as `Europe/Paris`.";
    LocalTimeGap = "LOCAL_TIME_GAP", Validation, 422, No, None,
        "This local time does not exist on that day",
        "Choose a time outside the hour that the clock change skips.";
    PlatformUnsupported = "PLATFORM_UNSUPPORTED", Validation, 422, No, None,
        "This network is not supported",
        "Use an account of a supported network; `GET /v1/accounts` lists them.";
    // media
    MediaTypeUnsupported = "MEDIA_TYPE_UNSUPPORTED", Media, 415, No, None,
        "The file type is not supported",
        "Send a JPEG, PNG or WebP image, or an MP4 or MOV video.";
    MediaTooLarge = "MEDIA_TOO_LARGE", Media, 413, No, None,
        "The file is too large",
        "Make the file smaller than the limit in the detail.";
    MediaPixelsExceeded = "MEDIA_PIXELS_EXCEEDED", Media, 422, No, None,
        "The picture has too many or too few pixels",
        "Scale the picture to the limits in the detail.";
    MediaFetchFailed = "MEDIA_FETCH_FAILED", Media, 422, Yes, None,
        "The media address could not be fetched",
        "Check that the address opens without signing in and serves the file itself.";
    MediaProcessing = "MEDIA_PROCESSING", Media, 409, Yes, None,
        "The network is still processing the video",
        "Nothing to do: the network is asked again at the time the target names.";
    MediaProcessingFailed = "MEDIA_PROCESSING_FAILED", Media, 422, No, None,
        "The network could not process the video",
        "Check that the video plays, save it as MP4 with H.264 and AAC, and create the upload again; `retry` sends the same file once more.";
    UrlNotAllowed = "URL_NOT_ALLOWED", Media, 422, No, None,
        "The address is not allowed",
        "Use a public http or https address; private addresses need MULTI_UPLOAD_ALLOW_PRIVATE_URLS=1.";
    // conflict
    IdempotencyInProgress = "IDEMPOTENCY_IN_PROGRESS", Conflict, 409, Yes, Unknown,
        "The first request with this key is still running",
        "Wait and send the same request with the same key again.";
    IdempotencyBodyMismatch = "IDEMPOTENCY_BODY_MISMATCH", Conflict, 422, No, None,
        "The key was used for another request",
        "Use a new idempotency key for a different request.";
    DuplicateContent = "DUPLICATE_CONTENT", Conflict, 409, No, None,
        "The same content is already scheduled",
        "Change the content, or keep the existing upload.";
    StateConflict = "STATE_CONFLICT", Conflict, 409, No, None,
        "The upload is not in a state that allows this",
        "Read the upload again and decide by its status.";
    VersionConflict = "VERSION_CONFLICT", Conflict, 412, No, None,
        "The upload was changed in between",
        "Read the upload again and repeat the change on its new version.";
    DataInUse = "DATA_IN_USE", Conflict, 409, No, None,
        "Another process uses this data folder",
        "Talk to the running engine with `Client(url, key)`, stop it, or choose another folder.";
    // lookup
    NotFound = "NOT_FOUND", NotFound, 404, No, None,
        "Not found",
        "Check the id; keys see only the objects of their own team and mode.";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", NotFound, 405, No, None,
        "The path does not take this method",
        "Use one of the methods in the `Allow` header.";
    // limits
    RateLimited = "RATE_LIMITED", RateLimit, 429, Yes, None,
        "Too many requests",
        "Wait as long as `retry_after_ms` says.";
    PlatformRateLimited = "PLATFORM_RATE_LIMITED", RateLimit, 429, Yes, None,
        "The network's limit is reached",
        "Nothing to do: the service waits until the limit renews.";
    QuotaExhausted = "QUOTA_EXHAUSTED", Quota, 429, No, None,
        "The allowance is used up",
        "Wait until it renews, or raise it.";
    // platform
    PlatformRejected = "PLATFORM_REJECTED", Platform, 502, No, None,
        "The network refused the request",
        "Read the network's message, correct the content and create the upload again.";
    PlatformSpamBlock = "PLATFORM_SPAM_BLOCK", Platform, 502, Yes, None,
        "The network blocked the account for a while",
        "Pause posting to this account for some hours and use fewer, different links.";
    PlatformUnavailable = "PLATFORM_UNAVAILABLE", Platform, 502, Yes, None,
        "The network does not answer",
        "Nothing to do: the service tries again.";
    PlatformBadResponse = "PLATFORM_BAD_RESPONSE", Platform, 502, Yes, Unknown,
        "The network's answer could not be read",
        "Look at the account on the network before you send again.";
    OutcomeUnknown = "OUTCOME_UNKNOWN", Platform, 502, AfterReconcile, Unknown,
        "It is not known whether the pin exists",
        "Look at the board, then answer with `resolve`: published, resend or abandon.";
    DuplicateSuspected = "DUPLICATE_SUSPECTED", Platform, 502, No, Applied,
        "The pin may exist twice",
        "Look at the board and delete the pin that is too many.";
    // server
    Overloaded = "OVERLOADED", Server, 503, Yes, None,
        "The service is busy",
        "Wait as long as `retry_after_ms` says and try again.";
    ShuttingDown = "SHUTTING_DOWN", Server, 503, Yes, None,
        "The service is stopping",
        "Try again when it is back.";
    StorageFull = "STORAGE_FULL", Server, 503, Yes, None,
        "The disk is full",
        "Free space in the data folder.";
    StorageFailed = "STORAGE_FAILED", Server, 503, Yes, Unknown,
        "The database failed",
        "Look at the service's log; nothing was reported as stored.";
    ClockUnsafe = "CLOCK_UNSAFE", Server, 503, Yes, None,
        "The machine's clock jumped",
        "Check the clock; publishing holds until it is steady.";
    Internal = "INTERNAL", Internal, 500, Yes, Unknown,
        "An unexpected fault",
        "Report it with the request id; the service's log has the details.";
    // client only
    ConnectFailed = "CONNECT_FAILED", Connection, 0, Yes, None,
        "The service could not be reached",
        "Check the address (MULTI_UPLOAD_URL) and that the service runs.";
    TlsFailed = "TLS_FAILED", Connection, 0, No, None,
        "The secure connection failed",
        "Check the certificate of the address and the clock of this machine.";
    Timeout = "TIMEOUT", Timeout, 0, Yes, Unknown,
        "No answer in time",
        "Try again with the same idempotency key, or allow more time.";
    DeadlineExceeded = "DEADLINE_EXCEEDED", Timeout, 0, Yes, Unknown,
        "The time allowed is over",
        "Allow more time, or continue with the same idempotency key.";
    Cancelled = "CANCELLED", Cancelled, 0, Yes, Unknown,
        "The call was cancelled",
        "Repeat it with the same idempotency key if it should go on.";
    ProtocolError = "PROTOCOL_ERROR", Connection, 0, Yes, Unknown,
        "The answer could not be read",
        "Check that the address is a multi-upload service of a matching version.";
    WebhookSignatureInvalid = "WEBHOOK_SIGNATURE_INVALID", Auth, 0, No, None,
        "The webhook's signature does not match",
        "Check the endpoint's secret and verify the body exactly as it arrived.";
    RetryBudgetExhausted = "RETRY_BUDGET_EXHAUSTED", Server, 0, Yes, None,
        "Too many calls failed lately",
        "Wait a while: the client stopped repeating so as not to make an outage worse.";
    ConfigInvalid = "CONFIG_INVALID", Config, 0, No, None,
        "A setting is missing or wrong",
        "Change the setting that the detail names.";
}

/// The registry's row of a code.
#[must_use]
pub fn registry_entry(code: ErrorCode) -> &'static RegistryEntry {
    // The macro writes the variants and the rows in the same order.
    &REGISTRY[code as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_own_row() {
        for (index, entry) in REGISTRY.iter().enumerate() {
            assert_eq!(registry_entry(entry.code).name, entry.name);
            assert_eq!(entry.code as usize, index);
            assert_eq!(ErrorCode::from_name(entry.name), Some(entry.code));
            assert!(
                entry
                    .name
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c == '_')
            );
        }
    }

    #[test]
    fn every_code_says_what_to_do() {
        for entry in REGISTRY {
            assert!(entry.title.len() > 3, "{} has no title", entry.name);
            assert!(
                entry.remedy.ends_with('.'),
                "{} has no remedy sentence",
                entry.name
            );
        }
    }
}
