//! `multi_upload/_models.py`: the objects of the service as typed records, read from the sources of `wire`.
//!
//! The wire types are plain structs, one field a line, each with its documentation, so reading them line by line is
//! enough; what it cannot read is an error, never left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::root::read;

const SOURCES: &[&str] = &[
    "wire/src/account.rs",
    "wire/src/board.rs",
    "wire/src/error/info.rs",
    "wire/src/event.rs",
    "wire/src/key.rs",
    "wire/src/media.rs",
    "wire/src/slot.rs",
    "wire/src/upload.rs",
    "wire/src/webhook.rs",
    "core/src/service.rs",
];

/// The records, in the order of the file, with the struct each is made from.
const RECORDS: &[(&str, &str)] = &[
    ("FieldError", "FieldError"),
    ("PlatformFailure", "PlatformFailure"),
    ("TargetRef", "TargetRef"),
    ("Account", "Account"),
    ("ConnectSession", "ConnectSession"),
    ("LimitUse", "LimitUse"),
    ("LimitShare", "LimitShare"),
    ("SlotQueue", "SlotQueue"),
    ("AccountLimits", "AccountLimits"),
    ("Slot", "Slot"),
    ("Board", "Board"),
    ("Section", "Section"),
    ("Target", "Target"),
    ("UploadContent", "CreateUpload"),
    ("Upload", "Upload"),
    ("Warning", "Warning"),
    ("ValidatedTarget", "ValidatedTarget"),
    ("Validation", "Validation"),
    ("BatchResult", "BatchResult"),
    ("Event", "Event"),
    ("Media", "Media"),
    ("ApiKey", "ApiKey"),
    ("CreatedApiKey", "CreatedApiKey"),
    ("Webhook", "Webhook"),
    ("WebhookSecret", "WebhookSecret"),
    ("WebhookDelivery", "WebhookDelivery"),
    ("Health", "Health"),
];

/// What a caller may give where the field itself is an id.
const INPUTS: &[(&str, &str)] = &[
    ("board_id", "BoardLike"),
    ("board_section_id", "SectionLike"),
    ("cover_media_id", "MediaLike"),
    ("media_id", "MediaLike"),
    ("media_ids", "Sequence[MediaLike]"),
    ("scheduled_at", "datetime | str"),
];

/// Fields of a creation that are not part of its content: a list of accounts has its own place, a check stores nothing.
const NOT_CONTENT: &[&str] = &["accounts", "dry_run"];

struct Struct {
    docs: Vec<String>,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    docs: Vec<String>,
}

pub(super) fn text() -> Result<String, String> {
    let mut structs = BTreeMap::new();
    for source in SOURCES {
        structs.extend(structs_of(&read(source)?));
    }
    let find = |name: &str| {
        structs
            .get(name)
            .ok_or_else(|| format!("python_models: there is no `pub struct {name}` in {SOURCES:?}"))
    };
    let mut names: Vec<&str> = RECORDS.iter().map(|(record, _)| *record).collect();
    names.extend(["UploadFields", "UploadRow"]);
    names.sort_unstable();

    let mut page = String::from(HEAD);
    page.push_str("__all__ = [\n");
    for name in names {
        let _ = writeln!(page, "    {name:?},");
    }
    page.push_str("]\n");
    page.push_str(INPUT_HEAD);
    for field in &find("CreateUpload")?.fields {
        if !NOT_CONTENT.contains(&&*field.name) {
            let _ = writeln!(page, "        {}: {} | None", field.name, input(field)?);
            page.push_str(&docstring("        ", &field.docs));
        }
    }
    page.push_str(INPUT_TAIL);
    for (record, source) in RECORDS {
        let found = find(source)?;
        let _ = write!(page, "\n\nclass {record}(Record):\n");
        page.push_str(&docstring(
            "    ",
            if *record == "UploadContent" {
                &[]
            } else {
                &found.docs
            },
        ));
        if *record == "UploadContent" {
            page.push_str("    \"\"\"What was asked for, as stored.\"\"\"\n");
        }
        page.push('\n');
        for field in found.fields.iter().filter(|field| field.name != "dry_run") {
            let _ = writeln!(page, "    {}: {}", field.name, annotation(field)?);
            page.push_str(&docstring("    ", &field.docs));
        }
        let secrets: Vec<String> = found
            .fields
            .iter()
            .filter(|field| field.docs.iter().any(|line| line.starts_with("The secret")))
            .map(|field| format!("{:?},", field.name))
            .collect();
        if !secrets.is_empty() {
            let _ = writeln!(page, "\n    _secrets = ({})", secrets.join(" "));
        }
    }
    Ok(page)
}

/// Every `pub struct` with named fields.
fn structs_of(source: &str) -> BTreeMap<String, Struct> {
    let mut found = BTreeMap::new();
    let mut docs = Vec::new();
    let mut open: Option<(String, Struct)> = None;
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            docs.push(text.trim().to_owned());
        } else if line.starts_with('#') || line.starts_with("//") {
            // Attributes stand between a documentation and what it belongs to.
        } else if let Some((_, structure)) = open.as_mut().filter(|_| line != "}") {
            let field = line
                .strip_prefix("pub ")
                .and_then(|field| field.split_once(": "));
            if let Some((name, kind)) = field {
                structure.fields.push(Field {
                    name: name.to_owned(),
                    kind: kind.trim_end_matches(',').to_owned(),
                    docs: std::mem::take(&mut docs),
                });
            }
        } else if let Some(done) = open.take() {
            found.insert(done.0, done.1);
        } else if let Some(name) = line
            .strip_prefix("pub struct ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            let docs = std::mem::take(&mut docs);
            open = Some((
                name.to_owned(),
                Struct {
                    docs,
                    fields: Vec::new(),
                },
            ));
        } else {
            docs.clear();
        }
    }
    found
}

