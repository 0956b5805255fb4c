//! *Prepare*: the body of `POST /pins`. A local image goes into it as base64, so nothing is uploaded beforehand.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::{Map, Value};

use super::check::OWN_FIELDS;
use crate::{Content, ContentMedia, FailureClass, MediaSource, PlatformError, Prepared};

/// Belongs to the media, not to the pin.
const IS_STANDARD: &str = "is_standard";

pub(super) async fn prepare(
    content: &Content,
    media: &dyn MediaSource,
) -> Result<Prepared, PlatformError> {
    let source = media_source(content, media).await?;
    let body = Value::Object(pin(content, source));
    Ok(Prepared {
        body: body.to_string().into(),
        state: None,
    })
}

/// The fields that were given; what is empty or null is left out.
fn pin(content: &Content, source: Map<String, Value>) -> Map<String, Value> {
    let texts = [
        ("board_id", &content.board_id),
        ("board_section_id", &content.board_section_id),
        ("title", &content.title),
        ("description", &content.description),
        ("link", &content.link),
        ("alt_text", &content.alt_text),
    ];
    let mut pin: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(name, text)| {
            let text = text.as_deref().filter(|text| !text.trim().is_empty())?;
            let text = if name == "link" { text.trim() } else { text };
            Some((name.to_owned(), text.into()))
        })
        .collect();
    for (name, value) in &content.fields {
        if name != IS_STANDARD && !value.is_null() && !OWN_FIELDS.contains(&name.as_str()) {
            pin.insert(name.clone(), value.clone());
        }
    }
    pin.insert("media_source".to_owned(), Value::Object(source));
    pin
}

async fn media_source(
    content: &Content,
    media: &dyn MediaSource,
) -> Result<Map<String, Value>, PlatformError> {
    let mut source = Map::new();
    let mut put = |name: &str, value: Value| source.insert(name.to_owned(), value);
    match &content.media {
        ContentMedia::ImageUrl { url } => {
            put("source_type", "image_url".into());
            put("url", url.as_str().into());
        }
        ContentMedia::ImageFile {
            media_id,
            content_type,
            bytes,
            ..
        } => {
            let data = media
                .read(media_id)
                .await
                .map_err(|error| unreadable(media_id, &error))?;
            if u64::try_from(data.len()).ok() != Some(*bytes) {
                return Err(unreadable(
                    media_id,
                    &io::Error::from(io::ErrorKind::UnexpectedEof),
                ));
            }
            put("source_type", "image_base64".into());
            put("content_type", content_type.as_str().into());
            put("data", STANDARD.encode(&data).into());
        }
    }
    if let Some(is_standard) = content
        .fields
        .get(IS_STANDARD)
        .filter(|value| !value.is_null())
    {
        put(IS_STANDARD, is_standard.clone());
    }
    Ok(source)
}

