//! A client of bare TCP: what a test asserts about bytes must not go through a library that mends them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::ErrorKind;

use multi_upload_testkit::{API_KEY, Kit, OpenSession, Opened, spec_dir};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) async fn kit() -> Kit {
    Kit::start(&spec_dir(), 0).await.expect("the cases load")
}

pub(crate) fn open(kit: &Kit, case: &str) -> Opened {
    let request = OpenSession {
        case: case.to_owned(),
        ..OpenSession::default()
    };
    kit.open(&request).expect("the case exists")
}

/// What came back until the connection ended, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: Result<(), ErrorKind>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let word = self.head.split(' ').nth(1).expect("a status line");
        word.parse().expect("a number")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(crate) async fn connect(base_url: &str) -> (TcpStream, String) {
    let rest = base_url.strip_prefix("http://").expect("http");
    let (address, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let stream = TcpStream::connect(address).await.expect("it listens");
    let prefix = if prefix.is_empty() {
        String::new()
    } else {
        format!("/{prefix}")
    };
    (stream, prefix)
}

/// Sends one request on a connection of its own and reads until the connection ends.
pub(crate) async fn send(
    base_url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let (mut stream, prefix) = connect(base_url).await;
    let mut text =
        format!("{method} {prefix}{path} HTTP/1.1\r\nhost: kit\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes()).await.expect("it is read");
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    let at = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(bytes.len());
    Answer {
        head: String::from_utf8_lossy(&bytes[..at]).into_owned(),
        body: bytes.get(at + 4..).unwrap_or_default().to_vec(),
        ended: ended.map(|_| ()).map_err(|error| error.kind()),
    }
}

/// `POST /v1/uploads` as a client would send it.
pub(crate) async fn create(base_url: &str, key: &str, attempt: u32, body: &str) -> Answer {
    let bearer = format!("Bearer {API_KEY}");
    let attempt = attempt.to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", key),
        ("x-attempt", &attempt),
    ];
    send(base_url, "POST", "/v1/uploads", &headers, body).await
}

pub(crate) const UPLOAD: &str =
    r#"{"accounts":["pinterest:549"],"image_url":"https://example.com/pin.jpg","board_id":"1"}"#;
