//! What waits for its turn, for a limit, or until it is safe to send; and who waits for news.

use std::time::Duration;

use multi_upload_server::Clock;
use serde_json::json;
use tokio::time::timeout;

use crate::support::{
    Service, assert_problem, connected, id, immediate, scheduled, script, status,
};

const SECOND_BOARD: &str = "549755885175000002";

#[tokio::test]
async fn what_is_due_while_its_account_rests_is_queued_says_why_and_is_missed_in_time() {
    let (service, account, board) = connected(Clock::system()).await;
    service.sandbox.set_faults(script(&json!([{
        "match": {"method": "POST", "path": "/v5/pins"},
        "action": {"status": 429, "headers": {"x-ratelimit-reset": "3600"}}
    }])));
    let first = id(&service
        .post("/v1/uploads", &immediate(&account, &board, "One"))
        .await);
    let first = service.wait_for(&first, "waiting").await;
    assert_eq!(
        first["targets"][0]["error"]["code"],
        "PLATFORM_RATE_LIMITED"
    );

    let mut second = immediate(&account, SECOND_BOARD, "Two");
    second["late"] = json!({"send_within": "2s"});
    let second = id(&service.post("/v1/uploads", &second).await);
    let later = id(&service
        .post("/v1/uploads", &scheduled(&account, &board))
        .await);
    let now = service.get(&format!("/v1/uploads/{second}")).await.json;
    assert_eq!(status(&now), ("queued", "queued"));
    let target = &now["targets"][0];
    assert_eq!(target["error"]["code"], "PLATFORM_RATE_LIMITED");
    // An hour, as the network said, and then some milliseconds.
    let [next, first] = [target, &first["targets"][0]]
        .map(|target| target["next_attempt_at"].as_str().unwrap()[..17].to_owned());
    assert_eq!(next, first);
    for (state, expected) in [("queued", &second), ("scheduled", &later)] {
        let list = service
            .get(&format!("/v1/uploads?status={state}"))
            .await
            .json;
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{state}");
        assert_eq!(&list["items"][0]["id"], expected, "{state}");
        assert_eq!(list["items"][0]["status"], state);
    }

    let missed = service.wait_for(&second, "missed").await;
    let detail = missed["targets"][0]["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("limit for the account"), "{detail}");
    assert!(service.sandbox.ledger().pins.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_while_an_answer_might_not_be_stored() {
    let service = Service::start_as(Clock::system(), |config| {
        config.min_free_disk = u64::MAX;
    })
    .await;
    let account = service.connect().await;
    let board = service.board(&account).await;
    let upload = id(&service
        .post("/v1/uploads", &immediate(&account, &board, "One"))
        .await);
    let now = service.get(&format!("/v1/uploads/{upload}")).await.json;
    assert_eq!(status(&now), ("queued", "queued"));
    assert_eq!(now["targets"][0]["error"]["code"], "STORAGE_FULL");
    let health = service.get("/healthz").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.json["status"], "degraded");
    assert_eq!(health.json["problem"]["code"], "STORAGE_FULL");
    assert_problem(&service.get("/readyz").await, 503, "STORAGE_FULL");
    service.stop().await;
}

#[tokio::test]
async fn who_waits_for_news_is_answered_at_once_when_the_service_stops() {
    let service = Service::start().await;
    let start = service.get("/v1/changes").await;
    let cursor = start.json["cursor"].as_str().unwrap();
    let path = format!("/v1/changes?since={cursor}&wait=60");
    let stop = async { service.engine.end_waits() };
    let (news, ()) = timeout(Duration::from_secs(5), async {
        tokio::join!(service.get(&path), stop)
    })
    .await
    .unwrap();
    assert_eq!(news.status, 200);
    assert!(news.json["uploads"].as_array().unwrap().is_empty());
    assert_eq!(news.json["cursor"], cursor);
    service.stop().await;
}
