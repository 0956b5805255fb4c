//! The same `Idempotency-Key` on requests that are not uploads.

use http::StatusCode;
use serde_json::json;

use crate::support::{assert_problem, connected, id, scheduled, script, still};
use multi_upload_server::Clock;

#[tokio::test]
async fn a_board_is_made_once_for_a_key() {
    let (service, account, _) = still().await;
    let path = format!("/v1/accounts/{account}/boards");
    let before = service.get(&path).await.json["items"]
        .as_array()
        .unwrap()
        .len();
    let body = json!({"name": "Cakes"});
    let first = service.post_with_key(&path, "board-1", &body).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    assert!(first.headers.get("idempotency-replayed").is_none());
    // The order of names does not matter.
    let again = service
        .post_with_key(&path, "board-1", &json!({"privacy": null, "name": "Cakes"}))
        .await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.text);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json, first.json);
    assert_eq!(again.headers.get("location"), first.headers.get("location"));
    let other = service
        .post_with_key(&path, "board-1", &json!({"name": "Bread"}))
        .await;
    assert_problem(&other, 422, "IDEMPOTENCY_BODY_MISMATCH");
    let elsewhere = service
        .post_with_key("/v1/api-keys", "board-1", &json!({}))
        .await;
    assert_problem(&elsewhere, 422, "IDEMPOTENCY_BODY_MISMATCH");
    let upload = service
        .post_with_key("/v1/uploads", "board-1", &scheduled(&account, "1"))
        .await;
    assert_problem(&upload, 422, "IDEMPOTENCY_BODY_MISMATCH");
    let boards = service.get(&format!("{path}?refresh=true")).await.json;
    assert_eq!(boards["items"].as_array().unwrap().len(), before + 1);
    service.stop().await;
}

#[tokio::test]
async fn what_changed_nothing_sets_the_key_free() {
    let (service, account, _) = still().await;
    let path = format!("/v1/accounts/{account}/boards");
    let bad = service
        .post_with_key(&path, "k", &json!({"name": ""}))
        .await;
    assert_eq!(bad.status, 422, "{}", bad.text);
    let good = service
        .post_with_key(&path, "k", &json!({"name": "Cakes"}))
        .await;
    assert_eq!(good.status, StatusCode::CREATED, "{}", good.text);
    let no_key = service.post_with_key(&path, "a b", &json!({})).await;
    assert_eq!(no_key.status, 400, "{}", no_key.text);
    service.stop().await;
}

#[tokio::test]
async fn a_secret_is_shown_once_and_not_kept() {
    let (service, _, _) = still().await;
    let path = "/v1/api-keys";
    let made = service
        .post_with_key(path, "k", &json!({"name": "ci"}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let again = service
        .post_with_key(path, "k", &json!({"name": "ci"}))
        .await;
    assert_problem(&again, 409, "STATE_CONFLICT");
    let detail = again.json["detail"].as_str().unwrap();
    assert!(
        detail.contains(made.json["id"].as_str().unwrap()),
        "{detail}"
    );
    assert!(!again.text.contains(made.json["key"].as_str().unwrap()));
    let keys = service.get(path).await.json;
    let named = keys["items"].as_array().unwrap().iter();
    assert_eq!(named.filter(|key| key["name"] == "ci").count(), 1);

    let connect = json!({"platform": "pinterest"});
    let path = "/v1/accounts/connect";
    let session = service.post_with_key(path, "c", &connect).await;
    assert_eq!(session.status, StatusCode::CREATED, "{}", session.text);
    let again = service.post_with_key(path, "c", &connect).await;
    assert_problem(&again, 409, "STATE_CONFLICT");
    service.stop().await;
}

#[tokio::test]
async fn an_action_whose_answer_was_lost_is_answered_again() {
    let (service, account, board) = still().await;
    let upload = id(&service
        .post("/v1/uploads", &scheduled(&account, &board))
        .await);
    let path = format!("/v1/uploads/{upload}");
    service.post_text(&format!("{path}/cancel"), "").await;
    let retry = format!("{path}/retry");
    let first = service.post_with_key(&retry, "r", &json!({})).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let again = service.post_with_key(&retry, "r", &json!({})).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json, first.json);
    service.stop().await;
}

#[tokio::test]
async fn what_may_have_had_an_effect_is_not_done_again() {
    let (service, account, _) = connected(Clock::system()).await;
    service.sandbox.set_faults(script(&json!([{
        "match": {"method": "POST", "path": "/v5/boards"}, "when": "after", "action": {"cut": {}}
    }])));
    let path = format!("/v1/accounts/{account}/boards");
    let body = json!({"name": "Cakes"});
    let lost = service.post_with_key(&path, "k", &body).await;
    assert!(lost.status.is_server_error(), "{}", lost.text);
    assert_eq!(lost.json["outcome"], "unknown", "{}", lost.text);
    let again = service.post_with_key(&path, "k", &body).await;
    assert_eq!(
        again.headers["idempotency-replayed"], "true",
        "{}",
        again.text
    );
    assert_eq!(again.json["code"], lost.json["code"]);
    let boards = service.get(&format!("{path}?refresh=true")).await.json;
    let cakes = boards["items"].as_array().unwrap().iter();
    assert_eq!(cakes.filter(|board| board["name"] == "Cakes").count(), 1);
    service.stop().await;
}
