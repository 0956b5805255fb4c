//! Consent page, code exchange, refresh, and what a token may do.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::{pin, read, refusal, start};
use multi_upload_sandbox::{App, AppState, ManualClock, Options, Switches};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use url::Url;

const CALLBACK: &str = "http://127.0.0.1:8787/oauth/pinterest/callback";
const SCOPE: &str = "boards:read,boards:write,pins:read,pins:write,user_accounts:read";

fn authorize(base: &str) -> String {
    let pairs = [
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", SCOPE),
        ("state", "a b&<c>"),
    ];
    Url::parse_with_params(&format!("{base}/oauth/"), pairs)
        .unwrap()
        .into()
}

/// The hidden fields of the form, read as a browser would.
fn hidden_fields(page: &str) -> HashMap<String, String> {
    let unescape = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
    };
    page.split("<input type=\"hidden\" name=\"")
        .skip(1)
        .map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (unescape(name), unescape(rest.split_once('"').unwrap().0))
        })
        .collect()
}

fn redirected_to(response: &Response) -> HashMap<String, String> {
    assert_eq!(response.status(), StatusCode::FOUND);
    let address = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    assert!(address.as_str().starts_with(CALLBACK));
    address.query_pairs().into_owned().collect()
}

async fn token(
    running: &common::Running,
    client: &str,
    form: &[(&str, &str)],
) -> (StatusCode, Value) {
    let request = running
        .client
        .post(format!("{}/v5/oauth/token", running.base));
    read(
        request
            .basic_auth(client, Some("secret"))
            .form(form)
            .send()
            .await
            .unwrap(),
    )
    .await
}

#[tokio::test]
async fn the_whole_round_trip() {
    let running = start(Options::default()).await;
    let page = running
        .client
        .get(authorize(&running.base))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("not Pinterest"),
        "nobody may take it for the real one"
    );
    assert!(page.contains(&format!(
        "<form method=\"post\" action=\"{}/oauth/\">",
        running.base
    )));
    assert!(page.contains("error=access_denied"), "deny is a link back");

    let form = hidden_fields(&page);
    let response = running
        .client
        .post(format!("{}/oauth/", running.base))
        .form(&form)
        .send()
        .await
        .unwrap();
    let back = redirected_to(&response);
    assert_eq!(back["state"], "a b&<c>");

    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", &back["code"]),
        ("redirect_uri", CALLBACK),
    ];
    let (status, tokens) = token(&running, "app", &exchange).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        tokens["access_token"]
            .as_str()
            .unwrap()
            .starts_with("pina_")
    );
    assert_eq!(tokens["expires_in"], 2_592_000);
    assert_eq!(tokens["refresh_token_expires_in"], 5_184_000);
    assert_eq!(
        tokens["scope"],
        "boards:read boards:write pins:read pins:write user_accounts:read"
    );

    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let (status, new) = token(&running, "app", &refresh).await;
    assert_eq!(status, StatusCode::OK);
    assert!(new["refresh_token_expires_at"].is_u64());
    let account = running
        .client
        .get(format!("{}/v5/user_account", running.base));
    let account = account
        .bearer_auth(new["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    let (status, account) = read(account).await;
    assert_eq!(
        (status, account["username"].as_str().unwrap()),
        (StatusCode::OK, multi_upload_sandbox::USERNAME)
    );

    let (status, body) = token(&running, "app", &exchange).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a code is used once");
    assert!(body["message"].as_str().unwrap().contains("code"));
    let ledger = serde_json::to_string(&running.sandbox.ledger()).unwrap();
    assert!(
        !ledger.contains("pina_") && !ledger.contains(&back["code"]),
        "no secret in the ledger"
    );
}

#[tokio::test]
async fn approving_by_itself_redirects_at_once() {
    let running = start(Options {
        auto_approve: true,
        ..Options::default()
    })
    .await;
    let response = running
        .client
        .get(authorize(&running.base))
        .send()
        .await
        .unwrap();
    assert!(redirected_to(&response).contains_key("code"));
}

#[tokio::test]
async fn a_code_belongs_to_client_and_redirect_and_lives_ten_minutes() {
    let clock = ManualClock::at(1_000_000);
    let options = Options {
        auto_approve: true,
        clock: Arc::new(clock.clone()),
        ..Options::default()
    };
    let running = start(options).await;
    for (client, redirect, waits, expected) in [
        ("app", CALLBACK, 599, 200),
        ("other", CALLBACK, 0, 400),
        ("app", "http://127.0.0.1:8787/other", 0, 400),
        ("app", CALLBACK, 600, 400),
    ] {
        let response = running
            .client
            .get(authorize(&running.base))
            .send()
            .await
            .unwrap();
        let code = redirected_to(&response).remove("code").unwrap();
        clock.advance(Duration::from_secs(waits));
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect),
        ];
        assert_eq!(
            token(&running, client, &form).await.0,
            expected,
            "{client} {redirect} {waits}"
        );
    }
}

