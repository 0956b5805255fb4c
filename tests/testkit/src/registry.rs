//! One case for every code of the registry that the service can answer with: `errors.<CODE>`.
//!
//! They are made at run time, so a new code is tested in every language the moment it exists.

use multi_upload_wire::{
    ErrorCode, ErrorInfo, FieldError, Outcome, PlatformFailure, REGISTRY, Retry, TargetRef,
};
use serde_json::{Value, json};

use crate::case::Case;

/// The cases, in the order of the registry.
pub(crate) fn cases() -> Result<Vec<Case>, String> {
    REGISTRY
        .iter()
        .filter(|entry| entry.status >= 400)
        .map(|entry| {
            serde_json::from_value(case(entry.code))
                .map_err(|error| format!("{}: {error}", entry.name))
        })
        .collect()
}

/// Every field differs from what the client could guess from the registry.
fn full(code: ErrorCode) -> ErrorInfo {
    let mut info = ErrorInfo::new(
        code,
        format!("What happened with {} this time.", code.as_str()),
    );
    info.title = format!("Title of {}", code.as_str());
    info.instance = Some("/v1/uploads/up_spec/cancel".to_owned());
    info.retry = match info.retry {
        Retry::Yes => Retry::No,
        Retry::No => Retry::AfterReconcile,
        Retry::AfterReconcile => Retry::Yes,
    };
    info.outcome = match info.outcome {
        Outcome::None => Outcome::Applied,
        Outcome::Applied => Outcome::Unknown,
        Outcome::Unknown => Outcome::None,
    };
    info.retry_after_ms = Some(1234);
    info.request_id = Some("req_spec".to_owned());
    info.external_id = Some("row-7".to_owned());
    info.errors = vec![
        FieldError {
            pointer: "/accounts/0".to_owned(),
            code: "unknown".to_owned(),
            detail: "No such account.".to_owned(),
        },
        FieldError {
            pointer: "/overrides/pinterest:549~1a/title".to_owned(),
            code: "too_long".to_owned(),
            detail: "120 characters, at most 100. Ünïcödé survives.".to_owned(),
        },
    ];
    info.platform = Some(PlatformFailure {
        name: "pinterest".to_owned(),
        http_status: Some(418),
        code: Some("8".to_owned()),
        message: Some("The network's own words.".to_owned()),
        request_id: Some("network-req-9".to_owned()),
    });
    info.target = Some(TargetRef {
        id: "tg_spec".to_owned(),
        account: "pinterest:549".to_owned(),
        attempt: 2,
    });
    info.remedy = format!("Next step for {}.", code.as_str());
    info
}

fn case(code: ErrorCode) -> Value {
    let info = full(code);
    let body = serde_json::to_value(&info).unwrap_or_default();
    let mut error = body.clone();
    // Facts of the client's own loop.
    error["attempts"] = json!(1);
    error["idempotency_key"] = json!("registry-key");
    json!({
        "id": format!("errors.{}", code.as_str()),
        "title": format!("{} arrives with its class and every field", code.as_str()),
        "requires": [],
        "given": {
            "options": { "retry": { "max_attempts": 1 } },
            "server": [{
                "expect": { "method": "POST", "path": "/v1/uploads/up_spec/cancel" },
                "reply": {
                    "status": info.status,
                    "headers": { "content-type": "application/problem+json" },
                    "json": body,
                },
            }],
        },
        "when": {
            "op": "uploads.cancel",
            "args": { "id": "up_spec" },
            "options": { "idempotency_key": "registry-key" },
        },
        "then": {
            "error": error,
            "requests": { "count": 1, "idempotency_key": { "equals": "registry-key" } },
        },
    })
}
