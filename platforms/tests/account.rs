//! Consent, tokens, profile, boards and sections against the fake Pinterest.

#![allow(clippy::unwrap_used, reason = "a panic is the failure")]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{BOARD, EMPTY_BOARD, Fake, answer, platform, said};
use multi_upload_platforms::{
    AuthorizeRequest, BoardsQuery, FailureClass, Platform as _, TokenSet,
};
use multi_upload_sandbox::{
    Action, App, AppState, Fault, Limit, Limits, Options, Switches, USER_ID, USERNAME,
};
use multi_upload_wire::{CreateBoard, CreateSection, ErrorCode, Outcome, Retry};
use serde_json::json;
use url::Url;

const CALLBACK: &str = "http://127.0.0.1:8787/oauth/pinterest/callback";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn query(limit: u32) -> BoardsQuery {
    BoardsQuery {
        limit,
        ..BoardsQuery::default()
    }
}

/// Opens the consent page like a browser, with everything approved; gives the code that comes back.
async fn consent(fake: &Fake) -> String {
    let page = fake.platform.authorize_url(&AuthorizeRequest {
        redirect_uri: CALLBACK.to_owned(),
        state: "s t&".to_owned(),
    });
    let browser = reqwest::Client::builder()
        .tls_backend_preconfigured((*multi_upload_core::tls::client_config()).clone())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let response = browser.get(page).send().await.unwrap();
    let back = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    assert!(back.as_str().starts_with(CALLBACK));
    let value = |name: &str| {
        back.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(value("state").as_deref(), Some("s t&"));
    value("code").unwrap()
}

async fn approving() -> Fake {
    Fake::with(Options {
        auto_approve: true,
        ..Options::default()
    })
    .await
}

fn is_full(tokens: &TokenSet) {
    assert!(
        tokens.access_token.starts_with("pina")
            && tokens.refresh_token.as_deref().unwrap().starts_with("pinr")
    );
    assert_eq!(tokens.expires_in, 30 * DAY);
    assert_eq!(tokens.refresh_expires_in, Some(60 * DAY));
    let granted: HashSet<_> = tokens.scopes.iter().map(String::as_str).collect();
    assert_eq!(granted, HashSet::from(common::SCOPES));
}

#[tokio::test]
async fn an_account_is_connected_and_renewed() {
    let fake = approving().await;
    let code = consent(&fake).await;
    let tokens = fake.platform.exchange_code(&code, CALLBACK).await.unwrap();
    is_full(&tokens);
    let profile = fake.platform.profile(&tokens.access_token).await.unwrap();
    assert_eq!(
        (profile.id.as_str(), profile.name.as_deref()),
        (USER_ID, Some(USERNAME))
    );
    let newer = fake
        .platform
        .refresh(&tokens.refresh_token.unwrap())
        .await
        .unwrap();
    is_full(&newer);
    assert_ne!(newer.access_token, tokens.access_token);
    assert!(fake.platform.profile(&newer.access_token).await.is_ok());
}

#[tokio::test]
async fn a_code_works_once() {
    let fake = approving().await;
    let code = consent(&fake).await;
    fake.platform.exchange_code(&code, CALLBACK).await.unwrap();
    let error = fake
        .platform
        .exchange_code(&code, CALLBACK)
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::Rejected);
    assert!(error.info.is(ErrorCode::PlatformRejected), "{error}");
    assert!(
        error.info.remedy.contains("Start the connection again"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains(&code));
}

#[tokio::test]
async fn a_dead_refresh_token_needs_a_new_consent() {
    let fake = Fake::start().await;
    let error = fake.platform.refresh("pinr_dead").await.unwrap_err();
    assert_eq!(error.class, FailureClass::ReconnectRequired);
    assert!(
        error.info.is(ErrorCode::AccountReconnectRequired),
        "{error}"
    );
    assert_eq!(said(&error), (Some(401), Some("2")));
    assert_eq!(fake.asked("POST /v5/oauth/token"), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_hinted_at() {
    let app = App {
        client_id: "app".to_owned(),
        client_secret: "right".to_owned(),
        redirect_uris: Vec::new(),
    };
    let fake = Fake::with(Options {
        app: Some(app),
        ..Options::default()
    })
    .await;
    let error = fake
        .platform
        .exchange_code("code", CALLBACK)
        .await
        .unwrap_err();
    assert!(
        error.info.remedy.contains("PINTEREST_APP_SECRET"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("secret\""));
}

#[tokio::test]
async fn without_an_app_nothing_is_asked() {
    let fake = Fake::start().await;
    let bare = platform(&fake.base, "", "");
    assert!(bare.can_connect().unwrap_err().is(ErrorCode::ConfigInvalid));
    for error in [
        bare.exchange_code("code", CALLBACK).await.unwrap_err(),
        bare.refresh("pinr_1").await.unwrap_err(),
    ] {
        assert!(error.info.is(ErrorCode::ConfigInvalid), "{error}");
        assert!(
            error
                .info
                .detail
                .contains("PINTEREST_APP_ID and PINTEREST_APP_SECRET"),
            "{error}"
        );
    }
    assert_eq!(fake.asked("POST /v5/oauth/token"), 0);
    // Boards need no app.
    assert!(bare.boards(&fake.token, &query(1)).await.is_ok());
    assert!(fake.platform.can_connect().is_ok());
}

#[tokio::test]
async fn a_token_call_is_repeated_after_an_error_and_never_after_a_cut() {
    let fake = Fake::start().await;
    let refresh = || async {
        let tokens = fake
            .sandbox
            .issue_tokens("app", USERNAME, &common::SCOPES)
            .unwrap();
        fake.platform.refresh(&tokens.refresh_token).await
    };
    fake.faults([Fault::on("POST", "/v5/oauth/token", Action::status(500))]);
    is_full(&refresh().await.unwrap());
    assert_eq!(fake.asked("POST /v5/oauth/token"), 2);
    fake.faults([Fault::on("POST", "/v5/oauth/token", Action::cut()).after()]);
    let error = refresh().await.unwrap_err();
    assert_eq!(error.class, FailureClass::Unavailable);
    assert_eq!(fake.asked("POST /v5/oauth/token"), 3);
}

#[tokio::test]
async fn all_boards_come_page_by_page() {
    let fake = Fake::start().await;
    let mut boards = Vec::new();
    let mut pages = 0;
    let mut cursor = None;
    loop {
        let page = fake
            .platform
            .boards(
                &fake.token,
                &BoardsQuery {
                    cursor,
                    ..query(10)
                },
            )
            .await
            .unwrap();
        boards.extend(page.items);
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, 4);
    let ids: HashSet<_> = boards.iter().map(|board| board.id.as_str()).collect();
    assert_eq!((boards.len(), ids.len()), (31, 31));
    let named = |name: &str| boards.iter().find(|board| board.name == name).unwrap();
    let first = named("Kitchen Ideas");
    assert_eq!((first.id.as_str(), first.pin_count), (BOARD, Some(3)));
    assert_eq!(
        (first.privacy.as_deref(), first.owner.as_deref()),
        (Some("PUBLIC"), Some(USERNAME))
    );
    assert_eq!(named("Surprise Party").privacy.as_deref(), Some("SECRET"));
    assert_eq!(
        named("Friends' Cookbook").owner.as_deref(),
        Some("sandbox_friends")
    );
    let secret = BoardsQuery {
        privacy: Some("SECRET".to_owned()),
        ..query(250)
    };
    let secret = fake.platform.boards(&fake.token, &secret).await.unwrap();
    assert_eq!(
        secret
            .items
            .iter()
            .map(|board| board.name.as_str())
            .collect::<Vec<_>>(),
        ["Surprise Party"]
    );
    // 251 would be an error at Pinterest.
    assert_eq!(
        fake.platform
            .boards(&fake.token, &query(1_000))
            .await
            .unwrap()
            .items
            .len(),
        31
    );
}

#[tokio::test]
async fn boards_and_sections_are_made() {
    let fake = Fake::start().await;
    let new = CreateBoard {
        name: "Lemons".to_owned(),
        description: Some("All of them".to_owned()),
        privacy: Some("SECRET".to_owned()),
    };
    let board = fake.platform.create_board(&fake.token, &new).await.unwrap();
    assert_eq!(
        (board.name.as_str(), board.privacy.as_deref()),
        ("Lemons", Some("SECRET"))
    );
    assert_eq!(board.description.as_deref(), Some("All of them"));
    let error = fake
        .platform
        .create_board(&fake.token, &new)
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::Rejected);
    assert_eq!(
        (error.info.outcome, error.info.retry),
        (Outcome::None, Retry::No)
    );
    let new = CreateSection {
        name: "Zest".to_owned(),
    };
    let section = fake
        .platform
        .create_section(&fake.token, &board.id, &new)
        .await
        .unwrap();
    let page = fake
        .platform
        .sections(&fake.token, &board.id, None)
        .await
        .unwrap();
    assert_eq!((page.items, page.next_cursor), (vec![section], None));
}

#[tokio::test]
async fn a_board_that_may_exist_is_not_made_twice() {
    let fake = Fake::start().await;
    fake.faults([Fault::on("POST", "/v5/boards", Action::cut()).after()]);
    let new = CreateBoard {
        name: "Lemons".to_owned(),
        ..CreateBoard::default()
    };
    let error = fake
        .platform
        .create_board(&fake.token, &new)
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::Unavailable);
    assert_eq!(
        (error.info.outcome, error.info.retry),
        (Outcome::Unknown, Retry::AfterReconcile)
    );
    assert_eq!(fake.asked("POST /v5/boards"), 1);
    assert_eq!(fake.sandbox.ledger().boards.len(), 1);
}

#[tokio::test]
async fn ids_that_are_no_ids_never_become_a_path() {
    let fake = Fake::start().await;
    for id in ["", "..", "1/../2", "my-board", "1?x"] {
        let error = fake
            .platform
            .sections(&fake.token, id, None)
            .await
            .unwrap_err();
        assert!(error.info.is(ErrorCode::ValidationFailed), "{error}");
        assert_eq!(error.info.errors[0].pointer, "/board_id");
    }
    assert!(fake.sandbox.ledger().log.is_empty());
}

#[tokio::test]
async fn a_missing_board_is_not_found() {
    let fake = Fake::start().await;
    let error = fake
        .platform
        .sections(&fake.token, "1", None)
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::NotFound);
    assert_eq!(said(&error), (Some(404), Some("40")));
    assert!(error.info.platform.unwrap().request_id.is_some());
}

#[tokio::test]
async fn reads_survive_a_hiccup_and_give_up_after_three() {
    let fake = Fake::start().await;
    for hiccup in [
        Action::status(500),
        Action::status(503),
        Action::cut(),
        Action::cut_after(5),
    ] {
        let before = fake.asked("GET /v5/boards");
        fake.faults([Fault::on("GET", "/v5/boards", hiccup).times(2)]);
        assert!(fake.platform.boards(&fake.token, &query(1)).await.is_ok());
        assert_eq!(fake.asked("GET /v5/boards"), before + 3);
    }
    let before = fake.asked("GET /v5/boards");
    fake.faults([Fault::on("GET", "/v5/boards", Action::status(500)).times(0)]);
    let error = fake
        .platform
        .boards(&fake.token, &query(1))
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::Unavailable);
    assert_eq!((error.info.attempts, error.info.exhausted), (Some(3), true));
    assert_eq!(fake.asked("GET /v5/boards"), before + 3);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = Fake::start().await;
    let elsewhere = Action {
        redirect: Some(format!("{}/v5/user_account", fake.base)),
        ..Action::default()
    };
    fake.faults([Fault::on("GET", "/v5/boards", elsewhere)]);
    let error = fake
        .platform
        .boards(&fake.token, &query(1))
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::BadAnswer);
    assert_eq!(fake.asked("GET /v5/user_account"), 0);
}

