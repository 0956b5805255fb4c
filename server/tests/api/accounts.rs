//! Accounts: consent, callback, boards, sections; and what stands around every answer.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Service, assert_problem, faults, pairs};

async fn browser(service: &Service, path: &str) -> crate::support::Reply {
    service
        .send(Request::get(path).body(Body::empty()).unwrap())
        .await
}

async fn begin(service: &Service, body: &Value) -> (String, String) {
    let session = service.post("/v1/accounts/connect", body).await;
    assert_eq!(session.status, 201, "{}", session.text);
    assert_eq!(session.json["status"], "pending");
    let id = session.json["id"].as_str().unwrap().to_owned();
    assert_eq!(
        session.headers["location"],
        format!("/v1/accounts/connect/{id}")
    );
    (
        id,
        session.json["authorize_url"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn an_account_is_connected_listed_and_disconnected() {
    let service = Service::start().await;
    let empty = service.get("/v1/accounts").await;
    assert_eq!(empty.json, json!({"items": [], "next_cursor": null}));
    let account = service.connect().await;
    assert!(account.starts_with("pinterest:"), "{account}");

    let list = service.get("/v1/accounts").await;
    assert_eq!(list.json["items"].as_array().unwrap().len(), 1);
    let bare = account.split_once(':').unwrap().1;
    for spelling in [
        account.clone(),
        account.replace(':', "%3A"),
        bare.to_owned(),
    ] {
        let reply = service.get(&format!("/v1/accounts/{spelling}")).await;
        assert_eq!(reply.json["id"], account.as_str(), "{spelling}");
        assert_eq!(reply.json["mode"], "test");
        assert!(
            reply.json["scopes"]
                .as_array()
                .unwrap()
                .contains(&json!("pins:write"))
        );
    }

    let gone = service.delete(&format!("/v1/accounts/{account}")).await;
    assert_eq!(gone.status, 204);
    assert_problem(
        &service.get(&format!("/v1/accounts/{account}")).await,
        404,
        "NOT_FOUND",
    );
    assert_problem(
        &service.delete(&format!("/v1/accounts/{account}")).await,
        404,
        "NOT_FOUND",
    );
    service.stop().await;
}

#[tokio::test]
async fn the_callback_is_a_page_that_can_do_nothing() {
    let service = Service::start().await;
    let (id, url) = begin(&service, &json!({"platform": "pinterest"})).await;
    let callback = service.consent(&url).await;
    let page = browser(&service, &callback).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Pinterest is connected"));
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"));
    assert!(
        !policy.contains("unsafe") && !policy.contains("STYLE"),
        "{policy}"
    );
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(page.headers["cache-control"], "no-store");

    // The same address again: the state has been used.
    let page = browser(&service, &callback).await;
    assert_eq!(page.status, 422);
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.text.contains("was not connected"));
    let session = service.get(&format!("/v1/accounts/connect/{id}")).await;
    assert_eq!(session.json["status"], "connected");

    for query in ["", "?state=x&code=y", "?error=%3Cscript%3E&state=x"] {
        let page = browser(&service, &format!("/oauth/pinterest/callback{query}")).await;
        assert_eq!(page.status, 422, "{query}");
        assert!(!page.text.contains("<script"), "{query}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_refused_consent_is_told_to_the_caller() {
    let service = Service::start().await;
    let (id, url) = begin(&service, &json!({"platform": "pinterest"})).await;
    let callback = service.consent(&url).await;
    let state = callback
        .split(['?', '&'])
        .find(|part| part.starts_with("state="))
        .unwrap();
    let page = browser(
        &service,
        &format!("/oauth/pinterest/callback?error=access_denied&{state}"),
    )
    .await;
    assert!(page.status.is_client_error());
    let session = service.get(&format!("/v1/accounts/connect/{id}")).await;
    assert_eq!(session.json["status"], "failed");
    assert!(
        session.json["error"]["detail"]
            .as_str()
            .unwrap()
            .contains("access_denied")
    );
    assert_eq!(service.get("/v1/accounts").await.json["items"], json!([]));
    service.stop().await;
}

#[tokio::test]
async fn the_browser_goes_on_to_a_path_of_the_service_only() {
    let service = Service::start().await;
    let (_, url) = begin(
        &service,
        &json!({"platform": "pinterest", "return_url": "/done?tab=1"}),
    )
    .await;
    let page = browser(&service, &service.consent(&url).await).await;
    assert_eq!(page.status, 303);
    assert_eq!(page.headers["location"], "/done?tab=1");
    for elsewhere in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "done",
    ] {
        let reply = service
            .post(
                "/v1/accounts/connect",
                &json!({"platform": "pinterest", "return_url": elsewhere}),
            )
            .await;
        assert_problem(&reply, 422, "VALIDATION_FAILED");
        assert_eq!(faults(&reply), pairs(&[("/return_url", "invalid")]));
    }
    let reply = service
        .post("/v1/accounts/connect", &json!({"platform": "myspace"}))
        .await;
    assert_problem(&reply, 422, "PLATFORM_UNSUPPORTED");
    let reply = service.post("/v1/accounts/connect", &json!({})).await;
    assert_eq!(faults(&reply), pairs(&[("/platform", "required")]));
    service.stop().await;
}

#[tokio::test]
async fn all_boards_come_page_by_page() {
    let service = Service::start().await;
    let account = service.connect().await;
    let all = service
        .get(&format!("/v1/accounts/{account}/boards?limit=1000"))
        .await;
    let all: Vec<Value> = all.json["items"].as_array().unwrap().clone();
    let privacies: BTreeSet<&str> = all
        .iter()
        .map(|board| board["privacy"].as_str().unwrap())
        .collect();
    assert!(
        privacies.contains("PUBLIC") && privacies.contains("SECRET"),
        "{privacies:?}"
    );
    assert!(all.len() > 25, "more than one page of the network");

    let mut seen = Vec::new();
    let mut path = format!("/v1/accounts/{account}/boards?limit=10");
    loop {
        let page = service.get(&path).await;
        seen.extend(page.json["items"].as_array().unwrap().clone());
        match page.json["next_cursor"].as_str() {
            Some(cursor) => {
                path = format!("/v1/accounts/{account}/boards?limit=10&cursor={cursor}");
            }
            None => break,
        }
    }
    assert_eq!(seen, all);

    let secret = service
        .get(&format!("/v1/accounts/{account}/boards?privacy=SECRET"))
        .await;
    let secret = secret.json["items"].as_array().unwrap();
    assert!(!secret.is_empty() && secret.iter().all(|board| board["privacy"] == "SECRET"));
    let reply = service
        .get(&format!(
            "/v1/accounts/{account}/boards?privacy=secret&refresh=x"
        ))
        .await;
    assert_eq!(
        faults(&reply),
        pairs(&[("?privacy", "invalid"), ("?refresh", "invalid")])
    );
    service.stop().await;
}

#[tokio::test]
async fn boards_and_sections_are_made() {
    let service = Service::start().await;
    let account = service.connect().await;
    let boards = format!("/v1/accounts/{account}/boards");
    let made = service
        .post(&boards, &json!({"name": "Fresh", "privacy": "SECRET"}))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let board = made.json["id"].as_str().unwrap();
    let list = service.get(&format!("{boards}?q=fresh&refresh=true")).await;
    assert_eq!(list.json["items"][0]["id"], board);

    let sections = format!("{boards}/{board}/sections");
    assert_eq!(service.get(&sections).await.json["items"], json!([]));
    let section = service.post(&sections, &json!({"name": "Cakes"})).await;
    assert_eq!(section.status, 201, "{}", section.text);
    let list = service.get(&sections).await;
    assert_eq!(list.json["items"][0]["name"], "Cakes");

    for (body, pointer, code) in [
        (json!({"name": ""}), "/name", "required"),
        (json!({}), "/name", "required"),
        (
            json!({"name": "x", "privacy": "public"}),
            "/privacy",
            "invalid",
        ),
        (json!({"name": "x".repeat(181)}), "/name", "too_long"),
        (
            json!({"name": "x", "privcy": "PUBLIC"}),
            "/privcy",
            "unknown",
        ),
    ] {
        let reply = service.post(&boards, &body).await;
        assert_problem(&reply, 422, "VALIDATION_FAILED");
        assert_eq!(faults(&reply), pairs(&[(pointer, code)]), "{body}");
    }
    let reply = service
        .get(&format!("{boards}/..%2F..%2Fuser/sections"))
        .await;
    assert_problem(&reply, 404, "NOT_FOUND");
    service.stop().await;
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let service = Service::start().await;
    let made = service
        .post(
            "/v1/api-keys",
            &json!({"name": "reader", "scopes": ["uploads:read"], "expires_at": "2027-01-01T00:00:00Z"}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.headers["cache-control"], "no-store");
    let secret = made.json["key"].as_str().unwrap();
    assert!(secret.starts_with("mu_test_"));
    let list = service.get("/v1/api-keys").await;
    assert_eq!(list.json["items"].as_array().unwrap().len(), 2);
    assert_eq!(list.json["items"][0]["name"], "reader");
    assert_eq!(list.json["items"][0]["expires_at"], "2027-01-01T00:00:00Z");
    assert!(!list.text.contains(secret), "the secret is shown once");

    let id = made.json["id"].as_str().unwrap();
    for _ in 0..2 {
        let gone = service.delete(&format!("/v1/api-keys/{id}")).await;
        assert_eq!(gone.status, 204);
    }
    let list = service.get("/v1/api-keys").await;
    assert!(list.json["items"][0]["revoked_at"].is_string());

    let reply = service
        .post(
            "/v1/api-keys",
            &json!({"scopes": ["uploads:reed", "admin"], "accounts": ["549"], "nam": "x"}),
        )
        .await;
    assert_eq!(
        faults(&reply),
        pairs(&[("/scopes/0", "invalid"), ("/nam", "unknown")])
    );
    let reply = service
        .post("/v1/api-keys", &json!({"scopes": [], "accounts": ["549"]}))
        .await;
    assert_eq!(
        faults(&reply),
        pairs(&[("/scopes", "required"), ("/accounts/0", "invalid")])
    );
    let reply = service
        .post(
            "/v1/api-keys",
            &json!({"expires_at": "2020-01-01T00:00:00Z"}),
        )
        .await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    service.stop().await;
}

#[tokio::test]
async fn health_is_open_and_every_documented_path_exists() {
    let service = Service::start().await;
    for path in ["/healthz", "/readyz"] {
        let reply = browser(&service, path).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json["status"], "ok");
        assert!(reply.headers.contains_key("x-request-id"));
    }
    let document = browser(&service, "/openapi.json").await;
    assert_eq!(document.text, multi_upload_server::openapi());
    let mut operations = 0;
    for (path, methods) in document.json["paths"].as_object().unwrap() {
        let concrete = path
            .replace("{platform}", "pinterest")
            .replace("{id}", "x")
            .replace("{board_id}", "1");
        for method in methods.as_object().unwrap().keys() {
            operations += 1;
            let open = methods[method]["security"] == json!([{}]);
            let request = Request::builder()
                .method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap())
                .uri(&concrete)
                .body(Body::empty())
                .unwrap();
            let reply = service.send(request).await;
            // Without a key an existing, guarded route asks for one; a missing one would be 404 or 405.
            if open {
                assert!(
                    ![401, 404, 405].contains(&reply.status.as_u16()),
                    "{method} {path}"
                );
            } else {
                assert_eq!(reply.status, 401, "{method} {path}: {}", reply.text);
            }
        }
    }
    assert!(operations >= 30, "{operations}");
    service.stop().await;
}
