//! Starting the real binary, and talking to what it serves without any of our own code.

#![allow(dead_code, reason = "each test file uses a part")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("multi-upload-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary, with nothing of the caller's settings.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multi-upload"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("MULTI_UPLOAD_") || text.starts_with("PINTEREST_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    command().args(args).stdin(Stdio::null()).output().unwrap()
}

/// Every line of its stdout as JSON; it must have worked.
pub(crate) fn json_lines(output: &Output) -> Vec<Value> {
    assert!(
        output.status.success(),
        "it failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The error object on its stderr; it must have failed with 1.
pub(crate) fn json_error(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with("{\"error\""))
        .unwrap();
    serde_json::from_str::<Value>(line).unwrap()["error"].take()
}

/// A command that serves until it is told to stop.
pub(crate) struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

impl Served {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .arg("--json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).expect("it says when it is ready");
        Self {
            child,
            stdout,
            ready,
        }
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.ready[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field}: {}", self.ready))
            .to_owned()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.unwrap().success());
    }

    /// Stops it as a service manager does, and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing follows the ready line");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client command for a service.
pub(crate) fn client(url: &str, key: &str) -> Command {
    let mut command = command();
    command
        .env("MULTI_UPLOAD_URL", url)
        .env("MULTI_UPLOAD_API_KEY", key)
        .stdin(Stdio::null());
    command
}

/// Status, `Location` and body of a GET.
pub(crate) fn get(address: &str) -> (u16, Option<String>, String) {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location")
            .then(|| value.to_owned())
    });
    (status, location, body.to_owned())
}

/// Connects the sandbox's account as a user with a browser does; the sandbox approves by itself.
pub(crate) fn connect(url: &str, key: &str) -> Value {
    let mut child = client(url, key)
        .args(["connect", "pinterest", "--no-browser", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut address = stderr.lines().map_while(Result::ok).find_map(|line| {
        line.trim()
            .starts_with("http")
            .then(|| line.trim().to_owned())
    });
    let mut pages = 0;
    while let Some(next) = address {
        let (status, location, body) = get(&next);
        assert!(status < 400, "{next}: {status} {body}");
        address = location;
        pages += 1;
        assert!(pages < 5, "the pages lead in a circle");
    }
    let output = child.wait_with_output().unwrap();
    json_lines(&output).remove(0)
}

/// One of the pictures of the examples.
pub(crate) fn write_picture(path: &Path) {
    let picture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/images/kitchen-tiles.png"
    );
    std::fs::copy(picture, path).unwrap();
}

/// A request that the service has begun to read and whose body never comes.
pub(crate) fn hold(url: &str, key: &str) -> TcpStream {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST /v1/uploads HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream
}
