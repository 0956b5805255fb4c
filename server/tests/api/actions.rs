//! What a person may do with a stored upload: change, release, cancel, retry, resolve.

use axum::body::Body;
use http::Method;
use multi_upload_sandbox::FaultScript;
use multi_upload_server::Clock;
use serde_json::json;

use crate::support::{
    NOW, Service, assert_problem, connected, faults, id, immediate, pairs, scheduled, script,
    status,
};

#[tokio::test]
async fn a_change_before_publishing() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let mut body = scheduled(&account, &board);
    body["link"] = json!("https://example.com/cake");
    let made = service.post("/v1/uploads", &body).await;
    let path = format!("/v1/uploads/{}", id(&made));

    let reply = service
        .patch(
            &path,
            &json!({"title": "Orange cake", "link": null, "version": 1}),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json["version"], 2);
    assert_eq!(reply.json["content"]["title"], "Orange cake");
    assert!(reply.json["content"].get("link").is_none(), "null clears");
    assert_eq!(
        reply.json["content"]["board_id"],
        board.as_str(),
        "absent keeps"
    );
    assert_eq!(reply.json["scheduled_at"], "2026-12-01T20:00:00Z");
    assert_eq!(
        reply.json["targets"][0]["id"],
        made.json["targets"][0]["id"]
    );

    let reply = service
        .patch(&path, &json!({"title": "Late", "version": 1}))
        .await;
    assert_problem(&reply, 412, "VERSION_CONFLICT");
    let request = service
        .request(Method::PATCH, &path)
        .header("content-type", "application/json")
        .header("if-match", "\"1\"")
        .body(Body::from("{}"))
        .unwrap();
    assert_problem(&service.send(request).await, 412, "VERSION_CONFLICT");

    let reply = service
        .patch(
            &path,
            &json!({"scheduled_at": "2026-12-24T08:00:00", "timezone": "America/New_York"}),
        )
        .await;
    assert_eq!(reply.json["scheduled_at"], "2026-12-24T13:00:00Z");
    assert_eq!(reply.json["version"], 3);

    let reply = service
        .patch(
            &path,
            &json!({"accounts": ["pinterest:1"], "titel": "x", "board_id": "42"}),
        )
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(
        faults(&reply),
        pairs(&[("/accounts", "fixed"), ("/titel", "unknown")])
    );
    let reply = service.patch(&path, &json!({"board_id": null})).await;
    assert_eq!(faults(&reply), pairs(&[("/board_id", "required")]));
    let reply = service.get(&path).await;
    assert_eq!(reply.json["version"], 3, "refused changes change nothing");

    let reply = service.post_text(&format!("{path}/cancel"), "").await;
    assert_eq!(
        status(&reply.json),
        ("canceled", "canceled"),
        "{}",
        reply.text
    );
    let reply = service.post_text(&format!("{path}/cancel"), "").await;
    assert_eq!(reply.status, 200, "a second cancel changes nothing");
    let reply = service.patch(&path, &json!({"title": "x"})).await;
    assert_problem(&reply, 409, "STATE_CONFLICT");
    service.stop().await;
}

