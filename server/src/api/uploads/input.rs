//! From a JSON object to an upload as it was asked for.

use multi_upload_wire::{CreateUpload, FieldError, Late, Override};
use serde_json::{Map, Value};

use crate::api::body::{kind, step};
use crate::api::fields::typed;
use crate::api::problem::field;

/// The typed request, nested objects included, or every fault.
pub(super) fn read(body: &Map<String, Value>, at: &str) -> Result<CreateUpload, Vec<FieldError>> {
    let mut errors = Vec::new();
    if let Some(Value::Object(late)) = body.get("late") {
        errors.extend(
            typed::<Late>(late, &format!("{at}/late"))
                .err()
                .into_iter()
                .flatten(),
        );
    }
    if let Some(Value::Object(overrides)) = body.get("overrides") {
        for (key, value) in overrides {
            let at = format!("{at}/overrides/{}", step(key));
            match value {
                Value::Object(values) => {
                    errors.extend(typed::<Override>(values, &at).err().into_iter().flatten());
                }
                other => errors.push(field(
                    at,
                    "invalid",
                    format!("must be an object, not {}", kind(other)),
                )),
            }
        }
    }
    if errors.is_empty() {
        return typed(body, at);
    }
    // The nested faults have been named with their places.
    let mut rest = body.clone();
    rest.remove("late");
    rest.remove("overrides");
    let mut all = typed::<CreateUpload>(&rest, at).err().unwrap_or_default();
    all.extend(errors);
    Err(all)
}
