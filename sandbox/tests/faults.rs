//! Faults on a real connection: what the caller sees, and what the ledger says happened.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Running, pin, start};
use multi_upload_sandbox::{Action, Fault, FaultScript, Ledger, Limits, Options};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Everything that comes back for one pin, until the connection ends.
async fn raw_answer(running: &Running, title: &str) -> String {
    let body = pin(title).to_string();
    let host = running.base.strip_prefix("http://").unwrap();
    let (host, prefix) = host
        .split_once('/')
        .map_or((host, String::new()), |(host, rest)| {
            (host, format!("/{rest}"))
        });
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST {prefix}/v5/pins HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        running.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn created(running: &Running, title: &str) -> usize {
    running.sandbox.ledger().titled(title).count()
}

async fn cuts(running: &Running) {
    let set = |fault: Fault| running.sandbox.set_faults(FaultScript::of([fault]));
    let on_pins = |action| Fault::on("POST", "/v5/pins", action);

    set(on_pins(Action::cut()));
    assert_eq!(raw_answer(running, "before").await, "");
    assert_eq!(created(running, "before"), 0);

    set(on_pins(Action::cut()).after());
    assert_eq!(raw_answer(running, "after").await, "");
    assert_eq!(created(running, "after"), 1);

    for bytes in [0, 1, 25] {
        set(on_pins(Action::cut_after(bytes)).after());
        let title = format!("after {bytes}");
        let answer = raw_answer(running, &title).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 201"), "{head}");
        assert_eq!(body.len(), bytes);
        assert_eq!(created(running, &title), 1);
    }

    running.sandbox.set_faults(FaultScript::default());
    assert!(
        raw_answer(running, "whole")
            .await
            .starts_with("HTTP/1.1 201")
    );
    let log = running.sandbox.ledger().log;
    assert_eq!(log[0].fault.as_deref(), Some("before: cut"));
    assert_eq!(
        (log[1].fault.as_deref(), log[1].status),
        (Some("after: cut"), None)
    );
    assert_eq!(
        (
            log.last().unwrap().fault.as_deref(),
            log.last().unwrap().status
        ),
        (None, Some(201))
    );
}

#[tokio::test]
async fn cuts_before_and_after_the_commit() {
    cuts(&start(Options::default()).await).await;
}

#[tokio::test]
async fn cuts_work_where_the_router_is_nested() {
    let mut running = start(Options::default()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    running.base = format!("http://{}/sandbox", listener.local_addr().unwrap());
    let router = axum::Router::new().nest("/sandbox", running.sandbox.router(&running.base));
    let _guard = common::serve(listener, router).await;
    cuts(&running).await;

    let (status, ledger) = admin(&running, Method::GET, "ledger", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(ledger["requests"]["POST /v5/pins"], 6);
    let (_, media) = running
        .post("/v5/media", &json!({"media_type": "video"}))
        .await;
    assert!(
        media["upload_url"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{}/s3/", running.base)),
        "{media}"
    );
    let page = format!(
        "{}/oauth/?client_id=a&redirect_uri=http://127.0.0.1/&response_type=code&scope=pins:read",
        running.base
    );
    let page = running
        .client
        .get(page)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains(&format!("action=\"{}/oauth/\"", running.base)),
        "{page}"
    );
}

#[tokio::test]
async fn an_answer_can_end_at_every_byte_of_it() {
    let running = start(Options::default()).await;
    let whole = raw_answer(&running, "whole").await;
    for byte in [0, 1, 12, whole.find("\r\n\r\n").unwrap(), whole.len() - 1] {
        let title = format!("at {byte}");
        let fault = Fault::on("POST", "/v5/pins", Action::cut_at(byte as u64)).after();
        running.sandbox.set_faults(FaultScript::of([fault]));
        assert_eq!(raw_answer(&running, &title).await.len(), byte);
        assert_eq!(created(&running, &title), 1);
    }
}

/// Goes on with other calls until something has happened.
async fn until(running: &Running, what: impl Fn(&Ledger) -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !what(&running.sandbox.ledger()) {
        assert!(tokio::time::Instant::now() < deadline, "it never happened");
        running.get("/v5/user_account").await;
    }
}

async fn unlimited() -> Running {
    start(Options {
        limits: Limits::unlimited(),
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn a_client_that_gives_up_does_not_stop_the_platform() {
    let running = unlimited().await;
    running.sandbox.set_faults(FaultScript::of([Fault::on(
        "POST",
        "/v5/pins",
        Action::delay(500),
    )]));
    let request = running
        .request(Method::POST, "/v5/pins")
        .json(&pin("given up"));
    let client = tokio::spawn(request.send());
    until(&running, |ledger| ledger.count("POST /v5/pins") == 1).await;
    client.abort();
    assert!(
        client.await.unwrap_err().is_cancelled(),
        "no answer came before it gave up"
    );
    until(&running, |ledger| ledger.titled("given up").count() == 1).await;
}

#[tokio::test]
async fn hanging_and_dripping() {
    let running = unlimited().await;
    running.sandbox.set_faults(FaultScript::of([Fault::on(
        "POST",
        "/v5/pins",
        Action::hang(),
    )
    .after()]));
    let client = tokio::spawn(
        running
            .request(Method::POST, "/v5/pins")
            .json(&pin("hung"))
            .send(),
    );
    until(&running, |ledger| ledger.titled("hung").count() == 1).await;
    assert_eq!(running.get("/v5/boards").await.0, StatusCode::OK);
    assert!(!client.is_finished(), "the pin is there, the answer is not");
    client.abort();

    let script = json!({"faults": [
        {"match": {"path": "/v5/user_account"}, "action": {"hang": {"max_ms": 10}}},
        {"match": {"path": "/v5/user_account", "nth": 2}, "action": {"drip": {"bytes": 50, "every_ms": 1}}},
    ]});
    running
        .sandbox
        .set_faults(serde_json::from_value(script).unwrap());
    assert!(
        running
            .request(Method::GET, "/v5/user_account")
            .send()
            .await
            .is_err(),
        "cut after its time"
    );
    assert_eq!(
        running.get("/v5/user_account").await.1["account_type"],
        "BUSINESS",
        "slow but complete"
    );
}

#[tokio::test]
async fn made_up_answers() {
    let running = start(Options::default()).await;
    let script = json!({"faults": [
        {"match": {"method": "GET", "path": "/v5/boards"}, "action": {"status": 500}},
        {"match": {"method": "GET", "path": "/v5/boards", "nth": 2}, "action": {"gateway_page": 502}},
        {"match": {"method": "GET", "path": "/v5/boards", "nth": 3}, "action": {"redirect": "http://127.0.0.1:9/x"}},
        {"match": {"method": "POST", "path": "/v5/pins"},
         "action": {"status": 429, "headers": {"x-ratelimit-reset": "1"}}},
        {"match": {"method": "POST", "path": "/v5/pins", "nth": 2}, "when": "after",
         "action": {"status": 429, "body": {"code": 9, "message": "Sorry! You've hit a block"}}},
        {"match": {"method": "POST", "path": "/v5/pins", "nth": 3}, "when": "after", "action": {"status": 503}},
    ]});
    running
        .sandbox
        .set_faults(serde_json::from_value(script).unwrap());
    assert_eq!(running.get("/v5/boards").await.1["code"], 500);
    let page = running
        .request(Method::GET, "/v5/boards")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::BAD_GATEWAY);
    assert!(page.text().await.unwrap().starts_with("<html>"));
    let redirect = running
        .request(Method::GET, "/v5/boards")
        .send()
        .await
        .unwrap();
    assert_eq!(redirect.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(redirect.headers()["location"], "http://127.0.0.1:9/x");

    let limited = running
        .request(Method::POST, "/v5/pins")
        .json(&pin("limited"))
        .send()
        .await
        .unwrap();
    assert_eq!(limited.headers()["x-ratelimit-reset"], "1");
    assert!(!limited.headers().contains_key("retry-after"));
    assert_eq!(limited.json::<Value>().await.unwrap()["code"], 8);
    assert_eq!(created(&running, "limited"), 0);
    assert_eq!(running.post("/v5/pins", &pin("spam")).await.1["code"], 9);
    assert_eq!(created(&running, "spam"), 1, "the answer lies");
    assert_eq!(
        running.post("/v5/pins", &pin("unavailable")).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(created(&running, "unavailable"), 1);
}

#[tokio::test]
async fn ids_that_are_wrong_missing_or_reused() {
    let running = start(Options::default()).await;
    let script = json!({"faults": [
        {"match": {"path": "/v5/pins"}, "when": "after", "action": {"id": "missing"}},
        {"match": {"path": "/v5/pins", "nth": 2}, "when": "after", "action": {"id": "wrong"}},
        {"match": {"path": "/v5/pins", "nth": 3}, "when": "after", "action": {"id": "reused"}},
        {"match": {"path": "/v5/pins", "nth": 4}, "when": "after", "action": {"id": "123"}},
        {"match": {"path": "/v5/pins", "nth": 5}, "when": "after", "action": {"repeat": 2}},
    ]});
    running
        .sandbox
        .set_faults(serde_json::from_value(script).unwrap());
    let mut answers = Vec::new();
    for number in 1..=5 {
        answers.push(
            running
                .post("/v5/pins", &pin(&format!("pin {number}")))
                .await
                .1,
        );
    }
    let ledger = running.sandbox.ledger();
    assert!(answers[0].get("id").is_none());
    let wrong = answers[1]["id"].as_str().unwrap();
    assert!(ledger.pins.iter().all(|pin| pin.id != wrong));
    let reused = answers[2]["id"].as_str().unwrap();
    assert_eq!(
        running.get(&format!("/v5/pins/{reused}")).await.1["title"],
        "Kitchen Ideas 1"
    );
    assert_eq!(answers[3]["id"], "123");
    assert_eq!(ledger.titled("pin 5").count(), 2, "delivered twice");
    assert_eq!(ledger.titled("pin 4").count(), 1);
}

#[tokio::test]
async fn a_token_can_die_in_the_middle() {
    let running = start(Options::default()).await;
    let revoke = Action {
        revoke_token: true,
        ..Action::default()
    };
    running.sandbox.set_faults(FaultScript::of([
        Fault::on("POST", "/v5/pins", revoke).after()
    ]));
    assert_eq!(
        running.post("/v5/pins", &pin("last")).await.0,
        StatusCode::CREATED
    );
    assert_eq!(running.get("/v5/boards").await.1["code"], 2);
}

#[tokio::test]
async fn somebody_else_uses_up_the_limit() {
    let running = start(Options::default()).await;
    let used = Action {
        rate_used: Some(1_000),
        ..Action::default()
    };
    running
        .sandbox
        .set_faults(FaultScript::of([Fault::on("POST", "/v5/pins", used)]));
    assert_eq!(running.post("/v5/pins", &pin("x")).await.1["code"], 8);
}

async fn admin(
    running: &Running,
    method: Method,
    what: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let mut request = running
        .client
        .request(method, format!("{}/_sandbox/{what}", running.base));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    (
        response.status(),
        response.json().await.unwrap_or(Value::Null),
    )
}

#[tokio::test]
async fn the_script_over_http() {
    let running = start(Options::default()).await;
    let script = json!({"faults": [{"match": {"method": "GET", "path": "/v5/boards"}, "action": {"status": 500}}]});
    assert_eq!(
        admin(&running, Method::PUT, "faults", Some(script)).await.0,
        StatusCode::OK
    );
    running.get("/v5/boards").await;
    running.get("/v5/boards").await;
    let (_, report) = admin(&running, Method::GET, "faults", None).await;
    assert_eq!(report["counters"], json!([{"matched": 2, "struck": 1}]));

    let wrong = json!({"faults": [{"match": {"path": "/v5/boards"}, "actions": {}}]});
    let (status, problem) = admin(&running, Method::PUT, "faults", Some(wrong)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        problem["message"].as_str().unwrap().contains("actions"),
        "{problem}"
    );
    assert_eq!(
        admin(&running, Method::GET, "faults", None).await.1,
        report,
        "nothing changed"
    );

    assert_eq!(
        admin(&running, Method::DELETE, "faults", None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        admin(&running, Method::GET, "faults", None).await.1["counters"],
        json!([])
    );
    let (_, ledger) = admin(&running, Method::GET, "ledger", None).await;
    assert_eq!(
        ledger["requests"],
        json!({"GET /v5/boards": 2}),
        "the sandbox's own calls do not count"
    );
}
