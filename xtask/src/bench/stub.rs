//! A service that only answers: every upload is accepted, none is looked at. One thread of this process.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// An upload as the service answers it.
const UPLOAD: &str = r#"{"id":"up_0198f5c2a8b07d3e9c41b6a2f0e5d713","status":"scheduled","scheduled_at":"2030-12-01T20:00:00Z","timezone":null,"external_id":"row-0","version":1,"created_at":"2026-11-24T09:00:00Z","updated_at":"2026-11-24T09:00:00Z","content":{"accounts":["pinterest:549755885175"],"image_url":"https://images.example.com/0.jpg","title":"Pin 0","description":"What is to be seen in picture 0, in a sentence or two of usual length.","link":"https://example.com/recipes/0","board_id":"1130685143825402199","scheduled_at":"2030-12-01T20:00:00Z","external_id":"row-0"},"targets":[{"id":"tg_0198f5c2a8b07d3e9c41b6b8e02a91d4","account":"pinterest:549755885175","platform":"pinterest","status":"scheduled","attempts":0,"next_attempt_at":"2030-12-01T20:00:00Z","board_id":"1130685143825402199","remote_id":null,"remote_url":null,"published_at":null,"error":null}]}"#;

/// Starts it; it answers until this process ends.
pub(super) fn start() -> Result<SocketAddr, String> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", 0)).await {
                // The receiver waits for nothing else.
                let _ = tell.send(listener.local_addr());
                serve(listener).await;
            }
        });
    });
    let address = told
        .recv()
        .map_err(|_| "the stub did not start".to_owned())?;
    address.map_err(|error| error.to_string())
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        // A client that has gone is no loss.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let batch = request.uri().path().ends_with("/batch");
    let body = request
        .into_body()
        .collect()
        .await
        .map_or(Bytes::new(), |body| body.to_bytes());
    let (status, body) = if batch {
        (StatusCode::OK, Bytes::from(results(rows_in(&body))))
    } else {
        (StatusCode::ACCEPTED, Bytes::from_static(UPLOAD.as_bytes()))
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// Each row has one list of accounts.
fn rows_in(body: &[u8]) -> usize {
    const WORD: &[u8] = b"\"accounts\":";
    body.windows(WORD.len())
        .filter(|window| *window == WORD)
        .count()
}

fn results(count: usize) -> String {
    let mut text = String::with_capacity(count * (UPLOAD.len() + 32));
    text.push_str(r#"{"results":["#);
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, r#"{comma}{{"index":{index},"upload":{UPLOAD}}}"#);
    }
    text.push_str("]}");
    text
}

#[cfg(test)]
mod tests {
    use multi_upload_wire::BatchResponse;

    use super::*;

    #[test]
    fn what_it_answers_is_what_the_service_would_answer() {
        let body = br#"{"uploads":[{"accounts":["a"]},{"accounts":["b"],"title":"accounts"}]}"#;
        let answer: BatchResponse =
            serde_json::from_str(&results(rows_in(body))).expect("a batch's answer");
        assert_eq!(answer.results.len(), 2);
        assert!(answer.results.iter().all(|result| result.upload.is_some()));
    }
}
