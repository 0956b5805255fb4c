//! What the whole engine makes of it: each upload becomes exactly one pin.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::StreamExt as _;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use multi_upload_proxy::{Action, Proxy, Side, Strike};
use multi_upload_server::{Config, Engine};
use multi_upload_wire::Mode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::all;
use crate::world::Network;

/// Fewer than the pins that an account may make in a minute, even if each is sent twice.
const PINS: usize = 45;

/// Boards of the sandbox's account.
const BOARDS: usize = 20;

/// How many engines run at once where every byte is tried.
const ENGINES: usize = 4;

/// A service that reaches the network through the proxy.
struct Service {
    engine: Engine,
    router: Router,
    key: String,
    network: Network,
    proxy: Proxy,
    _data: TempDir,
}

impl Service {
    async fn start() -> Self {
        let network = Network::start().await;
        let proxy = Proxy::start(network.address).await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::new(data.path());
        config.mode = Mode::Test;
        config.pinterest = network.settings(proxy.address());
        config.quiet_period = Duration::from_secs(1);
        config.allow_private_urls = true;
        config.first_admin_key = true;
        let engine = Engine::start(config).await.unwrap();
        Self {
            router: engine.router(),
            key: engine.admin_key_created().unwrap().key,
            engine,
            network,
            proxy,
            _data: data,
        }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, &Value::Null).await
    }

    /// The account, by the whole OAuth exchange, and its boards.
    async fn connect(&self) -> (String, Vec<String>) {
        let wanted = json!({"platform": "pinterest"});
        let session = self
            .call(Method::POST, "/v1/accounts/connect", &wanted)
            .await;
        let base = format!("http://{}", self.network.address);
        let page = session["authorize_url"].as_str().unwrap();
        let page = page.strip_prefix(&base).unwrap();
        let consent = Request::get(page).body(Body::empty()).unwrap();
        let sandbox = self.network.sandbox.router(&base);
        let back = sandbox.oneshot(consent).await.unwrap();
        let uri: http::Uri = back.headers()["location"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let callback = Request::get(uri.path_and_query().unwrap().as_str())
            .body(Body::empty())
            .unwrap();
        let page = self.router.clone().oneshot(callback).await.unwrap();
        assert!(page.status().is_success());
        let accounts = self.get("/v1/accounts").await;
        let account = accounts["items"][0]["id"].as_str().unwrap().to_owned();
        let boards = self
            .get(&format!("/v1/accounts/{account}/boards?limit=1000"))
            .await;
        let boards = boards["items"].as_array().unwrap().iter();
        let boards = boards.map(|board| board["id"].as_str().unwrap().to_owned());
        (account, boards.collect())
    }

    /// All uploads once none is open, by the change feed.
    async fn ended(&self) -> Vec<Value> {
        let waiting = async {
            let mut cursor = self.get("/v1/changes").await["cursor"].clone();
            loop {
                let list = self.get("/v1/uploads?limit=1000").await;
                let uploads = list["items"].as_array().unwrap().clone();
                let is_open = |upload: &Value| {
                    ["scheduled", "queued", "publishing", "waiting"]
                        .contains(&upload["targets"][0]["status"].as_str().unwrap())
                };
                if !uploads.iter().any(is_open) {
                    return uploads;
                }
                let since = cursor.as_str().unwrap();
                let news = self
                    .get(&format!("/v1/changes?since={since}&wait=10"))
                    .await;
                cursor = news["cursor"].clone();
            }
        };
        tokio::time::timeout(Duration::from_secs(120), waiting)
            .await
            .expect("every upload ends")
    }
}

/// One upload for each strike; each strike meets whichever commit comes next.
async fn publish(strikes: &[Strike]) -> Figures {
    let service = Service::start().await;
    let (account, boards) = service.connect().await;
    service.proxy.strike(strikes.iter().copied());
    let uploads: Vec<_> = (0..strikes.len())
        .map(|number| {
            json!({
                "accounts": [account], "image_url": "https://example.com/cake.jpg", "title": format!("Pin {number:07}"),
                "board_id": boards[number % BOARDS]
            })
        })
        .collect();
    let batch = json!({ "uploads": uploads });
    service
        .call(Method::POST, "/v1/uploads/batch", &batch)
        .await;
    let done = service.ended().await;

    let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pin in service.network.sandbox.ledger().pins {
        made.entry(pin.title.unwrap()).or_default().push(pin.id);
    }
    let mut figures = Figures {
        uploads: done.len(),
        requests: service.proxy.exchanges().len(),
        ..Figures::default()
    };
    for upload in &done {
        let target = &upload["targets"][0];
        let title = upload["content"]["title"].as_str().unwrap();
        let pins = made.get(title).map_or(&[][..], Vec::as_slice);
        figures.attempts += usize::try_from(target["attempts"].as_u64().unwrap()).unwrap();
        figures.duplicates += pins.len().saturating_sub(1);
        figures.lost += usize::from(pins.is_empty());
        figures.reviews += usize::from(target["status"] == "needs_review");
        let is_told = target["status"] == "published" && target["remote_id"] == json!(pins.first());
        figures.wrong += usize::from(!is_told);
    }
    assert_eq!(done.len(), strikes.len());
    assert!(
        service
            .proxy
            .exchanges()
            .iter()
            .filter(|exchange| exchange.strike.is_some())
            .count()
            == strikes.len(),
        "every strike met a commit"
    );
    service.engine.shutdown().await;
    figures
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    uploads: usize,
    requests: usize,
    attempts: usize,
    duplicates: usize,
    lost: usize,
    reviews: usize,
    wrong: usize,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.uploads += other.uploads;
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.reviews += other.reviews;
        self.wrong += other.wrong;
    }
}

/// Bytes of both directions; a request through the engine and its answer are a little shorter than that.
const BYTES: usize = 900;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_upload_becomes_one_pin() {
    let actions = [Action::Cut, Action::Reset, Action::Orphan];
    let bytes = 0..=BYTES;
    let every: Vec<_> = [Side::Request, Side::Answer]
        .into_iter()
        .flat_map(|side| bytes.clone().map(move |after| (side, after)))
        .flat_map(|(side, after)| {
            actions.map(|action| Strike {
                side,
                after,
                action,
            })
        })
        .collect();
    let sample = if all() { 1 } else { every.len() / PINS + 1 };
    let list: Vec<_> = every.into_iter().step_by(sample).collect();
    let mut total = Figures::default();
    let mut engines =
        futures_util::stream::iter(list.chunks(PINS).map(publish)).buffer_unordered(ENGINES);
    while let Some(figures) = engines.next().await {
        total.add(&figures);
    }
    eprintln!("offsets, engine: {total:?}");
    assert_eq!(
        total,
        Figures {
            uploads: list.len(),
            requests: total.requests,
            // No request without an intent, and no intent without a request.
            attempts: total.requests,
            ..Figures::default()
        }
    );
}
