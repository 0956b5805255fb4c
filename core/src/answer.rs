//! What an answer means: an object, or the error object with its class for the retry table.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use multi_upload_wire::{Category, ErrorCode, ErrorInfo, Outcome, Retry};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::hint;
use crate::retry::Class;
use crate::transport::{Response, TransportError};

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) info: ErrorInfo,
    pub(crate) class: Class,
    pub(crate) hint: Option<Duration>,
    pub(crate) server_says: Option<bool>,
    /// True when the service itself said what became of the request.
    pub(crate) definite: bool,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    fn new(info: ErrorInfo, class: Class) -> Self {
        Self {
            info,
            class,
            hint: None,
            server_says: None,
            definite: false,
            source: None,
        }
    }

    /// There is no answer.
    pub(crate) fn of_transport(error: TransportError) -> Self {
        let (code, class) = match &error {
            TransportError::Connect(_) => (ErrorCode::ConnectFailed, Class::NotSent),
            TransportError::Tls(_) => (ErrorCode::TlsFailed, Class::TlsInvalid),
            TransportError::Timeout(_) => (ErrorCode::Timeout, Class::Cut),
            TransportError::Cut(_) => (ErrorCode::ProtocolError, Class::Cut),
        };
        let mut failure = Self::new(ErrorInfo::new(code, error.to_string()), class);
        failure.source = Some(Box::new(error));
        failure
    }

    /// The answer is an error, or no answer of our service.
    pub(crate) fn of_response(response: &Response, now: SystemTime) -> Self {
        let status = response.status;
        let hint = hint::retry_after(&response.headers, now);
        let (mut info, class, definite) = match problem(&response.body, status.as_u16()) {
            Some(info) => {
                let class = class_of_problem(status, &info);
                (info, class, true)
            }
            None => {
                let (info, class) = without_problem(status, &response.headers);
                (info, class, false)
            }
        };
        if info.request_id.is_none() {
            info.request_id = request_id(&response.headers);
        }
        let hint = hint.or(info.retry_after_ms.map(Duration::from_millis));
        if let Some(hint) = hint {
            info.retry_after_ms = Some(u64::try_from(hint.as_millis()).unwrap_or(u64::MAX));
        }
        Self {
            hint,
            server_says: hint::should_retry(&response.headers),
            definite,
            ..Self::new(info, class)
        }
    }

    /// A success whose body is not what was promised.
    fn unreadable(response: &Response, error: &serde_json::Error) -> Self {
        let json = is_json(&response.headers);
        // JSON that breaks off was cut on its way, so another try may bring all of it. A page of HTML or an
        // object of another shape comes from something that is not our service.
        let class = if json && !error.is_data() {
            Class::Cut
        } else {
            Class::Refused
        };
        let what = if !json {
            "is not JSON"
        } else if error.is_data() {
            "has another shape than this version expects"
        } else {
            "breaks off or is not valid JSON"
        };
        let mut info = ErrorInfo::new(
            ErrorCode::ProtocolError,
            format!("the answer with status {} {what}", response.status.as_u16()),
        );
        info.status = response.status.as_u16();
        info.request_id = request_id(&response.headers);
        // The beginning of our service's answer proves that the request was carried out; a stranger's page proves nothing.
        if class == Class::Cut {
            info.outcome = Outcome::Applied;
        }
        Self::new(info, class)
    }
}

/// Reads the object of a successful answer.
pub(crate) fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Failure> {
    serde_json::from_slice(&response.body).map_err(|error| Failure::unreadable(response, &error))
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    headers
        .get("x-request-id")?
        .to_str()
        .ok()
        .filter(|id| !id.is_empty() && id.len() <= 200)
        .map(str::to_owned)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_none_or(|value| value.to_str().is_ok_and(|value| value.contains("json")))
}

fn class_of_problem(status: StatusCode, info: &ErrorInfo) -> Class {
    if info.is(ErrorCode::IdempotencyInProgress) {
        return Class::InProgress;
    }
    match Class::of_status(status.as_u16()) {
        // The service has seen the cause: where it says that repeating is no use, the status does not matter.
        Class::TooSlow | Class::Throttled | Class::Unavailable if info.retry != Retry::Yes => {
            Class::Refused
        }
        class => class,
    }
}

