//! Webhooks from the change to the receiver: a real receiver, signatures checked as a caller would.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use multi_upload_core::webhook::{WEBHOOK_ID, WEBHOOK_SIGNATURE, verify_now};
use multi_upload_server::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::support::{NOW, Service, assert_problem, connected, faults, immediate, pairs};

/// What arrived, and what is answered.
#[derive(Clone)]
struct Receiver {
    url: String,
    seen: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    status: Arc<Mutex<u16>>,
    came: Arc<Notify>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}/hook?key=canary", listener.local_addr().unwrap()),
            seen: Arc::default(),
            status: Arc::new(Mutex::new(204)),
            came: Arc::default(),
        };
        let router = Router::new()
            .route("/hook", post(receive))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// The first message that fits.
    async fn get(&self, fits: impl Fn(&Value) -> bool) -> (HeaderMap, Bytes) {
        loop {
            let came = self.came.notified();
            let found = self
                .seen
                .lock()
                .unwrap()
                .iter()
                .find_map(|(headers, body)| {
                    let event: Value = serde_json::from_slice(body).unwrap();
                    fits(&event).then(|| (headers.clone(), body.clone()))
                });
            if let Some(found) = found {
                return found;
            }
            tokio::time::timeout(std::time::Duration::from_secs(60), came)
                .await
                .expect("nothing arrived");
        }
    }

    fn kinds(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|(_, body)| {
                let event: Value = serde_json::from_slice(body).unwrap();
                event["type"].as_str().unwrap().to_owned()
            })
            .collect()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.seen.lock().unwrap().push((headers, body));
    receiver.came.notify_waiters();
    let status = *receiver.status.lock().unwrap();
    StatusCode::from_u16(status).unwrap()
}

fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> Option<Value> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    verify_now(body, headers, &[secret]).ok()
}

/// An endpoint for a receiver: id and secret.
async fn endpoint(service: &Service, body: Value) -> (String, String) {
    let made = service.post("/v1/webhooks", &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        text(&made.json["webhook"]["id"]),
        text(&made.json["secret"]),
    )
}

