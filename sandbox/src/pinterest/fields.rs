//! Reading JSON bodies field by field, with the texts of Pinterest's schema checker.

use serde_json::{Map, Value};
use url::Url;

use crate::answer::ApiError;

pub(crate) type Fields = Map<String, Value>;

/// The body as an object.
pub(crate) fn object(body: &[u8]) -> Result<Fields, ApiError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ApiError::invalid("the body is not of type 'object'")),
        Err(_) => Err(ApiError::invalid("the body is not valid JSON")),
    }
}

/// A text of at most `max` characters (Unicode code points); absent and null are the same.
pub(crate) fn text(fields: &Fields, name: &str, max: usize) -> Result<Option<String>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= max => Ok(Some(text.clone())),
        Some(Value::String(text)) => Err(ApiError::invalid(format_args!(
            "'{name}' is too long: {} characters, maxLength={max}",
            text.chars().count()
        ))),
        Some(other) => Err(ApiError::invalid(format_args!(
            "'{name}': {other} is not of type 'string'"
        ))),
    }
}

/// A text that has to be there.
pub(crate) fn required<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Err(ApiError::invalid(format_args!(
            "'{name}' is a required property"
        ))),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(ApiError::invalid(format_args!(
            "'{name}': {other} is not of type 'string'"
        ))),
    }
}

/// An id where one is given.
pub(crate) fn id(fields: &Fields, name: &str) -> Result<Option<String>, ApiError> {
    let id = text(fields, name, usize::MAX)?;
    id.as_deref().map_or(Ok(()), digits)?;
    Ok(id)
}

/// Ids are strings of digits.
pub(crate) fn digits(id: &str) -> Result<(), ApiError> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err(ApiError::new(
            400,
            1,
            format!(r"'{id}' does not match '^\d+$'"),
        ))
    }
}

/// A web address of at most 2,048 characters.
pub(crate) fn link(fields: &Fields, name: &str) -> Result<Option<String>, ApiError> {
    let link = text(fields, name, 2_048)?;
    match link.as_deref() {
        Some(link) if !is_web_address(link) => Err(ApiError::new(
            400,
            1,
            format!("Parameter '{name}' with the value '{link}' is not a valid URL format."),
        )),
        _ => Ok(link),
    }
}

pub(crate) fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// `true` or `false` where one is given.
pub(crate) fn flag(fields: &Fields, name: &str, default: bool) -> Result<bool, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(ApiError::invalid(format_args!(
            "'{name}': {other} is not of type 'boolean'"
        ))),
    }
}

/// A whole number of 0 or more where one is given.
pub(crate) fn whole(fields: &Fields, name: &str) -> Result<Option<u64>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| {
            ApiError::invalid(format_args!(
                "'{name}': {value} is not an integer of 0 or more"
            ))
        }),
    }
}
