//! A service of our own for a bench: the released binary on a data folder that goes with it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::artefacts::Artefacts;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `multi-upload serve`; killed when it is dropped.
pub(super) struct Service {
    child: Child,
    pub(super) address: SocketAddr,
    /// Present on the first start of a data folder.
    pub(super) key: Option<String>,
}

impl Service {
    /// Starts it and waits until it says that it is ready.
    pub(super) fn start(
        artefacts: &Artefacts,
        data: &Path,
        flags: &[&str],
    ) -> Result<Self, String> {
        let mut child = command(artefacts, data, "127.0.0.1:0")
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the service did not start: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // The rest of its output is nothing.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = ready["url"]
            .as_str()
            .and_then(|url| url.strip_prefix("http://"));
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the service was not ready: {line}"));
        };
        let key = ready["admin_key"]["key"].as_str().map(str::to_owned);
        Ok(Self {
            child,
            address,
            key,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request with the service's key; the body of the answer.
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let key = self.key.as_deref().unwrap_or_default();
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let head = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
        let (_, body) = exchange(self.address, method, path, &head, &text)?;
        serde_json::from_str(&body).map_err(|error| format!("{path}: {error} in {body}"))
    }

    /// Opens an address of the service as a browser would; where it sends the browser to.
    pub(super) fn follow(&self, path: &str) -> Result<Option<String>, String> {
        let (head, _) = exchange(self.address, "GET", path, "", "")?;
        let location = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("location")
                .then(|| value.trim().to_owned())
        });
        Ok(location)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time from starting the process to its first answer, in milliseconds, and the process.
pub(super) fn timed_start(artefacts: &Artefacts, data: &Path) -> Result<(f64, Service), String> {
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let child = command(artefacts, data, &address.to_string())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("the service did not start: {error}"))?;
    let service = Service {
        child,
        address,
        key: None,
    };
    while begun.elapsed() < PATIENCE {
        if let Ok((head, _)) = exchange(address, "GET", "/healthz", "", "")
            && head.starts_with("HTTP/1.1 200")
        {
            return Ok((begun.elapsed().as_secs_f64() * 1_000.0, service));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("the service did not answer /healthz".to_owned())
}

fn command(artefacts: &Artefacts, data: &Path, listen: &str) -> Command {
    let mut command = Command::new(artefacts.command());
    command
        .args(["--json", "serve", "--listen", listen, "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    for (name, _) in std::env::vars_os() {
        // What is set for somebody's own service is not for this one.
        let text = name.to_string_lossy();
        if text.starts_with("MULTI_UPLOAD_") || text.starts_with("PINTEREST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// One request on a connection of its own: head and body of the answer.
fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> Result<(String, String), String> {
    let failed = |error: std::io::Error| format!("{path}: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("{path}: no answer"))?;
    Ok((head.to_owned(), body.to_owned()))
}
