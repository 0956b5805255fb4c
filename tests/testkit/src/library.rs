//! The cases of `tests/spec`, read, written out and checked.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::case::Case;
use crate::{expand, flip, registry};

/// Version of the case format.
const VERSION: u32 = 1;

/// All cases, in the order in which runners play them.
#[derive(Debug)]
pub struct Library {
    cases: Vec<Case>,
    surface: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    version: u32,
    cases: Vec<Value>,
}

impl Library {
    /// Reads `cases/*.json` by file name, then adds the registry's cases.
    ///
    /// # Errors
    /// A sentence that names the file, when it cannot be read, is of another version, does not fit
    /// the format, repeats an id or expects nothing.
    pub fn load(spec: &Path) -> Result<Self, String> {
        let fixtures: Map<String, Value> = read(&spec.join("fixtures.json"))?;
        let surface = read(&spec.join("surface.json"))?;
        let mut cases = Vec::new();
        for path in files(&spec.join("cases"))? {
            let file: File = read(&path)?;
            let name = path.display();
            if file.version != VERSION {
                return Err(format!(
                    "{name}: version {}, expected {VERSION}",
                    file.version
                ));
            }
            for raw in &file.cases {
                let id = raw["id"].as_str().unwrap_or("a case without id").to_owned();
                let whole =
                    expand::expand(raw, &fixtures).map_err(|e| format!("{name}: {id}: {e}"))?;
                let case: Case =
                    serde_json::from_value(whole).map_err(|e| format!("{name}: {id}: {e}"))?;
                cases.push(case);
            }
        }
        cases.extend(registry::cases()?);
        let mut ids = HashSet::new();
        for case in &cases {
            if !ids.insert(&case.id) {
                return Err(format!("{}: the id is used twice", case.id));
            }
            if flip::flip(&mut case.then.clone(), 0).is_none() {
                return Err(format!("{}: `then` expects nothing of the client", case.id));
            }
        }
        Ok(Self { cases, surface })
    }

    /// All cases.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// One case.
    #[must_use]
    pub fn case(&self, id: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// The list of public operations.
    #[must_use]
    pub fn surface(&self) -> &Value {
        &self.surface
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let name = folder.display();
    let mut paths = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<Vec<_>>>()
        })
        .map_err(|error| format!("{name}: {error}; `--spec` names the folder tests/spec"))?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    Ok(paths)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))
}
