//! Files: tus 1.0 with creation, creation-with-upload, expiration and termination.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request};
use multi_upload_server::Clock;
use serde_json::{Value, json};

use crate::support::{NOW, Reply, Service, assert_problem, faults, pairs};

/// A PNG of these pixels and length: its chunks with filling for the picture.
fn png(width: u32, height: u32, length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 1, 2, 3, 4]);
    let filling = u32::try_from(length - 57).unwrap();
    bytes.extend(filling.to_be_bytes());
    bytes.extend(b"IDAT");
    bytes.resize(length - 12, 7);
    bytes.extend(b"\0\0\0\0IEND\xaeB`\x82");
    bytes
}

/// An extended WebP of 64 x 48 pixels, with filling for the picture.
fn webp() -> Vec<u8> {
    let mut bytes = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
    bytes.extend([63, 0, 0, 47, 0, 0]);
    bytes.extend(b"VP8L\x06\0\0\0\x2f\x3f\xc0\x0b\0\0");
    bytes
}

fn tus(service: &Service, method: Method, path: &str) -> http::request::Builder {
    service
        .request(method, path)
        .header("tus-resumable", "1.0.0")
}

/// The whole file in one request.
async fn upload(service: &Service, content: Vec<u8>) -> Reply {
    let request = tus(service, Method::POST, "/v1/media")
        .header("upload-length", content.len())
        .header("content-type", "application/offset+octet-stream")
        .body(Body::from(content))
        .unwrap();
    service.send(request).await
}

async fn begin(service: &Service, length: usize) -> String {
    let request = tus(service, Method::POST, "/v1/media")
        .header("upload-length", length)
        .body(Body::empty())
        .unwrap();
    let reply = service.send(request).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.headers["location"].to_str().unwrap().to_owned()
}

async fn piece(service: &Service, path: &str, offset: usize, content: impl Into<Body>) -> Reply {
    let request = tus(service, Method::PATCH, path)
        .header("upload-offset", offset)
        .header("content-type", "application/offset+octet-stream")
        .body(content.into())
        .unwrap();
    service.send(request).await
}

