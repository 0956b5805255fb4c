//! What surrounds every request: its id, its span, its time limit, its faults, and the one form of
//! every answer that is not a success.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use tracing::Instrument;
use uuid::Uuid;

use super::problem::Problem;
use crate::metrics::Metrics;

/// Names the request in the answer and in the log.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, for whoever answers it.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// The media type of every problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// No handler works longer than this; the longest wait a caller may ask for is a minute. Uploads of
/// files limit each piece instead.
const TIME_LIMIT: Duration = Duration::from_secs(90);

/// The outermost layer.
pub(crate) async fn surround(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // The pattern of the route, not the path: a span must not carry what a caller can make long.
    let metrics = request.extensions().get::<Metrics>().cloned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", %method, route, request_id = %id);
    let started = Instant::now();

    let mut response = run(&method, &route, request, next)
        .instrument(span.clone())
        .await;
    finish(&mut response, &id, &method, &path);
    if let Some(metrics) = metrics {
        let status = response.status().as_u16();
        let seconds = started.elapsed().as_secs_f64();
        let method = if method.as_str().len() > 7 {
            "other"
        } else {
            method.as_str()
        };
        metrics.requests().answered(method, &route, status, seconds);
    }
    let _entered = span.enter();
    tracing::info!(
        status = response.status().as_u16(),
        ms = started.elapsed().as_millis(),
        "answered"
    );
    response
}

/// Runs the handler. A call that changes something goes on when its caller hangs up: what was
/// stored must also be announced.
async fn run(method: &Method, route: &str, request: Request, next: Next) -> Response {
    let limit = !route.starts_with("/v1/media");
    let work = async move {
        let work = AssertUnwindSafe(next.run(request)).catch_unwind();
        let done = if limit {
            match tokio::time::timeout(TIME_LIMIT, work).await {
                Ok(done) => done,
                Err(_) => return overdue().into_response(),
            }
        } else {
            work.await
        };
        done.unwrap_or_else(|_| {
            tracing::error!("a handler panicked");
            internal().into_response()
        })
    };
    if method.is_safe() {
        return work.await;
    }
    tokio::spawn(work.in_current_span())
        .await
        .unwrap_or_else(|_| internal().into_response())
}

fn internal() -> Problem {
    Problem::new(
        ErrorCode::Internal,
        "the request met a fault of the service",
    )
}

fn overdue() -> Problem {
    let mut info = ErrorInfo::new(
        ErrorCode::Overloaded,
        format!("the request was not done within {} s", TIME_LIMIT.as_secs()),
    )
    .with_retry_after_ms(5_000);
    info.outcome = multi_upload_wire::Outcome::Unknown;
    info.into()
}

/// Gives the answer its id, and a problem its body.
fn finish(response: &mut Response, id: &str, method: &Method, path: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let headers = response.headers_mut();
    headers
        .entry(X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    // Answers belong to the key that asked.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let status = response.status();
    let info = match response.extensions_mut().remove::<Box<ErrorInfo>>() {
        Some(info) => *info,
        None if status.is_client_error() || status.is_server_error() => {
            // An HTML page of ours is an answer for a browser, made on purpose.
            if response.extensions().get::<ForBrowsers>().is_some() {
                return;
            }
            of_status(status, method, path)
        }
        None => return,
    };
    write(response, info, id, path);
}

/// Marks an answer that is a page for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForBrowsers;

/// The problem of an answer that the framework made.
fn of_status(status: StatusCode, method: &Method, path: &str) -> ErrorInfo {
    let shown: String = path.chars().take(200).collect();
    match status {
        StatusCode::NOT_FOUND => ErrorInfo::new(
            ErrorCode::NotFound,
            format!("there is nothing at {shown:?}"),
        )
        .with_remedy("Check the path; /openapi.json lists every path."),
        // The framework adds the `Allow` header after this layer.
        StatusCode::METHOD_NOT_ALLOWED => ErrorInfo::new(
            ErrorCode::MethodNotAllowed,
            format!("{shown:?} does not take {method}"),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            ErrorInfo::new(ErrorCode::BodyTooLarge, "the body is too large")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorInfo::new(
            ErrorCode::ContentTypeUnsupported,
            "the content type is not supported here",
        ),
        status if status.is_client_error() => {
            let mut info = ErrorInfo::new(
                ErrorCode::ValidationFailed,
                format!("the request could not be understood ({status})"),
            );
            info.status = status.as_u16();
            info
        }
        _ => *internal().info,
    }
}

fn write(response: &mut Response, mut info: ErrorInfo, id: &str, path: &str) {
    info.request_id = Some(id.to_owned());
    info.instance = Some(path.to_owned());
    if info.status == 0 {
        info.status = response.status().as_u16();
    }
    if let Ok(status) = StatusCode::from_u16(info.status) {
        *response.status_mut() = status;
    }
    if let Some(ms) = info.retry_after_ms {
        // Whole seconds, never earlier than asked.
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000).max(1)));
    }
    let body = serde_json::to_vec(&info).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(http::header::CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    *response.body_mut() = Body::from(body);
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::{get, post};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn panics() -> Problem {
        panic!("the secret is hunter2")
    }

    async fn busy() -> Problem {
        ErrorInfo::new(ErrorCode::Overloaded, "busy")
            .with_retry_after_ms(1_200)
            .into()
    }

    async fn ask(method: Method, path: &str) -> (Response<()>, ErrorInfo) {
        let router = Router::new()
            .route("/panics", get(panics).post(panics))
            .route("/busy", post(busy))
            .layer(from_fn(surround));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let info = serde_json::from_slice(&bytes).unwrap();
        (Response::from_parts(parts, ()), info)
    }

    #[tokio::test]
    async fn a_fault_of_ours_is_a_problem_without_its_words() {
        for method in [Method::GET, Method::POST] {
            let (response, info) = ask(method, "/panics?token=hunter2").await;
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
            assert!(info.is(ErrorCode::Internal));
            assert_eq!(info.instance.as_deref(), Some("/panics"));
            assert_eq!(
                info.request_id.as_deref(),
                response.headers()[X_REQUEST_ID].to_str().ok()
            );
            assert!(!format!("{info:?}").contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn a_wait_is_told_in_the_header_too_and_never_too_short() {
        let (response, info) = ask(Method::POST, "/busy").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(info.retry_after_ms, Some(1_200));
    }

    #[tokio::test]
    async fn a_method_that_is_not_there_names_those_that_are() {
        let (response, info) = ask(Method::DELETE, "/panics").await;
        assert!(info.is(ErrorCode::MethodNotAllowed));
        let allowed = response.headers()["allow"].to_str().unwrap_or_default();
        assert!(allowed.contains("GET") && allowed.contains("POST"));
        assert!(info.detail.contains("DELETE"));
    }
}