/// The annotation of a field of an answer. Its documentation says of a time that it is UTC.
fn annotation(field: &Field) -> Result<String, String> {
    let python = python(&field.kind)?;
    Ok(if field.docs.iter().any(|line| line.contains("UTC")) {
        python.replace("str", "datetime")
    } else {
        python
    })
}

/// The annotation of an argument.
fn input(field: &Field) -> Result<String, String> {
    if let Some((_, given)) = INPUTS.iter().find(|(name, _)| *name == field.name) {
        return Ok((*given).to_owned());
    }
    let python = python(&field.kind)?;
    let python = python.trim_end_matches(" | None");
    Ok(python
        .replace("list[", "Sequence[")
        .replace("dict[", "Mapping["))
}

/// A Rust type in Python's words.
fn python(kind: &str) -> Result<String, String> {
    let inner = |outer: &str| {
        kind.strip_prefix(outer)
            .and_then(|rest| rest.strip_suffix('>'))
    };
    if let Some(inner) = inner("Option<") {
        return Ok(format!("{} | None", python(inner)?));
    }
    if let Some(inner) = inner("Vec<") {
        return Ok(format!("list[{}]", python(inner)?));
    }
    if let Some(inner) = inner("std::collections::BTreeMap<String, ") {
        return Ok(format!("dict[str, {}]", python(inner)?));
    }
    let name = kind.rsplit("::").next().unwrap_or(kind);
    Ok(match name {
        "String" => "str".to_owned(),
        "bool" => "bool".to_owned(),
        "u16" | "u32" | "u64" => "int".to_owned(),
        // Words that a newer service may add to.
        "AccountStatus" | "MediaKind" | "Mode" | "Scope" | "TargetStatus" | "UploadStatus"
        | "Weekday" => "str".to_owned(),
        "ErrorInfo" => "MultiUploadError".to_owned(),
        "Map<String, Value>" | "Override" => "dict[str, Any]".to_owned(),
        "Late" => "dict[str, str]".to_owned(),
        "CreateUpload" => "UploadContent".to_owned(),
        record if RECORDS.iter().any(|(known, _)| *known == record) => record.to_owned(),
        other => {
            return Err(format!(
                "python_models: `{other}` has no Python type; add it to xtask/src/gen/python_models.rs"
            ));
        }
    })
}

/// Documentation as a docstring. Links to Rust items become names, and one backtick two.
fn docstring(indent: &str, docs: &[String]) -> String {
    if docs.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = docs
        .iter()
        .map(|line| {
            line.replace("[`", "`")
                .replace("`]", "`")
                .replace('`', "``")
        })
        .collect();
    let end = if lines.len() > 1 {
        format!("\n{indent}")
    } else {
        String::new()
    };
    let separator = format!("\n{indent}");
    let text = lines
        .join(&separator)
        .replace(&format!("{separator}\n"), "\n\n");
    format!("{indent}\"\"\"{text}{end}\"\"\"\n")
}

const HEAD: &str = r#"# Generated by cargo xtask gen from the types of wire; do not edit.
"""The objects of the service. Times are aware datetimes in UTC, ids are text.

Words such as a status may get new ones with a newer service, so they are text and not enums.
"""

from __future__ import annotations

from ._records import Record

"#;

const INPUT_HEAD: &str = r#"
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from os import PathLike
    from typing import Any, TypeAlias, TypedDict

    from ._errors import MultiUploadError

    AccountLike: TypeAlias = "str | Account"
    BoardLike: TypeAlias = "str | Board"
    SectionLike: TypeAlias = "str | Section"
    MediaLike: TypeAlias = "str | Media"
    SlotLike: TypeAlias = "str | Slot"
    UploadLike: TypeAlias = "str | Upload"
    PathLike_: TypeAlias = "str | PathLike[str]"

    class UploadFields(TypedDict, total=False):
        """What can be asked of an upload, besides its accounts."""

"#;

const INPUT_TAIL: &str = r#"
    class UploadRow(UploadFields, total=False):
        """One row of ``uploads.create_many``."""

        accounts: Sequence[AccountLike]
        idempotency_key: str | None

else:
    UploadFields = UploadRow = dict
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_found_with_its_fields() {
        let page = text().expect("the sources of wire are readable");
        for (record, _) in RECORDS {
            assert!(
                page.contains(&format!("\nclass {record}(Record):\n")),
                "{record}"
            );
        }
        assert!(page.contains("    scheduled_at: datetime | None\n"));
        assert!(page.contains("    refusals: dict[str, list[FieldError]]\n"));
        assert!(page.contains("        media_ids: Sequence[MediaLike] | None\n"));
        assert!(page.contains("    _secrets = (\"key\",)\n"));
    }

    #[test]
    fn a_struct_is_read_with_its_documentation() {
        let source = "/// A thing.\n#[derive(Debug)]\npub struct Thing {\n    /// When, UTC.\n    #[serde(default)]\n    pub at: Option<String>,\n}\n\n/// Not a record.\npub enum Kind {\n    /// One.\n    A,\n}\n";
        let found = structs_of(source);
        let thing = &found["Thing"];
        assert_eq!(thing.docs, ["A thing."]);
        assert_eq!(
            annotation(&thing.fields[0]).as_deref(),
            Ok("datetime | None")
        );
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn an_unknown_type_is_an_error() {
        assert!(python("Vec<Duration>").is_err());
    }
}