#[tokio::test]
async fn a_known_app_is_checked() {
    let app = App {
        client_id: "app".to_owned(),
        client_secret: "secret".to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
    };
    let running = start(Options {
        app: Some(app),
        ..Options::default()
    })
    .await;
    let form = [("grant_type", "client_credentials"), ("scope", "pins:read")];
    let (status, body) = token(&running, "app", &form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body["access_token"].as_str().unwrap().starts_with("pinc_"));
    assert!(body.get("refresh_token").is_none());
    assert_eq!(refusal(&token(&running, "stranger", &form).await).0, 401);
    let no_basic = running
        .client
        .post(format!("{}/v5/oauth/token", running.base))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(
        refusal(&read(no_basic).await),
        (401, 2, "Authentication failed.".to_owned())
    );

    for (from, to) in [
        ("client_id=app", "client_id=x"),
        ("callback", "elsewhere"),
        ("=code", "=token"),
        ("pins", "pin"),
    ] {
        let address = authorize(&running.base).replace(from, to);
        let response = running.client.get(address).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{to}");
    }
}

#[tokio::test]
async fn ordinary_tokens_cannot_be_revoked() {
    let running = start(Options::default()).await;
    let request = running
        .client
        .post(format!("{}/v5/oauth/token/revoke", running.base));
    let response = request
        .basic_auth("app", Some("secret"))
        .form(&[("token", &running.token)])
        .send()
        .await
        .unwrap();
    assert_eq!(refusal(&read(response).await).1, 29);
    assert_eq!(running.get("/v5/user_account").await.0, StatusCode::OK);
}

#[tokio::test]
async fn tokens_expire_after_thirty_days_and_can_be_taken_back() {
    let clock = ManualClock::at(0);
    let running = start(Options {
        clock: Arc::new(clock.clone()),
        ..Options::default()
    })
    .await;
    clock.advance(Duration::from_secs(2_592_000 - 1));
    assert_eq!(running.get("/v5/boards").await.0, StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        refusal(&running.get("/v5/boards").await),
        (401, 2, "Authentication failed.".to_owned())
    );

    let running = start(Options::default()).await;
    running.sandbox.revoke_tokens();
    assert_eq!(refusal(&running.get("/v5/boards").await).1, 2);
}

#[tokio::test]
async fn scopes_and_client_tokens_have_their_limits() {
    let mut running = start(Options::default()).await;
    let scopes = ["boards:read", "boards:write", "pins:read"];
    running.token = running
        .sandbox
        .issue_tokens("app", multi_upload_sandbox::USERNAME, &scopes)
        .unwrap()
        .access_token;
    let (status, code, message) = refusal(&running.post("/v5/pins", &pin("x")).await);
    assert_eq!((status, code), (401, 3));
    assert!(message.contains("pins:write"), "{message}");

    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "pins:read pins:write boards:read boards:write"),
    ];
    running.token = token(&running, "app", &form).await.1["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        running.post("/v5/pins", &pin("x")).await.0,
        StatusCode::CREATED
    );
    let media = serde_json::json!({"media_type": "video"});
    assert_eq!(refusal(&running.post("/v5/media", &media).await).1, 29);
}

#[tokio::test]
async fn access_tiers() {
    let with = |app_state| Options {
        switches: Switches {
            app_state,
            ..Switches::default()
        },
        ..Options::default()
    };
    let running = start(with(AppState::Trial)).await;
    let (status, code, message) = refusal(&running.post("/v5/pins", &pin("x")).await);
    assert_eq!((status, code), (403, 29));
    assert!(
        message.starts_with("Apps with Trial access may not create Pins in production"),
        "{message}"
    );
    assert_eq!(running.get("/v5/boards").await.0, StatusCode::OK);

    let running = start(with(AppState::Pending)).await;
    let (status, code, message) = refusal(&running.get("/v5/boards").await);
    assert_eq!((status, code), (401, 3));
    assert!(
        message.contains("consumer type is not supported"),
        "{message}"
    );
}
