//! `cargo xtask thin`: the bindings hold no logic, so they stay small.
//!
//! Going over a budget means that something belongs in the core. The budgets grow with the number of operations in
//! `tests/spec/surface.json`, because each public method costs a few lines of conversion and typing.

use serde::Deserialize;

use crate::lines::{Language, code, is_generated};
use crate::root::{files, read};

/// A part of the code with an upper limit.
struct Budget {
    name: &'static str,
    folder: &'static str,
    endings: &'static [&'static str],
    base: usize,
    per_method: usize,
}

const BUDGETS: &[Budget] = &[
    Budget {
        name: "Python binding, Rust",
        folder: "bindings-python",
        endings: &["rs"],
        base: 400,
        per_method: 14,
    },
    Budget {
        name: "Python binding, Python",
        folder: "bindings-python/python",
        endings: &["py", "pyi"],
        base: 300,
        per_method: 14,
    },
    Budget {
        name: "Node binding, Rust",
        folder: "bindings-node",
        endings: &["rs"],
        base: 300,
        per_method: 12,
    },
    Budget {
        name: "Node binding, TypeScript",
        folder: "bindings-node/ts",
        endings: &["ts", "mts", "cts"],
        base: 250,
        per_method: 12,
    },
];

/// Each of the programs that play the shared cases in one language.
const RUNNER: usize = 200;

/// Words that stand for work of the core: waiting, repeating, reading statuses and bodies.
const WORDS: &[&str] = &[
    "sleep",
    "setTimeout",
    "setInterval",
    "for attempt",
    "while attempt",
    "backoff",
    "StatusCode",
    "status_code",
    "statusCode",
    "reqwest",
    "hyper::",
    "urllib.request",
    "http.client",
    "node:http",
    "fetch(",
    "\"/v1/",
    "'/v1/",
];

const SURFACE: &str = "tests/spec/surface.json";

#[derive(Deserialize)]
struct Surface {
    operations: Vec<serde_json::Value>,
}

/// One line of the table.
struct Row {
    name: String,
    budget: usize,
    used: usize,
}

/// Runs the check on the work tree.
pub(crate) fn run() -> Result<(), String> {
    let surface: Surface = serde_json::from_str(&read(SURFACE)?)
        .map_err(|error| format!("{SURFACE} has no list `operations`: {error}"))?;
    let methods = surface.operations.len();

    let mut rows = Vec::new();
    for budget in BUDGETS {
        let mut used = 0;
        for path in files(budget.folder)? {
            let ending = path.rsplit('.').next().unwrap_or_default();
            if budget.endings.contains(&ending) {
                used += count(&path, &read(&path)?);
            }
        }
        rows.push(Row {
            name: budget.name.to_owned(),
            budget: budget.base + budget.per_method * methods,
            used,
        });
    }
    for path in runners()? {
        let used = count(&path, &read(&path)?);
        rows.push(Row {
            name: path,
            budget: RUNNER,
            used,
        });
    }

    println!("{methods} operations; lines that are neither blank, comment nor generated:");
    println!("{}", table(&rows));

    let mut problems: Vec<String> = rows
        .iter()
        .filter(|row| row.used > row.budget)
        .map(|row| {
            format!(
                "{}: {} lines over its budget; move logic into the core",
                row.name,
                row.used - row.budget
            )
        })
        .collect();
    for folder in ["bindings-python", "bindings-node"] {
        for path in files(folder)? {
            if let Some(language) = Language::of(&path) {
                problems.extend(forbidden(&path, &read(&path)?, language));
            }
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("thin:\n  {}", problems.join("\n  ")))
    }
}

/// The programs that play `tests/spec` in each language.
fn runners() -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for folder in ["tests", "core/tests", "bindings-python", "bindings-node"] {
        found.extend(files(folder)?.into_iter().filter(|path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            name.contains("spec_runner") && Language::of(name).is_some()
        }));
    }
    Ok(found)
}

fn count(path: &str, text: &str) -> usize {
    match Language::of(path) {
        Some(language) if !is_generated(text) => code(text, language).len(),
        _ => 0,
    }
}

fn forbidden(path: &str, text: &str, language: Language) -> Vec<String> {
    if is_generated(text) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in code(text, language) {
        for word in WORDS.iter().filter(|word| line.contains(**word)) {
            found.push(format!("{path}:{number}: `{word}` belongs in the core"));
        }
    }
    found
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut lines = vec![format!("  {:width$}  {:>6}  {:>6}", "", "used", "budget")];
    for row in rows {
        let mark = if row.used > row.budget { "  over" } else { "" };
        lines.push(format!(
            "  {:width$}  {:>6}  {:>6}{mark}",
            row.name, row.used, row.budget
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_core_are_found_in_code_and_not_in_comments() {
        let text = "// no sleep here\nlet x = 1;\nthread::sleep(x);\n";
        assert_eq!(
            forbidden("a.rs", text, Language::Slashes),
            ["a.rs:3: `sleep` belongs in the core"]
        );
    }

    #[test]
    fn generated_files_cost_nothing() {
        assert_eq!(count("a.py", "# Generated by cargo xtask gen\nx = 1\n"), 0);
        assert_eq!(count("a.py", "x = 1\ny = 2\n"), 2);
        assert_eq!(count("a.md", "x\n"), 0);
    }

    #[test]
    fn the_table_marks_what_is_over() {
        let rows = [
            Row {
                name: "a".to_owned(),
                budget: 10,
                used: 10,
            },
            Row {
                name: "b".to_owned(),
                budget: 10,
                used: 11,
            },
        ];
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().collect();
        assert!(!lines[1].contains("over"));
        assert!(lines[2].ends_with("over"));
    }
}
