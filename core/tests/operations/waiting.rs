//! Waiting for uploads on the change feed.

use std::time::Duration;

use multi_upload_core::CallOptions;
use multi_upload_core::wire::UploadStatus;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::script::{Reply, Script, not_sent, upload};
use crate::{options, progress};

fn changes(uploads: &[Value], cursor: &str) -> Reply {
    Reply::Json(200, json!({"uploads": uploads, "cursor": cursor}))
}

#[tokio::test(start_paused = true)]
async fn waiting_is_one_poll_at_a_time_and_survives_a_restart_of_the_service() {
    let script = Script::by(|seen, number| match number {
        0 => changes(&[], "0"),
        1 => Reply::Json(200, upload("up_1", "scheduled")),
        // Nothing for half a minute, then ten failures in a row, then the end.
        2 => Reply::After(Duration::from_secs(30), Box::new(changes(&[], "1"))),
        3..=12 => not_sent(),
        13 => changes(&[upload("up_1", "published")], "2"),
        _ => panic!("not in the script: {}", seen.line),
    });
    let begun = Instant::now();
    let upload = script
        .client()
        .uploads()
        .wait("up_1", &options())
        .await
        .expect("published");
    assert_eq!(upload.status, UploadStatus::Published);
    assert!(begun.elapsed() > Duration::from_secs(50));
    let lines = script.lines();
    assert_eq!(lines[2], "GET /v1/changes?since=0&wait=30&limit=1000");
    assert_eq!(lines[13], "GET /v1/changes?since=1&wait=30&limit=1000");
}

#[tokio::test(start_paused = true)]
async fn a_wait_over_its_time_says_what_is_open() {
    let script = Script::by(|seen, _| match seen.line.as_str() {
        "GET /v1/changes?wait=0" => changes(&[], "0"),
        "GET /v1/uploads/up_1" => Reply::Json(200, upload("up_1", "published")),
        "GET /v1/uploads/up_2" => Reply::Json(200, upload("up_2", "scheduled")),
        // A service that does not hold polls open must not be asked without a pause.
        _ => changes(&[], "0"),
    });
    let options = CallOptions {
        timeout: Some(Duration::from_secs(60)),
        ..options()
    };
    let begun = Instant::now();
    let ids = ["up_1".to_owned(), "up_2".to_owned()];
    let error = script
        .client()
        .uploads()
        .wait_many(&ids, &options)
        .await
        .expect_err("up_2 stays");
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
    assert_eq!(error.code(), "DEADLINE_EXCEEDED");
    assert!(
        error
            .info()
            .detail
            .contains("1 of 2 uploads are not settled: up_2"),
        "{error}"
    );
    assert!(
        script.seen().len() < 25,
        "{} requests in a minute",
        script.seen().len()
    );
}

#[tokio::test(start_paused = true)]
async fn many_are_read_from_the_list_and_come_in_the_order_asked_for() {
    let ids: Vec<String> = (0..50).map(|index| format!("up_{index}")).collect();
    let script = Script::by(|seen, _| match seen.line.as_str() {
        "GET /v1/changes?wait=0" => changes(&[], "0"),
        "GET /v1/uploads?limit=1000" => {
            // The newest are others' and the oldest is not among them.
            let items: Vec<Value> = (1..60)
                .rev()
                .map(|index| upload(&format!("up_{index}"), "publishing"))
                .collect();
            Reply::Json(200, json!({"items": items, "next_cursor": null}))
        }
        "GET /v1/uploads/up_0" => Reply::Json(200, upload("up_0", "failed")),
        "GET /v1/changes?since=0&wait=30&limit=1000" => {
            let done: Vec<Value> = (1..60)
                .map(|index| upload(&format!("up_{index}"), "published"))
                .collect();
            changes(&done, "1")
        }
        other => panic!("not in the script: {other}"),
    });
    let (options, heard) = progress();
    let mut asked = ids.clone();
    asked.push("up_3".to_owned());
    let uploads = script
        .client()
        .uploads()
        .wait_many(&asked, &options)
        .await
        .expect("all end");
    assert_eq!(
        uploads
            .iter()
            .map(|upload| upload.id.clone())
            .collect::<Vec<_>>(),
        asked
    );
    assert_eq!(script.seen().len(), 4);
    assert_eq!(*heard.lock().expect("no panic"), [(1, 50), (50, 50)]);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_wait_for_is_no_request() {
    let script = Script::of([]);
    let uploads = script
        .client()
        .uploads()
        .wait_many(&[], &options())
        .await
        .expect("nothing");
    assert!(uploads.is_empty());
    let mut watch = script.client().uploads().watch(Some(Vec::new()), options());
    assert!(watch.next().await.is_none());
}
