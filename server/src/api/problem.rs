//! An answer that is not a success: one error object, everywhere.
//!
//! Handlers return a [`Problem`]; the outermost layer ([`super::request`]) writes it as
//! `application/problem+json`, because only there the request id and the path are known.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use multi_upload_wire::{ErrorCode, ErrorInfo, FieldError};

use crate::store::StoreError;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The object; boxed, because results carry it.
    pub(crate) info: Box<ErrorInfo>,
    /// Headers beside it.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a handler returns.
pub(crate) type Answer<T = Response> = Result<T, Problem>;

impl Problem {
    /// A problem of a code.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        ErrorInfo::new(code, detail).into()
    }

    /// `VALIDATION_FAILED` with the wrong fields; the detail says how many.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.detail.clone(),
            several => format!("{} fields are wrong", several.len()),
        };
        ErrorInfo::new(ErrorCode::ValidationFailed, detail)
            .with_errors(errors)
            .into()
    }

    /// `VALIDATION_FAILED` with one wrong field.
    pub(crate) fn field(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self::fields(vec![field(pointer, code, detail)])
    }

    /// `NOT_FOUND` of an object.
    pub(crate) fn not_found(what: &str, id: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {what} {id:?}"))
    }

    /// With another status than the registry's.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.info.status = status.as_u16();
        self
    }

    /// With a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// One wrong field.
pub(crate) fn field(
    pointer: impl Into<String>,
    code: &str,
    detail: impl Into<String>,
) -> FieldError {
    FieldError {
        pointer: pointer.into(),
        code: code.to_owned(),
        detail: detail.into(),
    }
}

impl From<ErrorInfo> for Problem {
    fn from(info: ErrorInfo) -> Self {
        Self {
            info: Box::new(info),
            headers: Vec::new(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        ErrorInfo::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Errors made without an answer have no status of their own.
        let status = StatusCode::from_u16(self.info.status)
            .ok()
            .filter(|status| !status.is_success())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response.extensions_mut().insert(self.info);
        response
    }
}
