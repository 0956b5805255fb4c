//! From a request to an answer: counting, faults, routing.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::admin;
use crate::answer::{Answer, ApiError};
use crate::faults::{Action, Fault, Limit, When, Wire};
use crate::pinterest::{self, Call, Found, Operation};
use crate::sandbox::Sandbox;

/// A carousel of five images of 20 MB, in base64 and with room to spare.
const MAX_BODY: usize = 160 * 1024 * 1024;

#[derive(Clone)]
struct Shared {
    sandbox: Sandbox,
    base: String,
}

pub(crate) fn router(sandbox: &Sandbox, base: &str) -> Router {
    let shared = Shared {
        sandbox: sandbox.clone(),
        base: base.trim_end_matches('/').to_owned(),
    };
    Router::new()
        .route("/", axum::routing::any(handle))
        .route("/{*path}", axum::routing::any(handle))
        .with_state(shared)
}

/// What a request is for.
enum Target {
    Consent,
    Approve,
    Upload,
    Operation(&'static Operation, Vec<String>),
    Refused(ApiError),
}

/// The target and the name that the ledger counts it under.
fn route(method: &str, path: &str) -> (Target, String) {
    if path == "/oauth" || path == "/oauth/" {
        let target = match method {
            "GET" => Target::Consent,
            "POST" => Target::Approve,
            _ => Target::Refused(wrong_method()),
        };
        return (target, "/oauth/".to_owned());
    }
    if path.starts_with("/s3/") {
        let target = if method == "POST" {
            Target::Upload
        } else {
            Target::Refused(wrong_method())
        };
        return (target, "/s3/".to_owned());
    }
    let unknown = || {
        (
            Target::Refused(ApiError::new(404, 404, "There is no such endpoint.")),
            path.to_owned(),
        )
    };
    let Some(below) = path.strip_prefix("/v5") else {
        return unknown();
    };
    match pinterest::find(method, below) {
        Found::Operation(operation, params) => (
            Target::Operation(operation, params),
            format!("/v5{}", operation.path),
        ),
        Found::OtherMethod(template) => (Target::Refused(wrong_method()), format!("/v5{template}")),
        Found::Nothing => unknown(),
    }
}

fn wrong_method() -> ApiError {
    ApiError::new(405, 5, "Method not allowed.")
}

async fn handle(State(shared): State<Shared>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with("/_sandbox/") {
        return Wire::Whole
            .send(admin::answer(&shared.sandbox, request).await, None)
            .await;
    }
    let limit = request.extensions().get::<Limit>().cloned();
    // Once a request is in, it is worked on to its end even where the caller has gone: so does the real platform.
    let work = tokio::spawn(async move { shared.receive(path, request).await });
    let Ok((answer, tail)) = work.await else {
        return Wire::Whole
            .send(ApiError::new(500, 500, "The sandbox failed.").into(), None)
            .await;
    };
    if let Some(delay_ms) = tail.delay_ms {
        tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
    }
    tail.wire.send(answer, limit.as_ref()).await
}

/// What is left to do when the work is done: it needs the caller to be there.
struct Tail {
    delay_ms: Option<u64>,
    wire: Wire,
}

impl Shared {
    async fn receive(&self, path: String, request: Request) -> (Answer, Tail) {
        let method = request.method().as_str().to_owned();
        let (target, template) = route(&method, &path);
        let (parts, body) = request.into_parts();
        let order =
            self.sandbox
                .state()
                .book
                .open(self.sandbox.now_ms(), &method, &path, &template);
        // The body of an upload goes through piece by piece, everything else is small enough to be held.
        let (body, upload) = match target {
            Target::Upload => (Ok(Bytes::new()), Some(body)),
            _ => (read(body).await, None),
        };
        let fault =
            self.sandbox
                .state()
                .plan
                .strike(&method, &path, body.as_deref().unwrap_or_default());
        let job = Job {
            target,
            parts,
            body,
            upload,
            order,
        };
        let (answer, tail) = match &fault {
            None => (
                self.work(job, 0, 1).await,
                Tail {
                    delay_ms: None,
                    wire: Wire::Whole,
                },
            ),
            Some(fault) => self.work_with(fault, job).await,
        };
        let answer = answer.header("x-pinterest-rid", self.rid());
        let status = tail.wire.shows_status().then_some(answer.status);
        let label = fault.map(|fault| fault.action.label(fault.when));
        tracing::debug!(%method, %path, status, fault = label, "request");
        self.sandbox.state().book.close(order, status, label);
        (answer, tail)
    }

    /// Request ids are numbers as long as the other ids.
    fn rid(&self) -> String {
        self.sandbox.state().random.id()
    }

