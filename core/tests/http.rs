//! What only a real connection shows. Faults on the wire are played by the shared cases (`spec.rs`).

#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on says why and stops"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use multi_upload_core::{CallOptions, Client, ClientOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers every request of every connection with the same bytes, and counts connections.
async fn serve(answer: &'static str) -> (String, Arc<AtomicUsize>, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let serving = tokio::spawn(async move {
        let mut heads = Vec::new();
        while heads.len() < 2 {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            counter.fetch_add(1, Ordering::SeqCst);
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                if read == 0 {
                    break;
                }
                heads.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
                if stream.write_all(answer.as_bytes()).await.is_err() || heads.len() == 2 {
                    break;
                }
            }
        }
        heads
    });
    (address.to_string(), connections, serving)
}

#[tokio::test]
async fn calls_share_a_connection_and_say_who_they_are() {
    let (address, connections, serving) = serve(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\r\n{\"status\":\"ok\",\"version\":\"0.1.0\"}",
    )
    .await;
    let client = Client::http(ClientOptions::new(
        format!("http://{address}/"),
        "mu_test_abc",
    ))
    .expect("settings");
    for _ in 0..2 {
        let health = client
            .clone()
            .service()
            .health(&CallOptions::default())
            .await
            .expect("it answers");
        assert_eq!(health.status, "ok");
    }
    let heads = serving.await.expect("two requests");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    assert!(
        heads[0].starts_with("GET /healthz HTTP/1.1\r\n"),
        "{}",
        heads[0]
    );
    for line in [
        "authorization: Bearer mu_test_abc\r\n",
        "user-agent: multi-upload/0.1.0\r\n",
        "x-attempt: 1\r\n",
    ] {
        assert!(heads[1].contains(line), "{line} in {}", heads[1]);
    }
    assert!(
        !heads[0].contains("accept-encoding"),
        "answers are not to be compressed"
    );
}

#[tokio::test]
async fn an_address_that_does_not_speak_tls_is_told_apart() {
    let (address, connections, serving) =
        serve("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let client = Client::http(ClientOptions::new(
        format!("https://{address}"),
        "mu_test_abc",
    ))
    .expect("settings");
    let error = client
        .service()
        .health(&CallOptions::default())
        .await
        .expect_err("no TLS there");
    assert_eq!(error.code(), "TLS_FAILED", "{error:?}");
    assert_eq!(error.info().attempts, Some(1));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    serving.abort();
}
