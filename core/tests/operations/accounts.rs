//! Waiting for a person who connects an account.

use serde_json::{Value, json};

use crate::options;
use crate::script::{Reply, Script, cut};

#[tokio::test(start_paused = true)]
async fn a_connection_is_looked_at_until_a_person_has_answered() {
    let session = |status: &str, more: Value| {
        let mut session = json!({
            "id": "con_1", "authorize_url": "https://x", "expires_at": "2026-11-24T11:00:00Z", "status": status,
            "account": null, "error": null,
        });
        for (name, value) in more.as_object().expect("an object") {
            session[name] = value.clone();
        }
        Reply::Json(200, session)
    };
    let account = json!({
        "id": "pinterest:1", "platform": "pinterest", "name": "n", "status": "active", "mode": "test", "scopes": [],
        "reconnect_before": null, "uploads_due_after": 0, "connected_at": "2026-11-24T10:00:00Z",
    });
    let script = Script::of([
        session("pending", json!({})),
        cut(),
        session("pending", json!({})),
        session("connected", json!({"account": account})),
    ]);
    let account = script
        .client()
        .accounts()
        .wait_connected("con_1", &options())
        .await
        .expect("connected");
    assert_eq!(account.id, "pinterest:1");
    assert_eq!(script.lines()[3], "GET /v1/accounts/connect/con_1");

    let problem = json!({
        "type": "t", "title": "T", "status": 403, "detail": "denied", "code": "PLATFORM_REJECTED", "category": "platform",
        "retry": "no", "outcome": "none", "remedy": "r", "doc_url": "d",
    });
    let script = Script::of([session("failed", json!({"error": problem}))]);
    let error = script
        .client()
        .accounts()
        .wait_connected("con_1", &options())
        .await
        .expect_err("denied");
    assert_eq!(
        (error.code(), error.info().detail.as_str()),
        ("PLATFORM_REJECTED", "denied")
    );
}
