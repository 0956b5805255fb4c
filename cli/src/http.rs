//! Serving a router on a listener, with a limit on how long a caller may take to send its headers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use multi_upload_wire::{ErrorCode, ErrorInfo};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A caller that has not sent its headers by then is cut off.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// Time between two tries to accept when the process is out of sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long answers that are being sent may still take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Serves until `stop` fires; then answers that are being sent get a few seconds.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        // Answers are small; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(LAST_ANSWERS, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some connections were still open and are closed now");
    }
}

async fn pause_after(error: &io::Error) {
    // The caller gave up before it was accepted: nothing is wrong here.
    let callers_fault = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !callers_fault {
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Lets requests in until the service stops, and knows when the last one is answered.
///
/// The engine writes to the sandbox through the same listener, so the listener has to outlive the engine; what callers
/// ask meanwhile is refused here.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    closed: Arc<AtomicBool>,
    inside: TaskTracker,
}

impl Gate {
    /// The router behind the gate.
    pub(crate) fn guard(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), pass))
    }

    /// Refuses new requests and waits for those inside, but not longer than `patience`: a long poll has nothing to lose.
    pub(crate) async fn close(&self, patience: Duration) {
        self.closed.store(true, Ordering::SeqCst);
        self.inside.close();
        let _ = tokio::time::timeout(patience, self.inside.wait()).await;
    }
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let token = gate.inside.token();
    if gate.closed.load(Ordering::SeqCst) {
        let info = ErrorInfo::new(ErrorCode::ShuttingDown, "the service is stopping")
            .with_retry_after_ms(5_000);
        let body = serde_json::to_vec(&info).unwrap_or_default();
        let headers = [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::RETRY_AFTER, "5"),
            (header::CONNECTION, "close"),
        ];
        return (axum::http::StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response();
    }
    let response = next.run(request).await;
    drop(token);
    response
}
