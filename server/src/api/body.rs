//! Reading a request body: with a limit, as JSON, strictly.
//!
//! Stricter than JSON itself: the body is one object, at most 64 levels deep, without a name that
//! stands twice in one object, without NUL characters. Whatever passes here can be stored.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::problem::{Problem, field};

/// Largest JSON body of one call.
pub(crate) const LIMIT: usize = 1024 * 1024;
/// Largest JSON body of a batch.
pub(crate) const BATCH_LIMIT: usize = 8 * 1024 * 1024;
/// A body that is too large is read and thrown away up to here, so that the caller, still sending, gets the answer
/// instead of a broken connection.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;
/// The same for a caller that is refused before anything is read.
const DISCARD_LIMIT: usize = 32 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);
/// Time for a JSON body to arrive.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Deepest nesting.
const DEPTH_LIMIT: u32 = 64;

/// The JSON object of a request, at most `MAX` bytes.
pub(crate) struct Object<const MAX: usize = LIMIT>(pub(crate) Map<String, Value>);

impl<const MAX: usize, S: Send + Sync> FromRequest<S> for Object<MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if let Err(problem) = is_json(&parts.headers) {
            discard(&parts.headers, body).await;
            return Err(problem);
        }
        let bytes = read(&parts.headers, body, MAX).await?;
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let essence = given
        .as_deref()
        .and_then(|text| text.split(';').next())
        .map(|text| text.trim().to_ascii_lowercase());
    match essence.as_deref() {
        Some("application/json") => Ok(()),
        Some(text) if text.starts_with("application/") && text.ends_with("+json") => Ok(()),
        Some(other) => Err(Problem::new(
            ErrorCode::ContentTypeUnsupported,
            format!("the content type is {other:?}; this call takes application/json"),
        )),
        None => Err(Problem::new(
            ErrorCode::ContentTypeUnsupported,
            "the content type is missing; this call takes application/json",
        )),
    }
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Problem> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    let reading = async {
        let mut body = body;
        let mut bytes: Vec<u8> = Vec::with_capacity(announced.unwrap_or(0).min(max));
        let mut seen = 0usize;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                Problem::new(ErrorCode::JsonMalformed, "the body ended before its time")
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            seen += data.len();
            if seen <= max {
                bytes.extend_from_slice(&data);
            } else if seen > DRAIN_LIMIT {
                break;
            }
        }
        if seen > max {
            return Err(too_large(max));
        }
        Ok(Bytes::from(bytes))
    };
    match tokio::time::timeout(TIME_LIMIT, reading).await {
        Ok(done) => done,
        Err(_) => {
            let mut info = ErrorInfo::new(
                ErrorCode::Timeout,
                format!("the body did not arrive within {} s", TIME_LIMIT.as_secs()),
            );
            info.outcome = multi_upload_wire::Outcome::None;
            Err(Problem::from(info).with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

/// Reads away the body of a request that is refused whatever it says: many callers look at the
/// answer only once they have sent everything, and would see a broken connection instead.
pub(crate) async fn discard(headers: &HeaderMap, mut body: Body) {
    // Whoever asks first does not send.
    if headers.contains_key(EXPECT) {
        return;
    }
    let reading = async {
        let mut left = DISCARD_LIMIT;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            if length > left {
                return;
            }
            left -= length;
        }
    };
    // Whether it ended or not, the answer is the same.
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}

fn too_large(max: usize) -> Problem {
    Problem::new(
        ErrorCode::BodyTooLarge,
        format!("the body is larger than {} MiB", max / (1024 * 1024)),
    )
    .with_header(CONNECTION, HeaderValue::from_static("close"))
}

/// Understands the bytes as one strict JSON object.
pub(crate) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Node { depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| malformed(&error))?;
    let Value::Object(object) = value else {
        return Err(Problem::field(
            "",
            "invalid",
            format!("the body must be a JSON object, not {}", kind(&value)),
        ));
    };
    let mut errors = Vec::new();
    find_nul(&mut String::new(), &object, &mut errors);
    if errors.is_empty() {
        Ok(object)
    } else {
        Err(Problem::fields(errors))
    }
}

const TOO_DEEP: &str = "nested deeper than 64 levels";

fn malformed(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // serde_json appends the place to the words; the place is said once, in our words.
    let words = text.split(" at line ").next().unwrap_or(&text);
    if words == TOO_DEEP {
        return Problem::new(ErrorCode::JsonTooDeep, format!("the body is {TOO_DEEP}"));
    }
    Problem::new(
        ErrorCode::JsonMalformed,
        format!(
            "the body is not valid JSON at line {}, column {}: {words}",
            error.line(),
            error.column()
        ),
    )
}

/// What a JSON value is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A name as one step of a JSON Pointer.
pub(crate) fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn find_nul(
    at: &mut String,
    object: &Map<String, Value>,
    errors: &mut Vec<multi_upload_wire::FieldError>,
) {
    for (name, value) in object {
        let length = at.len();
        at.push('/');
        at.push_str(&step(name));
        if name.contains('\0') {
            errors.push(field(
                at.clone(),
                "invalid",
                "a name must not hold the character U+0000",
            ));
        }
        find_nul_in(at, value, errors);
        at.truncate(length);
    }
}

fn find_nul_in(at: &mut String, value: &Value, errors: &mut Vec<multi_upload_wire::FieldError>) {
    match value {
        Value::String(text) if text.contains('\0') => errors.push(field(
            at.clone(),
            "invalid",
            "text must not hold the character U+0000",
        )),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let length = at.len();
                at.push_str(&format!("/{index}"));
                find_nul_in(at, item, errors);
                at.truncate(length);
            }
        }
        Value::Object(object) => find_nul(at, object, errors),
        _ => {}
    }
}

