//! Every call to Pinterest but the commit: one client, no redirects, answers read to a limit.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use multi_upload_core::retry::{Decision, Policy};
use multi_upload_wire::{ErrorCode, ErrorInfo, Outcome, PlatformFailure, Retry};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::answer::Answer;
use super::exchange::exchange;
use super::{classify, repeat};
use crate::{FailureClass, Outside, PlatformError};

/// For DNS, TCP and TLS together.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For one attempt from connecting to the last byte.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// A page of 250 pins is about 1 MB.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// How Pinterest sees us.
pub(super) const USER_AGENT: &str = concat!("multi-upload/", env!("CARGO_PKG_VERSION"));

/// The client.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    /// The world of a simulation.
    outside: Option<Arc<dyn Outside>>,
    base: Url,
    repeats: Policy,
}

/// What a failure in the middle of a call leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes nothing.
    Read,
    /// Makes a board or a section.
    Create,
    /// Trades a code or a refresh token.
    Token,
    /// Registers a video. A registration that nobody uses means nothing.
    Register,
}

impl Kind {
    pub(super) const fn may_have_acted(self) -> bool {
        matches!(self, Self::Create)
    }
}

impl Api {
    pub(super) fn new(base: Url) -> Result<Self, ErrorInfo> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured((*multi_upload_core::tls::client_config()).clone())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // The commit call knows no proxy either: both reach Pinterest the same way.
            .no_proxy()
            .connect_timeout(CONNECT_LIMIT)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| {
                ErrorInfo::new(
                    ErrorCode::Internal,
                    format!("The HTTP client could not be made: {error}."),
                )
            })?;
        Ok(Self {
            http,
            outside: None,
            base,
            repeats: repeat::QUICK,
        })
    }

    /// The same in the world of a simulation.
    pub(super) fn within(mut self, outside: Arc<dyn Outside>) -> Self {
        self.outside = Some(outside);
        self
    }

    /// The base address.
    pub(super) const fn base(&self) -> &Url {
        &self.base
    }

    /// A read; `query` is percent-encoded here.
    pub(super) async fn get(
        &self,
        token: &str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, PlatformError> {
        let mut url = endpoint(&self.base, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self
            .http
            .request(Method::GET, url)
            .header(AUTHORIZATION, bearer(token)?);
        self.send(Kind::Read, request).await
    }

    /// A call that makes something; repeated only where nothing was sent.
    pub(super) async fn create(
        &self,
        token: &str,
        path: &[&str],
        body: &Value,
    ) -> Result<Value, PlatformError> {
        let request = self
            .http
            .request(Method::POST, endpoint(&self.base, path))
            .header(AUTHORIZATION, bearer(token)?)
            .json(body);
        self.send(Kind::Create, request).await
    }

    /// Registers something that has no effect by itself.
    pub(super) async fn register(
        &self,
        token: &str,
        path: &[&str],
        body: &Value,
    ) -> Result<Value, PlatformError> {
        let request = self
            .http
            .request(Method::POST, endpoint(&self.base, path))
            .header(AUTHORIZATION, bearer(token)?)
            .json(body);
        self.send(Kind::Register, request).await
    }

    /// A call to an address that Pinterest names, as it is: no token goes with it, and nothing is repeated.
    pub(super) async fn execute(
        &self,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, Broken> {
        match &self.outside {
            Some(outside) => exchange(outside.as_ref(), request).await,
            None => self.http.execute(request).await.map_err(Broken::from),
        }
    }

    /// From 0 up to 1, without it.
    pub(super) fn random(&self) -> f64 {
        match &self.outside {
            Some(outside) => outside.random(),
            None => rand::random(),
        }
    }

    /// A call of the token endpoint.
    pub(super) async fn token(
        &self,
        user: &str,
        password: &str,
        form: &[(&str, &str)],
    ) -> Result<Value, PlatformError> {
        let request = self
            .http
            .request(Method::POST, endpoint(&self.base, &["oauth", "token"]))
            .basic_auth(user, Some(password))
            .form(form);
        self.send(Kind::Token, request).await
    }

    /// Sends it, and again where [`repeat`] allows.
    async fn send(&self, kind: Kind, request: RequestBuilder) -> Result<Value, PlatformError> {
        let request = request.build().map_err(|error| lost(kind, &error.into()))?;
        let deadline = Instant::now() + repeat::TOTAL_LIMIT;
        for attempt in 1.. {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(mut request) = request.try_clone() else {
                break;
            };
            *request.timeout_mut() = Some(CALL_LIMIT.min(left));
            let mut error = match self.send_once(kind, request).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            error.info.attempts = Some(attempt);
            let left = deadline.saturating_duration_since(Instant::now());
            match repeat::next(&self.repeats, kind, &error, attempt, left, self.random()) {
                Decision::Wait { delay, .. } => tokio::time::sleep(delay).await,
                Decision::Stop(stop) => {
                    error.info.exhausted = stop.is_exhausted();
                    return Err(error);
                }
            }
        }
        Err(not_sent("the request could not be made"))
    }

    async fn send_once(
        &self,
        kind: Kind,
        request: reqwest::Request,
    ) -> Result<Value, PlatformError> {
        let mut response = self
            .execute(request)
            .await
            .map_err(|broken| lost(kind, &broken))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| lost(kind, &error.into()))?
        {
            if body.len() + part.len() > BODY_LIMIT {
                let answer = Answer {
                    status,
                    headers: &headers,
                    body: b"",
                };
                return Err(classify::bad_answer(
                    &answer,
                    "its answer is longer than 16 MB",
                    kind.may_have_acted(),
                ));
            }
            body.extend_from_slice(&part);
        }
        let answer = Answer {
            status,
            headers: &headers,
            body: &body,
        };
        if !answer.is_success() {
            return Err(classify::failure(&answer, kind.may_have_acted()));
        }
        match serde_json::from_slice(&body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            _ => Err(classify::bad_answer(
                &answer,
                "its answer is not a JSON object",
                kind.may_have_acted(),
            )),
        }
    }
}

/// The address of a path; every part is one segment, percent-encoded.
pub(super) fn endpoint(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// `Bearer …`, marked so that nothing prints it.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, PlatformError> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
        let info = ErrorInfo::new(
            ErrorCode::AccountReconnectRequired,
            "The stored access token holds characters that no token has.",
        );
        PlatformError::new(FailureClass::ReconnectRequired, info)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// How a call ended that got no whole answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// Nothing left this machine, with the reason.
    NotSent(String),
    /// No answer within the limit.
    TimedOut,
    /// The connection broke, with the reason.
    Cut(String),
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() || error.is_builder() {
            Self::NotSent(root_cause(&error))
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Cut(root_cause(&error))
        }
    }
}

