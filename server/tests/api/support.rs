//! A whole service in the test's process: the real engine with its router, and the sandbox as the
//! network, served on a loopback port.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use multi_upload_platforms::pinterest::PinterestSettings;
use multi_upload_sandbox::{FaultScript, Options, Sandbox};
use multi_upload_server::{Clock, Config, Engine};
use multi_upload_wire::Mode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// 2026-11-24T12:00:00Z, where the service's clock stands.
pub(crate) const NOW: i64 = 1_795_521_600_000;

/// An image address that the sandbox accepts unread.
pub(crate) const IMAGE: &str = "https://example.com/cake.jpg";

pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) router: Router,
    pub(crate) sandbox: Sandbox,
    /// A key with every right.
    pub(crate) key: String,
    pub(crate) clock: Clock,
    sandbox_base: String,
    stop: CancellationToken,
    _data: TempDir,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Service {
    /// With a clock that stands still at [`NOW`]: nothing scheduled later becomes due.
    pub(crate) async fn start() -> Self {
        Self::start_with(Clock::fixed(NOW)).await
    }

    /// With a clock of the test's choice.
    pub(crate) async fn start_with(clock: Clock) -> Self {
        Self::start_as(clock, |_| {}).await
    }

    /// With other settings.
    pub(crate) async fn start_as(clock: Clock, adjust: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox_base = format!("http://{}", listener.local_addr().unwrap());
        let sandbox = Sandbox::new(Options {
            auto_approve: true,
            ..Options::default()
        });
        let stop = CancellationToken::new();
        tokio::spawn(sandbox.clone().serve(listener, stop.clone()));
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::new(data.path());
        config.mode = Mode::Test;
        config.pinterest = PinterestSettings {
            app_id: "1234".to_owned(),
            app_secret: "sandbox-secret".to_owned(),
            api_url: format!("{sandbox_base}/v5"),
            authorize_url: format!("{sandbox_base}/oauth/"),
            ..PinterestSettings::default()
        };
        config.quiet_period = Duration::from_millis(1);
        config.allow_private_urls = true;
        config.first_admin_key = true;
        config.clock = clock.clone();
        adjust(&mut config);
        let engine = Engine::start(config).await.unwrap();
        Self {
            router: engine.router(),
            key: engine.admin_key_created().unwrap().key,
            engine,
            sandbox,
            clock,
            sandbox_base,
            stop,
            _data: data,
        }
    }

    pub(crate) async fn stop(self) {
        self.engine.shutdown().await;
        self.stop.cancel();
    }

    /// Any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// A request with the admin key.
    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = self.request(Method::GET, path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        let request = self
            .request(Method::DELETE, path)
            .body(Body::empty())
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_text(path, body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: impl Into<Body>) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        let request = self
            .request(Method::PATCH, path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// Connects the sandbox's account by the whole OAuth exchange; its id.
    pub(crate) async fn connect(&self) -> String {
        let session = self
            .post("/v1/accounts/connect", &json!({"platform": "pinterest"}))
            .await;
        assert_eq!(session.status, StatusCode::CREATED, "{}", session.text);
        let callback = self
            .consent(session.json["authorize_url"].as_str().unwrap())
            .await;
        let page = self
            .send(Request::get(callback).body(Body::empty()).unwrap())
            .await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let path = format!(
            "/v1/accounts/connect/{}",
            session.json["id"].as_str().unwrap()
        );
        let session = self.get(&path).await;
        assert_eq!(session.json["status"], "connected", "{}", session.text);
        session.json["account"]["id"].as_str().unwrap().to_owned()
    }

    /// Opens the consent page as a browser would; the path and query of the callback.
    pub(crate) async fn consent(&self, authorize_url: &str) -> String {
        let path = authorize_url.strip_prefix(&self.sandbox_base).unwrap();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self
            .sandbox
            .router(&self.sandbox_base)
            .oneshot(request)
            .await
            .unwrap();
        assert!(response.status().is_redirection());
        let location = response.headers()["location"].to_str().unwrap();
        let uri: http::Uri = location.parse().unwrap();
        uri.path_and_query().unwrap().to_string()
    }

    /// The first board of the account.
    pub(crate) async fn board(&self, account: &str) -> String {
        let boards = self.get(&format!("/v1/accounts/{account}/boards")).await;
        boards.json["items"][0]["id"].as_str().unwrap().to_owned()
    }

    /// How many uploads are stored.
    pub(crate) async fn stored(&self) -> usize {
        let list = self.get("/v1/uploads?limit=1000").await;
        assert_eq!(list.status, StatusCode::OK, "{}", list.text);
        list.json["items"].as_array().unwrap().len()
    }

    /// Follows the change feed until the upload has a status.
    pub(crate) async fn wait_for(&self, id: &str, status: &str) -> Value {
        let start = self.get("/v1/changes").await;
        let mut cursor = start.json["cursor"].as_str().unwrap().to_owned();
        let path = format!("/v1/uploads/{id}");
        for _ in 0..20 {
            let now = self.get(&path).await.json;
            if now["status"] == status || now["targets"][0]["status"] == status {
                return now;
            }
            let ended = ["published", "partial", "failed", "canceled", "missed"];
            assert!(
                !ended.iter().any(|end| now["status"] == *end),
                "{id} ended: {now}"
            );
            let news = self
                .get(&format!("/v1/changes?since={cursor}&wait=10"))
                .await;
            news.json["cursor"]
                .as_str()
                .unwrap()
                .clone_into(&mut cursor);
        }
        panic!(
            "{id} did not become {status}: {}",
            self.get(&path).await.text
        );
    }
}

/// Asserts that an answer is a whole problem object of this code.
#[track_caller]
pub(crate) fn assert_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    assert_eq!(
        reply.headers["content-type"], "application/problem+json",
        "{}",
        reply.text
    );
    let problem = &reply.json;
    assert_eq!(problem["code"], code, "{}", reply.text);
    assert_eq!(problem["status"], status, "{}", reply.text);
    for name in [
        "type", "title", "detail", "instance", "category", "retry", "outcome", "remedy", "doc_url",
    ] {
        assert!(
            problem[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name} is missing: {}",
            reply.text
        );
    }
    assert_eq!(
        reply.headers["x-request-id"].to_str().unwrap(),
        problem["request_id"].as_str().unwrap()
    );
}

/// The pointers of a problem's wrong fields with their words.
pub(crate) fn faults(reply: &Reply) -> Vec<(String, String)> {
    reply.json["errors"]
        .as_array()
        .map(|errors| {
            errors
                .iter()
                .map(|error| {
                    (
                        error["pointer"].as_str().unwrap().to_owned(),
                        error["code"].as_str().unwrap().to_owned(),
                    )
                })
                .collect()
        })
        .unwrap_or_default()
}

/// The same to compare with.
pub(crate) fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned()))
        .collect()
}

