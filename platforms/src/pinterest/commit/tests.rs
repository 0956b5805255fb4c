//! The commit against a raw listener that plays one script: what was sent, how often, and what the end of it proves.

#![allow(clippy::unwrap_used, reason = "a panic is the failure")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{JoinHandle, spawn};

use super::*;
use crate::{FailureClass, System};

/// What the listener does with a request.
enum Script {
    /// Writes these bytes and hangs up.
    Answer(String),
    /// At the first byte: writes this and hangs up. The rest of the request is unread, so the connection is reset.
    Early(&'static str),
    /// Says nothing until the caller hangs up.
    Silent,
    /// Writes these bytes, then nothing until the caller hangs up.
    Stall(String),
}

/// A listener and everything that was sent to it, one entry a connection.
struct Peer {
    base: Url,
    seen: JoinHandle<Vec<String>>,
    address: SocketAddr,
}

impl Peer {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = spawn(move || {
            let mut seen = Vec::new();
            for socket in listener.incoming() {
                match play(socket.unwrap(), &script) {
                    Some(request) => seen.push(request),
                    None => return seen,
                }
            }
            seen
        });
        Self {
            base: Url::parse(&format!("http://{address}/v5")).unwrap(),
            seen,
            address,
        }
    }

    /// All requests, once the script is over. A connection that opens with `.` ends the listener, so everything sent
    /// before it has been seen.
    fn requests(self) -> Vec<String> {
        TcpStream::connect(self.address)
            .unwrap()
            .write_all(b".")
            .unwrap();
        self.seen.join().unwrap()
    }
}

