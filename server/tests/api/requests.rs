//! Requests that are wrong before their content is looked at: body, key, path, method, query.

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::support::{
    Service, assert_nothing_happened, assert_problem, faults, pairs, scheduled, still, with,
};

#[tokio::test]
async fn json_that_cannot_be_read() {
    let (service, ..) = still().await;
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
    let (service, account, board) = still().await;
    let big = with(
        &scheduled(&account, &board),
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
async fn keys_that_are_wrong() {
    let (service, account, board) = still().await;
    let body = scheduled(&account, &board).to_string();
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
    assert_problem(&service.get("/v1/media").await, 405, "METHOD_NOT_ALLOWED");
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
