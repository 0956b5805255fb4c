//! `/_sandbox/…`: the ledger and the fault script. These requests are neither counted nor struck.

use axum::extract::Request;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use crate::answer::{Answer, ApiError};
use crate::faults::FaultScript;
use crate::sandbox::Sandbox;

const MAX_SCRIPT: usize = 1024 * 1024;

/// | call | does |
/// | --- | --- |
/// | `GET /_sandbox/ledger` | [`Ledger`](crate::Ledger) as JSON |
/// | `GET /_sandbox/faults` | the script and, per fault, how often it has matched and struck |
/// | `PUT /_sandbox/faults` | replaces the script ([format](crate::faults)); 400 says what is wrong with it |
/// | `DELETE /_sandbox/faults` | takes the script away: 204 |
pub(crate) async fn answer(sandbox: &Sandbox, request: Request) -> Answer {
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/_sandbox/ledger") => Answer::json(200, &json!(sandbox.ledger())),
        ("GET", "/_sandbox/faults") => Answer::json(200, &report(sandbox)),
        ("PUT", "/_sandbox/faults") => match replace(sandbox, request).await {
            Ok(()) => Answer::json(200, &report(sandbox)),
            Err(problem) => ApiError::new(400, 1, problem).into(),
        },
        ("DELETE", "/_sandbox/faults") => {
            sandbox.set_faults(FaultScript::default());
            Answer::empty(204)
        }
        (_, "/_sandbox/ledger" | "/_sandbox/faults") => {
            ApiError::new(405, 5, "Method not allowed.").into()
        }
        _ => ApiError::new(
            404,
            404,
            "There is only /_sandbox/ledger and /_sandbox/faults.",
        )
        .into(),
    }
}

fn report(sandbox: &Sandbox) -> Value {
    sandbox.state().plan.report()
}

async fn replace(sandbox: &Sandbox, request: Request) -> Result<(), String> {
    let body = Limited::new(request.into_body(), MAX_SCRIPT)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let script = serde_json::from_slice(&body.to_bytes())
        .map_err(|error| format!("The fault script cannot be read: {error}"))?;
    sandbox.try_set_faults(script)
}
