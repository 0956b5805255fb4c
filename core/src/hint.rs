//! What an answer says about coming back: `Retry-After`, `retry-after-ms`, `X-Should-Retry`.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// How long the other side asks to wait. A date is judged by the answer's own `Date`, since clocks differ;
/// `now` stands in where it is missing.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let now = text(DATE.as_str())
        .and_then(|value| httpdate::parse_http_date(value).ok())
        .unwrap_or(now);
    Some(date.duration_since(now).unwrap_or_default())
}

/// `X-Should-Retry: true` or `false`; anything else says nothing.
#[must_use]
pub fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn every_spelling_of_a_wait() {
        let noon = httpdate::parse_http_date("Tue, 24 Nov 2026 12:00:00 GMT").expect("a date");
        type Pairs = &'static [(&'static str, &'static str)];
        let cases: &[(Pairs, Option<u64>)] = &[
            (&[], None),
            (&[("retry-after", "7")], Some(7_000)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[("retry-after-ms", "20")], Some(20)),
            (&[("retry-after", "7"), ("retry-after-ms", "20")], Some(20)),
            (
                &[("retry-after", "Tue, 24 Nov 2026 12:00:30 GMT")],
                Some(30_000),
            ),
            // The service's clock is an hour ahead; only the difference counts.
            (
                &[
                    ("retry-after", "Tue, 24 Nov 2026 13:00:05 GMT"),
                    ("date", "Tue, 24 Nov 2026 13:00:00 GMT"),
                ],
                Some(5_000),
            ),
            (&[("retry-after", "Tue, 24 Nov 2026 11:00:00 GMT")], Some(0)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "NaN")], None),
        ];
        for (pairs, expected) in cases {
            assert_eq!(
                retry_after(&headers(pairs), noon),
                expected.map(Duration::from_millis),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn the_word_of_the_service() {
        assert_eq!(
            should_retry(&headers(&[("x-should-retry", "true")])),
            Some(true)
        );
        assert_eq!(
            should_retry(&headers(&[("x-should-retry", "false")])),
            Some(false)
        );
        assert_eq!(should_retry(&headers(&[("x-should-retry", "maybe")])), None);
        assert_eq!(should_retry(&headers(&[])), None);
    }
}
