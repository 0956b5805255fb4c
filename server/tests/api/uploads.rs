//! Uploads over HTTP: from the request to the pin, repeats, batches, lists and the change feed.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use multi_upload_core::CallOptions;
use multi_upload_server::Clock;
use serde_json::{Value, json};

use crate::support::{
    IMAGE, NOW, Reply, assert_problem, connected, id, immediate, scheduled, status,
};

#[tokio::test]
async fn an_upload_is_stored_read_and_published() {
    let (service, account, board) = connected(Clock::system()).await;
    for path in ["/v1/upload", "/v1/uploads"] {
        let reply = service.post(path, &immediate(&account, &board, path)).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        let id = id(&reply);
        assert_eq!(reply.headers["location"], format!("/v1/uploads/{id}"));
        assert!(reply.headers.contains_key("x-request-id"));
        assert_eq!(reply.json["version"], 1);
        assert!(reply.json["external_id"].is_null());

        let done = service.wait_for(&id, "published").await;
        let target = &done["targets"][0];
        assert_eq!(target["account"], account.as_str());
        assert_eq!(target["platform"], "pinterest");
        assert_eq!(target["attempts"], 1);
        let remote_id = target["remote_id"].as_str().unwrap();
        assert!(target["remote_url"].as_str().unwrap().contains(remote_id));
        let pins = service.sandbox.ledger().pins;
        assert_eq!(
            pins.iter()
                .filter(|pin| pin.title.as_deref() == Some(path))
                .count(),
            1
        );

        let events = service.get(&format!("/v1/uploads/{id}/events")).await;
        let kinds: Vec<&str> = events.json["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds.first(), Some(&"upload.scheduled"));
        assert_eq!(kinds.last(), Some(&"target.published"));
    }
    service.stop().await;
}

#[tokio::test]
async fn a_local_time_is_kept_with_its_zone() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let mut body = scheduled(&account, &board);
    body["scheduled_at"] = json!("2026-12-01T20:00:00");
    body["timezone"] = json!("Europe/Paris");
    body["external_id"] = json!("cake-1");
    let reply = service.post("/v1/upload", &body).await;
    assert_eq!(reply.json["scheduled_at"], "2026-12-01T19:00:00Z");
    assert_eq!(reply.json["timezone"], "Europe/Paris");
    assert_eq!(reply.json["external_id"], "cake-1");
    assert_eq!(status(&reply.json), ("scheduled", "scheduled"));
    assert_eq!(reply.json["content"]["scheduled_at"], "2026-12-01T20:00:00");
    let read = service.get(&format!("/v1/uploads/{}", id(&reply))).await;
    assert_eq!(read.json, reply.json, "the answer is what is stored");
    service.stop().await;
}

#[tokio::test]
async fn overrides_reach_the_target_they_name() {
    let (service, account, board) = connected(Clock::system()).await;
    let mut body = immediate(&account, &board, "for all");
    body["caption"] = json!("caption for all");
    body["overrides"] = json!({
        "pinterest": {"title": "for pinterest", "description": "from the platform"},
        account.as_str(): {"title": "for the account", "caption": "from the account"},
    });
    let reply = service.post("/v1/upload", &body).await;
    service.wait_for(&id(&reply), "published").await;
    let pins = service.sandbox.ledger().pins;
    assert_eq!(pins.len(), 1);
    assert_eq!(pins[0].title.as_deref(), Some("for the account"));
    assert_eq!(pins[0].description.as_deref(), Some("from the account"));
    service.stop().await;
}

#[tokio::test]
async fn the_same_key_stores_once() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let mut body = scheduled(&account, &board);
    body["scheduled_at"] = json!("2026-11-25T12:00:00Z");
    let first = service.post_with_key("/v1/uploads", "key-1", &body).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = service.post_with_key("/v1/upload", "key-1", &body).await;
    assert_eq!(again.status, 202);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json, first.json);

    // The time has passed meanwhile: the answer is still that of the first time.
    service.clock.set(NOW + 2 * 86_400_000);
    let later = service.post_with_key("/v1/uploads", "key-1", &body).await;
    assert_eq!(later.status, 202, "{}", later.text);
    assert_eq!(later.json["id"], first.json["id"]);

    let mut other = body.clone();
    other["title"] = json!("another");
    let reply = service.post_with_key("/v1/uploads", "key-1", &other).await;
    assert_problem(&reply, 422, "IDEMPOTENCY_BODY_MISMATCH");
    let reply = service
        .post_with_key("/v1/uploads", "has space", &body)
        .await;
    assert_problem(&reply, 400, "VALIDATION_FAILED");
    assert_eq!(service.stored().await, 1);
    service.stop().await;
}

