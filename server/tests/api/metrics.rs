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
    let expected = [
        "multi_upload_commit_requests_total 1",
        "multi_upload_attempts_armed_total 1",
        "multi_upload_attempts_ended_total{outcome=\"applied\"} 1",
        "multi_upload_lateness_seconds_count 1",
        "multi_upload_targets_waiting 0",
        "multi_upload_http_requests_total{method=\"POST\",route=\"/v1/upload\",status=\"202\"} 1",
    ];
    let missing = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        expected.iter().find(|line| !lines.contains(line)).copied()
    };
    // The worker counts a moment after the change that ended the wait.
    for _ in 0..1_000 {
        let figures = service.get("/metrics").await;
        assert_eq!(figures.status, 200, "{}", figures.text);
        if missing(&figures.text).is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let figures = service.get("/metrics").await.text;
    assert_eq!(missing(&figures), None, "{figures}");
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
