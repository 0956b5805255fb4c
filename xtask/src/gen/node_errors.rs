//! `bindings-node/ts/errors.ts`: the error classes of the Node package.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use multi_upload_wire::{Category, REGISTRY, RegistryEntry};

use super::classes;

/// The base class, the same for every registry.
const HEAD: &str = include_str!("node_errors_head.ts");

pub(super) fn text() -> String {
    node_errors(REGISTRY)
}

fn node_errors(registry: &[RegistryEntry]) -> String {
    let mut page = HEAD.to_owned();
    let mut parents: BTreeMap<&str, &str> = BTreeMap::new();
    let mut names = Vec::new();
    for category in Category::ALL {
        let parent = classes::of_category(category).node;
        let mut under: BTreeMap<&str, Vec<&RegistryEntry>> = BTreeMap::from([(parent, Vec::new())]);
        for entry in registry.iter().filter(|entry| entry.category == category) {
            under
                .entry(classes::of_code(entry).node)
                .or_default()
                .push(entry);
        }
        // The category's class first: the others extend it.
        let entries = under.remove(parent).unwrap_or_default();
        page.push_str(&class(parent, classes::BASE, &entries));
        names.push(parent);
        for (name, entries) in under {
            page.push_str(&class(name, parent, &entries));
            parents.insert(name, parent);
            names.push(name);
        }
    }
    page.push_str("\nconst CLASSES: Record<string, typeof MultiUploadError> = {\n");
    for name in names {
        let _ = writeln!(page, "  {name},");
    }
    page.push_str("};\n\nconst PARENTS: Record<string, string> = {\n");
    for (name, parent) in parents {
        let _ = writeln!(page, "  {name}: {parent:?},");
    }
    page.push_str("};\n\n/** The class that each known code throws. */\nexport const CODES: Record<string, string> = {\n");
    for entry in registry {
        let _ = writeln!(
            page,
            "  {}: {:?},",
            entry.name,
            classes::of_code(entry).node
        );
    }
    page.push_str("};\n\nconst CATEGORIES: Record<string, string> = {\n");
    for category in Category::ALL {
        let _ = writeln!(
            page,
            "  {}: {:?},",
            category.as_str(),
            classes::of_category(category).node
        );
    }
    page.push_str("};\n");
    page
}

fn class(name: &str, base: &str, entries: &[&RegistryEntry]) -> String {
    let mut text = String::from("\n/**\n");
    if entries.is_empty() {
        text.push_str(" * No code of this version.\n");
    }
    for entry in entries {
        let _ = writeln!(text, " * - `{}`: {}.", entry.name, entry.title);
    }
    let _ = writeln!(
        text,
        " */\nexport class {name} extends {base} {{\n  static override readonly className: string = {name:?};\n}}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_category_has_its_class() {
        let text = text();
        for entry in REGISTRY {
            let class = classes::of_code(entry).node;
            assert!(text.contains(&format!("  {}: {class:?},\n", entry.name)));
            assert!(text.contains(&format!("export class {class} extends ")));
        }
        assert!(text.contains("export class IdempotencyError extends ConflictError {"));
    }
}