#[tokio::test]
async fn fifty_callers_with_one_key_store_once() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let body = scheduled(&account, &board);
    let calls = (0..50).map(|_| service.post_with_key("/v1/uploads", "race", &body));
    let replies = futures_util::future::join_all(calls).await;
    let ids: BTreeSet<String> = replies.iter().map(id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(
        replies
            .iter()
            .filter(|reply| !reply.headers.contains_key("idempotency-replayed"))
            .count(),
        1
    );
    assert_eq!(service.stored().await, 1);
    service.stop().await;
}

#[tokio::test]
async fn a_batch_is_safe_to_send_again() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let rows: Vec<Value> = (0..50)
        .map(|n| {
            let mut row = scheduled(&account, &board);
            row["title"] = json!(format!("Pin {n}"));
            row["idempotency_key"] = json!(format!("row-{n}"));
            row
        })
        .collect();
    let body = json!({"uploads": rows});
    let first = service.post("/v1/uploads/batch", &body).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let again = service.post("/v1/uploads/batch", &body).await;
    let ids = |reply: &Reply| -> Vec<String> {
        let results = reply.json["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| result["upload"]["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&first).len(), 50);
    assert_eq!(ids(&first), ids(&again));
    assert!(
        again.json["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|r| r["replayed"] == true)
    );
    assert_eq!(service.stored().await, 50);

    // Without keys of their own the rows take the header's.
    let body = json!({"uploads": [scheduled(&account, &board), scheduled(&account, &board)]});
    for _ in 0..2 {
        let reply = service
            .post_with_key("/v1/uploads/batch", "header", &body)
            .await;
        assert_eq!(ids(&reply).len(), 2);
    }
    assert_eq!(service.stored().await, 52);
    service.stop().await;
}

#[tokio::test]
async fn checking_stores_nothing() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let mut body = scheduled(&account, &board);
    let reply = service.post("/v1/uploads/validate", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json["valid"], true);
    assert_eq!(reply.json["scheduled_at"], "2026-12-01T20:00:00Z");
    assert_eq!(reply.json["targets"][0]["board"]["id"], board.as_str());
    assert!(reply.json["targets"][0]["board"]["name"].is_string());

    body["dry_run"] = json!(true);
    let reply = service.post_with_key("/v1/upload", "dry", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json["valid"], true);

    body["caption"] = json!("x".repeat(600));
    body["title"] = json!("x".repeat(101));
    body["link"] = json!("https://bit.ly/x");
    body["tiktok"] = json!({"privacy_level": "SELF_ONLY"});
    let reply = service.post("/v1/uploads/validate", &body).await;
    assert_eq!(reply.json["valid"], false);
    assert_eq!(reply.json["errors"][0]["pointer"], "/title");
    let warnings: BTreeSet<&str> = reply.json["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(warnings, BTreeSet::from(["/caption", "/link", "/tiktok"]));

    let reply = service
        .post("/v1/uploads/validate", &json!({"titel": 1}))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json["valid"], false);
    assert_eq!(service.stored().await, 0);

    // The key of a dry run is free.
    let reply = service
        .post_with_key("/v1/upload", "dry", &scheduled(&account, &board))
        .await;
    assert_eq!(reply.status, 202);
    service.stop().await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let mut body = scheduled(&account, &board);
        body["title"] = json!(format!("Pin {n}"));
        body["external_id"] = json!(format!("label-{}", n % 2));
        body["scheduled_at"] = json!(format!("2026-12-0{}T00:00:00Z", n + 1));
        body["draft"] = json!(n == 6);
        ids.push(id(&service.post("/v1/uploads", &body).await));
    }
    ids.reverse();

    let mut seen = Vec::new();
    let mut path = "/v1/uploads?limit=3".to_owned();
    loop {
        let page = service.get(&path).await;
        let items = page.json["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page.json["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/uploads?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ids, "newest first, each once");

    for (query, expected) in [
        ("status=draft", 1),
        ("status=scheduled", 6),
        ("status=draft,scheduled", 7),
        ("external_id=label-1", 3),
        ("q=pin%203", 1),
        ("platform=pinterest", 7),
        ("platform=tiktok", 0),
        ("from=2026-12-03T00:00:00Z&to=2026-12-05T00:00:00Z", 2),
        ("limit=7", 7),
    ] {
        let page = service.get(&format!("/v1/uploads?{query}")).await;
        assert_eq!(
            page.json["items"].as_array().unwrap().len(),
            expected,
            "{query}"
        );
        assert!(page.json["next_cursor"].is_null(), "{query}");
    }
    let of_account = service
        .get(&format!(
            "/v1/uploads?account={}",
            account.replace(':', "%3A")
        ))
        .await;
    assert_eq!(of_account.json["items"].as_array().unwrap().len(), 7);
    service.stop().await;
}

