//! `multi_upload/_errors.py`: the exception classes of the Python package.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use multi_upload_wire::{Category, REGISTRY, RegistryEntry};

use super::classes::{self, Class};

/// The base class, the same for every registry.
const HEAD: &str = include_str!("python_errors_head.py");

const TAIL: &str = r#"

def _from_native(info: dict[str, Any], causes: list[str] | None = None) -> MultiUploadError:
    """The exception of an error object. ``causes`` goes from the nearest to the deepest."""
    made = CODES.get(info["code"]) or _CATEGORIES.get(info["category"], MultiUploadError)
    error = made(info)
    below: BaseException = error
    for text in causes or ():
        below.__cause__ = NativeCause(text)
        below = below.__cause__
    return error
"#;

pub(super) fn text() -> String {
    python_errors(REGISTRY)
}

fn python_errors(registry: &[RegistryEntry]) -> String {
    let mut page = HEAD.to_owned();
    for category in Category::ALL {
        let of_category = classes::of_category(category);
        let (own, special): (Vec<_>, Vec<_>) = registry
            .iter()
            .filter(|entry| entry.category == category)
            .partition(|entry| classes::of_code(entry) == of_category);
        page.push_str(&class(of_category, classes::BASE, &own));
        for name in special
            .iter()
            .map(|entry| classes::of_code(entry).python)
            .collect::<BTreeSet<_>>()
        {
            let entries: Vec<_> = special
                .iter()
                .copied()
                .filter(|entry| classes::of_code(entry).python == name)
                .collect();
            page.push_str(&class(
                classes::of_code(entries[0]),
                of_category.python,
                &entries,
            ));
        }
    }
    page.push_str("CODES: dict[str, type[MultiUploadError]] = {\n");
    for entry in registry {
        let _ = writeln!(
            page,
            "    {:?}: {},",
            entry.name,
            classes::of_code(entry).python
        );
    }
    page.push_str("}\n\"\"\"The class that each known code raises.\"\"\"\n\n_CATEGORIES: dict[str, type[MultiUploadError]] = {\n");
    for category in Category::ALL {
        let _ = writeln!(
            page,
            "    {:?}: {},",
            category.as_str(),
            classes::of_category(category).python
        );
    }
    page.push_str("}\n\n__all__ = [\n    \"CODES\",\n");
    let mut names: BTreeSet<&str> = registry
        .iter()
        .map(|entry| classes::of_code(entry).python)
        .collect();
    names.extend(Category::ALL.map(|category| classes::of_category(category).python));
    names.insert(classes::BASE);
    for name in names {
        let _ = writeln!(page, "    {name:?},");
    }
    page.push_str("]\n");
    page.push_str(TAIL);
    page
}

fn class(class: Class, base: &str, entries: &[&RegistryEntry]) -> String {
    // The builtin that a user may already catch.
    let builtin = match class.python {
        "ValidationError" => ", ValueError",
        "ServiceConnectionError" => ", ConnectionError",
        "ServiceTimeoutError" => ", TimeoutError",
        _ => "",
    };
    let mut text = format!("class {}({base}{builtin}):\n    \"\"\"", class.python);
    match entries {
        [] => text.push_str("No code of this version.\"\"\"\n"),
        [one] => {
            let _ = writeln!(text, "{}: {}.\"\"\"", one.name, lower(one.title));
        }
        several => {
            text.push_str("One of:\n\n");
            for entry in several {
                let _ = writeln!(text, "    * {}: {}.", entry.name, lower(entry.title));
            }
            text.push_str("    \"\"\"\n");
        }
    }
    text.push_str("\n\n");
    text
}

/// A title inside a sentence: `The file is too large` goes on small, `API` and `JSON` do not.
fn lower(title: &str) -> String {
    let mut letters = title.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_category_has_its_class() {
        let text = text();
        for entry in REGISTRY {
            let class = classes::of_code(entry).python;
            assert!(text.contains(&format!("    {:?}: {class},\n", entry.name)));
            assert!(text.contains(&format!("class {class}(")));
        }
        assert!(text.contains("class IdempotencyError(ConflictError):"));
        assert!(text.contains("class ValidationError(MultiUploadError, ValueError):"));
    }
}
