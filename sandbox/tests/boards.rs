//! Boards and sections.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashSet;

use common::{BOARD, Running, pin, refusal, start};
use multi_upload_sandbox::{Options, USERNAME};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn all_boards(running: &Running, query: &str) -> (Vec<Value>, usize) {
    let (mut boards, mut pages, mut bookmark) = (Vec::new(), 0, String::new());
    loop {
        let (status, page) = running.get(&format!("/v5/boards?{query}{bookmark}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        boards.extend(page["items"].as_array().unwrap().clone());
        pages += 1;
        match page["bookmark"].as_str() {
            Some(next) => bookmark = format!("&bookmark={next}"),
            None => return (boards, pages),
        }
    }
}

fn named<'a>(boards: &'a [Value], name: &str) -> &'a Value {
    boards
        .iter()
        .find(|board| board["name"] == name)
        .unwrap_or_else(|| panic!("no board {name}"))
}

#[tokio::test]
async fn the_seed_fills_two_pages_of_the_usual_size() {
    let running = start(Options::default()).await;
    let (boards, pages) = all_boards(&running, "").await;
    assert_eq!((boards.len(), pages), (31, 2));
    let ids: HashSet<_> = boards
        .iter()
        .map(|board| board["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 31, "none twice");
    let (whole, pages) = all_boards(&running, "page_size=250").await;
    assert_eq!((&whole, pages), (&boards, 1));

    assert_eq!(named(&boards, "Surprise Party")["privacy"], "SECRET");
    let group = named(&boards, "Friends' Cookbook");
    assert_ne!(group["owner"]["username"], USERNAME);
    assert_eq!(
        (&group["pin_count"], &group["collaborator_count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(named(&boards, "Kitchen Ideas")["id"], BOARD);
}

#[tokio::test]
async fn privacy_filters_and_secrets() {
    let mut running = start(Options::default()).await;
    for (privacy, count) in [
        ("ALL", 31),
        ("PUBLIC", 29),
        ("PROTECTED", 1),
        ("SECRET", 1),
        ("PUBLIC_AND_SECRET", 30),
    ] {
        let (boards, _) = all_boards(&running, &format!("privacy={privacy}&page_size=250")).await;
        assert_eq!(boards.len(), count, "{privacy}");
    }
    assert_eq!(
        refusal(&running.get("/v5/boards?privacy=HIDDEN").await).1,
        1
    );

    let (boards, _) = all_boards(&running, "privacy=SECRET").await;
    let secret = boards[0]["id"].as_str().unwrap().to_owned();
    let scopes = ["boards:read", "boards:write", "pins:read", "pins:write"];
    running.token = running
        .sandbox
        .issue_tokens("app", USERNAME, &scopes)
        .unwrap()
        .access_token;
    assert_eq!(
        all_boards(&running, "privacy=ALL&page_size=250")
            .await
            .0
            .len(),
        30
    );
    assert_eq!(
        refusal(&running.get(&format!("/v5/boards/{secret}")).await).1,
        29
    );
    let mut body = pin("secret");
    body["board_id"] = json!(secret);
    assert_eq!(refusal(&running.post("/v5/pins", &body).await).1, 29);
}

#[tokio::test]
async fn paging_refuses_nonsense() {
    let running = start(Options::default()).await;
    for query in [
        "page_size=251",
        "page_size=0",
        "page_size=ten",
        "bookmark=%21",
    ] {
        let (status, code, message) = refusal(&running.get(&format!("/v5/boards?{query}")).await);
        assert_eq!((status, code), (400, 1), "{query}");
        assert!(message.starts_with("Parameter '"), "{message}");
    }
}

#[tokio::test]
async fn a_board_from_creation_to_deletion() {
    let running = start(Options::default()).await;
    let body = json!({"name": "Lamps", "description": null, "privacy": "SECRET"});
    let (status, board) = running.post("/v5/boards", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    let path = format!("/v5/boards/{}", board["id"].as_str().unwrap());
    assert_eq!(running.get(&path).await, (StatusCode::OK, board.clone()));
    assert_eq!(running.sandbox.ledger().boards[0].name, "Lamps");

    assert_eq!(
        refusal(&running.post("/v5/boards", &json!({"name": " lamps"})).await).1,
        400
    );
    assert_eq!(
        refusal(&running.post("/v5/boards", &json!({"name": "  "})).await).1,
        400
    );
    assert_eq!(refusal(&running.post("/v5/boards", &json!({})).await).1, 1);
    assert_eq!(
        refusal(&running.patch(&path, &json!({"privacy": "PROTECTED"})).await).1,
        1
    );
    assert_eq!(
        refusal(
            &running
                .patch(&path, &json!({"name": "Kitchen Ideas"}))
                .await
        )
        .1,
        400
    );

    let (status, changed) = running
        .patch(&path, &json!({"name": "Lights", "privacy": "PUBLIC"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&changed["name"], &changed["privacy"]),
        (&json!("Lights"), &json!("PUBLIC"))
    );

    let mut body = pin("goes with its board");
    body["board_id"] = board["id"].clone();
    let pin_id = running.post("/v5/pins", &body).await.1["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(running.delete(&path).await, StatusCode::NO_CONTENT);
    assert_eq!(running.delete(&path).await, StatusCode::NOT_FOUND);
    assert_eq!(
        refusal(&running.get(&path).await),
        (404, 40, "Board not found.".to_owned())
    );
    assert_eq!(
        refusal(&running.get(&format!("/v5/pins/{pin_id}")).await).1,
        50
    );
    assert!(running.sandbox.ledger().boards[0].deleted);
}

#[tokio::test]
async fn a_group_board_takes_pins_but_belongs_to_another() {
    let running = start(Options::default()).await;
    let (boards, _) = all_boards(&running, "page_size=250").await;
    let id = named(&boards, "Friends' Cookbook")["id"].clone();
    let path = format!("/v5/boards/{}", id.as_str().unwrap());
    assert_eq!(
        refusal(&running.patch(&path, &json!({"name": "Mine"})).await).1,
        29
    );
    assert_eq!(running.delete(&path).await, StatusCode::FORBIDDEN);
    let mut body = pin("shared");
    body["board_id"] = id;
    let (status, made) = running.post("/v5/pins", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["is_owner"], true);
    assert_ne!(made["board_owner"]["username"], USERNAME);
}

#[tokio::test]
async fn sections_and_their_pins() {
    let running = start(Options::default()).await;
    let sections = format!("/v5/boards/{BOARD}/sections");
    let (_, page) = running.get(&sections).await;
    assert_eq!(page["items"][0]["name"], "Islands");
    assert_eq!(page["bookmark"], Value::Null);

    let (status, section) = running.post(&sections, &json!({"name": "Tiles"})).await;
    assert_eq!(status, StatusCode::CREATED);
    let id = section["id"].as_str().unwrap();
    for name in [String::new(), "x".repeat(181)] {
        assert_eq!(
            refusal(&running.post(&sections, &json!({"name": name})).await).1,
            400
        );
    }
    assert_eq!(
        running
            .patch(&format!("{sections}/{id}"), &json!({"name": "Floors"}))
            .await
            .1["name"],
        "Floors"
    );

    let mut body = pin("in a section");
    body["board_section_id"] = json!(id);
    let (_, made) = running.post("/v5/pins", &body).await;
    assert_eq!(made["board_section_id"], *id);
    let (_, in_section) = running.get(&format!("{sections}/{id}/pins")).await;
    assert_eq!(in_section["items"].as_array().unwrap().len(), 1);
    let (_, on_board) = running.get(&format!("/v5/boards/{BOARD}/pins")).await;
    assert_eq!(
        on_board["items"][0]["id"], made["id"],
        "the board's list has the pins of its sections"
    );

    body["board_id"] = json!("549755885175000002");
    assert_eq!(refusal(&running.post("/v5/pins", &body).await).1, 2031);

    assert_eq!(
        running.delete(&format!("{sections}/{id}")).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        running.delete(&format!("{sections}/{id}")).await,
        StatusCode::NOT_FOUND
    );
    let made = running
        .get(&format!("/v5/pins/{}", made["id"].as_str().unwrap()))
        .await
        .1;
    assert_eq!(made["board_section_id"], Value::Null, "the pin stays");
}