#[tokio::test]
async fn a_limit_is_reported_with_its_reset_and_left_to_the_caller() {
    let fake = Fake::with(Options {
        limits: Limits {
            org_read: Some(Limit {
                max: 1,
                window_s: 3_600,
            }),
            ..Limits::standard()
        },
        ..Options::default()
    })
    .await;
    fake.platform.profile(&fake.token).await.unwrap();
    let error = fake.platform.profile(&fake.token).await.unwrap_err();
    assert_eq!(error.class, FailureClass::RateLimited);
    let wait = error.retry_after.unwrap();
    assert!(
        wait > Duration::from_secs(3_500) && wait <= Duration::from_secs(3_600),
        "{wait:?}"
    );
    assert_eq!(fake.asked("GET /v5/user_account"), 2);
}

#[tokio::test]
async fn a_dead_token_and_a_pending_app_are_told_apart() {
    let fake = Fake::start().await;
    fake.switch(Switches {
        app_state: AppState::Pending,
        ..Switches::default()
    });
    let error = fake.platform.profile(&fake.token).await.unwrap_err();
    assert_eq!(error.class, FailureClass::AppNotAllowed);
    fake.switch(Switches::default());
    let few = fake
        .sandbox
        .issue_tokens("app", USERNAME, &["pins:read"])
        .unwrap();
    let error = fake.platform.profile(&few.access_token).await.unwrap_err();
    assert_eq!(error.class, FailureClass::ReconnectRequired);
    fake.sandbox.revoke_tokens();
    let error = fake.platform.profile(&fake.token).await.unwrap_err();
    assert_eq!(error.class, FailureClass::TokenExpired);
    assert!(!format!("{error:?}").contains(&fake.token));
}

