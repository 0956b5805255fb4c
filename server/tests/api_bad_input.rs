//! Bad input gets a problem object that says what to do, and changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod api_support;

use api_support::{IMAGE, Reply, Service, assert_problem, faults, pairs};
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

/// A service with a connected account and one of its boards.
async fn connected() -> (Service, String, String) {
    let service = Service::start().await;
    let account = service.connect().await;
    let board = service.board(&account).await;
    (service, account, board)
}

/// A request that would be accepted.
fn good(account: &str, board: &str) -> Value {
    json!({
        "accounts": [account], "image_url": IMAGE, "title": "Lemon cake", "board_id": board,
        "scheduled_at": "2026-12-01T20:00:00Z"
    })
}

/// Asserts that no upload was stored and no pin made.
async fn assert_nothing_happened(service: &Service) {
    assert_eq!(service.stored().await, 0);
    assert_eq!(service.sandbox.ledger().pins.len(), 0);
}

/// A good request with one change.
fn with(good: &Value, name: &str, value: Value) -> Value {
    let mut changed = good.clone();
    changed[name] = value;
    changed
}

fn without(good: &Value, name: &str) -> Value {
    let mut changed = good.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

fn detail(reply: &Reply, index: usize) -> &str {
    reply.json["errors"][index]["detail"].as_str().unwrap()
}

#[tokio::test]
async fn json_that_cannot_be_read() {
    let (service, ..) = connected().await;
    let reply = service
        .post_text("/v1/upload", "{\"accounts\": [\n\"pinterest:1\"")
        .await;
    assert_problem(&reply, 400, "JSON_MALFORMED");
    assert!(reply.json["detail"].as_str().unwrap().contains("line 2"));

    let reply = service.post_text("/v1/upload", "").await;
    assert_problem(&reply, 400, "JSON_MALFORMED");
    let reply = service.post_text("/v1/upload", "\"text\"").await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    let reply = service
        .post_text("/v1/upload", br#"{"title": "a", "title": "b"}"#.to_vec())
        .await;
    assert_problem(&reply, 400, "JSON_MALFORMED");
    let reply = service
        .post_text("/v1/upload", b"{\"title\": \"\xff\"}".to_vec())
        .await;
    assert_problem(&reply, 400, "JSON_MALFORMED");
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    let reply = service
        .post_text("/v1/upload", format!("{{\"pinterest\": {deep}}}"))
        .await;
    assert_problem(&reply, 400, "JSON_TOO_DEEP");

    let request = service
        .request(Method::POST, "/v1/upload")
        .header("content-type", "text/plain")
        .body(Body::from("{}"))
        .unwrap();
    assert_problem(
        &service.send(request).await,
        415,
        "CONTENT_TYPE_UNSUPPORTED",
    );
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn ten_megabytes_of_json() {
    let (service, account, board) = connected().await;
    let big = with(
        &good(&account, &board),
        "caption",
        json!("x".repeat(10 << 20)),
    );
    let reply = service.post("/v1/upload", &big).await;
    assert_problem(&reply, 413, "BODY_TOO_LARGE");
    let reply = service
        .post("/v1/uploads/batch", &json!({"uploads": [big]}))
        .await;
    assert_problem(&reply, 413, "BODY_TOO_LARGE");
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn names_and_types_that_are_not_known() {
    let (service, account, board) = connected().await;
    let mut body = without(&good(&account, &board), "board_id");
    body["boardId"] = json!(board);
    body["title"] = json!(5);
    body["late"] = json!({"sendwithin": "1h"});
    body["overrides"] = json!({"pinterest": {"titel": "x"}});
    let reply = service.post("/v1/upload", &body).await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    let mut found = faults(&reply);
    found.sort();
    assert_eq!(
        found,
        pairs(&[
            ("/boardId", "unknown"),
            ("/late/send_within", "required"),
            ("/late/sendwithin", "unknown"),
            ("/overrides/pinterest/titel", "unknown"),
            ("/title", "invalid"),
        ])
    );
    assert!(reply.text.contains("did you mean `board_id`?"));
    assert!(reply.text.contains("did you mean `title`?"));
    assert!(reply.text.contains("did you mean `send_within`?"));
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn a_missing_or_foreign_board_lists_the_boards() {
    let (service, account, board) = connected().await;
    let good = good(&account, &board);
    let boards = service
        .get(&format!("/v1/accounts/{account}/boards?limit=1000"))
        .await;
    let boards = boards.json["items"].as_array().unwrap().clone();
    assert!(boards.len() > 25, "more than one page of the network");

    let reply = service
        .post("/v1/upload", &without(&good, "board_id"))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/board_id", "required")]));
    for board in boards.iter().take(50) {
        let words = format!(
            "{} ({})",
            board["id"].as_str().unwrap(),
            board["name"].as_str().unwrap()
        );
        assert!(detail(&reply, 0).contains(&words), "{words}");
        assert!(reply.json["remedy"].as_str().unwrap().contains(&words));
    }

    let reply = service
        .post("/v1/upload", &with(&good, "board_id", json!("42")))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/board_id", "unknown")]));
    assert!(detail(&reply, 0).contains("\"42\""));
    assert!(detail(&reply, 0).contains(&board));

    let reply = service
        .post("/v1/upload", &with(&good, "board_id", json!("Recipes")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/board_id", "invalid")]));
    let reply = service
        .post("/v1/upload", &with(&good, "board_id", json!("")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/board_id", "required")]));

    let overridden = with(
        &good,
        "overrides",
        json!({account.as_str(): {"board_id": "42"}}),
    );
    let reply = service.post("/v1/upload", &overridden).await;
    assert_eq!(
        faults(&reply),
        pairs(&[(&format!("/overrides/{account}/board_id"), "unknown")])
    );
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn times_that_are_wrong() {
    let (service, account, board) = connected().await;
    let good = good(&account, &board);
    // The clock stands at 2026-11-24T12:00:00Z.
    for (at, zone, status, code, pointer) in [
        (
            "2026-12-01T20:00:00",
            Value::Null,
            422,
            "VALIDATION_FAILED",
            "/scheduled_at",
        ),
        (
            "tomorrow",
            Value::Null,
            422,
            "VALIDATION_FAILED",
            "/scheduled_at",
        ),
        (
            "2026-11-24T11:58:59Z",
            Value::Null,
            422,
            "SCHEDULE_IN_PAST",
            "/scheduled_at",
        ),
        (
            "2026-12-01T20:00:00",
            json!("Europe/Pariss"),
            422,
            "TIMEZONE_UNKNOWN",
            "/timezone",
        ),
    ] {
        let body = with(&with(&good, "scheduled_at", json!(at)), "timezone", zone);
        let reply = service.post("/v1/upload", &body).await;
        assert_problem(&reply, status, code);
        assert_eq!(faults(&reply), pairs(&[(pointer, "invalid")]), "{at}");
    }
    let reply = service
        .post(
            "/v1/upload",
            &with(
                &without(&good, "scheduled_at"),
                "timezone",
                json!("Mars/Base"),
            ),
        )
        .await;
    assert_problem(&reply, 422, "TIMEZONE_UNKNOWN");
    let reply = service
        .post("/v1/upload", &with(&good, "schedule", json!("next_slot")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/schedule", "unsupported")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "late", json!({"send_within": "soon"})),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/late/send_within", "invalid")]));
    assert_nothing_happened(&service).await;

    // Less than a minute in the past means now.
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "scheduled_at", json!("2026-11-24T11:59:30Z")),
        )
        .await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    service.stop().await;
}

#[tokio::test]
async fn accounts_that_are_wrong() {
    let (service, account, board) = connected().await;
    let good = good(&account, &board);
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "accounts", json!(["pinterest:1"])),
        )
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/accounts/0", "unknown")]));
    assert!(
        detail(&reply, 0).contains(&account),
        "the connected one is listed"
    );

    let bare = account.split_once(':').unwrap().1;
    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!([bare])))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts/0", "invalid")]));
    assert!(detail(&reply, 0).contains(&account));

    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!(["tiktok:1"])))
        .await;
    assert_problem(&reply, 422, "PLATFORM_UNSUPPORTED");

    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!([])))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts", "required")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "accounts", json!([account, account])),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts/1", "conflict")]));
    let many: Vec<String> = (0..26).map(|n| format!("pinterest:{n}")).collect();
    let reply = service
        .post("/v1/upload", &with(&good, "accounts", json!(many)))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/accounts", "too_many")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "overrides", json!({"pintrest": {"title": "x"}})),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/overrides/pintrest", "unknown")]));
    assert!(detail(&reply, 0).contains("\"pinterest\""));
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn media_that_is_missing_or_too_much() {
    let (service, account, board) = connected().await;
    let good = good(&account, &board);
    let reply = service
        .post("/v1/upload", &without(&good, "image_url"))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/image_url", "required")]));

    let reply = service
        .post("/v1/upload", &with(&good, "media_id", json!("md_1")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/media_id", "conflict")]));

    let reply = service
        .post(
            "/v1/upload",
            &with(&without(&good, "image_url"), "media_id", json!("md_1")),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/media_id", "unknown")]));

    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "image_url", json!("ftp://example.com/a.jpg")),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/image_url", "invalid")]));

    let video = with(
        &with(
            &without(&good, "image_url"),
            "video_url",
            json!("https://example.com/a.mp4"),
        ),
        "cover_image_key_frame_time",
        json!(0),
    );
    let reply = service.post("/v1/upload", &video).await;
    assert_eq!(
        faults(&reply),
        pairs(&[
            ("/video_url", "unsupported"),
            ("/cover_image_key_frame_time", "unsupported")
        ])
    );
    assert!(detail(&reply, 0).contains("not supported by this version yet for pinterest"));
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn texts_are_counted_in_code_points() {
    let (service, account, board) = connected().await;
    let good = good(&account, &board);
    // Four bytes and two UTF-16 units each.
    let reply = service
        .post("/v1/upload", &with(&good, "title", json!("🍋".repeat(101))))
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/title", "too_long")]));
    assert!(detail(&reply, 0).contains("101") && detail(&reply, 0).contains("100"));

    // The caption stands in for the description, and is where the fault is.
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "caption", json!("🍋".repeat(801))),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/caption", "too_long")]));
    let reply = service
        .post(
            "/v1/upload",
            &with(&good, "external_id", json!("é".repeat(256))),
        )
        .await;
    assert_eq!(faults(&reply), pairs(&[("/external_id", "too_long")]));
    let reply = service
        .post("/v1/upload", &with(&good, "title", json!("a\u{0}b")))
        .await;
    assert_eq!(faults(&reply), pairs(&[("/title", "invalid")]));
    assert_nothing_happened(&service).await;

    let full = with(&good, "title", json!("🍋".repeat(100)));
    let full = with(&full, "caption", json!("🍋".repeat(800)));
    let full = with(&full, "external_id", json!("é".repeat(255)));
    let reply = service.post("/v1/upload", &full).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    service.stop().await;
}

#[tokio::test]
async fn keys_that_are_wrong() {
    let (service, account, board) = connected().await;
    let body = good(&account, &board).to_string();
    let attempt = async |authorization: Option<String>| {
        let mut request = Request::post("/v1/upload").header("content-type", "application/json");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        service
            .send(request.body(Body::from(body.clone())).unwrap())
            .await
    };
    let reply = attempt(None).await;
    assert_problem(&reply, 401, "API_KEY_MISSING");
    assert!(reply.headers.contains_key("www-authenticate"));
    let reply = attempt(Some("Basic dXNlcjpwYXNz".to_owned())).await;
    assert_problem(&reply, 401, "API_KEY_MISSING");
    let reply = attempt(Some("Bearer mu_test_nonsense".to_owned())).await;
    assert_problem(&reply, 401, "API_KEY_INVALID");
    // One character changed: the checksum shows it.
    let last = if service.key.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &service.key[..service.key.len() - 1]);
    let reply = attempt(Some(format!("Bearer {mistyped}"))).await;
    assert_problem(&reply, 401, "API_KEY_INVALID");
    assert!(!reply.text.contains(&mistyped));

    let made = service
        .post("/v1/api-keys", &json!({"scopes": ["uploads:read"]}))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let reader = made.json["key"].as_str().unwrap().to_owned();
    let reply = attempt(Some(format!("Bearer {reader}"))).await;
    assert_problem(&reply, 403, "SCOPE_MISSING");
    assert!(
        reply.json["detail"]
            .as_str()
            .unwrap()
            .contains("uploads:write")
    );

    let id = made.json["id"].as_str().unwrap();
    let gone = service.delete(&format!("/v1/api-keys/{id}")).await;
    assert_eq!(gone.status, 204);
    let reply = attempt(Some(format!("Bearer {reader}"))).await;
    assert_problem(&reply, 401, "API_KEY_EXPIRED");

    let made = service
        .post("/v1/api-keys", &json!({"accounts": ["pinterest:1"]}))
        .await;
    let other = made.json["key"].as_str().unwrap();
    let reply = attempt(Some(format!("Bearer {other}"))).await;
    assert_problem(&reply, 403, "ACCOUNT_NOT_ALLOWED");
    assert_nothing_happened(&service).await;
    service.stop().await;
}

#[tokio::test]
async fn paths_methods_and_ids_that_are_wrong() {
    let service = Service::start().await;
    assert_problem(&service.get("/v1/nothing").await, 404, "NOT_FOUND");
    assert_problem(&service.get("/").await, 404, "NOT_FOUND");
    assert_problem(&service.get("/v1/webhooks").await, 404, "NOT_FOUND");
    let reply = service.delete("/v1/uploads").await;
    assert_problem(&reply, 405, "METHOD_NOT_ALLOWED");
    let allow = reply.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");

    for id in [
        "up_0",
        "x",
        "%00",
        "..%2f..%2fetc",
        "up_01980000000070008000000000000000",
    ] {
        let reply = service.get(&format!("/v1/uploads/{id}")).await;
        assert_problem(&reply, 404, "NOT_FOUND");
        let reply = service
            .post_text(&format!("/v1/uploads/{id}/cancel"), "")
            .await;
        assert_problem(&reply, 404, "NOT_FOUND");
        let reply = service.get(&format!("/v1/media/{id}")).await;
        assert_problem(&reply, 404, "NOT_FOUND");
        let reply = service.get(&format!("/v1/accounts/{id}")).await;
        assert_problem(&reply, 404, "NOT_FOUND");
        let reply = service.delete(&format!("/v1/api-keys/{id}")).await;
        assert_problem(&reply, 404, "NOT_FOUND");
    }
    assert_problem(
        &service.get("/v1/uploads/%ff").await,
        400,
        "VALIDATION_FAILED",
    );
    let reply = service
        .patch("/v1/uploads/up_0", &json!({"title": "x"}))
        .await;
    assert_problem(&reply, 404, "NOT_FOUND");
    service.stop().await;
}

#[tokio::test]
async fn queries_that_are_wrong() {
    let service = Service::start().await;
    let reply = service
        .get("/v1/uploads?limit=0&status=done&cursor=abc&from=yesterday&acount=x")
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    let mut found = faults(&reply);
    found.sort();
    assert_eq!(
        found,
        pairs(&[
            ("?acount", "unknown"),
            ("?cursor", "invalid"),
            ("?from", "invalid"),
            ("?limit", "invalid"),
            ("?status", "invalid"),
        ])
    );
    assert!(reply.text.contains("did you mean `account`?"));
    for limit in ["1001", "-1", "1.5", "ten"] {
        let reply = service.get(&format!("/v1/uploads?limit={limit}")).await;
        assert_problem(&reply, 422, "VALIDATION_FAILED");
    }
    let reply = service.get("/v1/changes?wait=61&since=x").await;
    assert_eq!(faults(&reply).len(), 2, "{}", reply.text);
    service.stop().await;
}

#[tokio::test]
async fn a_batch_names_the_wrong_rows_and_stores_the_others() {
    let (service, account, board) = connected().await;
    let good = good(&account, &board);
    let reply = service
        .post(
            "/v1/uploads/batch",
            &json!({"uploads": [good, with(&good, "titel", json!("x")), 5, without(&good, "board_id"), good]}),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let results = reply.json["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index);
        assert_eq!(
            result["upload"].is_object(),
            [0, 4].contains(&index),
            "{result}"
        );
        assert_eq!(
            result["error"].is_object(),
            ![0, 4].contains(&index),
            "{result}"
        );
    }
    assert_eq!(results[1]["error"]["errors"][0]["pointer"], "/titel");
    assert_eq!(results[3]["error"]["errors"][0]["pointer"], "/board_id");
    assert_eq!(service.stored().await, 2);

    for (body, code) in [
        (json!({"uploads": []}), "required"),
        (json!({"upload": []}), "unknown"),
        (json!({"uploads": {}}), "invalid"),
        (json!({"uploads": vec![5; 1_001]}), "too_many"),
    ] {
        let reply = service.post("/v1/uploads/batch", &body).await;
        assert_problem(&reply, 422, "VALIDATION_FAILED");
        assert_eq!(faults(&reply)[0].1, code);
    }
    assert_eq!(service.stored().await, 2);
    service.stop().await;
}
