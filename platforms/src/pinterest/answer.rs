//! An answer of Pinterest, read without believing it: status, code, words, waits.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use multi_upload_wire::PlatformFailure;
use serde_json::Value;

use super::redact;

/// No wait is longer: a daily limit is over by then.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A whole answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// What Pinterest says in an error body: `{"code": integer, "message": text}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// An internal number on some endpoints, the HTTP status on others.
    pub(super) code: Option<i64>,
    /// Unchanged, for matching; never shown as it is.
    pub(super) message: String,
}

impl Answer<'_> {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The error body, if it has the documented shape: an object with a message. Gateways answer
    /// with pages instead.
    pub(super) fn said(&self) -> Option<Said> {
        let body: Value = serde_json::from_slice(self.body).ok()?;
        let body = body.as_object()?;
        let text = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .trim()
        };
        // Older endpoints keep the useful half in `message_detail`.
        let message = match (text("message"), text("message_detail")) {
            ("", "") => return None,
            (message, "") => message.to_owned(),
            ("", detail) => detail.to_owned(),
            (message, detail) if message == detail => message.to_owned(),
            (message, detail) => format!("{message} {detail}"),
        };
        let code = body.get("code").and_then(|code| match code {
            Value::Number(number) => number.as_i64(),
            Value::String(digits) => digits.trim().parse().ok(),
            _ => None,
        });
        Some(Said { code, message })
    }

    /// How long to wait, if the answer says: `Retry-After` (not documented, honoured where present), else
    /// the seconds of `x-ratelimit-reset`. At most a day.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let wait = multi_upload_core::retry_after(self.headers, SystemTime::now());
        let wait = wait.or_else(|| self.header("x-ratelimit-reset").and_then(seconds));
        wait.map(|wait| wait.min(LONGEST_WAIT))
    }

    /// The answer's facts for the error object; nothing in it needs hiding any more.
    pub(super) fn facts(&self, said: Option<&Said>) -> PlatformFailure {
        PlatformFailure {
            name: super::NAME.to_owned(),
            http_status: Some(self.status),
            code: said.and_then(|said| said.code).map(|code| code.to_string()),
            message: said.map(|said| redact::clean(&said.message)),
            request_id: self.header("x-pinterest-rid").map(redact::clean),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }
}

/// The number before the first comma: Envoy may append its policies.
fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.split(',').next()?.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0)
        .then(|| Duration::from_secs_f64(number.ceil().min(LONGEST_WAIT.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use super::*;

    fn said(body: &str) -> Option<Said> {
        Answer {
            status: 400,
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
        }
        .said()
    }

    #[test]
    fn error_bodies_of_every_age_are_read() {
        let one = |code, message: &str| {
            Some(Said {
                code,
                message: message.to_owned(),
            })
        };
        assert_eq!(said(r#"{"code":1,"message":"No."}"#), one(Some(1), "No."));
        assert_eq!(
            said(r#"{"code":"40","message":"No.","extra":[]}"#),
            one(Some(40), "No.")
        );
        assert_eq!(said(r#"{"code":null,"message":"No."}"#), one(None, "No."));
        assert_eq!(
            said(r#"{"message":"No.","message_detail":"Too big."}"#),
            one(None, "No. Too big.")
        );
        assert_eq!(
            said(r#"{"message":"No.","message_detail":"No."}"#),
            one(None, "No.")
        );
        for body in [
            r#"{"code":1}"#,
            r#"{"code":1,"message":7}"#,
            "[]",
            "",
            "<html>",
            r#"{"code":1,"mess"#,
        ] {
            assert_eq!(said(body), None, "{body}");
        }
    }

    #[test]
    fn waits() {
        for (headers, expected) in [
            (&[][..], None),
            (&[("x-ratelimit-reset", "7")], Some(7_000)),
            (&[("x-ratelimit-reset", "0.2")], Some(1_000)),
            (&[("x-ratelimit-reset", "100, 100;w=60")], Some(100_000)),
            (&[("x-ratelimit-reset", "1893456000")], Some(86_400_000)),
            (&[("x-ratelimit-reset", "-1")], None),
            (&[("x-ratelimit-reset", "soon")], None),
            (&[("x-ratelimit-reset", "inf")], None),
            (
                &[("x-ratelimit-reset", "7"), ("retry-after", "3")],
                Some(3_000),
            ),
            (
                &[
                    ("date", "Tue, 24 Nov 2026 10:00:00 GMT"),
                    ("retry-after", "Tue, 24 Nov 2026 10:01:30 GMT"),
                ],
                Some(90_000),
            ),
            (
                &[
                    ("date", "Tue, 24 Nov 2026 10:00:00 GMT"),
                    ("retry-after", "Tue, 24 Nov 2026 09:00:00 GMT"),
                ],
                Some(0),
            ),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            let answer = Answer {
                status: 429,
                headers: &map,
                body: b"",
            };
            assert_eq!(
                answer.retry_after(),
                expected.map(Duration::from_millis),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn facts_hold_no_secret() {
        let mut headers = HeaderMap::new();
        headers.insert("x-pinterest-rid", "4711".parse().unwrap());
        let body = br#"{"code":2,"message":"pina_secret is dead"}"#;
        let answer = Answer {
            status: 401,
            headers: &headers,
            body,
        };
        let facts = answer.facts(answer.said().as_ref());
        assert_eq!(facts.message.as_deref(), Some("[token] is dead"));
        assert_eq!(facts.code.as_deref(), Some("2"));
        assert_eq!(facts.request_id.as_deref(), Some("4711"));
        assert_eq!(facts.http_status, Some(401));
    }
}
