//! Operations that take several requests: lists, batches, waiting, files; and the door by name.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on says why and stops"
)]

mod script;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use multi_upload_core::wire::{BatchItem, CreateUpload, UploadStatus};
use multi_upload_core::{CallOptions, MediaInput, UploadFilter};
use script::{Reply, Script, Seen, cut, not_sent, problem, upload};
use serde_json::{Value, json};
use tokio::time::Instant;

fn options() -> CallOptions {
    CallOptions::default()
}

fn rows(count: usize) -> Vec<BatchItem> {
    (0..count)
        .map(|index| BatchItem {
            idempotency_key: None,
            upload: CreateUpload {
                accounts: vec!["pinterest:1".to_owned()],
                external_id: Some(format!("row-{index}")),
                ..CreateUpload::default()
            },
        })
        .collect()
}

/// Stores every row of a batch.
fn stored(seen: &Seen) -> Reply {
    let results: Vec<Value> = seen.body["uploads"]
        .as_array()
        .expect("rows")
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let id = format!("up_{}", row["external_id"].as_str().expect("a label"));
            json!({"index": index, "upload": upload(&id, "scheduled")})
        })
        .collect();
    Reply::Json(200, json!({ "results": results }))
}

/// Every call of the progress observer: done, total.
type Heard = Arc<Mutex<Vec<(u64, u64)>>>;

fn progress() -> (CallOptions, Heard) {
    let heard = Heard::default();
    let options = CallOptions {
        on_progress: Some(Arc::new({
            let heard = Arc::clone(&heard);
            move |step: multi_upload_core::Progress| {
                heard
                    .lock()
                    .expect("no panic")
                    .push((step.done, step.total))
            }
        })),
        ..options()
    };
    (options, heard)
}

