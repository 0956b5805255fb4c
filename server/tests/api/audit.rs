//! Who did what, as a caller sees it.

use multi_upload_server::Clock;
use serde_json::{Value, json};

use crate::support::{NOW, Service, assert_problem, connected, scheduled};

/// The log once everything in it is sealed.
async fn sealed(service: &Service) -> Value {
    for _ in 0..1_000 {
        let report = service.get("/v1/audit/verify").await;
        assert_eq!(report.status, 200, "{}", report.text);
        if report.json["unsealed"] == 0 {
            return report.json;
        }
        // The sealer follows by itself.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the log was not sealed");
}

#[tokio::test]
async fn every_change_names_its_key_and_request() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let made = service
        .post("/v1/uploads", &scheduled(&account, &board))
        .await;
    let upload = made.json["id"].as_str().unwrap();
    let log = service.get(&format!("/v1/audit?object={upload}")).await;
    assert_eq!(log.status, 200, "{}", log.text);
    let row = &log.json["items"][0];
    assert_eq!(row["action"], "upload.scheduled");
    assert_eq!(row["actor"], "key");
    assert!(row["actor_id"].as_str().unwrap().starts_with("key_"));
    assert_eq!(
        row["request_id"].as_str().unwrap(),
        made.headers["x-request-id"].to_str().unwrap()
    );
    let connected = service.get("/v1/audit?action=account").await;
    assert_eq!(connected.json["items"][0]["action"], "account.connected");
    assert_eq!(connected.json["items"][0]["actor"], "consent");
    let key = service.post("/v1/api-keys", &json!({"name": "new"})).await;
    let secret = key.json["key"].as_str().unwrap();
    let hook = service
        .post(
            "/v1/webhooks",
            &json!({"url": "https://example.com/?token=canary"}),
        )
        .await;
    let whole = service.get("/v1/audit?limit=1000").await;
    for hidden in [secret, hook.json["secret"].as_str().unwrap(), "canary"] {
        assert!(!whole.text.contains(hidden), "a secret is in the log");
    }
    let report = sealed(&service).await;
    assert_eq!(report["ok"], true, "{report}");
    assert!(report["rows"].as_u64().unwrap() >= 5, "{report}");
    service.stop().await;
}

#[tokio::test]
async fn the_log_is_exported_whole_and_read_in_pages() {
    let service = Service::start_with(Clock::fixed(NOW)).await;
    for n in 0..5 {
        let made = service
            .post("/v1/api-keys", &json!({"name": format!("key {n}")}))
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    sealed(&service).await;
    let first = service.get("/v1/audit?limit=2").await;
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let second = service
        .get(&format!("/v1/audit?limit=2&cursor={cursor}"))
        .await;
    assert!(first.json["items"][1]["seq"].as_u64() > second.json["items"][0]["seq"].as_u64());
    let lines = service.get("/v1/audit?format=jsonl").await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let rows: Vec<Value> = lines
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // The key of the first start among them, which nobody asked for over HTTP.
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[5]["actor"], "machine");
    assert!(
        rows.iter()
            .all(|row| row["place"].is_u64() && row["hash"].is_string())
    );
    let request = http::Request::get("/v1/audit?action=api_key.created")
        .header("authorization", format!("Bearer {}", service.key))
        .header("accept", "text/csv")
        .body(axum::body::Body::empty())
        .unwrap();
    let csv = service.send(request).await;
    assert_eq!(csv.text.lines().count(), 7, "{}", csv.text);
    assert!(csv.text.starts_with("seq,at,actor,"));
    let wrong = service.get("/v1/audit?format=xml").await;
    assert_problem(&wrong, 422, "VALIDATION_FAILED");
    service.stop().await;
}