/// The stored image is gone or cannot be read just now.
fn unreadable(media_id: &str, error: &io::Error) -> PlatformError {
    let (class, info) = match error.kind() {
        io::ErrorKind::NotFound => (
            FailureClass::Rejected,
            ErrorInfo::new(ErrorCode::NotFound, format!("The stored image {media_id} is gone."))
                .with_remedy("Upload the file again and create the upload with its new id."),
        ),
        io::ErrorKind::UnexpectedEof => (
            FailureClass::Rejected,
            ErrorInfo::new(
                ErrorCode::StorageFailed,
                format!("The stored image {media_id} has another size than when it was uploaded."),
            )
            .with_remedy("Check the disk of the data folder, upload the file again and create the upload with its new id."),
        ),
        _ => (
            FailureClass::Unavailable,
            ErrorInfo::new(ErrorCode::StorageFailed, format!("The stored image {media_id} could not be read: {error}."))
                .with_remedy("Check the data folder and its disk; the service tries again."),
        ),
    };
    let mut info = info;
    info.outcome = multi_upload_wire::Outcome::None;
    PlatformError::new(class, info)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use async_trait::async_trait;
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    struct Files(Result<&'static [u8], io::ErrorKind>);

    #[async_trait]
    impl MediaSource for Files {
        async fn read(&self, media_id: &str) -> io::Result<Bytes> {
            assert_eq!(media_id, "md_1");
            self.0.map(Bytes::from_static).map_err(io::Error::from)
        }
    }

    const NO_FILES: Files = Files(Err(io::ErrorKind::NotFound));

    async fn body(content: &Content, files: &Files) -> Value {
        serde_json::from_slice(&prepare(content, files).await.unwrap().body).unwrap()
    }

    fn file(bytes: u64) -> Content {
        Content {
            media: ContentMedia::ImageFile {
                media_id: "md_1".to_owned(),
                content_type: "image/png".to_owned(),
                sha256: String::new(),
                bytes,
            },
            ..Content::default()
        }
    }

    #[tokio::test]
    async fn everything_is_sent_under_pinterests_names() {
        let content = Content {
            title: Some("Lemon cake".to_owned()),
            description: Some(" two\nlines ".to_owned()),
            link: Some(" https://a.example/p ".to_owned()),
            alt_text: Some("A cake".to_owned()),
            board_id: Some("1".to_owned()),
            board_section_id: Some("2".to_owned()),
            media: ContentMedia::ImageUrl { url: "https://a.example/1.png".to_owned() },
            fields: serde_json::from_value(json!({
                "dominant_color": "#6E7874", "is_standard": false, "ai_disclosures": {"values": ["AI_MODIFIED"]},
                "sponsor_id": null, "added_in_6": [1], "media_source": "never", "board_id": "never"
            }))
            .unwrap(),
        };
        assert_eq!(
            body(&content, &NO_FILES).await,
            json!({
                "board_id": "1", "board_section_id": "2", "title": "Lemon cake", "description": " two\nlines ",
                "link": "https://a.example/p", "alt_text": "A cake", "dominant_color": "#6E7874",
                "ai_disclosures": {"values": ["AI_MODIFIED"]}, "added_in_6": [1],
                "media_source": {"source_type": "image_url", "url": "https://a.example/1.png", "is_standard": false}
            })
        );
    }

    #[tokio::test]
    async fn what_was_not_given_is_not_sent() {
        let content = Content {
            title: Some(" ".to_owned()),
            link: Some(String::new()),
            board_id: Some("1".to_owned()),
            media: ContentMedia::ImageUrl {
                url: "https://a.example/1.png".to_owned(),
            },
            ..Content::default()
        };
        assert_eq!(
            body(&content, &NO_FILES).await,
            json!({"board_id": "1", "media_source": {"source_type": "image_url", "url": "https://a.example/1.png"}})
        );
    }

    #[tokio::test]
    async fn a_file_goes_as_plain_base64() {
        let sent = body(&file(4), &Files(Ok(&[0xff, 0xfe, 0xfb, 0x00]))).await;
        assert_eq!(
            sent["media_source"],
            json!({"source_type": "image_base64", "content_type": "image/png", "data": "//77AA=="})
        );
    }

    #[tokio::test]
    async fn an_unreadable_file_says_whether_waiting_helps() {
        for (files, class, code) in [
            (NO_FILES, FailureClass::Rejected, ErrorCode::NotFound),
            (
                Files(Ok(b"abc")),
                FailureClass::Rejected,
                ErrorCode::StorageFailed,
            ),
            (
                Files(Err(io::ErrorKind::PermissionDenied)),
                FailureClass::Unavailable,
                ErrorCode::StorageFailed,
            ),
        ] {
            let error = prepare(&file(4), &files).await.unwrap_err();
            assert_eq!(error.class, class);
            assert!(
                error.info.is(code) && error.info.detail.contains("md_1"),
                "{error}"
            );
        }
    }
}
