//! The client's way into the service without a socket.

use std::any::Any;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request as HttpRequest;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use multi_upload_core::transport::{Request, RequestBody, Response, Transport, TransportError};
use multi_upload_wire::Mode;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use super::auth::Local;

/// Calls the router in-process, with full rights.
///
/// A request runs on the engine's own runtime: dropping the caller's future does not stop it, as hanging up does not
/// stop an HTTP request.
pub(crate) struct LocalTransport {
    router: Router,
    mode: Mode,
    runtime: Option<Handle>,
}

impl LocalTransport {
    /// For the engine on the current runtime.
    pub(crate) fn new(router: Router, mode: Mode) -> Self {
        Self {
            router,
            mode,
            runtime: Handle::try_current().ok(),
        }
    }
}

#[async_trait]
impl Transport for LocalTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let timeout = request.timeout;
        let request = self.http(request)?;
        let router = self.router.clone();
        let work = async move {
            let response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let (parts, body) = response.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| TransportError::Cut(error.to_string()))?
                .to_bytes();
            Ok(Response {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        let running = match &self.runtime {
            Some(runtime) => runtime.spawn(work),
            None => tokio::spawn(work),
        };
        match tokio::time::timeout(timeout, running).await {
            Err(_) => Err(TransportError::Timeout(timeout)),
            Ok(Err(gone)) => Err(TransportError::Cut(fault(gone))),
            Ok(Ok(done)) => done,
        }
    }
}

impl LocalTransport {
    fn http(&self, request: Request) -> Result<HttpRequest, TransportError> {
        let (length, body) = match request.body {
            RequestBody::Bytes(bytes) => (bytes.len() as u64, Body::from(bytes)),
            RequestBody::Stream(body) => (body.length(), Body::from_stream(body.open())),
            _ => (0, Body::empty()),
        };
        let mut http = HttpRequest::builder()
            .method(request.method)
            .uri(request.path)
            .body(body)
            .map_err(|error| TransportError::Connect(error.to_string()))?;
        *http.headers_mut() = request.headers;
        if length > 0 {
            http.headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
            http.headers_mut()
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json"));
        }
        http.extensions_mut().insert(Local { mode: self.mode });
        Ok(http)
    }
}

fn fault(gone: tokio::task::JoinError) -> String {
    match gone.try_into_panic() {
        Ok(panic) => {
            let words: &(dyn Any + Send) = panic.as_ref();
            let words = words.downcast_ref::<&str>().copied().unwrap_or("unknown");
            format!("the engine met a fault: {words}")
        }
        Err(_) => "the engine was stopped".to_owned(),
    }
}
