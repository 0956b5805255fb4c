//! Where the repository is, and reading its files with errors that name them.

use std::fs;
use std::path::{Path, PathBuf};

/// The top folder of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// A text file of the repository, by its path from the top.
pub(crate) fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// Every file below a folder that is part of the project, by its path from the top, sorted. Build
/// output and installed packages are left out. A folder that does not exist has no files.
pub(crate) fn files(folder: &str) -> Result<Vec<String>, String> {
    let top = root();
    let mut found = Vec::new();
    let mut open = vec![top.join(folder)];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        let entries = fs::read_dir(&folder)
            .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                let skipped = ["target", "node_modules", "dist", "__pycache__"];
                if !name.starts_with('.') && !skipped.contains(&&*name) {
                    open.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(&top) {
                found.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    Ok(found)
}