/// Reads a problem document. Members that this version cannot read are left at the registry's values, so a
/// newer service's answer loses nothing that matters: its code.
fn problem(body: &[u8], status: u16) -> Option<ErrorInfo> {
    let mut map: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let code = map.get("code")?.as_str()?;
    let mut info = match ErrorCode::from_name(code) {
        Some(code) => ErrorInfo::new(code, ""),
        None => unknown_code(code, status),
    };
    info.status = status;
    macro_rules! take {
        ($($name:literal => $field:ident),* $(,)?) => {
            $(if let Some(value) = map.remove($name)
                && let Ok(value) = serde_json::from_value(value)
            {
                info.$field = value;
            })*
        };
    }
    take! {
        "type" => type_uri, "title" => title, "detail" => detail, "instance" => instance,
        "category" => category, "retry" => retry, "outcome" => outcome,
        "retry_after_ms" => retry_after_ms, "idempotency_key" => idempotency_key,
        "request_id" => request_id, "external_id" => external_id, "errors" => errors,
        "platform" => platform, "target" => target, "remedy" => remedy, "doc_url" => doc_url,
    }
    if info.detail.is_empty() {
        info.detail.clone_from(&info.title);
    }
    Some(info)
}

/// The object of a code that only a newer service knows.
fn unknown_code(code: &str, status: u16) -> ErrorInfo {
    let passing = matches!(
        Class::of_status(status),
        Class::TooSlow | Class::Throttled | Class::Unavailable
    );
    let mut info = ErrorInfo::new(ErrorCode::Internal, "")
        .with_remedy("Read the detail; a newer version of multi-upload knows this code.");
    code.clone_into(&mut info.code);
    "The service refused the request".clone_into(&mut info.title);
    info.category = Category::of_status(status);
    info.retry = if passing { Retry::Yes } else { Retry::No };
    info.outcome = if status >= 500 {
        Outcome::Unknown
    } else {
        Outcome::None
    };
    info
}

