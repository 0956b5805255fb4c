//! One version number for every package.

use serde_json::Value;

use crate::root::read;

const CARGO: &str = "Cargo.toml";
const PYTHON: &str = "pyproject.toml";
const NODE: &str = "bindings-node/package.json";

/// Where a version differs from the workspace's.
pub(super) fn problems() -> Result<Vec<String>, String> {
    let workspace = workspace_version(&read(CARGO)?)?;
    let mut problems = Vec::new();
    for (path, found) in [
        (PYTHON, python_version(&read(PYTHON)?)?),
        (NODE, node_version(&read(NODE)?)?),
    ] {
        if found != workspace {
            problems.push(format!(
                "{path} has version {found}, {CARGO} has {workspace}"
            ));
        }
    }
    Ok(problems)
}

fn workspace_version(text: &str) -> Result<String, String> {
    let document: toml::Table =
        toml::from_str(text).map_err(|error| format!("{CARGO}: {error}"))?;
    document
        .get("workspace")
        .and_then(|table| table.get("package"))
        .and_then(|table| table.get("version"))
        .and_then(toml::Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("{CARGO} has no workspace.package.version"))
}

fn python_version(text: &str) -> Result<String, String> {
    let document: toml::Table =
        toml::from_str(text).map_err(|error| format!("{PYTHON}: {error}"))?;
    document
        .get("project")
        .and_then(|table| table.get("version"))
        .and_then(toml::Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("{PYTHON} has no project.version"))
}

fn node_version(text: &str) -> Result<String, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| format!("{NODE}: {error}"))?;
    document["version"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("{NODE} has no version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_where_each_tool_keeps_them() {
        let cargo = "[workspace]\n[workspace.package]\nversion = \"1.2.3\"\n";
        assert_eq!(workspace_version(cargo).as_deref(), Ok("1.2.3"));
        assert_eq!(
            python_version("[project]\nversion = \"1.2.3\"\n").as_deref(),
            Ok("1.2.3")
        );
        assert_eq!(
            node_version("{\"version\":\"1.2.3\"}").as_deref(),
            Ok("1.2.3")
        );
        assert!(workspace_version("[package]\nversion = \"1\"\n").is_err());
    }
}
