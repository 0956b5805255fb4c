//! Figures for monitoring.

use multi_upload_server::Clock;
use serde_json::json;

use crate::support::{Service, assert_problem, connected, id, immediate};

#[tokio::test]
async fn what_was_published_is_counted() {
    let (service, account, board) = connected(Clock::system()).await;
    let created = service
        .post("/v1/upload", &immediate(&account, &board, "Counted"))
        .await;
    service.wait_for(&id(&created), "published").await;
    let figures = service.get("/metrics").await;
    assert_eq!(figures.status, 200, "{}", figures.text);
    for line in [
        "multi_upload_commit_requests_total 1",
        "multi_upload_attempts_armed_total 1",
        "multi_upload_attempts_ended_total{outcome=\"applied\"} 1",
        "multi_upload_lateness_seconds_count 1",
        "multi_upload_targets_waiting 0",
        "multi_upload_http_requests_total{method=\"POST\",route=\"/v1/upload\",status=\"202\"} 1",
    ] {
        let found = figures.text.lines().any(|other| other == line);
        assert!(found, "{line} in\n{}", figures.text);
    }
    service.stop().await;
}

#[tokio::test]
async fn figures_need_a_key_that_may_read_the_audit_log() {
    let service = Service::start().await;
    let key = json!({"scopes": ["uploads:read"]});
    let key = service.post("/v1/api-keys", &key).await;
    let key = key.json["key"].as_str().unwrap().to_owned();
    let request = http::Request::get("/metrics")
        .header("authorization", format!("Bearer {key}"))
        .body(axum::body::Body::empty())
        .unwrap();
    assert_problem(&service.send(request).await, 403, "SCOPE_MISSING");
    service.stop().await;
}
