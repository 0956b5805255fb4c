//! Large files: in pieces, resumed where the service stands, from any source, without traces when cancelled.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod script;

use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use multi_upload_core::{CallOptions, MediaInput, TransportError};
use script::{Reply, Script, Seen};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MIB: usize = 1024 * 1024;

/// A service that keeps one file, and loses the answer of some requests.
#[derive(Default)]
struct Service {
    content: Vec<u8>,
    length: Option<u64>,
    key: Option<String>,
    removed: bool,
    /// Requests so far.
    requests: usize,
    /// Number of a request, and how many of its bytes arrive before the line breaks.
    breaks: Vec<(usize, usize)>,
}

impl Service {
    fn answer(&mut self, seen: &Seen) -> Reply {
        self.requests += 1;
        let mut bytes = &seen.bytes[..];
        let broken = self
            .breaks
            .iter()
            .find(|(number, _)| *number == self.requests)
            .copied();
        if let Some((_, arrived)) = broken {
            bytes = &bytes[..arrived.min(bytes.len())];
        }
        let mut status = 204;
        let mut headers = Vec::new();
        if let Some(length) = seen.header("upload-length") {
            self.length = Some(length.parse().unwrap());
        }
        match seen.line.split(' ').next().unwrap() {
            "POST" => {
                let key = seen.header("idempotency-key").unwrap().to_owned();
                let known = self.key.as_ref() == Some(&key);
                if known {
                    headers.push(("idempotency-replayed", "true".to_owned()));
                }
                self.key = Some(key);
                let have = self.content.len();
                self.content
                    .extend_from_slice(bytes.get(have..).unwrap_or_default());
                headers.push(("location", "/v1/media/md_1".to_owned()));
                status = 201;
            }
            "PATCH" => {
                let offset: usize = seen.header("upload-offset").unwrap().parse().unwrap();
                if offset != self.content.len() {
                    return Reply::With(
                        409,
                        Vec::new(),
                        json!({"code": "STATE_CONFLICT", "detail": "elsewhere"}),
                    );
                }
                self.content.extend_from_slice(bytes);
            }
            "HEAD" => status = 200,
            "DELETE" => {
                self.removed = true;
                return Reply::With(204, Vec::new(), Value::Null);
            }
            _ => {
                let sha: String = Sha256::digest(&self.content)
                    .iter()
                    .map(|b| format!("{b:02x}"))
                    .collect();
                return Reply::Json(
                    200,
                    json!({
                        "id": "md_1", "status": "ready", "kind": "video", "content_type": "video/mp4",
                        "bytes": self.content.len(), "width": 1, "height": 1, "sha256": sha,
                        "created_at": "2026-11-24T10:00:00Z", "expires_at": null, "refusals": {},
                    }),
                );
            }
        }
        if broken.is_some() {
            return Reply::Fail(TransportError::Cut("the line broke".to_owned()));
        }
        headers.push(("upload-offset", self.content.len().to_string()));
        Reply::With(status, headers, Value::Null)
    }
}

fn service(breaks: &[(usize, usize)]) -> (Arc<Mutex<Service>>, Arc<Script>) {
    let service = Arc::new(Mutex::new(Service {
        breaks: breaks.to_vec(),
        ..Service::default()
    }));
    let own = Arc::clone(&service);
    let script = Script::by(move |seen, _| own.lock().unwrap().answer(seen));
    (service, script)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n / 7 + n) as u8).collect()
}