/// A call without a whole answer.
fn lost(kind: Kind, broken: &Broken) -> PlatformError {
    let happened = match broken {
        Broken::NotSent(reason) => return not_sent(reason),
        Broken::TimedOut => format!("Pinterest did not answer within {} s", CALL_LIMIT.as_secs()),
        Broken::Cut(reason) => format!("The connection to Pinterest was cut: {reason}"),
    };
    let mut info = ErrorInfo::new(ErrorCode::PlatformUnavailable, format!("{happened}."));
    if kind.may_have_acted() {
        info.outcome = Outcome::Unknown;
        info.retry = Retry::AfterReconcile;
        "Look at the account on Pinterest before you send it again: it may have been created."
            .clone_into(&mut info.remedy);
    }
    PlatformError::new(FailureClass::Unavailable, info.with_platform(no_answer()))
}

/// Nothing left this machine.
pub(super) fn not_sent(reason: &str) -> PlatformError {
    let mut info = ErrorInfo::new(
        ErrorCode::PlatformUnavailable,
        format!("Pinterest could not be reached, nothing was sent: {reason}."),
    )
    .with_platform(no_answer());
    if reason.contains("certificate") {
        "Check the clock and the certificates of this machine; behind a proxy that opens TLS, its certificate must be \
         among them."
            .clone_into(&mut info.remedy);
    }
    PlatformError::new(FailureClass::NotSent, info)
}

/// The network's share of an error where it said nothing.
pub(super) fn no_answer() -> PlatformFailure {
    PlatformFailure {
        name: super::NAME.to_owned(),
        http_status: None,
        code: None,
        message: None,
        request_id: None,
    }
}

/// The innermost reason: the outer ones say "error sending request" and repeat the address.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    cause.map_or_else(
        || "no reason given".to_owned(),
        |cause| super::redact::clean(&cause.to_string()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use super::*;

    #[test]
    fn nothing_prints_a_token() {
        let value = bearer("pina_secret").unwrap();
        assert_eq!(value.as_bytes(), b"Bearer pina_secret");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("secret"));
    }

    #[test]
    fn paths_are_appended_to_any_base() {
        for (base, expected) in [
            ("https://a.example/v5", "https://a.example/v5/boards/1/pins"),
            (
                "https://a.example/v5/",
                "https://a.example/v5/boards/1/pins",
            ),
            ("https://a.example", "https://a.example/boards/1/pins"),
        ] {
            let url = endpoint(&Url::parse(base).unwrap(), &["boards", "1", "pins"]);
            assert_eq!(url.as_str(), expected);
        }
    }
}
