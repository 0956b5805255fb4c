//! Compares what a runner saw, and what the server saw, with what the case expects.

use std::collections::HashSet;

use multi_upload_wire::Category;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::case::{KeyRule, Requests, RowKeys};
use crate::request::Seen;
use crate::session::Session;
use crate::subset::compare;

/// What a runner saw of one call.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The result; for a stream `{"items": […]}`, also when it failed after some.
    #[serde(default)]
    pub result: Option<Value>,
    /// The error's public fields in snake_case, and `class`, the name of its class.
    #[serde(default)]
    pub error: Option<Value>,
    /// Every call of the attempt observer: `{"number", "delay_ms", "cause"}`.
    #[serde(default)]
    pub attempts: Option<Value>,
    /// Every call of the progress observer: `{"done", "total"}`.
    #[serde(default)]
    pub progress: Vec<Value>,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// True when there is no failure.
    pub pass: bool,
    /// What differs, each with a JSON Pointer.
    pub failures: Vec<String>,
}

pub(crate) fn judge(session: &Session, outcome: &Outcome) -> Verdict {
    let then = &session.case.then;
    let record = session.record();
    let mut failures = record.violations.clone();
    for step in &record.left {
        failures.push(format!("script: nobody asked for step {step}"));
    }
    match (&then.error, &outcome.error) {
        (Some(expected), Some(error)) => {
            compare(expected, Some(error), "/error", &mut failures);
            class(expected, error, &mut failures);
        }
        (Some(expected), None) => failures.push(format!("/error: expected {expected}, got none")),
        (None, Some(error)) => failures.push(format!("/error: expected none, got {error}")),
        (None, None) => {}
    }
    if let Some(expected) = &then.result {
        compare(expected, outcome.result.as_ref(), "/result", &mut failures);
    }
    if let Some(expected) = &then.attempts {
        compare(
            expected,
            outcome.attempts.as_ref(),
            "/attempts",
            &mut failures,
        );
    }
    if let Some(expected) = &then.progress {
        progress(
            expected.done,
            expected.total,
            &outcome.progress,
            &mut failures,
        );
    }
    requests(then.requests.as_ref(), &record.requests, &mut failures);
    if format!("{outcome:?}").contains(crate::API_KEY) {
        failures.push("/error: it contains the API key".to_owned());
    }
    Verdict {
        pass: failures.is_empty(),
        failures,
    }
}

/// The class follows from code and category; languages without classes report none.
fn class(expected: &Value, error: &Value, failures: &mut Vec<String>) {
    let Some(found) = error["class"].as_str() else {
        return;
    };
    // Python keeps the names of its builtins free.
    let name = match found {
        "ServiceConnectionError" => "ConnectionError",
        "ServiceTimeoutError" => "TimeoutError",
        other => other,
    };
    let category = expected.get("category").or_else(|| error.get("category"));
    let code = expected["code"].as_str().unwrap_or_default();
    if let Some(right) = category.and_then(|word| class_of(code, word))
        && right != name
    {
        failures.push(format!("/error/class: expected {right}, got {found}"));
    }
}

fn class_of(code: &str, category: &Value) -> Option<&'static str> {
    if code.starts_with("IDEMPOTENCY_") {
        return Some("IdempotencyError");
    }
    if code == "OUTCOME_UNKNOWN" {
        return Some("OutcomeUnknownError");
    }
    Some(match serde_json::from_value(category.clone()).ok()? {
        Category::Auth => "AuthError",
        Category::Permission => "PermissionDeniedError",
        Category::NotFound => "NotFoundError",
        Category::Conflict => "ConflictError",
        Category::Validation => "ValidationError",
        Category::RateLimit => "RateLimitError",
        Category::Quota => "QuotaError",
        Category::Media => "MediaError",
        Category::Connection => "ConnectionError",
        Category::Timeout => "TimeoutError",
        Category::Cancelled => "CancelledError",
        Category::Platform => "PlatformError",
        Category::Server => "ServerError",
        Category::Config => "ConfigError",
        Category::Internal => "InternalError",
        _ => return None,
    })
}

fn progress(done: u64, total: u64, seen: &[Value], failures: &mut Vec<String>) {
    let figures: Vec<_> = seen
        .iter()
        .map(|step| (step["done"].as_u64(), step["total"].as_u64()))
        .collect();
    if !figures.is_sorted_by_key(|(done, _)| *done) {
        failures.push(format!("/progress: it goes back: {figures:?}"));
    }
    if figures.last() != Some(&(Some(done), Some(total))) {
        failures.push(format!(
            "/progress: expected to end at {done} of {total}, got {:?}",
            figures.last()
        ));
    }
}

fn requests(expected: Option<&Requests>, seen: &[Seen], failures: &mut Vec<String>) {
    if let Some(number) = seen.iter().position(|request| !request.authorized) {
        failures.push(format!("/requests/{number}: the API key was not sent"));
    }
    let Some(expected) = expected else {
        return;
    };
    if let Some(count) = expected.count
        && count != seen.len()
    {
        failures.push(format!("/requests: expected {count}, got {}", seen.len()));
    }
    if let Some(numbers) = &expected.attempt_numbers {
        let found: Vec<_> = seen.iter().map(|request| request.attempt).collect();
        if found != numbers.iter().copied().map(Some).collect::<Vec<_>>() {
            failures.push(format!(
                "/requests: expected X-Attempt {numbers:?}, got {found:?}"
            ));
        }
    }
    if let Some(rule) = &expected.idempotency_key {
        keys(rule, seen, failures);
    }
    if let Some(rule) = expected.row_keys {
        row_keys(rule, seen, failures);
    }
}

fn keys(rule: &KeyRule, seen: &[Seen], failures: &mut Vec<String>) {
    let writes = seen.iter().filter(|request| request.method != "GET");
    let keys: Vec<_> = writes
        .map(|request| request.idempotency_key.as_deref())
        .collect();
    let distinct: HashSet<_> = keys.iter().flatten().collect();
    let present = keys
        .iter()
        .all(|key| key.is_some_and(|key| !key.is_empty()));
    let fits = match rule {
        KeyRule::Same => present && distinct.len() == 1,
        KeyRule::Different => present && distinct.len() == keys.len(),
        KeyRule::Absent => distinct.is_empty(),
        KeyRule::Equals(key) => keys.iter().all(|found| *found == Some(key)),
    };
    if !fits {
        failures.push(format!(
            "/requests: expected Idempotency-Key {rule:?}, got {keys:?}"
        ));
    }
}

fn row_keys(rule: RowKeys, seen: &[Seen], failures: &mut Vec<String>) {
    let lists: Vec<Vec<Option<&str>>> = seen
        .iter()
        .filter_map(|request| request.body.as_ref()?["uploads"].as_array())
        .map(|rows| {
            rows.iter()
                .map(|row| row["idempotency_key"].as_str())
                .collect()
        })
        .collect();
    if lists.is_empty() || lists.iter().flatten().any(Option::is_none) {
        failures.push("/requests: a row has no idempotency_key".to_owned());
    }
    let fits = match rule {
        RowKeys::Distinct => distinct(lists.iter().flatten()),
        RowKeys::Same => {
            lists.windows(2).all(|pair| pair[0] == pair[1])
                && lists.iter().all(|list| distinct(list.iter()))
        }
    };
    if !fits {
        failures.push(format!("/requests: the keys of the rows are not {rule:?}"));
    }
}

fn distinct<'a>(mut keys: impl Iterator<Item = &'a Option<&'a str>>) -> bool {
    let mut seen = HashSet::new();
    keys.all(|key| seen.insert(*key))
}