/// A service with a connected account and one of its boards.
pub(crate) async fn connected(clock: Clock) -> (Service, String, String) {
    let service = Service::start_with(clock).await;
    let account = service.connect().await;
    let board = service.board(&account).await;
    (service, account, board)
}

/// Due in a week, while the clock stands.
pub(crate) fn scheduled(account: &str, board: &str) -> Value {
    json!({
        "accounts": [account], "image_url": IMAGE, "title": "Lemon cake", "board_id": board,
        "scheduled_at": "2026-12-01T20:00:00Z"
    })
}

/// Due at once.
pub(crate) fn immediate(account: &str, board: &str, title: &str) -> Value {
    json!({"accounts": [account], "image_url": IMAGE, "title": title, "board_id": board})
}

/// The id of the upload in an answer.
pub(crate) fn id(reply: &Reply) -> String {
    reply.json["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {}", reply.text))
        .to_owned()
}

/// The states of an upload and of its first target.
pub(crate) fn status(upload: &Value) -> (&str, &str) {
    (
        upload["status"].as_str().unwrap(),
        upload["targets"][0]["status"].as_str().unwrap(),
    )
}

/// A script of faults for the sandbox.
pub(crate) fn script(faults: &Value) -> FaultScript {
    serde_json::from_value(json!({"faults": faults})).unwrap()
}

/// The same at a clock that stands still.
pub(crate) async fn still() -> (Service, String, String) {
    connected(Clock::fixed(NOW)).await
}

/// Asserts that no upload was stored and no pin made.
pub(crate) async fn assert_nothing_happened(service: &Service) {
    assert_eq!(service.stored().await, 0);
    assert_eq!(service.sandbox.ledger().pins.len(), 0);
}

/// A good request with one change.
pub(crate) fn with(good: &Value, name: &str, value: Value) -> Value {
    let mut changed = good.clone();
    changed[name] = value;
    changed
}

/// A good request with one field less.
pub(crate) fn without(good: &Value, name: &str) -> Value {
    let mut changed = good.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

/// The words about one wrong field.
pub(crate) fn detail(reply: &Reply, index: usize) -> &str {
    reply.json["errors"][index]["detail"].as_str().unwrap()
}
