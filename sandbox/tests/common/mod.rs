//! A sandbox on a real listener and a client for it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by several test binaries, none of which uses all of it"
)]

use std::sync::Once;

use multi_upload_sandbox::{Options, Sandbox, USERNAME};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const SCOPES: [&str; 9] = [
    "boards:read",
    "boards:read_secret",
    "boards:write",
    "boards:write_secret",
    "pins:read",
    "pins:read_secret",
    "pins:write",
    "pins:write_secret",
    "user_accounts:read",
];

pub(crate) const BOARD: &str = "549755885175000001";

/// A sandbox that is served until this is dropped.
pub(crate) struct Running {
    pub(crate) sandbox: Sandbox,
    pub(crate) base: String,
    pub(crate) client: reqwest::Client,
    pub(crate) token: String,
    _guard: DropGuard,
}

pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) async fn start(options: Options) -> Running {
    let sandbox = Sandbox::new(options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    tokio::spawn(sandbox.clone().serve(listener, shutdown.clone()));
    let token = sandbox
        .issue_tokens("app", USERNAME, &SCOPES)
        .unwrap()
        .access_token;
    Running {
        sandbox,
        base,
        client: client(),
        token,
        _guard: shutdown.drop_guard(),
    }
}

/// Serves a router on a listener of its own; for nested sandboxes and for images.
pub(crate) async fn serve(listener: TcpListener, router: axum::Router) -> DropGuard {
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        let server = axum::serve(listener, router);
        tokio::select! {
            served = async { server.await } => served.unwrap(),
            () = stop.cancelled() => {}
        }
    });
    shutdown.drop_guard()
}

impl Running {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(
            self.request(Method::POST, path)
                .json(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(
            self.request(Method::PATCH, path)
                .json(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn delete(&self, path: &str) -> StatusCode {
        self.request(Method::DELETE, path)
            .send()
            .await
            .unwrap()
            .status()
    }
}

pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    assert!(
        response.headers().contains_key("x-pinterest-rid"),
        "every answer has a request id"
    );
    (status, response.json().await.unwrap_or(Value::Null))
}

/// A pin that nothing is wrong with.
pub(crate) fn pin(title: &str) -> Value {
    json!({
        "board_id": BOARD,
        "title": title,
        "media_source": {"source_type": "image_url", "url": "https://cdn.example.com/picture.jpg"},
    })
}

/// Status, code and message of a refusal.
pub(crate) fn refusal((status, body): &(StatusCode, Value)) -> (u16, i64, String) {
    (
        status.as_u16(),
        body["code"].as_i64().unwrap(),
        body["message"].as_str().unwrap().to_owned(),
    )
}

/// A PNG of one colour. Its checksums are not right, which a sniffer does not look at.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(b"\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\xaeB`\x82");
    bytes
}