    async fn work_with(&self, fault: &Fault, job: Job) -> (Answer, Tail) {
        let action = &fault.action;
        let mut tail = Tail {
            delay_ms: None,
            wire: Wire::of(action),
        };
        let caller = self.caller(&job.parts);
        if let (Some(calls), Target::Operation(operation, _), Some((user, app))) =
            (action.rate_used, &job.target, &caller)
        {
            let limits = &self.sandbox.options().limits;
            let now_ms = self.sandbox.now_ms();
            self.sandbox.state().limiter.spend(
                limits,
                (user, app),
                operation.category,
                calls,
                now_ms,
            );
        }
        let mut answer = if fault.when == When::Before {
            if let Some(delay_ms) = action.delay_ms {
                tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
            }
            self.revoke(action, caller.as_ref());
            if action.answers() {
                replacement(action).unwrap_or_else(|| usual_error(500))
            } else {
                self.work(job, 0, 1).await
            }
        } else {
            tail.delay_ms = action.delay_ms;
            let answer = self
                .work(
                    job,
                    action.apply_after_ms.unwrap_or(0),
                    action.repeat.unwrap_or(1),
                )
                .await;
            self.revoke(action, caller.as_ref());
            replacement(action).unwrap_or(answer)
        };
        if let Some(id) = &action.id {
            answer = self.with_id(answer, id);
        }
        (answer, tail)
    }

    async fn work(&self, mut job: Job, late_ms: u64, times: u32) -> Answer {
        if let Some(body) = job.upload.take() {
            return pinterest::receive(&self.sandbox, &job.parts.headers, body).await;
        }
        let body = match job.body {
            Ok(body) => body,
            Err(error) => return error.into(),
        };
        let query = job.parts.uri.query().unwrap_or_default();
        match job.target {
            Target::Upload => usual_error(500),
            Target::Refused(error) => error.into(),
            Target::Consent => pinterest::consent(&self.sandbox, &self.base, query),
            Target::Approve => pinterest::approve(&self.sandbox, &String::from_utf8_lossy(&body)),
            Target::Operation(operation, params) => {
                let call = Call {
                    operation,
                    params,
                    query: form_urlencoded::parse(query.as_bytes())
                        .into_owned()
                        .collect(),
                    headers: job.parts.headers,
                    body,
                    order: job.order,
                    late_ms,
                    base: self.base.clone(),
                };
                let answer = pinterest::work(&self.sandbox, &call).await;
                for _ in 1..times {
                    pinterest::work(&self.sandbox, &call).await;
                }
                answer
            }
        }
    }

    /// User and app behind the token of a request.
    fn caller(&self, parts: &Parts) -> Option<(String, String)> {
        let header = parts.headers.get("authorization")?.to_str().ok()?;
        let state = self.sandbox.state();
        let access = state.access.get(header.split_once(' ')?.1)?;
        Some((access.user.clone(), access.client_id.clone()))
    }

    fn revoke(&self, action: &Action, caller: Option<&(String, String)>) {
        let Some((user, app)) = caller else { return };
        if action.revoke_token {
            pinterest::revoke_all_of(&mut self.sandbox.state(), app, user);
        }
        if action.expire_token {
            pinterest::expire_all_of(&mut self.sandbox.state(), app, user);
        }
    }

    /// The answer with another `id`, or none.
    fn with_id(&self, mut answer: Answer, id: &str) -> Answer {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(&answer.body) else {
            return answer;
        };
        let new = match id {
            "missing" => None,
            "wrong" => Some(self.sandbox.state().random.id()),
            "reused" => self.sandbox.state().pins.first().map(|pin| pin.id.clone()),
            literal => Some(literal.to_owned()),
        };
        match new {
            Some(new) => body.insert("id".to_owned(), Value::String(new)),
            None => body.shift_remove("id"),
        };
        answer.body = Value::Object(body).to_string().into();
        answer
    }
}

/// A request taken apart.
struct Job {
    target: Target,
    parts: Parts,
    body: Result<Bytes, ApiError>,
    upload: Option<Body>,
    order: u64,
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(ApiError::new(
            413,
            413,
            "The body is too large or did not arrive in full.",
        )),
    }
}

/// The answer that an action puts in place of the real one.
fn replacement(action: &Action) -> Option<Answer> {
    if let Some(status) = action.gateway_page {
        return Some(Answer::html(
            status,
            format!(
                "<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>gateway</body></html>\n"
            ),
        ));
    }
    if let Some(address) = &action.redirect {
        return Some(Answer::redirect(307, address));
    }
    let status = action.status?;
    let mut answer = match &action.body {
        Some(Value::String(text)) => Answer::html(status, text.clone()),
        Some(body) => Answer::json(status, body),
        None => usual_error(status),
    };
    for (name, value) in &action.headers {
        answer
            .headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        answer = answer.header(name, value);
    }
    Some(answer)
}

/// The error body that a status usually comes with.
fn usual_error(status: u16) -> Answer {
    let error = match status {
        401 => ApiError::authentication(),
        403 => ApiError::not_permitted(),
        429 => ApiError::rate_limited(),
        500 => ApiError::new(500, 500, "An unexpected error occurred."),
        400 => ApiError::new(400, 1, "Sorry! Something went wrong on our end."),
        503 => ApiError::new(503, 4197, "This endpoint is not available now."),
        200..=299 => return Answer::json(status, &json!({})),
        _ => ApiError::new(status, i64::from(status), "A fault of the sandbox."),
    };
    error.into()
}