#[tokio::test]
async fn a_draft_waits_until_it_is_released() {
    let (service, account, board) = connected(Clock::system()).await;
    let mut body = immediate(&account, &board, "Draft");
    body["draft"] = json!(true);
    let made = service.post("/v1/uploads", &body).await;
    assert_eq!(status(&made.json), ("draft", "draft"));
    assert!(made.json["scheduled_at"].is_null());
    let path = format!("/v1/uploads/{}", id(&made));
    let released = service.patch(&path, &json!({"draft": false})).await;
    assert_eq!(released.status, 200, "{}", released.text);
    assert!(released.json["scheduled_at"].is_string());
    service.wait_for(&id(&made), "published").await;

    let reply = service.post_text(&format!("{path}/cancel"), "").await;
    assert_problem(&reply, 409, "STATE_CONFLICT");
    assert!(reply.json["detail"].as_str().unwrap().contains("published"));
    let reply = service.patch(&path, &json!({"title": "x"})).await;
    assert_problem(&reply, 409, "STATE_CONFLICT");
    let reply = service.post_text(&format!("{path}/retry"), "").await;
    assert_problem(&reply, 409, "STATE_CONFLICT");
    assert_eq!(service.sandbox.ledger().pins.len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn what_was_canceled_or_refused_can_be_tried_again() {
    let (service, account, board) = connected(Clock::system()).await;
    service.sandbox.set_faults(script(&json!([{
        "match": {"method": "POST", "path": "/v5/pins"},
        "action": {"status": 403, "body": {"code": 29, "message": "You are not permitted to access that resource."}}
    }])));
    let made = service
        .post("/v1/uploads", &immediate(&account, &board, "Refused"))
        .await;
    let failed = service.wait_for(&id(&made), "failed").await;
    let error = &failed["targets"][0]["error"];
    assert_eq!(error["outcome"], "none", "{error}");
    assert!(
        error["remedy"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    let reply = service
        .post_text(&format!("/v1/uploads/{}/retry", id(&made)), "")
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let done = service.wait_for(&id(&made), "published").await;
    assert!(done["targets"][0]["error"].is_null());

    let mut later = immediate(&account, &board, "Canceled");
    later["scheduled_at"] = json!("2100-01-01T00:00:00Z");
    let made = service.post("/v1/uploads", &later).await;
    let path = format!("/v1/uploads/{}", id(&made));
    service.post_text(&format!("{path}/cancel"), "").await;
    let reply = service.post_text(&format!("{path}/retry"), "").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    service.wait_for(&id(&made), "published").await;
    assert_eq!(service.sandbox.ledger().pins.len(), 2);
    service.stop().await;
}

/// Uploads whose commit call got no answer: they stop at `needs_review`.
/// On a board that no other upload of the test used: its pins must not be known from before.
async fn in_review(service: &Service, account: &str, board: &str, title: &str) -> String {
    service.sandbox.set_faults(script(&json!([
        {"match": {"method": "POST", "path": "/v5/pins"}, "action": {"cut": {}}},
        {"match": {"method": "GET", "path": "/v5/boards/*/pins", "count": 0}, "action": {"status": 500}}
    ])));
    let made = service
        .post("/v1/uploads", &immediate(account, board, title))
        .await;
    let waiting = service.wait_for(&id(&made), "needs_review").await;
    assert_eq!(waiting["status"], "publishing");
    service.sandbox.set_faults(FaultScript::default());
    id(&made)
}

#[tokio::test]
async fn a_person_answers_what_the_machine_cannot_know() {
    let (service, account, board) = connected(Clock::system()).await;

    let first = in_review(&service, &account, &board, "One").await;
    let path = format!("/v1/uploads/{first}");
    for action in ["cancel", "retry"] {
        let reply = service.post_text(&format!("{path}/{action}"), "").await;
        assert_problem(&reply, 409, "STATE_CONFLICT");
    }
    let resolve = format!("{path}/resolve");
    let reply = service
        .post(&resolve, &json!({"resolution": "published"}))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/remote_id", "required")]));
    for (body, pointer, code) in [
        (
            json!({"resolution": "published", "remote_id": "../pin"}),
            "/remote_id",
            "invalid",
        ),
        (
            json!({"resolution": "resend", "remote_id": "1"}),
            "/remote_id",
            "conflict",
        ),
        (
            json!({"resolution": "resend", "target": "tg_1"}),
            "/target",
            "unknown",
        ),
    ] {
        let reply = service.post(&resolve, &body).await;
        assert_eq!(faults(&reply), pairs(&[(pointer, code)]), "{body}");
    }
    let reply = service
        .post(&resolve, &json!({"resolution": "gone", "targt": "x"}))
        .await;
    assert_eq!(
        faults(&reply),
        pairs(&[("/resolution", "invalid"), ("/targt", "unknown")])
    );
    let reply = service
        .post(
            &resolve,
            &json!({"resolution": "published", "remote_id": "123456"}),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(status(&reply.json), ("published", "published"));
    let target = &reply.json["targets"][0];
    assert_eq!(target["remote_id"], "123456");
    assert!(target["remote_url"].as_str().unwrap().contains("123456"));
    assert!(target["error"].is_null() && target["published_at"].is_string());
    let reply = service
        .post(&resolve, &json!({"resolution": "resend"}))
        .await;
    assert_problem(&reply, 409, "STATE_CONFLICT");

    let second = in_review(&service, &account, "549755885175000002", "Two").await;
    let reply = service
        .post(
            &format!("/v1/uploads/{second}/resolve"),
            &json!({"resolution": "published", "remote_id": "123456"}),
        )
        .await;
    assert_problem(&reply, 409, "STATE_CONFLICT");
    assert!(reply.text.contains("another upload"), "{}", reply.text);
    let reply = service
        .post(
            &format!("/v1/uploads/{second}/resolve"),
            &json!({"resolution": "resend"}),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    service.wait_for(&second, "published").await;
    let titles: Vec<_> = service
        .sandbox
        .ledger()
        .pins
        .into_iter()
        .filter_map(|pin| pin.title)
        .collect();
    assert_eq!(titles, ["Two"]);

    let third = in_review(&service, &account, "549755885175000003", "Three").await;
    let path = format!("/v1/uploads/{third}");
    let reply = service
        .post(
            &format!("{path}/resolve"),
            &json!({"resolution": "abandon"}),
        )
        .await;
    assert_eq!(status(&reply.json), ("failed", "failed"), "{}", reply.text);
    let reply = service.post_text(&format!("{path}/retry"), "").await;
    assert_problem(&reply, 409, "STATE_CONFLICT");
    service.stop().await;
}
