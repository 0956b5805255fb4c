//! The description of the API, made from the handlers.

use multi_upload_wire::{ErrorInfo, REGISTRY};
use serde_json::{Value, json};
use utoipa::{OpenApi, ToResponse};

use super::{
    accounts, api_keys, audit, callback, health, limits, metrics, slots, tus, uploads, webhooks,
};

/// An answer that is not a success.
#[derive(ToResponse)]
#[response(
    description = "A problem (RFC 9457). `code` is the contract; `errors` names the wrong fields; `Retry-After` stands beside `retry_after_ms`.",
    content_type = "application/problem+json",
    headers(("X-Request-Id" = String, description = "Id of the request in the service's log."))
)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct Problem(ErrorInfo);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "multi-upload",
        description = "Schedule and publish pins, reels and videos. Times are RFC 3339 in UTC, ids are strings, lists are `{items, next_cursor}`, and every answer that is not a success is a problem object."
    ),
    paths(
        uploads::create::create, uploads::create::create_singular, uploads::read::list,
        uploads::create::batch, uploads::create::validate,
        uploads::read::get, uploads::edit::update, uploads::actions::cancel,
        uploads::actions::retry, uploads::actions::resolve, uploads::read::events,
        uploads::changes::changes,
        accounts::list, accounts::get, limits::get, accounts::disconnect, accounts::connect,
        accounts::connection, accounts::boards, accounts::create_board, accounts::sections,
        accounts::create_section,
        slots::list, slots::create, slots::update, slots::delete,
        tus::options, tus::create, tus::offset, tus::append, tus::remove, tus::get,
        api_keys::list, api_keys::create, api_keys::revoke,
        webhooks::list, webhooks::create, webhooks::get, webhooks::update, webhooks::delete, webhooks::test,
        webhooks::rotate, webhooks::deliveries, webhooks::redeliver,
        audit::list, audit::verify,
        callback::callback, health::healthz, health::readyz, metrics::metrics
    ),
    components(schemas(ErrorInfo), responses(Problem)),
    tags(
        (name = "uploads", description = "What to publish, when and where, and what became of it."),
        (name = "accounts", description = "Profiles on networks, connected by OAuth."),
        (name = "boards", description = "Pinterest boards and their sections."),
        (name = "slots", description = "Weekly posting times, which `schedule: \"next_slot\"` fills."),
        (name = "media", description = "Files, uploaded by tus 1.0."),
        (name = "api keys", description = "Keys for callers of this API."),
        (name = "webhooks", description = "Addresses that are told what happens, signed by Standard Webhooks."),
        (name = "audit", description = "Who did what, in a chain that shows every change."),
        (name = "service", description = "Health.")
    ),
    security(("api_key" = []))
)]
struct Api;

/// The OpenAPI 3.1 document, pretty JSON with a line end. The same code gives the same text.
#[must_use]
pub fn openapi() -> String {
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    finish(&mut document);
    // Links between Rust items mean nothing to a reader of the document.
    let mut text = serde_json::to_string_pretty(&document)
        .unwrap_or_default()
        .replace("[`", "`")
        .replace("`]", "`")
        .replace("CreateUpload::", "CreateUpload.");
    text.push('\n');
    text
}

/// What the attributes on types and handlers cannot say.
fn finish(document: &mut Value) {
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["components"]["securitySchemes"] = json!({"api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "`mu_live_…` sees real accounts, `mu_test_…` sandbox accounts."
    }});
    let schemas = &mut document["components"]["schemas"];
    let codes: Vec<&str> = REGISTRY.iter().map(|entry| entry.name).collect();
    schemas["ErrorCode"] = json!({
        "type": "string",
        "description": "The codes of this version. Others may come with any version: fall back to `category`.",
        "enum": codes
    });
    schemas["ErrorInfo"]["properties"]["code"] = json!({
        "description": "Stable code.",
        "anyOf": [{"$ref": "#/components/schemas/ErrorCode"}, {"type": "string"}]
    });
    schemas["UpdateUpload"] = update_upload(schemas);
    for path in members(&mut document["paths"]) {
        let has_id = path.0.contains('{');
        for (_, operation) in members(path.1) {
            refusals(operation, has_id);
        }
    }
}

/// Every field of a new upload but the fixed ones, and the version.
fn update_upload(schemas: &Value) -> Value {
    let before = &schemas["UpdateUpload"];
    let mut properties = before["allOf"][1]["properties"].clone();
    for (name, schema) in schemas["CreateUpload"]["properties"]
        .as_object()
        .into_iter()
        .flatten()
    {
        if !matches!(name.as_str(), "accounts" | "dry_run") {
            properties[name] = schema.clone();
        }
    }
    json!({
        "type": "object",
        "description": before["description"],
        "properties": properties
    })
}

/// Names the statuses that an operation can refuse with.
fn refusals(operation: &mut Value, has_id: bool) {
    let is_guarded = operation.get("security").is_none();
    let has_body = operation.get("requestBody").is_some();
    let has_parameters = operation.get("parameters").is_some();
    let responses = &mut operation["responses"];
    for (status, applies) in [
        ("400", has_body),
        ("401", is_guarded),
        ("403", is_guarded),
        ("404", has_id && is_guarded),
        ("413", has_body),
        ("415", has_body),
        ("422", is_guarded && (has_body || has_parameters)),
        ("503", is_guarded),
    ] {
        if applies && responses.get(status).is_none() {
            responses[status] = json!({"$ref": "#/components/responses/Problem"});
        }
    }
    if let Some(object) = responses.as_object_mut() {
        object.sort_keys();
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_document_is_whole_and_stable() {
        let text = openapi();
        assert_eq!(text, openapi());
        let document: Value = serde_json::from_str(&text).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let codes = document["components"]["schemas"]["ErrorCode"]["enum"]
            .as_array()
            .unwrap();
        assert_eq!(codes.len(), REGISTRY.len());
        assert_eq!(
            document["components"]["securitySchemes"]["api_key"]["scheme"],
            "bearer"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(&openapi()).unwrap();
        let mut missing = Vec::new();
        walk(&document, &document, &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }

    fn walk(document: &Value, here: &Value, missing: &mut Vec<String>) {
        match here {
            Value::Object(object) => {
                if let Some(Value::String(target)) = object.get("$ref")
                    && document.pointer(target.trim_start_matches('#')).is_none()
                {
                    missing.push(target.clone());
                }
                for value in object.values() {
                    walk(document, value, missing);
                }
            }
            Value::Array(items) => {
                for item in items {
                    walk(document, item, missing);
                }
            }
            _ => {}
        }
    }
}
