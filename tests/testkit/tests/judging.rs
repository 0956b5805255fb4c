//! Right behaviour passes; every kind of wrong behaviour fails, and so does a flipped expectation.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod common;

use common::{UPLOAD, create, kit, open, send};
use multi_upload_testkit::{API_KEY, Kit, OpenSession, Outcome};
use serde_json::{Value, json};

fn outcome(value: Value) -> Outcome {
    serde_json::from_value(value).unwrap()
}

fn retried() -> Value {
    json!({
        "result": { "id": "up_1", "status": "scheduled" },
        "attempts": [
            { "number": 1, "delay_ms": 0, "cause": null },
            { "number": 2, "delay_ms": 20, "cause": "RATE_LIMITED" },
        ],
    })
}

/// Plays `uploads.create.retry-429` with these keys and attempt numbers, and judges the outcome.
async fn play(kit: &Kit, requests: &[(&str, u32)], said: Value) -> Vec<String> {
    let session = open(kit, "uploads.create.retry-429");
    for (key, attempt) in requests {
        create(&session.base_url, key, *attempt, UPLOAD).await;
    }
    let verdict = kit.judge(&session.session, &outcome(said)).unwrap();
    assert_eq!(verdict.pass, verdict.failures.is_empty());
    verdict.failures
}

#[tokio::test]
async fn right_behaviour_passes() {
    let kit = kit().await;
    assert_eq!(play(&kit, &[("k", 1), ("k", 2)], retried()).await, [""; 0]);
}

#[tokio::test]
async fn wrong_behaviour_fails_and_is_named() {
    let kit = kit().await;
    let right = [("k", 1), ("k", 2)];
    let with = |pointer: &str, value: Value| {
        let mut said = retried();
        *said.pointer_mut(pointer).unwrap() = value;
        said
    };
    let wrong = [
        (
            play(&kit, &[("a", 1), ("b", 2)], retried()).await,
            "Idempotency-Key",
        ),
        (
            play(&kit, &[("", 1), ("", 2)], retried()).await,
            "Idempotency-Key",
        ),
        (
            play(&kit, &[("k", 1), ("k", 1)], retried()).await,
            "X-Attempt",
        ),
        (play(&kit, &[("k", 1)], retried()).await, "nobody asked"),
        (
            play(&kit, &[("k", 1), ("k", 2), ("k", 3)], retried()).await,
            "script has ended",
        ),
        (
            play(&kit, &right, with("/result/id", json!("up_2"))).await,
            "/result/id",
        ),
        (
            play(&kit, &right, with("/result", json!(null))).await,
            "/result",
        ),
        (
            play(&kit, &right, with("/attempts/1/delay_ms", json!(21))).await,
            "/attempts/1/delay_ms",
        ),
        (
            play(&kit, &right, with("/attempts/1/cause", json!(null))).await,
            "/attempts/1/cause",
        ),
        (
            play(&kit, &right, with("/attempts", json!([]))).await,
            "/attempts",
        ),
        (
            play(&kit, &right, json!({ "error": { "code": "X" } })).await,
            "/error",
        ),
        (play(&kit, &right, json!({})).await, "/result"),
        (
            play(&kit, &right, with("/result/status", json!(API_KEY))).await,
            "API key",
        ),
    ];
    for (failures, part) in wrong {
        assert!(
            failures.iter().any(|line| line.contains(part)),
            "{part:?} is not in {failures:?}"
        );
    }
}

#[tokio::test]
async fn a_request_without_the_key_fails() {
    let kit = kit().await;
    let session = open(&kit, "errors.NOT_FOUND");
    let headers = [("idempotency-key", "registry-key")];
    let path = "/v1/uploads/up_spec/cancel";
    let answer = send(&session.base_url, "POST", path, &headers, "").await;
    assert_eq!(answer.status(), 404);
    let verdict = kit
        .judge(
            &session.session,
            &outcome(json!({ "error": answer.json() })),
        )
        .unwrap();
    assert!(verdict.failures.iter().any(|line| line.contains("API key")));
}

#[tokio::test]
async fn the_class_of_an_error_follows_from_its_code() {
    let kit = kit().await;
    let classes = [
        ("errors.NOT_FOUND", "NotFoundError", "ConflictError"),
        (
            "errors.IDEMPOTENCY_IN_PROGRESS",
            "IdempotencyError",
            "ConflictError",
        ),
        ("errors.STATE_CONFLICT", "ConflictError", "IdempotencyError"),
        (
            "errors.OUTCOME_UNKNOWN",
            "OutcomeUnknownError",
            "PlatformError",
        ),
        ("errors.refused", "ServiceConnectionError", "OSError"),
        ("errors.unknown-code", "RateLimitError", "MultiUploadError"),
    ];
    for (case, right, wrong) in classes {
        let session = open(&kit, case);
        let mut error = session.case.then.error.clone().unwrap();
        let mut complains = |class: &str| {
            error["class"] = json!(class);
            let said = outcome(json!({ "error": error }));
            let verdict = kit.judge(&session.session, &said).unwrap();
            verdict
                .failures
                .iter()
                .any(|line| line.starts_with("/error/class"))
        };
        assert!(!complains(right), "{case}: {right}");
        assert!(complains(wrong), "{case}: {wrong}");
    }
}

#[tokio::test]
async fn every_flip_of_every_part_fails_right_behaviour() {
    let kit = kit().await;
    // Three attributes of the result and attempts: id, then number, delay and cause of each attempt.
    for flip in 0..7 {
        let request = OpenSession {
            case: "uploads.create.retry-429".to_owned(),
            flip: json!(flip),
            without: Vec::new(),
        };
        let session = kit.open(&request).unwrap();
        create(&session.base_url, "k", 1, UPLOAD).await;
        create(&session.base_url, "k", 2, UPLOAD).await;
        let verdict = kit.judge(&session.session, &outcome(retried())).unwrap();
        assert!(!verdict.pass, "{:?}", session.flipped);
        assert_eq!(verdict.failures.len(), 1, "{verdict:?}");
    }
}

#[tokio::test]
async fn progress_must_not_go_back_and_must_reach_the_end() {
    let kit = kit().await;
    let session = open(&kit, "uploads.create_many.three-requests");
    let about_progress = |steps: Value| {
        let said = outcome(json!({ "progress": steps }));
        let failures = kit.judge(&session.session, &said).unwrap().failures;
        failures
            .into_iter()
            .filter(|line| line.starts_with("/progress"))
            .count()
    };
    let step = |done: u64| json!({ "done": done, "total": 250 });
    assert_eq!(about_progress(json!([step(100), step(200), step(250)])), 0);
    assert_eq!(about_progress(json!([step(250)])), 0);
    assert_eq!(about_progress(json!([step(200), step(100), step(250)])), 1);
    assert_eq!(about_progress(json!([step(200)])), 1);
    assert_eq!(about_progress(json!([])), 1);
}

#[tokio::test]
async fn what_a_runner_cannot_observe_is_not_judged() {
    let kit = kit().await;
    let request = |without: &str| OpenSession {
        case: "uploads.create.retry-429".to_owned(),
        flip: Value::Null,
        without: vec![without.to_owned()],
    };
    assert!(kit.open(&request("result")).is_err());
    let session = kit.open(&request("attempts")).unwrap();
    create(&session.base_url, "k", 1, UPLOAD).await;
    create(&session.base_url, "k", 2, UPLOAD).await;
    let said = outcome(json!({ "result": { "id": "up_1" } }));
    assert!(kit.judge(&session.session, &said).unwrap().pass);
}
