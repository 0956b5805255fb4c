//! A PostgreSQL for the tests: one of their own, which is there as long as this process is, or that of
//! `MULTI_UPLOAD_TEST_DATABASE_URL`. Each test has a database of its own in it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use multi_upload_server::store::Store;
use multi_upload_server::store::postgres::PgStore;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use url::Url;

/// Where the tests may make databases.
struct Cluster {
    base: Url,
    /// Ends when its input is closed, however this process ends.
    _keeper: Option<Child>,
}

/// Started by the user that PostgreSQL runs as: it refuses to run as root. Its input ends with this process.
const KEEPER: &str = r#"
set -e
umask 077
PATH="$1:$PATH"
dir=$(mktemp -d /tmp/mu-pg-XXXXXX)
trap 'pg_ctl -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
initdb -D "$dir/data" -U story -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }
pg_ctl -D "$dir/data" -l "$dir/log" -w \
  -o "-k $dir -c listen_addresses='' -c max_connections=400 -c fsync=off -c shared_buffers=64MB" start >/dev/null 2>&1 \
  || { cat "$dir/log" >&2; exit 1; }
echo "ready $dir"
cat >/dev/null
"#;

fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(find_or_start).as_ref()
}

fn find_or_start() -> Option<Cluster> {
    if let Ok(url) = std::env::var("MULTI_UPLOAD_TEST_DATABASE_URL") {
        return Some(Cluster {
            base: Url::parse(&url).expect("MULTI_UPLOAD_TEST_DATABASE_URL is an address"),
            _keeper: None,
        });
    }
    let Some(programs) = programs() else {
        let forbidden = std::env::var_os("MULTI_UPLOAD_FORBID_SKIPS").is_some_and(|v| v == "1");
        assert!(
            !forbidden,
            "there is no PostgreSQL here, and MULTI_UPLOAD_FORBID_SKIPS is set"
        );
        return None;
    };
    let mut keeper = keeper(&programs);
    let output = keeper.stdout.take().unwrap();
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).unwrap();
    let folder = line
        .trim()
        .strip_prefix("ready ")
        .expect("PostgreSQL starts");
    let host = folder.replace('/', "%2F");
    Some(Cluster {
        base: Url::parse(&format!("postgres://story@{host}/postgres")).unwrap(),
        _keeper: Some(keeper),
    })
}

fn keeper(programs: &str) -> Child {
    let user = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    let mut command = if user.trim() == "0" {
        let known = Command::new("id").arg("postgres").output().unwrap();
        let name = if known.status.success() {
            "postgres"
        } else {
            "nobody"
        };
        let mut command = Command::new("su");
        command.args(["-s", "/bin/sh", name, "-c", "exec sh -c \"$0\" sh \"$1\""]);
        command.args([KEEPER, programs]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh", programs]);
        command
    };
    command
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The folder with `initdb`, the newest first.
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

/// A fresh, empty database.
pub(crate) struct Place {
    cluster: &'static Cluster,
    name: String,
    url: String,
}

impl Place {
    /// `None`, and a word about it, where there is no PostgreSQL.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) async fn new() -> Option<Self> {
        let Some(cluster) = tokio::task::spawn_blocking(cluster).await.unwrap() else {
            eprintln!("skipped: there is no PostgreSQL here (initdb was not found)");
            return None;
        };
        let name = format!("story_{}", uuid::Uuid::new_v4().simple());
        run(
            cluster.base.as_str(),
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        )
        .await;
        let mut url = cluster.base.clone();
        url.set_path(&name);
        Some(Self {
            cluster,
            name,
            url: url.to_string(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn open(&self) -> PgStore {
        PgStore::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.open().await)
    }

    /// Runs a program of PostgreSQL on this database: where an argument is empty, its address stands; at the end where none is.
    pub(crate) async fn program(&self, name: &str, arguments: &[&str]) {
        let folder = programs().expect("the programs of the server are here");
        let mut command = Command::new(PathBuf::from(folder).join(name));
        let mut is_named = false;
        for argument in arguments {
            is_named |= argument.is_empty();
            command.arg(if argument.is_empty() {
                self.url.as_str()
            } else {
                argument
            });
        }
        if !is_named {
            command.arg(&self.url);
        }
        let done = tokio::task::spawn_blocking(move || command.output());
        let done = done.await.unwrap().unwrap();
        let words = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {words}");
    }

    /// Runs one statement beside the store; gives the first value, as text.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        run(&self.url, sql).await
    }

    /// A connection beside the store, for a transaction that stays open.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Removes the database, whoever is still connected.
    pub(crate) async fn end(self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        run(self.cluster.base.as_str(), &sql).await;
    }
}

async fn run(url: &str, sql: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    messages
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(ToOwned::to_owned),
            _ => None,
        })
        .unwrap_or_default()
}
