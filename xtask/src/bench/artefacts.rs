//! What is measured: built with one profile, and put where an interpreter finds it as if it were installed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::note;
use crate::root::{files, root};

/// How it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Profile {
    /// As it is released
    Release,
    /// For debugging
    Dev,
}

const PACKAGES: [&str; 4] = [
    "multi-upload-cli",
    "multi-upload-python",
    "multi-upload-node",
    "xtask",
];

/// Builds everything that is measured; the folder it lies in.
pub(super) fn build(profile: Profile) -> Result<PathBuf, String> {
    let (name, folder) = match profile {
        Profile::Release => ("release", "release"),
        Profile::Dev => ("dev", "debug"),
    };
    note(&format!(
        "building with profile {name}; the first time takes minutes"
    ));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--profile", name]);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    let status = cargo
        .current_dir(root())
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !status.success() {
        return Err("bench: the build failed".to_owned());
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(root().join(target).join(folder))
}

/// The things that are measured.
pub(super) struct Artefacts {
    folder: PathBuf,
    python: PathBuf,
    stage: TempDir,
}

impl Artefacts {
    /// Puts the packages together.
    pub(super) fn stage(folder: &Path) -> Result<Self, String> {
        let stage =
            TempDir::with_prefix("multi-upload-bench-").map_err(|error| error.to_string())?;
        let artefacts = Self {
            folder: folder.to_path_buf(),
            python: interpreter()?,
            stage,
        };
        let python = artefacts.python_path().join("multi_upload");
        copy("bindings-python/python/multi_upload", &python, &["py"])?;
        place(
            &artefacts.library("multi_upload_native"),
            &python.join("_native.abi3.so"),
        )?;
        let node = artefacts.node_path().join("multi-upload");
        copy("bindings-node", &node, &["json", "mjs"])?;
        let compiled = root().join("bindings-node/dist");
        let entries = fs::read_dir(&compiled)
            .map_err(|_| "bindings-node/dist is missing: run `make node-build` first".to_owned())?;
        for entry in entries.flatten() {
            place(&entry.path(), &node.join("dist").join(entry.file_name()))?;
        }
        place(
            &artefacts.library("multi_upload_node"),
            &node.join("multi-upload.node"),
        )?;
        Ok(artefacts)
    }

    /// Where they were built.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The `multi-upload` command.
    pub(super) fn command(&self) -> PathBuf {
        self.folder.join("multi-upload")
    }

    /// This program, as it was built with the others.
    pub(super) fn xtask(&self) -> PathBuf {
        self.folder.join("xtask")
    }

    /// Python with a program; the package can be imported.
    pub(super) fn python(&self, program: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .args(["-c", program])
            .env("PYTHONPATH", self.python_path());
        command
    }

    /// Node with a program; the package can be required.
    pub(super) fn node(&self, program: &str) -> Command {
        let mut command = Command::new("node");
        command
            .args(["-e", program])
            .env("NODE_PATH", self.node_path());
        command
    }

    fn python_path(&self) -> PathBuf {
        self.stage.path().join("python")
    }

    fn node_path(&self) -> PathBuf {
        self.stage.path().join("node_modules")
    }

    fn library(&self, name: &str) -> PathBuf {
        let names = [
            format!("lib{name}.so"),
            format!("lib{name}.dylib"),
            format!("{name}.dll"),
        ];
        let found = names
            .iter()
            .map(|name| self.folder.join(name))
            .find(|path| path.exists());
        found.unwrap_or_else(|| self.folder.join(&names[0]))
    }
}

/// The interpreter itself: what is found by its name may be a script that looks for one, at five times its cost.
fn interpreter() -> Result<PathBuf, String> {
    let name = std::env::var_os("PYTHON").unwrap_or_else(|| OsString::from("python3"));
    let output = Command::new(&name)
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .map_err(|error| format!("{} did not start: {error}", name.to_string_lossy()))?;
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

/// The project's files below a folder with these endings.
fn copy(from: &str, to: &Path, endings: &[&str]) -> Result<(), String> {
    for path in files(from)? {
        let ending = path.rsplit('.').next().unwrap_or_default();
        if endings.contains(&ending) {
            let below = path
                .strip_prefix(from)
                .unwrap_or(&path)
                .trim_start_matches('/');
            place(&root().join(&path), &to.join(below))?;
        }
    }
    Ok(())
}

fn place(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be copied: {error}", from.display());
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::copy(from, to).map(|_| ()).map_err(failed)
}