#[tokio::test(start_paused = true)]
async fn a_failed_request_in_the_middle_of_a_batch_fails_its_rows_only() {
    let script = Script::by(|seen, _| {
        if seen.body["uploads"][0]["external_id"] == "row-100" {
            problem(503, "STORAGE_FULL")
        } else {
            stored(seen)
        }
    });
    let (options, heard) = progress();
    let answer = script
        .client()
        .uploads()
        .create_many(rows(250), &options)
        .await
        .expect("rows fail, not the call");
    for (index, result) in answer.results.iter().enumerate() {
        assert_eq!(result.index, index as u64);
        if (100..200).contains(&index) {
            let error = result.error.as_ref().expect("its request failed");
            assert_eq!(
                (error.code.as_str(), error.attempts),
                ("STORAGE_FULL", Some(3))
            );
            assert!(result.upload.is_none());
        } else {
            let upload = result.upload.as_ref().expect("stored");
            assert_eq!(upload.id, format!("up_row-{index}"));
        }
    }
    assert_eq!(
        *heard.lock().expect("no panic"),
        [(100, 250), (200, 250), (250, 250)]
    );
    // The failed request was repeated with the same keys; each failed row names its own.
    let seen = script.seen();
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[1].body, seen[3].body);
    let key = &seen[1].body["uploads"][7]["idempotency_key"];
    assert_eq!(
        answer.results[107]
            .error
            .as_ref()
            .and_then(|error| error.idempotency_key.clone()),
        key.as_str().map(str::to_owned)
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_fails_the_batch_only_while_nothing_is_stored() {
    let script = Script::of([problem(401, "API_KEY_INVALID")]);
    let error = script
        .client()
        .uploads()
        .create_many(rows(150), &options())
        .await
        .expect_err("nothing is stored");
    assert_eq!(error.code(), "API_KEY_INVALID");

    let script = Script::by(|seen, number| {
        if number == 0 {
            stored(seen)
        } else {
            problem(401, "API_KEY_EXPIRED")
        }
    });
    let answer = script
        .client()
        .uploads()
        .create_many(rows(150), &options())
        .await
        .expect("the first 100 are stored");
    assert_eq!(
        answer
            .results
            .iter()
            .filter(|result| result.upload.is_some())
            .count(),
        100
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_batch_ends_it_with_what_was_stored() {
    let script = Script::by(|seen, number| {
        if number == 0 {
            stored(seen)
        } else {
            Reply::Never
        }
    });
    let options = CallOptions {
        timeout: Some(Duration::from_secs(5)),
        ..options()
    };
    let begun = Instant::now();
    let answer = script
        .client()
        .uploads()
        .create_many(rows(250), &options)
        .await
        .expect("the first 100 are stored");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    let codes: Vec<_> = answer.results[100..]
        .iter()
        .filter_map(|result| result.error.as_ref())
        .map(|error| (error.code.as_str(), error.attempts))
        .collect();
    assert_eq!(codes[..100], [("DEADLINE_EXCEEDED", Some(1)); 100]);
    // The last request was never begun, and its rows say so.
    assert_eq!(codes[100..], [("DEADLINE_EXCEEDED", Some(0)); 50]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_too_few_results_is_not_guessed_at() {
    let script = Script::of([Reply::Json(200, json!({"results": []}))]);
    let answer = script
        .client()
        .uploads()
        .create_many(rows(2), &options())
        .await
        .expect("rows fail");
    assert!(answer.results.iter().all(|result| {
        result
            .error
            .as_ref()
            .is_some_and(|error| error.code == "PROTOCOL_ERROR")
    }));
}

#[tokio::test(start_paused = true)]
async fn rows_that_travel_alone_are_eight_at_once_and_keep_their_order() {
    // Later rows are answered sooner; a row that asks to be checked only is not sent.
    let script = Script::by(|seen, number| {
        let label = seen.body["external_id"].as_str().expect("a label");
        let answer = Reply::Json(202, upload(&format!("up_{label}"), "scheduled"));
        Reply::After(
            Duration::from_millis(8 - number as u64 % 8),
            Box::new(answer),
        )
    });
    let mut rows = rows(20);
    rows[5].upload.dry_run = Some(true);
    let (options, heard) = progress();
    let begun = Instant::now();
    let answer = script
        .client()
        .uploads()
        .create_many_by(rows, 1, &options)
        .await
        .expect("rows fail, not the call");
    assert!(
        begun.elapsed() <= Duration::from_millis(3 * 8),
        "{:?}",
        begun.elapsed()
    );
    for (index, result) in answer.results.iter().enumerate() {
        assert_eq!(result.index, index as u64);
        let id = result.upload.as_ref().map(|upload| upload.id.clone());
        assert_eq!(id, (index != 5).then(|| format!("up_row-{index}")));
    }
    let refused = answer.results[5].error.as_ref().expect("not stored");
    assert_eq!(refused.errors[0].pointer, "/dry_run");
    assert_eq!(heard.lock().expect("no panic").last(), Some(&(20, 20)));
    let seen = script.seen();
    assert_eq!(seen.len(), 19);
    assert!(
        seen.iter()
            .all(|seen| seen.body["idempotency_key"].is_null())
    );
}

#[tokio::test(start_paused = true)]
async fn lists_go_on_to_the_end_and_stop_at_an_error() {
    let page = |items: &[&str], next: Option<&str>| {
        let items: Vec<Value> = items.iter().map(|id| upload(id, "scheduled")).collect();
        Reply::Json(200, json!({"items": items, "next_cursor": next}))
    };
    let script = Script::of([
        page(&["up_1", "up_2"], Some("a b")),
        page(&[], Some("c")),
        page(&["up_3"], None),
    ]);
    let filter = UploadFilter {
        status: Some(UploadStatus::Scheduled),
        limit: Some(2),
        ..UploadFilter::default()
    };
    let all = script
        .client()
        .uploads()
        .list(&filter, options())
        .collect()
        .await
        .expect("all pages");
    assert_eq!(
        all.iter()
            .map(|upload| upload.id.as_str())
            .collect::<Vec<_>>(),
        ["up_1", "up_2", "up_3"]
    );
    assert_eq!(
        script.lines(),
        [
            "GET /v1/uploads?status=scheduled&limit=2",
            "GET /v1/uploads?status=scheduled&limit=2&cursor=a%20b",
            "GET /v1/uploads?status=scheduled&limit=2&cursor=c",
        ]
    );

    let script = Script::of([page(&["up_1"], Some("a")), problem(403, "SCOPE_MISSING")]);
    let mut items = script
        .client()
        .uploads()
        .list(&UploadFilter::default(), options());
    assert!(items.next().await.is_some_and(|item| item.is_ok()));
    assert!(items.next().await.is_some_and(|item| item.is_err()));
    assert!(items.next().await.is_none() && items.next().await.is_none());

    let script = Script::by(move |_, _| page(&["up_1"], Some("same")));
    let error = script
        .client()
        .uploads()
        .list(&UploadFilter::default(), options())
        .collect()
        .await
        .expect_err("no end");
    assert_eq!(error.code(), "PROTOCOL_ERROR");
}

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

#[tokio::test]
async fn a_file_goes_up_whole_and_is_read_back() {
    let media = json!({
        "id": "md_1", "status": "ready", "kind": "image", "content_type": "image/png", "bytes": 4, "width": 1,
        "height": 1, "sha256": "00", "created_at": "2026-11-24T10:00:00Z", "expires_at": null, "refusals": {},
    });
    let created = |offset: &str| {
        Reply::With(
            201,
            vec![
                ("location", "http://h/v1/media/md_1".to_owned()),
                ("upload-offset", offset.to_owned()),
            ],
            Value::Null,
        )
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pin.png");
    std::fs::write(&path, b"\x89PNG").expect("written");
    let script = Script::of([created("4"), Reply::Json(200, media)]);
    let (options, heard) = progress();
    let found = script
        .client()
        .media()
        .upload(MediaInput::Path(path), &options)
        .await
        .expect("it goes up");
    assert_eq!(found.id, "md_1");
    let seen = script.seen();
    assert_eq!(script.lines(), ["POST /v1/media", "GET /v1/media/md_1"]);
    assert_eq!(&seen[0].bytes[..], b"\x89PNG");
    assert_eq!(seen[0].header("upload-length"), Some("4"));
    assert_eq!(*heard.lock().expect("no panic"), [(0, 4), (4, 4)]);

    // A service that took less is sent the rest; one that then still lacks something is not believed.
    let partly =
        |offset: &str| Reply::With(204, vec![("upload-offset", offset.to_owned())], Value::Null);
    let gone = Reply::With(204, Vec::new(), Value::Null);
    let script = Script::of([created("3"), partly("3"), gone]);
    let bytes = MediaInput::Bytes(bytes::Bytes::from_static(b"\x89PNG"));
    let error = script
        .client()
        .media()
        .upload(bytes, &options)
        .await
        .expect_err("a byte is missing");
    assert!(error.info().detail.contains("3 of 4 bytes"), "{error}");
    let seen = script.seen();
    assert_eq!(
        (&seen[1].bytes[..], seen[1].header("upload-offset")),
        (&b"G"[..], Some("3"))
    );
}

#[tokio::test]
async fn the_door_names_what_is_wrong() {
    let script = Script::of([]);
    let client = script.client();
    let error = client
        .call("uploads.creat", json!({}), options())
        .await
        .expect_err("unknown");
    assert_eq!(error.code(), "CONFIG_INVALID");
    assert!(
        error
            .info()
            .detail
            .contains("did you mean `uploads.create`"),
        "{error}"
    );
    let cases = [
        ("uploads.get", json!({}), "/id", "required"),
        (
            "uploads.get",
            json!({"id": "up_1", "idd": 1}),
            "/idd",
            "unknown",
        ),
        (
            "uploads.list",
            json!({"status": "publised"}),
            "/status",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [1]}),
            "/uploads/0",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [{"idempotency_key": 5}]}),
            "/uploads/0/idempotency_key",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [], "batch_size": 0}),
            "/batch_size",
            "invalid",
        ),
        (
            "uploads.create_many",
            json!({"uploads": [], "batch_size": 1001}),
            "/batch_size",
            "invalid",
        ),
        (
            "uploads.wait_many",
            json!({"ids": "up_1"}),
            "/ids",
            "invalid",
        ),
        (
            "media.upload",
            json!({"bytes_base64": "%"}),
            "/bytes_base64",
            "invalid",
        ),
        ("media.upload", json!({}), "/path", "required"),
        (
            "boards.list",
            json!({"account": ".."}),
            "/account",
            "invalid",
        ),
    ];
    for (operation, args, pointer, code) in cases {
        let error = client
            .call(operation, args, options())
            .await
            .expect_err(operation);
        assert_eq!(error.code(), "VALIDATION_FAILED", "{operation}");
        assert_eq!(
            (
                error.info().errors[0].pointer.as_str(),
                error.info().errors[0].code.as_str()
            ),
            (pointer, code)
        );
    }
    // Errors of a stream are its first item.
    for operation in ["uploads.lst", "uploads.get"] {
        let mut stream = client.stream(operation, json!({"id": "up_1"}), options());
        assert!(
            stream.next().await.is_some_and(|item| item.is_err()),
            "{operation}"
        );
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn a_list_may_be_called_and_an_answer_without_a_body_is_an_empty_object() {
    let script = Script::of([
        Reply::Json(
            200,
            json!({"items": [{"id": "1", "newer": true}], "next_cursor": null}),
        ),
        Reply::Json(204, Value::Null),
    ]);
    let client = script.client();
    let args = json!({"account": "pinterest:1", "q": "a&b", "refresh": true});
    let boards = client
        .call("boards.list", args, options())
        .await
        .expect("a list");
    assert_eq!(boards, json!({"items": [{"id": "1", "newer": true}]}));
    let gone = client
        .call(
            "accounts.disconnect",
            json!({"id": "pinterest:1"}),
            options(),
        )
        .await
        .expect("gone");
    assert_eq!(gone, json!({}));
    assert_eq!(
        script.lines(),
        [
            "GET /v1/accounts/pinterest%3A1/boards?q=a%26b&refresh=true",
            "DELETE /v1/accounts/pinterest%3A1"
        ]
    );
}