fn streamed(content: &[u8], length: Option<u64>) -> MediaInput {
    let pieces: Vec<_> = content
        .chunks(300_001)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    MediaInput::Stream {
        stream: stream::iter(pieces).boxed(),
        length,
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_arrives_whole_wherever_the_line_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    let whole = content(70 * MIB + 5);
    std::fs::write(&path, &whole).unwrap();
    for breaks in [
        vec![],
        vec![(1, 0)],
        vec![(1, 1_000_000)],
        vec![(2, 3 * MIB + 1)],
        vec![(2, 64 * MIB)],
        vec![(2, 10), (4, 20), (6, usize::MAX)],
    ] {
        let (service, script) = service(&breaks);
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let options = CallOptions {
            on_progress: Some(Arc::new(move |progress| {
                heard.lock().unwrap().push(progress)
            })),
            max_attempts: Some(4),
            ..CallOptions::default()
        };
        let media = script
            .client()
            .media()
            .upload(MediaInput::Path(path.clone()), &options)
            .await;
        assert_eq!(media.unwrap().bytes, whole.len() as u64, "{breaks:?}");
        let service = service.lock().unwrap();
        assert!(service.content == whole, "{breaks:?}");
        assert!(!service.removed);
        let told = told.lock().unwrap();
        assert!(told.is_sorted_by_key(|progress| progress.done));
        let last = told.last().unwrap();
        assert_eq!(
            (last.done, last.total),
            (whole.len() as u64, whole.len() as u64)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_arrives_whole_with_and_without_its_length() {
    for size in [1, 4 * MIB, 9 * MIB + 1] {
        let whole = content(size);
        for length in [None, Some(size as u64)] {
            let (service, script) = service(&[(1, 500), (3, 100_000)]);
            let input = streamed(&whole, length);
            let media = script
                .client()
                .media()
                .upload(input, &CallOptions::default())
                .await
                .unwrap();
            assert_eq!(media.bytes, size as u64);
            let service = service.lock().unwrap();
            assert!(service.content == whole, "{size} {length:?}");
            assert_eq!(service.length, Some(size as u64));
        }
        let (service, script) = service(&[]);
        let wrong = streamed(&whole, Some(size as u64 + 1));
        let error = script
            .client()
            .media()
            .upload(wrong, &CallOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "VALIDATION_FAILED");
        let service = service.lock().unwrap();
        assert!(service.requests == 0 || service.removed || size > 4 * MIB);
    }
}

#[tokio::test(start_paused = true)]
async fn another_call_with_the_same_key_goes_on() {
    let whole = content(9 * MIB);
    let keyed = CallOptions {
        idempotency_key: Some("clip".to_owned()),
        max_attempts: Some(1),
        ..CallOptions::default()
    };
    let (service, script) = service(&[(2, MIB)]);
    let media = script.client().media();
    let bytes = || MediaInput::Bytes(Bytes::from(whole.clone()));
    media.upload(bytes(), &keyed).await.unwrap_err();
    assert_eq!(service.lock().unwrap().content.len(), 5 * MIB);
    assert!(!service.lock().unwrap().removed);
    media.upload(bytes(), &keyed).await.unwrap();
    assert!(service.lock().unwrap().content == whole);
    let sent: usize = script
        .seen()
        .iter()
        .skip(2)
        .filter(|seen| seen.line.starts_with("PATCH"))
        .map(|seen| seen.bytes.len())
        .sum();
    assert_eq!(sent, 4 * MIB, "only what was missing");

    // Another file under the key is found out.
    let mut other = whole.clone();
    other[8 * MIB] ^= 1;
    let error = media
        .upload(MediaInput::Bytes(other.into()), &keyed)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "IDEMPOTENCY_BODY_MISMATCH");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_upload_leaves_nothing() {
    let (service, script) = service(&[]);
    let options = CallOptions::default();
    let cancel = options.cancel.clone();
    let pieces = stream::iter(0..9).map(move |n| {
        if n == 6 {
            cancel.cancel();
        }
        Ok(Bytes::from(vec![n; MIB]))
    });
    let input = MediaInput::Stream {
        stream: pieces.boxed(),
        length: Some(9 * MIB as u64),
    };
    let error = script
        .client()
        .media()
        .upload(input, &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "CANCELLED");
    assert!(service.lock().unwrap().removed);
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_the_callers_fault() {
    let (service, script) = service(&[]);
    let pieces = [
        Ok(Bytes::from(vec![1; 5 * MIB])),
        Err(std::io::Error::other("the disk is gone")),
    ];
    let input = MediaInput::Stream {
        stream: stream::iter(pieces).boxed(),
        length: None,
    };
    let error = script
        .client()
        .media()
        .upload(input, &CallOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "VALIDATION_FAILED");
    assert!(error.info().detail.contains("the disk is gone"), "{error}");
    drop(service);
}