/// Builds a [`Value`] and counts how deep it stands.
struct Node {
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let depth = deeper(self.depth)?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Node { depth })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let depth = deeper(self.depth)?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if object.contains_key(&name) {
                let shown: String = name.chars().take(60).collect();
                return Err(de::Error::custom(format!("{shown:?} stands here twice")));
            }
            let value = map.next_value_seed(Node { depth })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

fn deeper<E: de::Error>(depth: u32) -> Result<u32, E> {
    if depth >= DEPTH_LIMIT {
        return Err(E::custom(TOO_DEEP));
    }
    Ok(depth + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn code(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().info.code.clone()
    }

    #[test]
    fn a_fault_of_the_json_is_named_with_its_place() {
        let problem = parse(b"{\n  \"a\": 1,\n  \"b\" 2\n}").unwrap_err();
        assert_eq!(problem.info.code, "JSON_MALFORMED");
        assert!(
            problem.info.detail.contains("line 3"),
            "{}",
            problem.info.detail
        );
        assert_eq!(code(b""), "JSON_MALFORMED");
        assert_eq!(code(b"{} {}"), "JSON_MALFORMED");
        assert_eq!(code(b"{\"a\": \"\\ud800\"}"), "JSON_MALFORMED");
        assert_eq!(code(b"{\"a\": 1e999}"), "JSON_MALFORMED");
        assert_eq!(code(b"[1]"), "VALIDATION_FAILED");
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let problem = parse(br#"{"link": "a", "link": "b"}"#).unwrap_err();
        assert_eq!(problem.info.code, "JSON_MALFORMED");
        assert!(problem.info.detail.contains("link"));
    }

    #[test]
    fn depth_is_limited_to_64() {
        let nested = |n: usize| format!("{}{}{}", "{\"a\":".repeat(n), 1, "}".repeat(n));
        assert!(parse(nested(64).as_bytes()).is_ok());
        assert_eq!(code(nested(65).as_bytes()), "JSON_TOO_DEEP");
        assert_eq!(code(nested(5_000).as_bytes()), "JSON_TOO_DEEP");
    }

    #[test]
    fn nul_is_refused_where_it_stands() {
        let problem = parse(br#"{"a/b": ["x", "y\u0000"], "c": "fine"}"#).unwrap_err();
        assert_eq!(problem.info.errors[0].pointer, "/a~1b/1");
        assert_eq!(problem.info.errors.len(), 1);
    }
}
