//! One call and its attempts: keys, waits, limits, and what the error says in the end.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on says why and stops"
)]

mod script;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use multi_upload_core::wire::{CreateUpload, Outcome, Retry, UpdateUpload};
use multi_upload_core::{CallOptions, ClientOptions, Error, RetryOptions, TransportError};
use script::{Reply, Script, cut, not_sent, problem, upload};
use serde_json::json;
use tokio::time::Instant;

fn pin() -> CreateUpload {
    CreateUpload {
        accounts: vec!["pinterest:1".to_owned()],
        ..CreateUpload::default()
    }
}

fn options() -> CallOptions {
    CallOptions::default()
}

#[tokio::test(start_paused = true)]
async fn the_key_is_one_over_all_attempts_and_another_for_another_call() {
    let script = Script::of([
        cut(),
        problem(503, "OVERLOADED"),
        Reply::Json(202, upload("up_1", "scheduled")),
        Reply::Json(202, upload("up_2", "scheduled")),
    ]);
    let client = script.client();
    let created = client
        .uploads()
        .create(&pin(), &options())
        .await
        .expect("the third works");
    assert_eq!(created.id, "up_1");
    client
        .uploads()
        .create(&pin(), &options())
        .await
        .expect("it works");
    let seen = script.seen();
    let keys: Vec<_> = seen
        .iter()
        .map(|seen| seen.header("idempotency-key").expect("a key"))
        .collect();
    assert!(
        keys[0] == keys[1] && keys[1] == keys[2] && keys[2] != keys[3],
        "{keys:?}"
    );
    let attempts: Vec<_> = seen
        .iter()
        .map(|seen| seen.header("x-attempt").expect("a number"))
        .collect();
    assert_eq!(attempts, ["1", "2", "3", "1"]);
    assert!(seen[1..3].iter().all(|again| again.bytes == seen[0].bytes));
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_waited_for_and_never_undercut() {
    let script = Script::by(|_, number| match number {
        0 => Reply::With(
            429,
            vec![("retry-after", "7".to_owned())],
            json!({"code": "RATE_LIMITED"}),
        ),
        _ => Reply::Json(200, upload("up_1", "scheduled")),
    });
    let client = script.client_with(ClientOptions::default());
    let begun = Instant::now();
    client
        .uploads()
        .get("up_1", &options())
        .await
        .expect("the second works");
    let waited = begun.elapsed();
    assert!(
        waited >= Duration::from_secs(7) && waited < Duration::from_millis(7_750),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn observers_hear_of_every_attempt_with_its_wait_and_its_cause() {
    let script = Script::of([
        not_sent(),
        problem(429, "RATE_LIMITED"),
        Reply::Json(200, upload("up_1", "scheduled")),
    ]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let options = CallOptions {
        on_attempt: Some(Arc::new({
            let heard = Arc::clone(&heard);
            move |attempt: &multi_upload_core::Attempt| {
                heard.lock().expect("no panic").push(attempt.clone())
            }
        })),
        ..options()
    };
    script
        .client()
        .uploads()
        .get("up_1", &options)
        .await
        .expect("the third works");
    let heard: Vec<_> = heard
        .lock()
        .expect("no panic")
        .iter()
        .map(|attempt| {
            (
                attempt.number,
                attempt.delay_ms,
                attempt.cause.clone().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        heard,
        [
            (1, 0, String::new()),
            (2, 50, "CONNECT_FAILED".to_owned()),
            (3, 2_000, "RATE_LIMITED".to_owned()),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_time_and_the_call_has_one_for_all() {
    let script = Script::by(|_, _| Reply::Never);
    let client = script.client();
    let begun = Instant::now();
    let error = client
        .uploads()
        .create(
            &pin(),
            &CallOptions {
                max_attempts: Some(5),
                ..options()
            },
        )
        .await
        .expect_err("nothing ever answers");
    // Two attempts of 30 s and the wait between them: the second ends with the call.
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
    let info = error.info();
    assert_eq!(info.code, "DEADLINE_EXCEEDED");
    assert_eq!((info.attempts, info.exhausted), (Some(2), true));
    assert_eq!(info.outcome, Outcome::Unknown);
    assert_eq!(
        info.idempotency_key.as_deref(),
        script.seen()[0].header("idempotency-key")
    );

    let short = ClientOptions {
        attempt_timeout: Duration::from_secs(1),
        ..client.options().clone()
    };
    let error = script
        .client_with(short)
        .uploads()
        .get("up_1", &options())
        .await
        .expect_err("still nothing");
    assert_eq!((error.code(), error.info().attempts), ("TIMEOUT", Some(3)));
    assert_eq!(error.info().outcome, Outcome::None, "reading has no effect");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_time_of_the_call_is_not_begun() {
    let script = Script::by(|_, _| {
        Reply::With(
            503,
            vec![("retry-after", "90".to_owned())],
            json!({"code": "OVERLOADED"}),
        )
    });
    let begun = Instant::now();
    let error = script
        .client()
        .uploads()
        .create(&pin(), &options())
        .await
        .expect_err("90 s are too long");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(
        (error.code(), error.info().retry_after_ms),
        ("OVERLOADED", Some(90_000))
    );
    assert!(error.info().exhausted);
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_the_call_at_any_moment() {
    // Before it begins.
    let script = Script::of([]);
    let cancelled = options();
    cancelled.cancel.cancel();
    let error = script
        .client()
        .uploads()
        .create(&pin(), &cancelled)
        .await
        .expect_err("cancelled");
    assert_eq!(
        (error.code(), error.info().attempts, error.info().outcome),
        ("CANCELLED", Some(0), Outcome::None)
    );

    // While it is on its way.
    let script = Script::by(|_, _| Reply::Never);
    let error = cancelled_after_3_s(&script).await;
    assert_eq!(
        (error.code(), error.info().attempts, error.info().outcome),
        ("CANCELLED", Some(1), Outcome::Unknown)
    );

    // Between two attempts, after an answer that says that nothing happened.
    let script = Script::of([Reply::With(
        429,
        vec![("retry-after", "30".to_owned())],
        json!({"code": "RATE_LIMITED"}),
    )]);
    let error = cancelled_after_3_s(&script).await;
    assert_eq!(
        (error.code(), error.info().attempts, error.info().outcome),
        ("CANCELLED", Some(1), Outcome::None)
    );
}

async fn cancelled_after_3_s(script: &Arc<Script>) -> Error {
    let options = options();
    let (uploads, pin) = (script.client().uploads(), pin());
    let begun = Instant::now();
    let (result, ()) = tokio::join!(uploads.create(&pin, &options), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        options.cancel.cancel();
    });
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    result.expect_err("cancelled")
}

#[tokio::test(start_paused = true)]
async fn an_unclear_attempt_stays_unclear_until_the_service_settles_it() {
    let outcome = async |last: Reply| {
        let script = Script::of([cut(), last]);
        let options = CallOptions {
            max_attempts: Some(2),
            ..options()
        };
        let error = script
            .client()
            .uploads()
            .create(&pin(), &options)
            .await
            .expect_err("both fail");
        (error.info().code.clone(), error.info().outcome)
    };
    assert_eq!(
        outcome(not_sent()).await,
        ("CONNECT_FAILED".to_owned(), Outcome::Unknown)
    );
    assert_eq!(
        outcome(problem(503, "OVERLOADED")).await,
        ("OVERLOADED".to_owned(), Outcome::Unknown)
    );
    assert_eq!(
        outcome(problem(401, "API_KEY_EXPIRED")).await,
        ("API_KEY_EXPIRED".to_owned(), Outcome::Unknown)
    );
    assert_eq!(
        outcome(problem(422, "VALIDATION_FAILED")).await,
        ("VALIDATION_FAILED".to_owned(), Outcome::None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_guarded_by_a_version_is_not_sent_twice() {
    let change = |version| UpdateUpload {
        version,
        fields: serde_json::Map::from_iter([("title".to_owned(), json!("New"))]),
    };
    let script = Script::of([cut()]);
    let error = script
        .client()
        .uploads()
        .update("up_1", &change(Some(3)), &options())
        .await
        .expect_err("cut");
    assert_eq!(
        (error.info().retry, error.info().exhausted),
        (Retry::AfterReconcile, false)
    );
    assert_eq!(error.info().outcome, Outcome::Unknown);
    assert_eq!(script.seen()[0].body, json!({"version": 3, "title": "New"}));

    for (first, version) in [(not_sent(), Some(3)), (cut(), None)] {
        let script = Script::of([first, Reply::Json(200, upload("up_1", "scheduled"))]);
        script
            .client()
            .uploads()
            .update("up_1", &change(version), &options())
            .await
            .expect("the second works");
        assert_eq!(script.lines(), ["PATCH /v1/uploads/up_1"; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_repeating_and_its_end_begins_it_again() {
    let script = Script::by(|seen, _| {
        if seen.line.ends_with("up_good") {
            Reply::Json(200, upload("up_good", "scheduled"))
        } else {
            cut()
        }
    });
    let client = script.client();
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(
            client
                .uploads()
                .create(&pin(), &options())
                .await
                .expect_err("an outage")
                .into_info(),
        );
    }
    // 500 tokens pay for 35 repeats of 14: seventeen calls with two each, and one more.
    assert!(
        codes[..17]
            .iter()
            .all(|info| info.code == "PROTOCOL_ERROR" && info.attempts == Some(3))
    );
    assert_eq!(
        (codes[17].code.as_str(), codes[17].attempts),
        ("RETRY_BUDGET_EXHAUSTED", Some(2))
    );
    assert_eq!(
        (codes[19].code.as_str(), codes[19].attempts),
        ("RETRY_BUDGET_EXHAUSTED", Some(1))
    );
    assert!(codes[19].exhausted && codes[19].detail.contains("PROTOCOL_ERROR"));
    assert_eq!(codes[19].outcome, Outcome::Unknown);
    // Each success earns a token.
    for _ in 0..14 {
        client
            .uploads()
            .get("up_good", &options())
            .await
            .expect("reads work");
    }
    let error = client
        .uploads()
        .create(&pin(), &options())
        .await
        .expect_err("still out");
    assert_eq!(error.info().attempts, Some(2));
}

#[tokio::test(start_paused = true)]
async fn no_error_holds_the_key_even_if_the_answer_repeats_it() {
    let script = Script::by(|_, _| {
        Reply::Json(
            401,
            json!({"code": "API_KEY_INVALID", "detail": "mu_test_topsecret is unknown", "remedy": "not mu_test_topsecret"}),
        )
    });
    let error = script
        .client()
        .uploads()
        .get("up_1", &options())
        .await
        .expect_err("refused");
    let text = format!("{error} {error:?} {:?}", script.client());
    assert!(
        text.contains("[redacted] is unknown") && !text.contains("topsecret"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_does_not_hold_is_final() {
    let script = Script::of([Reply::Fail(TransportError::Tls(
        "unknown issuer".to_owned(),
    ))]);
    let error = script
        .client()
        .uploads()
        .create(&pin(), &options())
        .await
        .expect_err("refused");
    assert_eq!(
        (error.code(), error.info().outcome),
        ("TLS_FAILED", Outcome::None)
    );
    let source = std::error::Error::source(&error).expect("the transport's error");
    assert!(source.downcast_ref::<TransportError>().is_some());
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_and_dry_runs_are_refused_before_anything_is_sent() {
    let script = Script::of([]);
    let client = script.client();
    for key in ["", "two words", "ü", &"k".repeat(256)] {
        let options = CallOptions {
            idempotency_key: Some(key.to_owned()),
            ..options()
        };
        let error = client
            .uploads()
            .create(&pin(), &options)
            .await
            .expect_err("no key");
        assert_eq!(
            error.info().errors[0].pointer,
            "/idempotency_key",
            "{key:?}"
        );
    }
    let dry = CreateUpload {
        dry_run: Some(true),
        ..pin()
    };
    let error = client
        .uploads()
        .create(&dry, &options())
        .await
        .expect_err("use validate");
    assert_eq!(error.info().errors[0].pointer, "/dry_run");
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_retry_settings_are_used() {
    let script = Script::by(|_, _| cut());
    let client = script.client_with(ClientOptions {
        max_attempts: 4,
        retry: RetryOptions {
            base_delay: Duration::from_secs(2),
            cap: Duration::from_secs(3),
            jitter: false,
        },
        ..ClientOptions::default()
    });
    let begun = Instant::now();
    client
        .uploads()
        .get("up_1", &options())
        .await
        .expect_err("all fail");
    assert_eq!(begun.elapsed(), Duration::from_secs(2 + 3 + 3));
    assert_eq!(script.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_time_without_end_is_no_limit() {
    let script = Script::of([
        Reply::After(Duration::from_secs(3_000), Box::new(cut())),
        Reply::Json(200, upload("up_1", "published")),
        Reply::Json(200, json!({"uploads": [], "cursor": "0"})),
        Reply::Json(200, upload("up_1", "published")),
    ]);
    let client = script.client_with(ClientOptions {
        timeout: Duration::MAX,
        attempt_timeout: Duration::MAX,
        ..ClientOptions::default()
    });
    let endless = CallOptions {
        timeout: Some(Duration::MAX),
        ..options()
    };
    client
        .uploads()
        .get("up_1", &endless)
        .await
        .expect("it takes its time");
    client
        .uploads()
        .wait("up_1", &endless)
        .await
        .expect("it has ended");
}