async fn offset(service: &Service, path: &str) -> String {
    let request = tus(service, Method::HEAD, path)
        .body(Body::empty())
        .unwrap();
    let reply = service.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.headers["cache-control"], "no-store");
    reply.headers["upload-offset"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_in_one_request_becomes_a_pin() {
    let service = Service::start_with(Clock::system()).await;
    let account = service.connect().await;
    let board = service.board(&account).await;
    let content = png(100, 150, 4_000);
    let made = upload(&service, content.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.headers["upload-offset"], "4000");
    assert_eq!(made.headers["tus-resumable"], "1.0.0");
    let path = made.headers["location"].to_str().unwrap().to_owned();

    let media = service.get(&path).await;
    assert_eq!(media.json["status"], "ready");
    assert_eq!(media.json["kind"], "image");
    assert_eq!(media.json["content_type"], "image/png");
    assert_eq!(
        (&media.json["width"], &media.json["height"]),
        (&json!(100), &json!(150))
    );
    assert_eq!(media.json["bytes"], 4_000);
    assert_eq!(media.json["sha256"].as_str().unwrap().len(), 64);
    assert!(media.json["expires_at"].is_string());
    assert_eq!(media.json["refusals"], json!({}));

    let body = json!({
        "accounts": [account], "media_id": media.json["id"], "title": "A file", "board_id": board
    });
    let upload = service.post("/v1/upload", &body).await;
    assert_eq!(upload.status, 202, "{}", upload.text);
    service
        .wait_for(upload.json["id"].as_str().unwrap(), "published")
        .await;
    assert_eq!(service.sandbox.ledger().pins.len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn a_file_in_pieces_goes_on_where_it_ends() {
    let service = Service::start().await;
    let content = png(10, 20, 1_000);
    let path = begin(&service, content.len()).await;
    assert_eq!(offset(&service, &path).await, "0");
    assert_eq!(service.get(&path).await.json["status"], "uploading");

    let reply = piece(&service, &path, 0, content[..300].to_vec()).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
    assert_eq!(reply.headers["upload-offset"], "300");
    assert!(
        reply.headers["upload-expires"]
            .to_str()
            .unwrap()
            .ends_with("GMT")
    );

    // A piece that breaks off counts as far as it came.
    let broken = futures_util::stream::iter([
        Ok(Bytes::copy_from_slice(&content[300..500])),
        Err(std::io::Error::other("the line broke")),
    ]);
    let reply = piece(&service, &path, 300, Body::from_stream(broken)).await;
    assert_problem(&reply, 400, "VALIDATION_FAILED");
    assert_eq!(offset(&service, &path).await, "500");

    for wrong in [0, 300, 501] {
        let reply = piece(&service, &path, wrong, content[500..].to_vec()).await;
        assert_problem(&reply, 409, "STATE_CONFLICT");
        assert_eq!(reply.headers["upload-offset"], "500");
    }
    let reply = piece(&service, &path, 500, content[500..].to_vec()).await;
    assert_eq!(reply.headers["upload-offset"], "1000", "{}", reply.text);
    let media = service.get(&path).await;
    assert_eq!(media.json["status"], "ready");
    // The same content in one request has the same hash: nothing was lost or doubled.
    let whole = upload(&service, content).await;
    let whole = service
        .get(whole.headers["location"].to_str().unwrap())
        .await;
    assert_eq!(media.json["sha256"], whole.json["sha256"]);
    service.stop().await;
}

#[tokio::test]
async fn what_is_no_image_is_not_kept() {
    let service = Service::start().await;
    for content in [
        b"GIF89a 1234".to_vec(),
        b"<svg/>".to_vec(),
        b"\xff\xd8\xff".to_vec(),
    ] {
        let reply = upload(&service, content).await;
        assert_problem(&reply, 415, "MEDIA_TYPE_UNSUPPORTED");
    }
    let mut cut = png(100, 150, 500);
    cut.truncate(450);
    let reply = upload(&service, cut).await;
    assert_problem(&reply, 415, "MEDIA_TYPE_UNSUPPORTED");
    assert!(reply.json["detail"].as_str().unwrap().contains("cut off"));
    let path = begin(&service, 5).await;
    let reply = piece(&service, &path, 0, "hello").await;
    assert_problem(&reply, 415, "MEDIA_TYPE_UNSUPPORTED");
    assert_problem(&service.get(&path).await, 404, "NOT_FOUND");
    service.stop().await;
}

#[tokio::test]
async fn webp_is_kept_and_refused_for_pinterest() {
    let service = Service::start().await;
    let account = service.connect().await;
    let board = service.board(&account).await;
    let made = upload(&service, webp()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let media = service
        .get(made.headers["location"].to_str().unwrap())
        .await;
    assert_eq!(media.json["content_type"], "image/webp");
    assert_eq!(
        media.json["refusals"]["pinterest"][0]["code"],
        "unsupported"
    );
    let body = json!({"accounts": [account], "media_id": media.json["id"], "board_id": board});
    let reply = service.post("/v1/upload", &body).await;
    assert_problem(&reply, 415, "MEDIA_TYPE_UNSUPPORTED");
    assert_eq!(faults(&reply), pairs(&[("/media_id", "unsupported")]));
    assert!(
        reply.json["detail"]
            .as_str()
            .unwrap()
            .contains("image/jpeg")
    );
    assert_eq!(service.stored().await, 0);
    service.stop().await;
}

#[tokio::test]
async fn an_incomplete_file_is_not_published_and_expires() {
    let service = Service::start().await;
    let account = service.connect().await;
    let board = service.board(&account).await;
    let path = begin(&service, 1_000).await;
    let id = path.strip_prefix("/v1/media/").unwrap();
    let body = json!({"accounts": [account], "media_id": id, "board_id": board});
    let reply = service.post("/v1/upload", &body).await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(faults(&reply), pairs(&[("/media_id", "not_ready")]));
    assert!(reply.text.contains("0 of 1000 bytes"));

    service.clock.set(NOW + 25 * 3_600_000);
    assert_problem(&service.get(&path).await, 404, "NOT_FOUND");
    let reply = piece(&service, &path, 0, png(1, 1, 1_000)).await;
    assert_problem(&reply, 404, "NOT_FOUND");
    service.stop().await;
}

#[tokio::test]
async fn the_protocol_is_spoken_strictly() {
    let service = Service::start().await;
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("/v1/media")
        .body(Body::empty())
        .unwrap();
    let reply = service.send(request).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.headers["tus-version"], "1.0.0");
    assert_eq!(
        reply.headers["tus-extension"],
        "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination"
    );
    assert_eq!(
        reply.headers["tus-max-size"],
        (2_u64 * 1024 * 1024 * 1024).to_string()
    );

    let request = service
        .request(Method::POST, "/v1/media")
        .header("upload-length", 5)
        .body(Body::empty())
        .unwrap();
    let reply = service.send(request).await;
    assert_problem(&reply, 412, "VALIDATION_FAILED");
    assert_eq!(reply.headers["tus-version"], "1.0.0");

    for (length, status, code) in [
        ("", 400, "VALIDATION_FAILED"),
        ("-1", 400, "VALIDATION_FAILED"),
        ("0", 400, "VALIDATION_FAILED"),
        ("99999999999999999999", 400, "VALIDATION_FAILED"),
        ("2147483649", 413, "MEDIA_TOO_LARGE"),
    ] {
        let request = tus(&service, Method::POST, "/v1/media")
            .header("upload-length", length)
            .body(Body::empty())
            .unwrap();
        assert_problem(&service.send(request).await, status, code);
    }

    let path = begin(&service, 100).await;
    let request = tus(&service, Method::PATCH, &path)
        .header("upload-offset", 0)
        .header("content-type", "image/png")
        .body(Body::from("x"))
        .unwrap();
    assert_problem(
        &service.send(request).await,
        415,
        "CONTENT_TYPE_UNSUPPORTED",
    );
    let reply = piece(&service, &path, 0, png(3, 4, 101)).await;
    assert_problem(&reply, 413, "MEDIA_TOO_LARGE");

    let request = tus(&service, Method::DELETE, &path)
        .body(Body::empty())
        .unwrap();
    assert_eq!(service.send(request).await.status, 204);
    let request = tus(&service, Method::DELETE, &path)
        .body(Body::empty())
        .unwrap();
    assert_problem(&service.send(request).await, 404, "NOT_FOUND");
    let request = tus(&service, Method::HEAD, &path)
        .body(Body::empty())
        .unwrap();
    assert_eq!(service.send(request).await.status, 404);
    service.stop().await;
}

#[tokio::test]
async fn the_client_uploads_and_reads_back() {
    let service = Service::start().await;
    let client = service.engine.client();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cake.png");
    std::fs::write(&file, png(30, 40, 500)).unwrap();
    let media: Value = client
        .call(
            "media.upload",
            json!({"path": file}),
            multi_upload_core::CallOptions::default(),
        )
        .await
        .unwrap();
    assert_eq!(media["status"], "ready");
    assert_eq!(media["width"], 30);
    service.stop().await;
}

/// A request of a new file with more headers.
async fn create(service: &Service, headers: &[(&str, &str)], content: &[u8]) -> Reply {
    let mut request = tus(service, Method::POST, "/v1/media");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !content.is_empty() {
        request = request.header("content-type", "application/offset+octet-stream");
    }
    let request = request.body(Body::from(content.to_vec())).unwrap();
    service.send(request).await
}

#[tokio::test]
async fn a_key_finds_the_same_file_however_far_it_is() {
    let service = Service::start().await;
    let content = png(10, 20, 1_000);
    let headers = [
        ("upload-length", "1000"),
        ("idempotency-key", "clip"),
        ("upload-metadata", "filename Y2xpcA==,private"),
    ];
    let first = create(&service, &headers, &content[..400]).await;
    assert_eq!(
        (first.status, &first.headers["upload-offset"]),
        (201.try_into().unwrap(), &"400".parse().unwrap())
    );
    let path = first.headers["location"].to_str().unwrap().to_owned();
    let request = tus(&service, Method::HEAD, &path)
        .body(Body::empty())
        .unwrap();
    let head = service.send(request).await;
    assert_eq!(head.headers["upload-metadata"], "filename Y2xpcA==,private");
    // The body brings everything again: what is there already is passed over.
    let again = create(&service, &headers, &content[..700]).await;
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(again.headers["upload-offset"], "700");
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let whole = create(&service, &headers, &content).await;
    assert_eq!(whole.headers["upload-offset"], "1000");
    let media = service.get(&path).await;
    assert_eq!(media.json["status"], "ready");
    let other = create(
        &service,
        &[("upload-length", "999"), ("idempotency-key", "clip")],
        &[],
    )
    .await;
    assert_problem(&other, 422, "IDEMPOTENCY_BODY_MISMATCH");
    for (name, value) in [
        ("upload-metadata", "filename !"),
        ("upload-checksum", "md5 AAAA"),
        ("upload-defer-length", "1"),
    ] {
        let reply = create(&service, &[("upload-length", "10"), (name, value)], &[]).await;
        assert_problem(&reply, 400, "VALIDATION_FAILED");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_length_may_follow_and_a_checksum_is_checked() {
    let service = Service::start().await;
    let content = png(10, 20, 100);
    let begun = create(&service, &[("upload-defer-length", "1")], &[]).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let path = begun.headers["location"].to_str().unwrap().to_owned();
    let sum = |content: &[u8]| {
        use base64::Engine as _;
        use sha2::Digest as _;
        let sum = sha2::Sha256::digest(content);
        format!(
            "sha256 {}",
            base64::engine::general_purpose::STANDARD.encode(sum)
        )
    };
    let append = async |offset: usize, checksum: String, content: &[u8]| {
        let request = tus(&service, Method::POST, &path)
            .header("x-http-method-override", "PATCH")
            .header("upload-offset", offset)
            .header("upload-checksum", checksum)
            .header("content-type", "application/offset+octet-stream")
            .body(Body::from(content.to_vec()))
            .unwrap();
        service.send(request).await
    };
    let wrong = append(0, sum(b"other"), &content[..60]).await;
    assert_problem(&wrong, 460, "VALIDATION_FAILED");
    assert_eq!(offset(&service, &path).await, "0");
    let right = append(0, sum(&content[..60]), &content[..60]).await;
    assert_eq!(right.headers["upload-offset"], "60", "{}", right.text);
    let request = tus(&service, Method::PATCH, &path)
        .header("upload-offset", 60)
        .header("upload-length", 100)
        .header("content-type", "application/offset+octet-stream")
        .body(Body::from(content[60..].to_vec()))
        .unwrap();
    assert_eq!(service.send(request).await.status, 204);
    let media = service.get(&path).await;
    assert_eq!(
        (&media.json["status"], &media.json["bytes"]),
        (&json!("ready"), &json!(100))
    );
    let late = tus(&service, Method::POST, &path)
        .header("x-http-method-override", "DELETE")
        .body(Body::empty())
        .unwrap();
    assert_eq!(service.send(late).await.status, 204);
    service.stop().await;
}