#[tokio::test]
async fn answers_of_another_version_are_read() {
    let fake = Fake::start().await;
    let boards = json!({
        "items": [
            {"id": "1", "name": "Bare"},
            {"id": "2", "name": "Odd", "privacy": "FRIENDS_ONLY", "owner": null, "pin_count": null, "new": {"deep": [null]}},
            {"name": "No id"},
            null
        ],
        "total": 4
    });
    fake.faults([
        Fault::on("GET", "/v5/boards", answer(200, boards)),
        Fault::on(
            "GET",
            "/v5/user_account",
            answer(206, json!({"username": "old", "account_type": null})),
        ),
        Fault::on(
            "GET",
            "/v5/boards/*/sections",
            answer(200, json!({"items": null, "bookmark": null})),
        ),
        Fault::on(
            "POST",
            "/v5/oauth/token",
            answer(201, json!({"access_token": "pina_1"})),
        ),
        Fault::on(
            "POST",
            "/v5/boards",
            answer(200, json!({"id": 7, "name": "Made"})),
        ),
        Fault::on(
            "POST",
            "/v5/boards/*/sections",
            answer(201, json!({"name": "No id"})),
        ),
    ]);
    let page = fake.platform.boards(&fake.token, &query(25)).await.unwrap();
    let names: Vec<_> = page
        .items
        .iter()
        .map(|board| (board.name.as_str(), board.privacy.as_deref()))
        .collect();
    assert_eq!(names, [("Bare", None), ("Odd", Some("FRIENDS_ONLY"))]);
    assert_eq!(page.next_cursor, None);
    assert_eq!(fake.platform.profile(&fake.token).await.unwrap().id, "old");
    assert!(
        fake.platform
            .sections(&fake.token, EMPTY_BOARD, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let tokens = fake.platform.exchange_code("code", CALLBACK).await.unwrap();
    assert_eq!(
        (
            tokens.expires_in,
            tokens.refresh_token,
            tokens.refresh_expires_in
        ),
        (30 * DAY, None, None)
    );
    let made = CreateBoard {
        name: "Made".to_owned(),
        ..CreateBoard::default()
    };
    assert_eq!(
        fake.platform
            .create_board(&fake.token, &made)
            .await
            .unwrap()
            .id,
        "7"
    );
    let section = CreateSection {
        name: "S".to_owned(),
    };
    let error = fake
        .platform
        .create_section(&fake.token, EMPTY_BOARD, &section)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.info.outcome),
        (FailureClass::BadAnswer, Outcome::Applied)
    );
}

#[tokio::test]
async fn pages_that_are_no_json_are_bad_answers() {
    let fake = Fake::start().await;
    fake.faults([Fault::on(
        "GET",
        "/v5/user_account",
        answer(200, json!("Sign in")),
    )]);
    let error = fake.platform.profile(&fake.token).await.unwrap_err();
    assert_eq!(error.class, FailureClass::BadAnswer);
    assert!(error.info.is(ErrorCode::PlatformBadResponse), "{error}");
}
