//! Many uploads in one call.

use std::time::Duration;

use multi_upload_core::CallOptions;
use multi_upload_core::wire::{BatchItem, CreateUpload};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::script::{Reply, Script, Seen, problem, upload};
use crate::{options, progress};

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
