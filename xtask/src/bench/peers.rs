//! The queues that ours is compared with, as their authors publish them, in Node programs of their own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::artefacts::Artefacts;
use super::note;

/// Newest versions that run on Node 20, and the database driver of both.
const PACKAGES: [&str; 3] = ["pg-boss@10.4.2", "graphile-worker@0.16.6", "pg@8"];

/// What they are called in the programs and in the figures.
pub(super) const NAMES: [&str; 2] = ["pg-boss", "graphile-worker"];

const DISPATCH: &str = include_str!("peers/dispatch.mjs");
const LATENESS: &str = include_str!("peers/lateness.mjs");

/// The installed peers.
pub(super) struct Peers {
    folder: PathBuf,
}

impl Peers {
    /// Installs them beside the build, once.
    pub(super) fn install(artefacts: &Artefacts) -> Result<Self, String> {
        let folder = artefacts.folder().join("bench-peers");
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        for (name, text) in [
            ("package.json", "{\"private\": true}\n"),
            ("dispatch.mjs", DISPATCH),
            ("lateness.mjs", LATENESS),
        ] {
            std::fs::write(folder.join(name), text).map_err(|error| error.to_string())?;
        }
        note("installing the queues it is compared with");
        let status = Command::new("npm")
            .args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--no-save",
            ])
            .args(PACKAGES)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| format!("npm did not start: {error}"))?;
        if !status.success() {
            return Err(format!("npm could not install {}", PACKAGES.join(", ")));
        }
        Ok(Self { folder })
    }

    /// Runs a program to its end; the object it printed last.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> Result<Value, String> {
        let output = Command::new("node")
            .arg(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("node did not start: {error}"))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let answer = printed.trim().lines().last().unwrap_or_default();
        serde_json::from_str(answer).map_err(|_| {
            format!(
                "{program} {} failed:\n{printed}{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }
}
