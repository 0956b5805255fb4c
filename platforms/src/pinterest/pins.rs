//! *Prepare*: the body of `POST /pins`. Local images go into it as base64, so only a video is uploaded beforehand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::api::Api;
use super::check::OWN_FIELDS;
use super::check_media::{MediaChoices, needs_conversion};
use super::media_rules as rules;
use super::video::Video;
use crate::{
    Content, ContentMedia, Fit, MediaSource as Files, Pause, PlatformError, Preparation, Prepared,
    Source, StoredFile, Workshop,
};

/// Belongs to the media, not to the pin.
const IS_STANDARD: &str = "is_standard";

/// The `media_source` of a pin.
pub(super) enum MediaSource {
    /// Complete, with the state to keep.
    Ready(Map<String, Value>, Option<Value>),
    /// Not yet.
    Later(Pause),
}

pub(super) async fn prepare(
    api: &Api,
    token: &str,
    choices: MediaChoices,
    content: &Content,
    workshop: Workshop<'_>,
) -> Result<Preparation, PlatformError> {
    let source = match &content.media {
        ContentMedia::Video { video, cover } => {
            let work = Video {
                api,
                token,
                workshop,
                choices,
            };
            work.prepare(video, cover).await?
        }
        media => MediaSource::Ready(images(media, workshop.media).await?, None),
    };
    Ok(match source {
        MediaSource::Later(pause) => Preparation::Later(pause),
        MediaSource::Ready(mut source, state) => {
            if let Some(is_standard) = content
                .fields
                .get(IS_STANDARD)
                .filter(|value| !value.is_null())
            {
                source.insert(IS_STANDARD.to_owned(), is_standard.clone());
            }
            Preparation::Ready(Prepared {
                body: Value::Object(pin(content, source)).to_string().into(),
                state,
            })
        }
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

async fn images(
    media: &ContentMedia,
    files: &dyn Files,
) -> Result<Map<String, Value>, PlatformError> {
    let mut source = Map::new();
    match media {
        ContentMedia::ImageUrl { url } => {
            source.insert("source_type".to_owned(), "image_url".into());
            source.insert("url".to_owned(), url.as_str().into());
        }
        ContentMedia::ImageFile(file) => {
            source.insert("source_type".to_owned(), "image_base64".into());
            source.extend(by_data(files, file).await?);
        }
        ContentMedia::Carousel { images } => {
            let mut items = Vec::with_capacity(images.len());
            for image in images {
                items.push(Value::Object(match image {
                    Source::Url(url) => Map::from_iter([("url".to_owned(), url.as_str().into())]),
                    Source::File(file) => by_data(files, file).await?,
                }));
            }
            // All are of one kind: the check saw to that.
            let kind = match images.first() {
                Some(Source::File(_)) => "multiple_image_base64",
                _ => "multiple_image_urls",
            };
            source.insert("source_type".to_owned(), kind.into());
            source.insert("items".to_owned(), items.into());
        }
        ContentMedia::Video { .. } => {}
    }
    Ok(source)
}

async fn by_data(
    files: &dyn Files,
    file: &StoredFile,
) -> Result<Map<String, Value>, PlatformError> {
    let (kind, data) = base64(files, file).await?;
    Ok(Map::from_iter([
        ("content_type".to_owned(), kind),
        ("data".to_owned(), data),
    ]))
}

/// Type and content of an image, as Pinterest takes it.
pub(super) async fn base64(
    files: &dyn Files,
    file: &StoredFile,
) -> Result<(Value, Value), PlatformError> {
    let fit = Fit {
        bytes: rules::IMAGE_BYTES,
        side: rules::CONVERTED_SIDE,
    };
    let image = files
        .image(file, needs_conversion(file).then_some(&fit))
        .await?;
    Ok((
        image.content_type.into(),
        STANDARD.encode(&image.content).into(),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use async_trait::async_trait;
    use bytes::Bytes;
    use multi_upload_wire::{ErrorCode, ErrorInfo, MediaFacts, MediaKind};
    use serde_json::json;

    use super::*;
    use crate::{FailureClass, Pieces, ReadyImage, Steps};

    /// One stored image, or none.
    struct OneImage(Option<&'static [u8]>);

    #[async_trait]
    impl Files for OneImage {
        async fn image(
            &self,
            file: &StoredFile,
            fit: Option<&Fit>,
        ) -> Result<ReadyImage, PlatformError> {
            let content = self.0.ok_or_else(gone)?;
            Ok(ReadyImage {
                content_type: fit
                    .map_or(&*file.facts.content_type, |_| "image/jpeg")
                    .to_owned(),
                content: Bytes::from_static(content),
            })
        }

        async fn video(&self, _: &StoredFile) -> Result<Pieces, PlatformError> {
            Err(gone())
        }

        async fn fetch(&self, _: &str) -> Result<StoredFile, PlatformError> {
            Err(gone())
        }
    }

    #[async_trait]
    impl Steps for OneImage {
        async fn keep(&self, _: &Value) -> Result<(), PlatformError> {
            Err(gone())
        }
    }

    fn gone() -> PlatformError {
        PlatformError::new(
            FailureClass::Rejected,
            ErrorInfo::new(ErrorCode::NotFound, "gone"),
        )
    }

    async fn tried(content: &Content, files: &OneImage) -> Result<Value, PlatformError> {
        let api = Api::new("http://127.0.0.1:9/v5".parse().unwrap()).unwrap();
        let workshop = Workshop {
            media: files,
            steps: files,
            state: None,
        };
        let choices = MediaChoices {
            max_video_seconds: 900,
            convert_images: true,
        };
        match prepare(&api, "token", choices, content, workshop).await? {
            Preparation::Ready(prepared) => Ok(serde_json::from_slice(&prepared.body).unwrap()),
            Preparation::Later(pause) => panic!("{pause:?}"),
        }
    }

    async fn body(content: &Content, files: &OneImage) -> Value {
        tried(content, files).await.unwrap()
    }

    fn stored(content_type: &str) -> StoredFile {
        StoredFile {
            media_id: "md_1".to_owned(),
            sha256: String::new(),
            bytes: 4,
            facts: Box::new(MediaFacts {
                kind: MediaKind::Image,
                content_type: content_type.to_owned(),
                width: 3,
                height: 2,
                rotation: 0,
                duration_ms: None,
                video_codec: None,
                audio_codec: None,
                fragmented: None,
                index_first: None,
                colors: None,
                animated: false,
            }),
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
            body(&content, &OneImage(None)).await,
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
            body(&content, &OneImage(None)).await,
            json!({"board_id": "1", "media_source": {"source_type": "image_url", "url": "https://a.example/1.png"}})
        );
    }

    #[tokio::test]
    async fn a_file_goes_as_plain_base64() {
        for (stored_as, sent_as) in [("image/png", "image/png"), ("image/webp", "image/jpeg")] {
            let content = Content {
                media: ContentMedia::ImageFile(stored(stored_as)),
                ..Content::default()
            };
            let sent = body(&content, &OneImage(Some(&[0xff, 0xfe, 0xfb, 0x00]))).await;
            assert_eq!(
                sent["media_source"],
                json!({"source_type": "image_base64", "content_type": sent_as, "data": "//77AA=="})
            );
        }
    }

    #[tokio::test]
    async fn a_carousel_is_of_addresses_or_of_files() {
        let carousel = |images| Content {
            media: ContentMedia::Carousel { images },
            fields: serde_json::from_value(json!({"is_standard": true})).unwrap(),
            ..Content::default()
        };
        let url = |n| Source::Url(format!("https://a.example/{n}.png"));
        assert_eq!(
            body(&carousel(vec![url(1), url(2)]), &OneImage(None)).await["media_source"],
            json!({"source_type": "multiple_image_urls", "is_standard": true,
                   "items": [{"url": "https://a.example/1.png"}, {"url": "https://a.example/2.png"}]})
        );
        let files = vec![Source::File(stored("image/png")); 2];
        let item = json!({"content_type": "image/png", "data": "YWJj"});
        assert_eq!(
            body(&carousel(files), &OneImage(Some(b"abc"))).await["media_source"],
            json!({"source_type": "multiple_image_base64", "is_standard": true, "items": [item, item]})
        );
    }

    #[tokio::test]
    async fn an_unreadable_file_is_said_as_the_library_says_it() {
        let content = Content {
            media: ContentMedia::ImageFile(stored("image/png")),
            ..Content::default()
        };
        let error = tried(&content, &OneImage(None)).await.unwrap_err();
        assert!(error.info.is(ErrorCode::NotFound), "{error}");
    }
}