#[tokio::test]
async fn the_change_feed_wakes_a_waiting_caller() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let start = service.get("/v1/changes").await;
    assert_eq!(start.json["uploads"], json!([]));
    let cursor = start.json["cursor"].as_str().unwrap();

    let path = format!("/v1/changes?since={cursor}&wait=30");
    let waiting = service.get(&path);
    let creating = async {
        // Begun while the other call waits.
        tokio::task::yield_now().await;
        service
            .post("/v1/uploads", &scheduled(&account, &board))
            .await
    };
    let both = async { tokio::join!(waiting, creating) };
    let (news, made) = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .unwrap();
    assert_eq!(news.json["uploads"][0]["id"], made.json["id"]);
    let next = news.json["cursor"].as_str().unwrap();
    let nothing = service.get(&format!("/v1/changes?since={next}")).await;
    assert_eq!(nothing.json["uploads"], json!([]));
    assert_eq!(nothing.json["cursor"], next);

    for _ in 0..3 {
        service
            .post("/v1/uploads", &scheduled(&account, &board))
            .await;
    }
    let two = service
        .get(&format!("/v1/changes?since={next}&limit=2"))
        .await;
    assert_eq!(two.json["uploads"].as_array().unwrap().len(), 2);
    let rest = service
        .get(&format!(
            "/v1/changes?since={}&limit=2",
            two.json["cursor"].as_str().unwrap()
        ))
        .await;
    assert_eq!(rest.json["uploads"].as_array().unwrap().len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_limited_key_sees_only_its_accounts() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let made = service
        .post("/v1/uploads", &scheduled(&account, &board))
        .await;
    let key = service
        .post("/v1/api-keys", &json!({"accounts": ["pinterest:1"]}))
        .await;
    let key = key.json["key"].as_str().unwrap();
    let get = async |path: String| {
        let request = Request::get(path)
            .header("authorization", format!("Bearer {key}"))
            .body(Body::empty())
            .unwrap();
        service.send(request).await
    };
    assert_problem(
        &get(format!("/v1/uploads/{}", id(&made))).await,
        404,
        "NOT_FOUND",
    );
    assert_eq!(get("/v1/uploads".to_owned()).await.json["items"], json!([]));
    assert_eq!(
        get("/v1/accounts".to_owned()).await.json["items"],
        json!([])
    );
    for path in [
        format!("/v1/accounts/{account}"),
        format!("/v1/accounts/{account}/boards"),
    ] {
        assert_problem(&get(path).await, 403, "ACCOUNT_NOT_ALLOWED");
    }
    assert_problem(&get("/v1/api-keys".to_owned()).await, 403, "SCOPE_MISSING");
    service.stop().await;
}

#[tokio::test]
async fn the_client_in_the_same_process_needs_no_key() {
    let (service, account, board) = connected(Clock::fixed(NOW)).await;
    let client = service.engine.client();
    let made = client
        .call(
            "uploads.create",
            scheduled(&account, &board),
            CallOptions::default(),
        )
        .await
        .unwrap();
    assert_eq!(made["status"], "scheduled");
    let wrong = client
        .call(
            "uploads.create",
            json!({"accounts": [account], "image_url": IMAGE}),
            CallOptions::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(wrong.info().code, "VALIDATION_FAILED");
    assert_eq!(wrong.info().errors[0].pointer, "/board_id");
    assert_eq!(service.stored().await, 1);
    service.stop().await;
}
