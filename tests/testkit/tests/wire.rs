//! The faults really happen on the wire.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod common;

use std::io::ErrorKind;

use common::{UPLOAD, connect, create, kit, open, send};
use multi_upload_testkit::API_KEY;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_reset_is_a_reset_and_the_next_step_answers() {
    let kit = kit().await;
    let session = open(&kit, "uploads.create.retry-reset");
    let first = create(&session.base_url, "k", 1, UPLOAD).await;
    assert_eq!(first.ended, Err(ErrorKind::ConnectionReset));
    assert_eq!(first.head, "");
    let second = create(&session.base_url, "k", 2, UPLOAD).await;
    assert_eq!((second.status(), second.ended), (202, Ok(())));
    assert_eq!(second.json()["id"], "up_1");
}

#[tokio::test]
async fn a_close_is_an_orderly_end_without_an_answer() {
    let kit = kit().await;
    let session = open(&kit, "uploads.create.retry-closed");
    let first = create(&session.base_url, "k", 1, UPLOAD).await;
    assert_eq!((first.ended, first.head.as_str()), (Ok(()), ""));
}

#[tokio::test]
async fn a_cut_answer_announces_more_than_it_brings() {
    let kit = kit().await;
    let session = open(&kit, "uploads.create.retry-truncated");
    let first = create(&session.base_url, "k", 1, UPLOAD).await;
    let announced: usize = first.header("content-length").unwrap().parse().unwrap();
    assert_eq!(first.status(), 202);
    assert_eq!(first.body.len(), 40);
    assert!(announced > 40, "{announced}");
}

#[tokio::test]
async fn drops_add_up_to_the_whole_answer() {
    let kit = kit().await;
    let session = open(&kit, "uploads.create.slow-answer");
    let answer = create(&session.base_url, "k", 1, UPLOAD).await;
    assert_eq!(answer.json()["id"], "up_1");
    assert_eq!(
        answer.header("content-length").unwrap(),
        answer.body.len().to_string()
    );
}

#[tokio::test]
async fn never_is_held_while_others_are_served() {
    let kit = kit().await;
    let session = open(&kit, "errors.cancelled");
    let (mut held, prefix) = connect(&session.base_url).await;
    let request = format!(
        "POST {prefix}/v1/uploads HTTP/1.1\r\nhost: kit\r\nauthorization: Bearer {API_KEY}\r\ncontent-length: {}\r\n\r\n{UPLOAD}",
        UPLOAD.len()
    );
    held.write_all(request.as_bytes()).await.unwrap();
    let path = format!("/_spec/sessions/{}/requests?count=1", session.session);
    let arrived = send(kit.url(), "GET", &path, &[], "").await;
    assert_eq!(arrived.json(), json!({ "arrived": 1 }));
    let mut byte = [0];
    let nothing = held.try_read(&mut byte).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_refused_session_refuses() {
    let kit = kit().await;
    let session = open(&kit, "errors.refused");
    let address = session.base_url.strip_prefix("http://").unwrap();
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn what_the_script_does_not_know_is_a_violation() {
    let kit = kit().await;
    let session = open(&kit, "uploads.create.user-key");
    let wrong = send(&session.base_url, "GET", "/v1/boards", &[], "").await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(wrong.header("x-should-retry"), Some("false"));
    create(&session.base_url, "order-4711", 1, UPLOAD).await;
    create(&session.base_url, "order-4711", 1, UPLOAD).await;
    let path = format!("/_spec/sessions/{}/report", session.session);
    let report = send(kit.url(), "GET", &path, &[], "").await.json();
    assert_eq!(report["left"], json!([]));
    let violations = report["violations"].as_array().unwrap();
    assert!(
        violations[0]
            .as_str()
            .unwrap()
            .contains("expected POST /v1/uploads, got GET /v1/boards")
    );
    assert!(
        violations[1]
            .as_str()
            .unwrap()
            .contains("the script has ended")
    );
    let seen = &report["requests"][1];
    assert_eq!(seen["idempotency_key"], "order-4711");
    assert_eq!(
        (&seen["attempt"], &seen["authorized"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(report["requests"][0]["authorized"], false);
    assert!(!report.to_string().contains(API_KEY));
}

#[tokio::test]
async fn two_sessions_of_one_case_do_not_meet() {
    let kit = kit().await;
    let (one, two) = (
        open(&kit, "uploads.create.retry-503"),
        open(&kit, "uploads.create.retry-503"),
    );
    assert_eq!(create(&one.base_url, "k", 1, UPLOAD).await.status(), 503);
    assert_eq!(create(&two.base_url, "k", 1, UPLOAD).await.status(), 503);
    assert_eq!(create(&one.base_url, "k", 2, UPLOAD).await.status(), 202);
    assert_eq!(create(&two.base_url, "k", 2, UPLOAD).await.status(), 202);
}

#[tokio::test]
async fn the_control_calls_answer_as_the_readme_says() {
    let kit = kit().await;
    let get = async |path: &str| send(kit.url(), "GET", path, &[], "").await;
    let list = get("/_spec/cases").await.json();
    let ids = list["cases"].as_array().unwrap();
    assert_eq!(ids.len(), kit.library().cases().len());
    let case = get("/_spec/cases/uploads.create_many.three-requests")
        .await
        .json();
    assert_eq!(
        case["when"]["args"]["uploads"].as_array().unwrap().len(),
        250
    );
    assert_eq!(
        case["when"]["args"]["uploads"][249]["external_id"],
        "row-249"
    );
    assert!(get("/_spec/surface").await.json()["operations"].is_array());
    assert_eq!(get("/_spec/cases/none").await.status(), 404);
    assert_eq!(get("/_spec/sessions/none/report").await.status(), 404);
    let post = async |body: Value| {
        send(kit.url(), "POST", "/_spec/sessions", &[], &body.to_string()).await
    };
    assert_eq!(post(json!({ "case": "none" })).await.status(), 400);
    assert_eq!(post(json!({ "caze": "none" })).await.status(), 400);
    let opened = post(json!({ "case": "uploads.create.ok", "flip": true }))
        .await
        .json();
    assert!(opened["flipped"].is_string() && opened["base_url"].is_string());
}
