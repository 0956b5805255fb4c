//! Plays the shared behaviour cases (`tests/spec`) against the client: the same that every other language plays.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on says why and stops"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use multi_upload_core::{
    CallOptions, CancellationToken, Client, ClientOptions, Error, OPERATIONS, RetryOptions, Shape,
};
use multi_upload_testkit::{Kit, OpenSession, Opened, Outcome, spec_dir};
use serde_json::{Map, Value, json};

#[tokio::test]
async fn every_case_is_kept() {
    let kit = Kit::start(&spec_dir(), 0).await.expect("the cases load");
    let ids: Vec<String> = kit
        .library()
        .cases()
        .iter()
        .map(|case| case.id.clone())
        .collect();
    let mut failures = Vec::new();
    let mut self_checks = 0;
    for id in &ids {
        let (opened, outcome) = play(&kit, id, false).await;
        let verdict = kit.judge(&opened.session, &outcome).expect("it is open");
        if !verdict.pass {
            failures.push(format!(
                "{id}: {}\n{outcome:#?}",
                verdict.failures.join("\n")
            ));
        }
        let (opened, outcome) = play(&kit, id, true).await;
        if let Some(flipped) = &opened.flipped {
            self_checks += 1;
            let verdict = kit.judge(&opened.session, &outcome).expect("it is open");
            if verdict.pass {
                failures.push(format!("{id}: passes although {flipped} was made wrong"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(
        ids.len() > 50 && self_checks > 50,
        "{} cases, {self_checks} self-checks",
        ids.len()
    );
}

#[tokio::test]
async fn the_operations_are_those_of_the_surface() {
    let kit = Kit::start(&spec_dir(), 0).await.expect("the cases load");
    let mut expected: Vec<(String, bool)> = kit.library().surface()["operations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let name = entry["op"].as_str().expect("a name").to_owned();
            (name, entry["kind"] == "stream")
        })
        .collect();
    let mut found: Vec<(String, bool)> = OPERATIONS
        .iter()
        .map(|operation| (operation.name.to_owned(), operation.shape != Shape::Object))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

async fn play(kit: &Kit, id: &str, flip: bool) -> (Opened, Outcome) {
    let opened = kit
        .open(&OpenSession {
            case: id.to_owned(),
            flip: json!(flip),
            ..OpenSession::default()
        })
        .expect("the case exists");
    let client = Client::http(client_options(&opened)).expect("the address is right");
    let when = &opened.case.when;
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::new(Mutex::new(Vec::new()));
    let cancel = CancellationToken::new();
    let options = CallOptions {
        idempotency_key: text(&when.options, "idempotency_key"),
        timeout: millis(&when.options, "timeout_ms"),
        max_attempts: number(&when.options, "max_attempts"),
        cancel: cancel.clone(),
        on_attempt: Some(Arc::new({
            let attempts = Arc::clone(&attempts);
            move |attempt: &multi_upload_core::Attempt| {
                attempts.lock().expect("no panic").push(json!({
                    "number": attempt.number, "delay_ms": attempt.delay_ms, "cause": attempt.cause,
                }));
            }
        })),
        on_progress: Some(Arc::new({
            let progress = Arc::clone(&progress);
            move |step: multi_upload_core::Progress| {
                progress
                    .lock()
                    .expect("no panic")
                    .push(json!({"done": step.done, "total": step.total}));
            }
        })),
    };
    let call = run(&client, &when.op, when.args.clone(), options, when.take);
    let (result, error) = match when.cancel {
        None => call.await,
        Some(moment) => {
            let stop = async {
                kit.wait_for(&opened.session, moment.after_requests)
                    .await
                    .expect("it is open");
                cancel.cancel();
            };
            tokio::join!(call, stop).0
        }
    };
    let outcome = Outcome {
        result,
        error: error.map(attributes),
        attempts: Some(Value::Array(attempts.lock().expect("no panic").clone())),
        progress: progress.lock().expect("no panic").clone(),
    };
    (opened, outcome)
}

async fn run(
    client: &Client,
    op: &str,
    args: Map<String, Value>,
    options: CallOptions,
    take: Option<usize>,
) -> (Option<Value>, Option<Error>) {
    let streams = OPERATIONS
        .iter()
        .any(|operation| operation.name == op && operation.shape != Shape::Object);
    if !streams {
        return match client.call(op, Value::Object(args), options).await {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
    }
    let mut stream = client.stream(op, Value::Object(args), options);
    let mut items = Vec::new();
    let mut error = None;
    while take.is_none_or(|take| items.len() < take) {
        match stream.next().await {
            Some(Ok(item)) => items.push(item),
            Some(Err(failure)) => error = Some(failure),
            None => break,
        }
    }
    (Some(json!({ "items": items })), error)
}

/// All public attributes, those that the wire leaves out at their usual value too.
fn attributes(error: Error) -> Value {
    let info = error.into_info();
    let mut value = serde_json::to_value(&info).expect("plain data");
    value["exhausted"] = json!(info.exhausted);
    value
}

fn client_options(opened: &Opened) -> ClientOptions {
    let given = &opened.case.given.options;
    let empty = Map::new();
    let retry = given
        .get("retry")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let defaults = ClientOptions::new(&opened.base_url, &opened.api_key);
    ClientOptions {
        timeout: millis(given, "timeout_ms").unwrap_or(defaults.timeout),
        attempt_timeout: millis(given, "attempt_timeout_ms").unwrap_or(defaults.attempt_timeout),
        max_attempts: number(retry, "max_attempts").unwrap_or(defaults.max_attempts),
        retry: RetryOptions {
            base_delay: millis(retry, "base_delay_ms").unwrap_or(defaults.retry.base_delay),
            cap: millis(retry, "cap_ms").unwrap_or(defaults.retry.cap),
            jitter: retry.get("jitter") != Some(&json!("none")),
        },
        ..defaults
    }
}

fn text(map: &Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.as_str().map(str::to_owned)
}

fn number(map: &Map<String, Value>, name: &str) -> Option<u32> {
    map.get(name)?.as_u64()?.try_into().ok()
}

fn millis(map: &Map<String, Value>, name: &str) -> Option<Duration> {
    map.get(name)?.as_u64().map(Duration::from_millis)
}
