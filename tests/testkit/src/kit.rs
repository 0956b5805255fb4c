//! The server: accepts, tells control from play, and owns the sessions.

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::answer::{Answer, Cut, Wire, answer, json_response};
use crate::control::control;
use crate::judge::{Outcome, Verdict, judge};
use crate::library::Library;
use crate::request::Seen;
use crate::session::{OpenSession, Opened, Session};

/// A running kit. Stops when it is dropped.
#[derive(Debug)]
pub struct Kit {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    url: String,
    pub(crate) library: Library,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    next: AtomicU64,
}

impl Kit {
    /// Reads the cases of `spec` and listens on 127.0.0.1.
    ///
    /// # Errors
    /// A sentence, when the cases are wrong or the port is taken.
    pub async fn start(spec: &Path, port: u16) -> Result<Self, String> {
        let library = Library::load(spec)?;
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(|error| format!("127.0.0.1:{port}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared {
            url: format!("http://{address}"),
            library,
            sessions: Mutex::default(),
            next: AtomicU64::new(1),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, accepting })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The cases.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.shared.library
    }

    /// Begins to play a case.
    ///
    /// # Errors
    /// A sentence, when there is no such case or the request is wrong.
    pub fn open(&self, request: &OpenSession) -> Result<Opened, String> {
        self.shared.open(request)
    }

    /// Comes back once so many requests have arrived.
    ///
    /// # Errors
    /// A sentence, when there is no such session.
    pub async fn wait_for(&self, session: &str, requests: usize) -> Result<(), String> {
        self.shared.session(session)?.wait_for(requests).await;
        Ok(())
    }

    /// Judges what the runner saw.
    ///
    /// # Errors
    /// A sentence, when there is no such session.
    pub fn judge(&self, session: &str, outcome: &Outcome) -> Result<Verdict, String> {
        Ok(judge(&*self.shared.session(session)?, outcome))
    }

    /// Serves until the process ends.
    pub async fn serve(mut self) {
        // The task ends only with the runtime.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    pub(crate) fn open(&self, request: &OpenSession) -> Result<Opened, String> {
        let case = self
            .library
            .case(&request.case)
            .ok_or_else(|| format!("no case {:?}", request.case))?;
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let session = Session::open(&id, &self.url, case, request)?;
        let opened = Opened {
            session: id.clone(),
            base_url: session.base_url.clone(),
            api_key: crate::API_KEY.to_owned(),
            flipped: session.flipped.clone(),
            case: session.case.clone(),
        };
        self.sessions().insert(id, Arc::new(session));
        Ok(opened)
    }

    pub(crate) fn session(&self, id: &str) -> Result<Arc<Session>, String> {
        self.sessions()
            .get(id)
            .cloned()
            .ok_or_else(|| format!("no session {id:?}"))
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, kit: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let kit = Arc::clone(&kit);
        tokio::spawn(async move {
            let reset = Arc::new(AtomicBool::new(false));
            let socket = Socket {
                stream,
                reset: Arc::clone(&reset),
            };
            let service =
                service_fn(move |request| serve(Arc::clone(&kit), Arc::clone(&reset), request));
            // A connection that ends badly was meant to, or its client went away.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn serve(
    kit: Arc<Shared>,
    reset: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<Response<Wire>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let path = head.uri.path();
    let query = head.uri.query().unwrap_or_default();
    if let Some(rest) = path.strip_prefix("/_spec/") {
        return Ok(
            match control(&kit, &head.method, rest, query, &body).await {
                Ok(value) => json_response(StatusCode::OK, &value),
                Err((status, message)) => json_response(status, &json!({ "error": message })),
            },
        );
    }
    let (id, rest) = path
        .strip_prefix("/s/")
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_default();
    let Ok(session) = kit.session(id) else {
        return Ok(violation("no such session; the base URL was not kept"));
    };
    let seen = Seen::new(
        &head.method,
        &format!("/{rest}"),
        query,
        &head.headers,
        body,
    );
    let Some(reply) = session.take(seen) else {
        return Ok(violation("the script expects another request"));
    };
    match answer(&reply).await {
        Answer::Send(response) => Ok(response),
        Answer::Drop { reset: by_reset } => {
            reset.store(by_reset, Ordering::Relaxed);
            Err(Cut)
        }
    }
}

/// An answer that no client repeats; the session remembers what was wrong.
fn violation(detail: &str) -> Response<Wire> {
    let mut response = json_response(
        StatusCode::BAD_REQUEST,
        &json!({ "code": "SPEC_VIOLATION", "detail": detail }),
    );
    response
        .headers_mut()
        .insert("x-should-retry", http::HeaderValue::from_static("false"));
    response
}

/// A socket that can end with RST.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            // An orderly FIN would come before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