/// One connection; `None` ends the listener.
fn play(mut socket: TcpStream, script: &Script) -> Option<String> {
    let mut first = [0];
    match socket.read(&mut first).unwrap() {
        0 => return Some(String::new()),
        _ if first == *b"." => return None,
        _ => {}
    }
    if let Script::Early(answer) = script {
        socket.write_all(answer.as_bytes()).unwrap();
        return Some("(reset)".to_owned());
    }
    let mut request = first.to_vec();
    while !is_whole(&request) {
        let mut part = [0; 4_096];
        let read = socket.read(&mut part).unwrap();
        request.extend_from_slice(&part[..read]);
    }
    match script {
        Script::Answer(answer) => socket.write_all(answer.as_bytes()).unwrap(),
        Script::Stall(answer) => {
            socket.write_all(answer.as_bytes()).unwrap();
            let _ = socket.read(&mut first);
        }
        Script::Silent => {
            let _ = socket.read(&mut first);
        }
        Script::Early(_) => {}
    }
    Some(String::from_utf8(request).unwrap())
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap_or("0");
    body.len() >= length.parse::<usize>().unwrap()
}

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-pinterest-rid: 4711\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn prepared() -> Prepared {
    Prepared {
        body: Bytes::from_static(br#"{"board_id":"1"}"#),
        state: None,
    }
}

fn limits() -> Limits {
    Limits::default()
}

async fn send(base: &Url, limits: Limits) -> CommitAnswer {
    let connection = Connection(Box::new(open(base, &System, limits).await.unwrap()));
    commit(connection, base, limits, "pina_token", &prepared()).await
}

/// Plays the script; gives the answer and checks that exactly one whole request was seen.
async fn once(script: Script) -> CommitAnswer {
    with_limits(script, limits()).await
}

async fn with_limits(script: Script, limits: Limits) -> CommitAnswer {
    let peer = Peer::start(script);
    let answer = send(&peer.base, limits).await;
    let requests = peer.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    answer
}

fn unknown_class(answer: &CommitAnswer) -> FailureClass {
    match answer {
        CommitAnswer::Unknown(error) => {
            assert!(error.info.is(ErrorCode::OutcomeUnknown), "{error}");
            error.class
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_request_is_complete_and_sent_once() {
    let peer = Peer::start(Script::Answer(json("201 Created", r#"{"id":"42"}"#)));
    let host = peer.base.authority().to_owned();
    let answer = send(&peer.base, limits()).await;
    assert!(
        matches!(&answer, CommitAnswer::Applied { remote_id, .. } if remote_id == "42"),
        "{answer:?}"
    );
    let requests = peer.requests();
    assert_eq!(requests.len(), 1);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(body, r#"{"board_id":"1"}"#);
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /v5/pins HTTP/1.1"));
    let mut headers: Vec<_> = lines.map(str::to_ascii_lowercase).collect();
    headers.sort();
    let mut expected = [
        format!("host: {host}"),
        "authorization: bearer pina_token".to_owned(),
        format!("user-agent: {}", api::USER_AGENT),
        "accept: application/json".to_owned(),
        "content-type: application/json".to_owned(),
        "connection: close".to_owned(),
        "content-length: 16".to_owned(),
    ];
    expected.sort();
    assert_eq!(headers, expected);
}

#[tokio::test]
async fn a_cut_before_the_answer_is_unknown() {
    let answer = once(Script::Answer(String::new())).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
    let answer = once(Script::Early("")).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
    let answer = once(Script::Answer("HTTP/1.1 201 Crea".to_owned())).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
    let answer = once(Script::Answer("SSH-2.0-x\r\n\r\n".to_owned())).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
}

#[tokio::test]
async fn a_cut_in_a_success_means_that_the_pin_exists() {
    let whole = json("201 Created", r#"{"id":"42"}"#);
    let answer = once(Script::Answer(whole[..whole.len() - 3].to_owned())).await;
    assert!(
        matches!(answer, CommitAnswer::AppliedIdUnknown(_)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_cut_in_a_refusal_proves_nothing() {
    let whole = json(
        "404 Not Found",
        r#"{"code":40,"message":"Board not found."}"#,
    );
    let answer = once(Script::Answer(whole[..whole.len() - 1].to_owned())).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
    let answer = once(Script::Answer(whole)).await;
    match answer {
        CommitAnswer::Rejected(error) => {
            assert_eq!(error.class, FailureClass::NotFound);
            assert_eq!(
                error.info.platform.unwrap().request_id.as_deref(),
                Some("4711")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_success_without_an_id_is_looked_up_and_not_sent_again() {
    for body in ["{}", r#"{"id":null}"#, "<html>"] {
        let answer = once(Script::Answer(json("201 Created", body))).await;
        assert!(
            matches!(answer, CommitAnswer::AppliedIdUnknown(_)),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let peer = Peer::start(Script::Answer(String::new()));
    let location = peer.base.join("/v5/pins").unwrap();
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    );
    let answer = once(Script::Answer(redirect)).await;
    assert_eq!(unknown_class(&answer), FailureClass::BadAnswer);
    assert!(peer.requests().is_empty(), "the redirect was followed");
}

#[tokio::test]
async fn silence_is_unknown_when_the_time_is_over() {
    let short = Limits {
        answer: Duration::from_millis(50),
        ..limits()
    };
    let answer = with_limits(Script::Silent, short).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
    let stalled = "HTTP/1.1 201 Created\r\ncontent-length: 11\r\n\r\n{\"id\"".to_owned();
    let answer = with_limits(Script::Stall(stalled), short).await;
    assert!(
        matches!(answer, CommitAnswer::AppliedIdUnknown(_)),
        "{answer:?}"
    );
    let stalled = "HTTP/1.1 404 Not Found\r\ncontent-length: 11\r\n\r\n{\"id\"".to_owned();
    let answer = with_limits(Script::Stall(stalled), short).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let page = "x".repeat(BODY_LIMIT + 1);
    let answer = once(Script::Answer(json("201 Created", &page))).await;
    assert!(
        matches!(answer, CommitAnswer::AppliedIdUnknown(_)),
        "{answer:?}"
    );
    let answer = once(Script::Answer(json("502 Bad Gateway", &page))).await;
    assert_eq!(unknown_class(&answer), FailureClass::Unavailable);
}

#[tokio::test]
async fn a_late_first_byte_is_not_sent() {
    let peer = Peer::start(Script::Answer(json("201 Created", r#"{"id":"42"}"#)));
    let answer = send(
        &peer.base,
        Limits {
            begin: Duration::ZERO,
            ..limits()
        },
    )
    .await;
    match answer {
        CommitAnswer::NotSent(error) => assert!(error.info.detail.contains("held up"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(peer.requests(), [""], "a byte left");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_sent() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let base = Url::parse(&format!("http://{}/v5", listener.local_addr().unwrap())).unwrap();
    let connection = Connection(Box::new(open(&base, &System, limits()).await.unwrap()));
    drop(listener.accept().unwrap());
    let answer = commit(connection, &base, limits(), "t", &prepared()).await;
    assert!(matches!(answer, CommitAnswer::NotSent(_)), "{answer:?}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_not_sent() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    // Nobody listens; and somebody who speaks no TLS.
    let plain = Peer::start(Script::Early("HTTP/1.1 400 Bad Request\r\n\r\n"));
    for base in [
        format!("http://{address}/v5"),
        "https://".to_owned() + plain.base.authority() + "/v5",
    ] {
        let Err(error) = open(&Url::parse(&base).unwrap(), &System, limits()).await else {
            panic!("{base} was opened")
        };
        assert_eq!(error.class, FailureClass::NotSent, "{base}");
        assert!(error.info.detail.contains("nothing was sent"), "{error}");
    }
}

#[tokio::test]
async fn a_foreign_connection_is_not_sent() {
    let base = Url::parse("http://127.0.0.1:1/v5").unwrap();
    let answer = commit(Connection(Box::new(())), &base, limits(), "t", &prepared()).await;
    assert!(matches!(answer, CommitAnswer::NotSent(_)), "{answer:?}");
}

#[tokio::test]
async fn a_token_that_cannot_be_a_header_is_not_sent() {
    let peer = Peer::start(Script::Silent);
    let connection = Connection(Box::new(open(&peer.base, &System, limits()).await.unwrap()));
    let answer = commit(connection, &peer.base, limits(), "bad\ntoken", &prepared()).await;
    match answer {
        CommitAnswer::NotSent(error) => {
            assert_eq!(error.class, FailureClass::ReconnectRequired);
            assert!(!format!("{error:?}").contains("bad\\ntoken"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(peer.requests(), [""]);
}
