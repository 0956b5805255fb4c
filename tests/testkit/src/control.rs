//! `/_spec/…`: what runners ask of the kit.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::kit::Shared;

/// Answers one control request.
pub(crate) async fn control(
    kit: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Result<Value, (StatusCode, String)> {
    let parts: Vec<&str> = path.split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["cases"]) => {
            let ids: Vec<_> = kit.library.cases().iter().map(|case| &case.id).collect();
            Ok(json!({ "cases": ids }))
        }
        ("GET", ["cases", id]) => match kit.library.case(id) {
            Some(case) => Ok(json!(case)),
            None => Err((StatusCode::NOT_FOUND, format!("no case {id:?}"))),
        },
        ("GET", ["surface"]) => Ok(kit.library.surface().clone()),
        ("POST", ["sessions"]) => {
            let opened = kit.open(&parse(body)?).map_err(bad)?;
            Ok(json!(opened))
        }
        ("GET", ["sessions", id, "report"]) => {
            let record = kit.session(id).map_err(missing)?.record();
            Ok(json!({
                "requests": record.requests,
                "left": record.left,
                "violations": record.violations,
            }))
        }
        ("GET", ["sessions", id, "requests"]) => {
            let count = url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "count")
                .and_then(|(_, value)| value.parse().ok())
                .ok_or_else(|| bad("`count` is missing".to_owned()))?;
            kit.session(id).map_err(missing)?.wait_for(count).await;
            Ok(json!({ "arrived": count }))
        }
        ("POST", ["sessions", id, "judge"]) => {
            let session = kit.session(id).map_err(missing)?;
            let verdict = crate::judge::judge(&session, &parse(body)?);
            let mut answer = json!(verdict);
            answer["flipped"] = json!(session.flipped);
            Ok(answer)
        }
        _ => Err((
            StatusCode::NOT_FOUND,
            format!("no {method} /_spec/{path}; see tests/spec/README.md"),
        )),
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| bad(format!("the body: {error}")))
}

fn bad(message: String) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, message)
}

fn missing(message: String) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, message)
}
