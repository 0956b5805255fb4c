//! Repeat protection for requests that are not uploads: the same key and the same request are carried out once.
//!
//! The key is stored before the work begins, and the answer when it is done. So a repetition gets the answer, or is told
//! that the work is under way, or that nobody knows how it ended because the service was stopped in the middle. A refusal
//! that changed nothing sets the key free. The work goes on when its caller goes away.
//!
//! Uploads have their own way (`uploads/repeat.rs`): there, key and work are one transaction.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use multi_upload_wire::{ErrorCode, ErrorInfo, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::auth::Caller;
use super::body;
use super::problem::{Answer, Problem};
use super::uploads::repeat::{IDEMPOTENCY_REPLAYED, canonical, key_of};
use crate::clock::rfc3339;
use crate::state::App;
use crate::store::{KeyUse, Millis, Owner};

/// Work that was begun so long ago and has no answer was cut off: no request takes so long.
const LONGEST_WORK_MS: Millis = 600_000;

/// What may be kept of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All of it.
    Answer,
    /// That it was given: it holds a secret.
    Fact,
}

/// What is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Success {
        status: u16,
        location: Option<String>,
        body: Value,
    },
    /// It may have had an effect.
    Problem(Box<ErrorInfo>),
    /// The id of what was made.
    Secret(String),
}

/// The layer of a route.
pub(crate) async fn once(
    State((app, keep)): State<(App, Keep)>,
    request: Request,
    next: Next,
) -> Response {
    match key_of(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => match keyed(app, keep, key, request, next).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        },
        Err(problem) => {
            let (parts, rest) = request.into_parts();
            body::discard(&parts.headers, rest).await;
            problem.into_response()
        }
    }
}

async fn keyed(app: App, keep: Keep, key: String, request: Request, next: Next) -> Answer {
    let (parts, rest) = request.into_parts();
    let bytes = body::read(&parts.headers, rest, body::LIMIT).await?;
    let Some(caller) = parts.extensions.get::<Caller>() else {
        return Err(Problem::new(
            ErrorCode::Internal,
            "a route with repeat protection has no caller",
        ));
    };
    let owner = caller.owner.clone();
    let hash = hash(&parts, caller, &bytes);
    let now = app.clock.now();
    let begun = app
        .store
        .begin_request(&owner, &key, hash.clone(), now)
        .await?;
    if let Some(used) = begun {
        return repeated(used, &hash, now);
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    // A task of its own: a caller that goes away must not leave work behind whose end nobody knows.
    let work = tokio::spawn(async move {
        let response = next.run(request).await;
        finish(&app, &owner, &key, keep, response).await
    });
    work.await.unwrap_or_else(|_| {
        Err(Problem::new(
            ErrorCode::Internal,
            "the request ended by a fault of the service",
        ))
    })
}

/// The same request is the same for callers with the same rights only.
fn hash(parts: &Parts, caller: &Caller, bytes: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "{} {}\n{:?}\n",
        parts.method,
        parts.uri.path(),
        caller.accounts()
    );
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(body)) => canonical(&body, &mut text),
        _ => text.push_str(&String::from_utf8_lossy(bytes)),
    }
    Sha256::digest(text.as_bytes()).to_vec()
}

fn repeated(used: KeyUse, hash: &[u8], now: Millis) -> Answer {
    if used.body_hash != hash {
        return Err(Problem::new(
            ErrorCode::IdempotencyBodyMismatch,
            "this idempotency key was used before for another request",
        ));
    }
    let Some(answer) = used.answer else {
        if now - used.at <= LONGEST_WORK_MS {
            let info = ErrorInfo::new(
                ErrorCode::IdempotencyInProgress,
                "the first request with this idempotency key is still being carried out",
            );
            return Err(info.with_retry_after_ms(1_000).into());
        }
        return Err(Problem::new(
            ErrorCode::StateConflict,
            format!(
                "a request with this idempotency key was begun at {} and cut off: whether it had an effect is not known. \
                 Look, and use a new key to send it again",
                rfc3339(used.at)
            ),
        ));
    };
    let kept = serde_json::from_str(&answer)
        .map_err(|_| Problem::new(ErrorCode::Internal, "a stored answer is not readable"))?;
    match kept {
        Kept::Success {
            status,
            location,
            body,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let bytes = if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            };
            let mut response = (status, bytes).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
            if let Some(location) = location.and_then(|text| HeaderValue::from_str(&text).ok()) {
                headers.insert(LOCATION, location);
            }
            Ok(response)
        }
        Kept::Problem(info) => Err(Problem::from(*info).with_header(
            HeaderName::from_static(IDEMPOTENCY_REPLAYED),
            HeaderValue::from_static("true"),
        )),
        Kept::Secret(id) => Err(Problem::new(
            ErrorCode::StateConflict,
            format!(
                "the first request with this idempotency key made {id}; its answer held a secret and is not kept. \
                 Make another with a new key, and remove {id} if nobody has its secret"
            ),
        )),
    }
}

/// Stores the answer, and gives it.
async fn finish(app: &App, owner: &Owner, key: &str, keep: Keep, response: Response) -> Answer {
    let (parts, rest) = response.into_parts();
    let bytes = rest
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let bytes =
        bytes.map_err(|_| Problem::new(ErrorCode::Internal, "an answer is not readable"))?;
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let kept = if parts.status.is_success() {
        Some(match keep {
            Keep::Answer => Kept::Success {
                status: parts.status.as_u16(),
                location: parts
                    .headers
                    .get(LOCATION)
                    .and_then(|value| value.to_str().ok())
                    .map(ToOwned::to_owned),
                body,
            },
            Keep::Fact => Kept::Secret(body["id"].as_str().unwrap_or("an object").to_owned()),
        })
    } else {
        let info = parts.extensions.get::<Box<ErrorInfo>>();
        info.filter(|info| info.outcome != Outcome::None)
            .map(|info| Kept::Problem(info.clone()))
    };
    let answer = kept
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|_| Problem::new(ErrorCode::Internal, "an answer cannot be stored"))?;
    if let Err(error) = app.store.end_request(owner, key, answer).await {
        // What was done is done; a repetition is told that nobody knows.
        tracing::error!(%error, "the answer of a request with an idempotency key could not be stored");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
