//! *Open* and *commit*: the one request that makes a pin.
//!
//! The connection is opened beforehand, carries this request and is thrown away. There is no pool, no redirect and
//! no second try: each of them could move the send to a moment at which nobody expects it any more. hyper is
//! used directly for that reason.

mod gate;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT,
};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::answer::Answer;
use super::{api, classify, redact};
use crate::{CommitAnswer, Connection, FailureClass, PlatformError, Prepared};
use wire::Opened;

pub(super) use wire::open;

/// A pin is a few kB.
const BODY_LIMIT: usize = 1024 * 1024;

/// How long the parts of a commit may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// DNS, TCP and TLS together.
    pub(super) connect: Duration,
    /// From the call to the first byte; later it is given up as not sent.
    pub(super) begin: Duration,
    /// From the call to the last byte of the answer.
    pub(super) answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: api::CONNECT_LIMIT,
            begin: Duration::from_secs(5),
            answer: Duration::from_secs(30),
        }
    }
}

/// Sends the prepared pin over the connection, once, and reads what the answer proves.
pub(super) async fn commit(
    connection: Connection,
    base: &Url,
    limits: Limits,
    token: &str,
    prepared: &Prepared,
) -> CommitAnswer {
    let deadline = Instant::now() + limits.answer;
    let Ok(opened) = connection.0.downcast::<Opened>() else {
        return CommitAnswer::NotSent(api::not_sent(
            "the connection was opened for another network",
        ));
    };
    let mut opened = *opened;
    opened.gate.arm(limits.begin);
    let request = match request(base, token, prepared) {
        Ok(request) => request,
        Err(error) => return CommitAnswer::NotSent(error),
    };
    if opened.is_closed().await {
        return CommitAnswer::NotSent(api::not_sent(
            "Pinterest closed the connection before it was used",
        ));
    }
    let sending = opened.sender.try_send_request(request);
    let response = match timeout_at(deadline, opened.line.drive(sending)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let reason = redact::clean(&error.error().to_string());
            // hyper hands the request back when it did not begin to write it.
            if error.message().is_some() || !opened.gate.has_begun() {
                return CommitAnswer::NotSent(api::not_sent(
                    opened.gate.reason().unwrap_or(&reason),
                ));
            }
            return unknown(
                &format!("The connection was cut before Pinterest answered: {reason}"),
                None,
            );
        }
        Err(_) if !opened.gate.has_begun() => {
            return CommitAnswer::NotSent(api::not_sent("the connection took nothing"));
        }
        Err(_) => {
            return unknown(
                &format!(
                    "Pinterest did not answer within {} s",
                    limits.answer.as_secs()
                ),
                None,
            );
        }
    };
    let (head, body) = response.into_parts();
    let status = head.status.as_u16();
    let read = timeout_at(
        deadline,
        opened.line.drive(Limited::new(body, BODY_LIMIT).collect()),
    )
    .await;
    let problem = match read {
        Ok(Ok(body)) => {
            let body = body.to_bytes();
            return classify::commit(&Answer {
                status,
                headers: &head.headers,
                body: &body,
            });
        }
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            "its answer is longer than 1 MB"
        }
        Ok(Err(_)) => "its answer was cut",
        Err(_) => "its answer did not end in time",
    };
    let answer = Answer {
        status,
        headers: &head.headers,
        body: b"",
    };
    if answer.is_success() {
        classify::applied_without_id(&answer, problem)
    } else {
        unknown(
            &format!("Pinterest answered with HTTP {status}, but {problem}"),
            Some((status, &head.headers)),
        )
    }
}

fn request(
    base: &Url,
    token: &str,
    prepared: &Prepared,
) -> Result<Request<Full<Bytes>>, PlatformError> {
    let url = api::endpoint(base, &["pins"]);
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    Request::builder()
        .method(Method::POST)
        .uri(url.path())
        .header(HOST, host)
        .header(AUTHORIZATION, api::bearer(token)?)
        .header(USER_AGENT, api::USER_AGENT)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Full::new(prepared.body.clone()))
        .map_err(|error| api::not_sent(&format!("the request could not be written: {error}")))
}

/// It may have been sent, and nothing proves what became of it.
fn unknown(happened: &str, answer: Option<(u16, &HeaderMap)>) -> CommitAnswer {
    let facts = match answer {
        Some((status, headers)) => Answer {
            status,
            headers,
            body: b"",
        }
        .facts(None),
        None => api::no_answer(),
    };
    let info = ErrorInfo::new(
        ErrorCode::OutcomeUnknown,
        format!("{happened}. It is not known whether the pin exists."),
    )
    .with_platform(facts);
    CommitAnswer::Unknown(PlatformError::new(FailureClass::Unavailable, info))
}
