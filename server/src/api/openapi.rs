//! The description of the API, made from the handlers.

use multi_upload_wire::{ErrorCode, ErrorInfo, REGISTRY};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr, Schema};
use utoipa::{Modify, OpenApi, ToResponse};

use super::{accounts, api_keys, callback, health, tus, uploads};

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
        accounts::list, accounts::get, accounts::disconnect, accounts::connect,
        accounts::connection, accounts::boards, accounts::create_board, accounts::sections,
        accounts::create_section,
        tus::options, tus::create, tus::offset, tus::append, tus::remove, tus::get,
        api_keys::list, api_keys::create, api_keys::revoke,
        callback::callback, health::healthz, health::readyz
    ),
    components(schemas(ErrorInfo), responses(Problem)),
    tags(
        (name = "uploads", description = "What to publish, when and where, and what became of it."),
        (name = "accounts", description = "Profiles on networks, connected by OAuth."),
        (name = "boards", description = "Pinterest boards and their sections."),
        (name = "media", description = "Files, uploaded by tus 1.0."),
        (name = "api keys", description = "Keys for callers of this API."),
        (name = "service", description = "Health.")
    ),
    security(("api_key" = [])),
    modifiers(&Finish)
)]
struct Api;

struct Finish;

impl Modify for Finish {
    fn modify(&self, document: &mut Document) {
        env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "api_key",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some(
                        "`mu_live_…` sees real accounts, `mu_test_…` sandbox accounts.",
                    ))
                    .build(),
            ),
        );
        let codes = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Stable codes. New ones may come with any version: fall back to `category`.",
            ))
            .enum_values(Some(REGISTRY.iter().map(|entry| entry.name)))
            .examples([serde_json::Value::from(
                ErrorCode::ValidationFailed.as_str(),
            )])
            .build();
        components
            .schemas
            .insert("ErrorCode".to_owned(), RefOr::T(Schema::Object(codes)));
    }
}

/// The OpenAPI 3.1 document, pretty JSON with a line end. The same code gives the same text.
///
/// # Panics
/// Never: the document is plain data.
#[must_use]
pub fn openapi() -> String {
    let mut text = Api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::Value;

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
