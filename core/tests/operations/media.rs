//! Files.

use multi_upload_core::MediaInput;
use serde_json::{Value, json};

use crate::progress;
use crate::script::{Reply, Script};

#[tokio::test]
async fn a_file_goes_up_whole_and_is_read_back() {
    let media = json!({
        "id": "md_1", "status": "ready", "kind": "image", "content_type": "image/png", "bytes": 4, "width": 1,
        "height": 1, "sha256": "00", "created_at": "2026-11-24T10:00:00Z", "expires_at": null, "refusals": {},
    });
    let created = |offset: &str| {
        Reply::With(
            201,
            vec![
                ("location", "http://h/v1/media/md_1".to_owned()),
                ("upload-offset", offset.to_owned()),
            ],
            Value::Null,
        )
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pin.png");
    std::fs::write(&path, b"\x89PNG").expect("written");
    let script = Script::of([created("4"), Reply::Json(200, media)]);
    let (options, heard) = progress();
    let found = script
        .client()
        .media()
        .upload(MediaInput::Path(path), &options)
        .await
        .expect("it goes up");
    assert_eq!(found.id, "md_1");
    let seen = script.seen();
    assert_eq!(script.lines(), ["POST /v1/media", "GET /v1/media/md_1"]);
    assert_eq!(&seen[0].bytes[..], b"\x89PNG");
    assert_eq!(seen[0].header("upload-length"), Some("4"));
    assert_eq!(*heard.lock().expect("no panic"), [(0, 4), (4, 4)]);

    // A service that took less is sent the rest; one that then still lacks something is not believed.
    let partly =
        |offset: &str| Reply::With(204, vec![("upload-offset", offset.to_owned())], Value::Null);
    let gone = Reply::With(204, Vec::new(), Value::Null);
    let script = Script::of([created("3"), partly("3"), gone]);
    let bytes = MediaInput::Bytes(bytes::Bytes::from_static(b"\x89PNG"));
    let error = script
        .client()
        .media()
        .upload(bytes, &options)
        .await
        .expect_err("a byte is missing");
    assert!(error.info().detail.contains("3 of 4 bytes"), "{error}");
    let seen = script.seen();
    assert_eq!(
        (&seen[1].bytes[..], seen[1].header("upload-offset")),
        (&b"G"[..], Some("3"))
    );
}
