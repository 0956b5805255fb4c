//! A request as it arrived.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::case::Expect;
use crate::subset;

/// What is written down of a request; never the key it was authorised with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Without the session's prefix and the query.
    pub(crate) path: String,
    pub(crate) query: Map<String, Value>,
    pub(crate) idempotency_key: Option<String>,
    /// Header `X-Attempt`.
    pub(crate) attempt: Option<u32>,
    /// Was the right key sent?
    pub(crate) authorized: bool,
    /// The body, where it is JSON.
    pub(crate) body: Option<Value>,
    pub(crate) body_bytes: usize,
    #[serde(skip)]
    headers: Value,
    #[serde(skip)]
    raw: Bytes,
}

impl Seen {
    pub(crate) fn new(
        method: &Method,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        raw: Bytes,
    ) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = format!("Bearer {}", crate::API_KEY);
        Self {
            method: method.to_string(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect(),
            idempotency_key: text("idempotency-key").map(str::to_owned),
            attempt: text("x-attempt").and_then(|number| number.parse().ok()),
            authorized: text("authorization") == Some(&bearer),
            body: serde_json::from_slice(&raw).ok(),
            body_bytes: raw.len(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.to_string(), Value::String(value))
                })
                .collect(),
            raw,
        }
    }

    /// Why this is not the request that is expected; empty when it is.
    pub(crate) fn differences(&self, expect: &Expect) -> Vec<String> {
        let mut failures = Vec::new();
        if self.method != expect.method || self.path != expect.path {
            failures.push(format!(
                "expected {} {}, got {} {}",
                expect.method, expect.path, self.method, self.path
            ));
            return failures;
        }
        let query = Value::Object(self.query.clone());
        subset::compare(
            &Value::Object(expect.query.clone()),
            Some(&query),
            "query",
            &mut failures,
        );
        let headers = Value::Object(expect.headers.clone());
        subset::compare(&headers, Some(&self.headers), "headers", &mut failures);
        if let Some(body) = &expect.body {
            subset::compare(body, self.body.as_ref(), "body", &mut failures);
        }
        if let Some(bytes) = &expect.body_base64 {
            let found = BASE64.encode(&self.raw);
            if *bytes != found {
                failures.push(format!("body: expected the bytes {bytes}, got {found}"));
            }
        }
        failures
    }
}
