//! Repeat protection: the same key and the same request store nothing twice.

use http::HeaderMap;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::api::problem::Problem;

/// The header.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Said by an answer that was given before.
pub(crate) const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

/// Longest key, in characters.
const MAX_KEY: usize = 255;

/// The key of a request.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = std::str::from_utf8(value.as_bytes()).unwrap_or_default();
    if values.next().is_some() || !is_key(key) {
        return Err(Problem::field(
            "Idempotency-Key",
            "invalid",
            format!("the header Idempotency-Key must be one text of 1 to {MAX_KEY} visible ASCII characters"),
        )
        .with_status(http::StatusCode::BAD_REQUEST));
    }
    Ok(Some(key.to_owned()))
}

/// 1 to 255 visible ASCII characters.
pub(super) fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
}

/// What makes two requests the same: the operation and the content, whatever the order of its names.
pub(super) fn body_hash(body: &Map<String, Value>) -> Vec<u8> {
    let mut text = String::from("POST /v1/uploads\n");
    canonical(body, &mut text);
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Writes an object so that equal ones give equal texts.
pub(crate) fn canonical(object: &Map<String, Value>, text: &mut String) {
    let mut names: Vec<&String> = object.keys().collect();
    names.sort_unstable();
    text.push('{');
    for name in names {
        // An absent field and `null` ask for the same.
        let value = &object[name];
        if value.is_null() {
            continue;
        }
        text.push_str(&Value::String(name.clone()).to_string());
        text.push(':');
        write(value, text);
        text.push(',');
    }
    text.push('}');
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => canonical(object, text),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn hash(text: &str) -> Vec<u8> {
        body_hash(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_order_of_names_does_not_matter_the_values_do() {
        let one = hash(r#"{"title": "a", "late": {"send_within": "1h"}, "accounts": ["x", "y"]}"#);
        let same =
            hash(r#"{"accounts":["x","y"],"late":{"send_within":"1h"},"title":"a","link":null}"#);
        assert_eq!(one, same);
        assert_ne!(
            one,
            hash(r#"{"accounts":["y","x"],"late":{"send_within":"1h"},"title":"a"}"#)
        );
        assert_ne!(hash(r#"{"title":"1"}"#), hash(r#"{"title":1}"#));
        assert_ne!(
            hash(r#"{"accounts":["a,b"]}"#),
            hash(r#"{"accounts":["a","b"]}"#)
        );
    }

    #[test]
    fn a_key_is_visible_ascii() {
        assert!(is_key("0198-a!~"));
        assert!(is_key(&"k".repeat(255)));
        for bad in ["", "a b", "ä", "a\n", &"k".repeat(256)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }
}
