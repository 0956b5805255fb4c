//! `cargo xtask gen`: files that follow from the code. They are committed, so that a reader and a package need no
//! build; `--check` proves that they are fresh.

mod classes;
mod difference;
mod errors_json;
mod errors_md;
mod node_errors;
mod python_async;
mod python_errors;
mod python_models;
mod snippets;
mod version;

use std::fs;

use crate::root::root;

/// A generated file: its path from the top of the repository, and what stands in it.
type Output = (&'static str, fn() -> String);

const OUTPUTS: &[Output] = &[
    ("docs/openapi.json", multi_upload_server::openapi),
    ("docs/errors.md", errors_md::text),
    ("tests/spec/errors.json", errors_json::text),
    (
        "bindings-python/python/multi_upload/_errors.py",
        python_errors::text,
    ),
    ("bindings-node/ts/errors.ts", node_errors::text),
];

/// Writes every file, or with `check` compares them and the version numbers.
pub(crate) fn run(check: bool) -> Result<(), String> {
    let mut outputs: Vec<(&str, String)> =
        OUTPUTS.iter().map(|(path, text)| (*path, text())).collect();
    outputs.push(("README.md", snippets::readme()?));
    outputs.push((
        "bindings-python/python/multi_upload/_models.py",
        python_models::text()?,
    ));
    outputs.push((
        "bindings-python/python/multi_upload/_async_client.py",
        python_async::text()?,
    ));
    let mut stale = Vec::new();
    for (path, fresh) in &outputs {
        let file = root().join(path);
        let found = fs::read_to_string(&file).unwrap_or_default();
        if found == *fresh {
            continue;
        }
        if check {
            stale.push(format!("{path}: {}", difference::summary(&found, fresh)));
            continue;
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| format!("{path}: {error}"))?;
        }
        fs::write(&file, fresh).map_err(|error| format!("{path} cannot be written: {error}"))?;
        println!("gen: wrote {path}");
    }
    if check {
        stale.extend(version::problems()?);
    }
    if stale.is_empty() {
        println!("gen: {} files are fresh", outputs.len());
        Ok(())
    } else {
        Err(format!(
            "gen: `cargo xtask gen` writes these anew (versions are changed by hand):\n  {}",
            stale.join("\n  ")
        ))
    }
}
