//! The error of every call: the product's one error object, and what caused it.

use std::fmt;

use multi_upload_wire::{ErrorCode, ErrorInfo, FieldError, Outcome};

/// Why a call failed. All facts are in [`Error::info`]; no text ever holds a secret.
pub struct Error {
    info: Box<ErrorInfo>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a known code.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        ErrorInfo::new(code, detail).into()
    }

    /// Wrong arguments, found before anything was sent: `VALIDATION_FAILED` for one field.
    #[must_use]
    pub fn invalid(pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut info = ErrorInfo::new(ErrorCode::ValidationFailed, detail.clone());
        // It never reached the service, so there is no HTTP status to speak of.
        info.status = 0;
        info.outcome = Outcome::None;
        info.with_errors(vec![FieldError {
            pointer: pointer.to_owned(),
            code: code.to_owned(),
            detail,
        }])
        .into()
    }

    /// With the error underneath.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// All facts of the error.
    #[must_use]
    pub fn info(&self) -> &ErrorInfo {
        &self.info
    }

    /// The facts, to change before the error goes on.
    pub(crate) fn info_mut(&mut self) -> &mut ErrorInfo {
        &mut self.info
    }

    /// The facts, as the object that crosses every boundary.
    #[must_use]
    pub fn into_info(self) -> ErrorInfo {
        *self.info
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.info.code
    }

    /// Is it this code?
    #[must_use]
    pub fn is(&self, code: ErrorCode) -> bool {
        self.info.is(code)
    }
}

impl From<ErrorInfo> for Error {
    fn from(info: ErrorInfo) -> Self {
        Self {
            info: Box::new(info),
            source: None,
        }
    }
}

impl From<Error> for ErrorInfo {
    fn from(error: Error) -> Self {
        error.into_info()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("info", &self.info)
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Takes a secret out of every text of an error, should an answer have repeated it.
pub(crate) fn redact(info: &mut ErrorInfo, secret: &str) {
    // Shorter texts are no keys, and replacing them would garble words.
    if secret.len() < 8 {
        return;
    }
    let clean = |text: &mut String| {
        if text.contains(secret) {
            *text = text.replace(secret, "[redacted]");
        }
    };
    for text in [
        &mut info.type_uri,
        &mut info.title,
        &mut info.detail,
        &mut info.code,
        &mut info.remedy,
        &mut info.doc_url,
    ] {
        clean(text);
    }
    for text in [
        &mut info.instance,
        &mut info.idempotency_key,
        &mut info.request_id,
        &mut info.external_id,
    ]
    .into_iter()
    .flatten()
    {
        clean(text);
    }
    for error in &mut info.errors {
        clean(&mut error.pointer);
        clean(&mut error.detail);
    }
    if let Some(platform) = &mut info.platform {
        for text in [
            &mut platform.code,
            &mut platform.message,
            &mut platform.request_id,
        ]
        .into_iter()
        .flatten()
        {
            clean(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_secret_is_taken_out_everywhere() {
        let mut info = ErrorInfo::new(ErrorCode::ApiKeyInvalid, "key mu_live_topsecret is bad")
            .with_remedy("not mu_live_topsecret");
        info.request_id = Some("mu_live_topsecret".to_owned());
        redact(&mut info, "mu_live_topsecret");
        let text = serde_json::to_string(&info).expect("it is plain data");
        assert!(!text.contains("topsecret"), "{text}");
        assert_eq!(info.detail, "key [redacted] is bad");
    }

    #[test]
    fn an_error_keeps_its_cause() {
        let error = Error::new(ErrorCode::ConnectFailed, "no route")
            .with_source(std::io::Error::other("inner"));
        let source = std::error::Error::source(&error).expect("it was given");
        assert_eq!(source.to_string(), "inner");
    }
}
