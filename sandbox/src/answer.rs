//! An answer before it goes onto the wire, and the errors in Pinterest's own shape.

use bytes::Bytes;
use serde_json::{Value, json};

/// What one operation answers: complete, so that a fault can replace, cut or repeat it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::with_type(status, "application/json", body.to_string())
    }

    pub(crate) fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self::with_type(status, "text/html; charset=utf-8", body)
    }

    pub(crate) fn xml(status: u16, body: impl Into<Bytes>) -> Self {
        Self::with_type(status, "application/xml", body)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::empty(status).header("location", location)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn with_type(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }
}

/// An error as Pinterest words it: an HTTP status and `{"code", "message"}`. The code repeats the status on some
/// endpoints and is an internal number on others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(what: impl std::fmt::Display) -> Self {
        Self::new(400, 1, format!("Invalid request: {what}"))
    }

    pub(crate) fn authentication() -> Self {
        Self::new(401, 2, "Authentication failed.")
    }

    pub(crate) fn missing_scopes(missing: &[&str]) -> Self {
        Self::new(
            401,
            3,
            format!(
                "Authorization failed. Missing scopes: {}",
                missing.join(", ")
            ),
        )
    }

    pub(crate) fn not_permitted() -> Self {
        Self::new(403, 29, "You are not permitted to access that resource.")
    }

    pub(crate) fn board_not_found() -> Self {
        Self::new(404, 40, "Board not found.")
    }

    pub(crate) fn section_not_found() -> Self {
        Self::new(404, 2031, "Sorry! We couldn't find this board section.")
    }

    pub(crate) fn pin_not_found() -> Self {
        Self::new(404, 50, "Pin not found.")
    }

    pub(crate) fn rate_limited() -> Self {
        Self::new(
            429,
            8,
            "This request exceeded a rate limit. Wait for the limit to reset and try again.",
        )
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::json(
            error.status,
            &json!({"code": error.code, "message": error.message}),
        )
    }
}