/// Looks at the log of an endpoint until one of its deliveries fits.
async fn logged(service: &Service, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_000 {
        let log = service.get(&format!("/v1/webhooks/{id}/deliveries")).await;
        let items = log.json["items"].as_array().unwrap().clone();
        if let Some(found) = items.into_iter().find(|one| fits(one)) {
            return found;
        }
        // The log is written after the receiver has answered.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no delivery of {id} fits");
}

#[tokio::test]
async fn an_endpoint_is_made_shown_changed_and_deleted() {
    let service = Service::start_with(Clock::fixed(NOW)).await;
    let url = "https://example.com/hooks";
    let (id, secret) = endpoint(
        &service,
        json!({"url": url, "events": ["upload.failed"], "description": "ours"}),
    )
    .await;
    assert!(id.starts_with("wh_") && secret.starts_with("whsec_"));
    let path = format!("/v1/webhooks/{id}");
    let shown = service.get(&path).await;
    assert_eq!(shown.json["url"], url);
    assert_eq!(shown.json["events"], json!(["upload.failed"]));
    assert_eq!(shown.json["enabled"], true);
    let list = service.get("/v1/webhooks").await;
    assert_eq!(list.json["items"], json!([shown.json]));
    assert!(!list.text.contains("whsec_") && !shown.text.contains("whsec_"));

    let changed = service
        .patch(&path, &json!({"events": [], "enabled": false}))
        .await;
    assert_eq!(changed.json["events"], Value::Null, "{}", changed.text);
    assert_eq!(changed.json["enabled"], false);
    assert_eq!(changed.json["description"], "ours");
    let reply = service.post(&format!("{path}/test"), &json!({})).await;
    assert_problem(&reply, 409, "STATE_CONFLICT");
    assert_eq!(service.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_problem(&service.delete(&path).await, 404, "NOT_FOUND");
    assert_problem(&service.get(&path).await, 404, "NOT_FOUND");
    service.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let service = Service::start_with(Clock::fixed(NOW)).await;
    for url in [
        "ftp://example.com/",
        "http://user:pw@example.com/",
        "not an address",
        "",
    ] {
        let reply = service.post("/v1/webhooks", &json!({ "url": url })).await;
        assert_problem(&reply, 422, "URL_NOT_ALLOWED");
        assert!(!reply.text.contains("pw@"), "{}", reply.text);
    }
    let reply = service
        .post(
            "/v1/webhooks",
            &json!({"url": "ftp://x/", "events": ["upload.fialed"]}),
        )
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(
        faults(&reply),
        pairs(&[("/url", "not_allowed"), ("/events/0", "unknown")])
    );
    assert!(reply.text.contains("upload.failed"), "{}", reply.text);
    let made = service
        .post(
            "/v1/api-keys",
            &json!({"scopes": ["admin"], "accounts": ["pinterest:1"]}),
        )
        .await;
    let limited = format!("Bearer {}", made.json["key"].as_str().unwrap());
    let request = http::Request::get("/v1/webhooks")
        .header("authorization", limited)
        .body(axum::body::Body::empty())
        .unwrap();
    assert_problem(&service.send(request).await, 403, "ACCOUNT_NOT_ALLOWED");
    let list = service.get("/v1/webhooks").await;
    assert_eq!(list.json["items"], json!([]));
    service.stop().await;
}

#[tokio::test]
async fn what_happens_to_an_upload_arrives_signed_and_in_order() {
    let (service, account, board) = connected(Clock::system()).await;
    let receiver = Receiver::start().await;
    let (id, secret) = endpoint(&service, json!({"url": receiver.url})).await;
    // A dead one beside it: nobody listens there.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    let (dead, _) = endpoint(&service, json!({"url": dead})).await;

    let made = service
        .post("/v1/uploads", &immediate(&account, &board, "Told"))
        .await;
    let upload = made.json["id"].as_str().unwrap().to_owned();
    let (headers, body) = receiver
        .get(|event| event["type"] == "upload.published")
        .await;
    let event = verify(&headers, &body, &secret).expect("the signature is right");
    assert_eq!(event["data"]["upload"]["id"], upload.as_str());
    assert_eq!(event["data"]["upload"]["status"], "published");
    assert_eq!(
        receiver.kinds(),
        ["upload.scheduled", "target.published", "upload.published"]
    );
    assert!(verify(&headers, &body, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").is_none());
    assert_eq!(headers["content-type"], "application/json");

    let done = logged(&service, &id, |one| {
        one["event"] == "upload.published" && one["status"] == "delivered"
    })
    .await;
    assert_eq!(done["response_status"], 204);
    assert_eq!(done["message_id"], headers[WEBHOOK_ID].to_str().unwrap());
    let failed = logged(&service, &dead, |one| one["attempts"] != 0).await;
    assert_eq!(failed["status"], "pending");
    assert!(
        failed["error"].as_str().unwrap().contains("no connection"),
        "{failed}"
    );
    assert!(failed["next_attempt_at"].is_string());
    service.stop().await;
}

#[tokio::test]
async fn a_rotation_signs_with_both_secrets_and_a_delivery_can_be_repeated() {
    let service = Service::start_with(Clock::system()).await;
    let receiver = Receiver::start().await;
    let (id, first) = endpoint(
        &service,
        json!({"url": receiver.url, "events": ["upload.failed"]}),
    )
    .await;
    let path = format!("/v1/webhooks/{id}");
    let rotated = service.post(&format!("{path}/rotate"), &json!({})).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.text);
    let second = rotated.json["secret"].as_str().unwrap();
    assert_ne!(first, second);
    assert!(rotated.json["webhook"]["previous_secret_until"].is_string());

    let sent = service.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text);
    let (headers, body) = receiver.get(|event| event["type"] == "webhook.test").await;
    assert_eq!(
        headers[WEBHOOK_SIGNATURE]
            .to_str()
            .unwrap()
            .split(' ')
            .count(),
        2
    );
    for secret in [first.as_str(), second] {
        let event = verify(&headers, &body, secret).expect("both are right");
        assert_eq!(event["data"]["webhook"]["id"], id.as_str());
    }

    let delivery = sent.json["id"].as_str().unwrap();
    logged(&service, &id, |one| {
        one["id"] == delivery && one["status"] == "delivered"
    })
    .await;
    let again = service
        .post(
            &format!("{path}/deliveries/{delivery}/redeliver"),
            &json!({}),
        )
        .await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text);
    assert_eq!(again.json["status"], "pending");
    logged(&service, &id, |one| {
        one["id"] == delivery && one["status"] == "delivered"
    })
    .await;
    let seen = receiver.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0[WEBHOOK_ID], seen[1].0[WEBHOOK_ID], "the same id");
    assert_eq!(seen[0].1, seen[1].1, "the same body");
    let none = service
        .post(&format!("{path}/deliveries/dl_none/redeliver"), &json!({}))
        .await;
    assert_problem(&none, 404, "NOT_FOUND");
    service.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone_and_the_others_hear_of_it() {
    let service = Service::start_with(Clock::system()).await;
    let receiver = Receiver::start().await;
    let (_, _) = endpoint(
        &service,
        json!({"url": receiver.url, "events": ["webhook.disabled"]}),
    )
    .await;
    let leaving = Receiver::start().await;
    *leaving.status.lock().unwrap() = 410;
    let (id, _) = endpoint(&service, json!({"url": leaving.url})).await;
    service
        .post(&format!("/v1/webhooks/{id}/test"), &json!({}))
        .await;
    let (_, body) = receiver
        .get(|event| event["type"] == "webhook.disabled")
        .await;
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["data"]["webhook"]["id"], id.as_str());
    let shown = service.get(&format!("/v1/webhooks/{id}")).await;
    assert_eq!(shown.json["enabled"], false, "{}", shown.text);
    assert!(
        shown.json["disabled_reason"]
            .as_str()
            .unwrap()
            .contains("410")
    );

    *leaving.status.lock().unwrap() = 200;
    let shown = service
        .patch(&format!("/v1/webhooks/{id}"), &json!({"enabled": true}))
        .await;
    assert_eq!(shown.json["disabled_reason"], Value::Null);
    service
        .post(&format!("/v1/webhooks/{id}/test"), &json!({}))
        .await;
    logged(&service, &id, |one| one["status"] == "delivered").await;
    service.stop().await;
}