/// An answer that our service did not write: a proxy, a captive portal, another program on that port.
fn without_problem(status: StatusCode, headers: &HeaderMap) -> (ErrorInfo, Class) {
    let number = status.as_u16();
    let class = Class::of_status(number);
    let new = |code, detail: String| ErrorInfo::new(code, detail);
    let mut info = match number {
        300..=399 => {
            let to = headers
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.split(['?', '#']).next())
                .map_or(String::new(), |value| format!(" to {value}"));
            new(
                ErrorCode::ProtocolError,
                format!("the address answered with a redirect ({number}){to}, and redirects are not followed"),
            )
            .with_remedy("Set MULTI_UPLOAD_URL to the address that the service really has.")
        }
        401 => new(
            ErrorCode::ApiKeyInvalid,
            "the address answered 401 without saying why".to_owned(),
        ),
        408 | 425 => new(
            ErrorCode::Timeout,
            format!("the address answered {number}: the request did not arrive in time"),
        ),
        413 => new(
            ErrorCode::BodyTooLarge,
            "the address answered 413: a proxy in between may allow less than the service"
                .to_owned(),
        ),
        429 => new(
            ErrorCode::RateLimited,
            "the address answered 429 without saying why".to_owned(),
        ),
        500..=599 => {
            let mut info = new(
                ErrorCode::Overloaded,
                format!(
                    "the address answered {number} without saying why; a proxy may not have reached the service"
                ),
            );
            info.outcome = Outcome::Unknown;
            info
        }
        _ => {
            let mut info = new(
                ErrorCode::ProtocolError,
                format!("the address answered {number}, and not as a multi-upload service does"),
            );
            info.retry = Retry::No;
            info.outcome = Outcome::None;
            info
        }
    };
    info.status = number;
    (info, class)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn response(status: u16, content_type: &'static str, body: &'static str) -> Response {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn failure(status: u16, body: &'static str) -> Failure {
        Failure::of_response(
            &response(status, "application/problem+json", body),
            SystemTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn a_problem_keeps_every_member() {
        let failure = failure(
            422,
            r#"{"type":"t","title":"T","status":400,"detail":"d","code":"VALIDATION_FAILED","category":"validation",
                "retry":"no","outcome":"none","request_id":"req_1","errors":[{"pointer":"/accounts","code":"required","detail":"x"}],
                "platform":{"name":"pinterest","http_status":400,"code":"1","message":"m"},
                "target":{"id":"tg_1","account":"pinterest:1","attempt":2},"remedy":"r","doc_url":"u","external_id":"e"}"#,
        );
        let info = failure.info;
        assert_eq!(info.status, 422, "the status line counts");
        assert_eq!(info.detail, "d");
        assert_eq!(info.request_id.as_deref(), Some("req_1"));
        assert_eq!(info.errors[0].pointer, "/accounts");
        assert_eq!(info.platform.map(|p| p.name).as_deref(), Some("pinterest"));
        assert_eq!(info.target.map(|t| t.attempt), Some(2));
        assert_eq!(info.external_id.as_deref(), Some("e"));
        assert_eq!(failure.class, Class::Refused);
    }

    #[test]
    fn a_newer_code_falls_back_to_the_category_of_its_status() {
        let failure = failure(
            409,
            r#"{"code":"BOARD_LOCKED","detail":"locked","category":"new_one","errors":"not a list"}"#,
        );
        assert_eq!(failure.info.code, "BOARD_LOCKED");
        assert_eq!(failure.info.category, Category::Conflict);
        assert_eq!(failure.info.detail, "locked");
        assert_eq!(failure.info.retry, Retry::No);
    }

    #[test]
    fn classes_of_problems() {
        let cases: &[(u16, &'static str, Class)] = &[
            (
                409,
                r#"{"code":"IDEMPOTENCY_IN_PROGRESS"}"#,
                Class::InProgress,
            ),
            (409, r#"{"code":"STATE_CONFLICT"}"#, Class::Conflict),
            (429, r#"{"code":"RATE_LIMITED"}"#, Class::Throttled),
            (429, r#"{"code":"QUOTA_EXHAUSTED"}"#, Class::Refused),
            (502, r#"{"code":"PLATFORM_REJECTED"}"#, Class::Refused),
            (502, r#"{"code":"OUTCOME_UNKNOWN"}"#, Class::Refused),
            (
                502,
                r#"{"code":"PLATFORM_UNAVAILABLE"}"#,
                Class::Unavailable,
            ),
            (503, r#"{"code":"SHUTTING_DOWN"}"#, Class::Unavailable),
            (503, r#"{"code":"SOMETHING_NEWER"}"#, Class::Unavailable),
            (500, r#"{"code":"INTERNAL"}"#, Class::Unavailable),
            (401, r#"{"code":"API_KEY_INVALID"}"#, Class::Unauthorized),
            (422, r#"{"code":"MEDIA_FETCH_FAILED"}"#, Class::Refused),
        ];
        for (status, body, class) in cases {
            assert_eq!(failure(*status, body).class, *class, "{status} {body}");
        }
    }

    #[test]
    fn answers_that_our_service_did_not_write() {
        let cases: &[(u16, &str, Class, Outcome)] = &[
            (301, "PROTOCOL_ERROR", Class::Refused, Outcome::Unknown),
            (400, "PROTOCOL_ERROR", Class::Refused, Outcome::None),
            (401, "API_KEY_INVALID", Class::Unauthorized, Outcome::None),
            (404, "PROTOCOL_ERROR", Class::Refused, Outcome::None),
            (413, "BODY_TOO_LARGE", Class::Refused, Outcome::None),
            (429, "RATE_LIMITED", Class::Throttled, Outcome::None),
            (502, "OVERLOADED", Class::Unavailable, Outcome::Unknown),
            (504, "OVERLOADED", Class::Unavailable, Outcome::Unknown),
        ];
        for (status, code, class, outcome) in cases {
            let failure = Failure::of_response(
                &response(*status, "text/html", "<h1>no</h1>"),
                SystemTime::UNIX_EPOCH,
            );
            assert_eq!(failure.info.code, *code, "{status}");
            assert_eq!(failure.info.status, *status);
            assert_eq!(failure.class, *class, "{status}");
            assert_eq!(failure.info.outcome, *outcome, "{status}");
        }
    }

    #[test]
    fn a_wait_in_the_problem_is_a_hint_too() {
        let failure = failure(503, r#"{"code":"OVERLOADED","retry_after_ms":1500}"#);
        assert_eq!(failure.hint, Some(Duration::from_millis(1500)));
        let mut with_header = response(503, "application/problem+json", r#"{"code":"OVERLOADED"}"#);
        with_header
            .headers
            .insert("retry-after", HeaderValue::from_static("2"));
        let failure = Failure::of_response(&with_header, SystemTime::UNIX_EPOCH);
        assert_eq!(failure.info.retry_after_ms, Some(2000));
    }

    #[test]
    fn only_cut_json_is_worth_another_try() {
        let cases: &[(&'static str, &'static str, Class)] = &[
            ("application/json", r#"{"id":"up_1","#, Class::Cut),
            ("application/json", "", Class::Cut),
            ("text/html", "<html>", Class::Refused),
            ("application/json", "[]", Class::Refused),
        ];
        for (content_type, body, class) in cases {
            let failure = read::<Map<String, Value>>(&response(200, content_type, body))
                .expect_err("not an object");
            assert_eq!(failure.class, *class, "{content_type} {body}");
            assert_eq!(failure.info.code, "PROTOCOL_ERROR");
        }
    }
}
