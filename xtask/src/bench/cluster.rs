//! A PostgreSQL of our own for a bench, with every promise of durability on. It ends with this process.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Started by the user that PostgreSQL runs as: it refuses to run as root. Its input ends with this process.
const KEEPER: &str = r#"
set -e
umask 077
PATH="$1:$PATH"
dir=$(mktemp -d /var/tmp/mu-bench-XXXXXX)
trap 'pg_ctl -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
initdb -D "$dir/data" -U bench -A trust -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }
pg_ctl -D "$dir/data" -l "$dir/log" -w \
  -o "-k $dir -c listen_addresses='' -c shared_buffers=512MB -c max_connections=200" start >/dev/null 2>&1 \
  || { cat "$dir/log" >&2; exit 1; }
echo "$dir"
cat >/dev/null
"#;

/// A running server; stopped and removed when it is dropped.
pub(super) struct Cluster {
    keeper: Child,
    folder: String,
}

impl Cluster {
    pub(super) fn start() -> Result<Self, String> {
        let programs = programs().ok_or("this bench needs PostgreSQL: initdb was not found")?;
        let mut keeper = keeper(&programs)
            .current_dir("/tmp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("PostgreSQL did not start: {error}"))?;
        let mut folder = String::new();
        if let Some(output) = keeper.stdout.take() {
            // An empty line is the answer to everything that went wrong.
            let _ = BufReader::new(output).read_line(&mut folder);
        }
        let folder = folder.trim().to_owned();
        if folder.is_empty() {
            return Err("PostgreSQL did not start".to_owned());
        }
        Ok(Self { keeper, folder })
    }

    /// Address of a new, empty database.
    pub(super) fn database(&self, name: &str) -> Result<String, String> {
        let programs = programs().unwrap_or_default();
        let status = Command::new(PathBuf::from(programs).join("createdb"))
            .args(["-h", &self.folder, "-U", "bench", name])
            .status()
            .map_err(|error| format!("createdb did not start: {error}"))?;
        if !status.success() {
            return Err(format!("the database {name} could not be made"));
        }
        Ok(format!(
            "postgres://bench@{}/{name}",
            self.folder.replace('/', "%2F")
        ))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It stops the server and removes the folder.
        let _ = self.keeper.wait();
    }
}

fn keeper(programs: &str) -> Command {
    if !nix::unistd::geteuid().is_root() {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh", programs]);
        return command;
    }
    let mut command = Command::new("su");
    command.args([
        "-s",
        "/bin/sh",
        "postgres",
        "-c",
        "exec sh -c \"$0\" sh \"$1\"",
    ]);
    command.args([KEEPER, programs]);
    command
}

/// The folder with `initdb`, of the newest version.
fn programs() -> Option<String> {
    let mut folders: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .collect();
    folders.sort_unstable();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file())
        .map(|folder| folder.display().to_string())
}
