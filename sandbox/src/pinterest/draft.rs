//! `POST /v5/pins`: everything that can be said about the body alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fields::{self, Fields};
use crate::answer::ApiError;
use crate::state::MediaKind;

/// A pin as the caller wants it: complete, within the limits, not yet looked up.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) board_id: String,
    pub(crate) texts: Texts,
    pub(crate) parent_pin_id: Option<String>,
    pub(crate) dominant_color: Option<String>,
    pub(crate) is_standard: bool,
    pub(crate) kind: MediaKind,
    pub(crate) slots: Vec<Slot>,
    pub(crate) media_id: Option<String>,
}

/// The fields that may be changed later, too.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) section_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) alt_text: Option<String>,
}

/// One picture with the texts of its place in a carousel.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) source: Source,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) link: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Source {
    Url(String),
    Data(Vec<u8>),
    /// A frame of the video itself.
    KeyFrame,
}

impl Texts {
    pub(crate) fn parse(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self {
            section_id: fields::id(fields, "board_section_id")?,
            title: fields::text(fields, "title", 100)?,
            description: fields::text(fields, "description", 800)?,
            link: fields::link(fields, "link")?,
            alt_text: fields::text(fields, "alt_text", 500)?,
        })
    }
}

impl Draft {
    /// Unknown fields are ignored, as Pinterest does.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let fields = fields::object(body)?;
        let board_id = fields::required(&fields, "board_id")?.to_owned();
        fields::digits(&board_id)?;
        let texts = Texts::parse(&fields)?;
        let parent_pin_id = fields::id(&fields, "parent_pin_id")?;
        fields::id(&fields, "sponsor_id")?;
        let dominant_color = fields::text(&fields, "dominant_color", usize::MAX)?;
        if let Some(color) = dominant_color.as_deref().filter(|color| !is_color(color)) {
            return Err(ApiError::new(
                400,
                1,
                format!("'{color}' does not match '^#[0-9a-fA-F]{{6}}$'"),
            ));
        }
        let media = match fields.get("media_source") {
            Some(Value::Object(media)) => media,
            None | Some(Value::Null) => {
                return Err(ApiError::invalid("'media_source' is a required property"));
            }
            Some(_) => return Err(ApiError::invalid("'media_source' is not of type 'object'")),
        };
        let is_standard = fields::flag(media, "is_standard", true)?;
        let (kind, slots, media_id) = parse_media(media)?;
        Ok(Self {
            board_id,
            texts,
            parent_pin_id,
            dominant_color,
            is_standard,
            kind,
            slots,
            media_id,
        })
    }
}

fn parse_media(media: &Fields) -> Result<(MediaKind, Vec<Slot>, Option<String>), ApiError> {
    match fields::required(media, "source_type")? {
        "image_url" => Ok((
            MediaKind::Image,
            vec![Slot::bare(by_url(media, "url")?)],
            None,
        )),
        "image_base64" => Ok((
            MediaKind::Image,
            vec![Slot::bare(by_data(media, "content_type", "data")?)],
            None,
        )),
        "multiple_image_urls" => Ok((
            MediaKind::Carousel,
            carousel(media, |item| by_url(item, "url"))?,
            None,
        )),
        "multiple_image_base64" => Ok((
            MediaKind::Carousel,
            carousel(media, |item| by_data(item, "content_type", "data"))?,
            None,
        )),
        "video_id" => {
            let media_id = fields::required(media, "media_id")?;
            fields::digits(media_id)?;
            Ok((
                MediaKind::Video,
                vec![Slot::bare(cover(media)?)],
                Some(media_id.to_owned()),
            ))
        }
        // Product pins are a closed beta.
        "pin_url" => Err(ApiError::not_permitted()),
        other => Err(ApiError::invalid(format_args!(
            "'{other}' is not one of ['image_base64', 'image_url', 'video_id', 'multiple_image_base64', \
             'multiple_image_urls', 'pin_url']"
        ))),
    }
}

fn cover(media: &Fields) -> Result<Source, ApiError> {
    let given = |name| {
        media
            .get(name)
            .is_some_and(|value: &Value| !value.is_null())
    };
    let data = given("cover_image_content_type") || given("cover_image_data");
    let frame = fields::whole(media, "cover_image_key_frame_time")?.is_some();
    match (given("cover_image_url"), data, frame) {
        (true, false, false) => by_url(media, "cover_image_url"),
        (false, true, false) => by_data(media, "cover_image_content_type", "cover_image_data"),
        (false, false, true) => Ok(Source::KeyFrame),
        (false, false, false) => Err(ApiError::invalid(
            "a video needs one of cover_image_url or cover_image_content_type with cover_image_data or \
             cover_image_key_frame_time",
        )),
        _ => Err(ApiError::invalid(
            "a video takes only one of cover_image_url, cover_image_content_type with cover_image_data and \
             cover_image_key_frame_time",
        )),
    }
}

fn carousel(
    media: &Fields,
    source: impl Fn(&Fields) -> Result<Source, ApiError>,
) -> Result<Vec<Slot>, ApiError> {
    let Some(Value::Array(items)) = media.get("items") else {
        return Err(ApiError::invalid(
            "'items' is a required property of type 'array'",
        ));
    };
    match items.len() {
        0 | 1 => return Err(ApiError::invalid("'items' is too short, minItems=2")),
        2..=5 => {}
        _ => return Err(ApiError::invalid("'items' is too long, maxItems=5")),
    }
    fields::whole(media, "index")?;
    items
        .iter()
        .map(|item| {
            let Value::Object(item) = item else {
                return Err(ApiError::invalid(
                    "an item of 'items' is not of type 'object'",
                ));
            };
            Ok(Slot {
                source: source(item)?,
                title: fields::text(item, "title", usize::MAX)?,
                description: fields::text(item, "description", usize::MAX)?,
                link: fields::link(item, "link")?,
            })
        })
        .collect()
}

fn by_url(fields: &Fields, name: &str) -> Result<Source, ApiError> {
    let url = fields::required(fields, name)?;
    if fields::is_web_address(url) {
        Ok(Source::Url(url.to_owned()))
    } else {
        Err(ApiError::new(
            400,
            1,
            format!("Parameter '{name}' with the value '{url}' is not a valid URL format."),
        ))
    }
}

fn by_data(fields: &Fields, content_type: &str, data: &str) -> Result<Source, ApiError> {
    let kind = fields::required(fields, content_type)?;
    if !matches!(kind, "image/jpeg" | "image/png") {
        return Err(ApiError::invalid(format_args!(
            "'{kind}' is not one of ['image/jpeg', 'image/png']"
        )));
    }
    let data = fields::required(fields, data)?;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if data.is_empty() || !data.bytes().all(is_base64) {
        let start: String = data.chars().take(20).collect();
        return Err(ApiError::new(
            400,
            1,
            format!("'{start}...' does not match '^[a-zA-Z0-9+/=]+$'"),
        ));
    }
    STANDARD
        .decode(data)
        .map(Source::Data)
        .map_err(|_| super::pictures::broken())
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Slot {
    fn bare(source: Source) -> Self {
        Self {
            source,
            title: None,
            description: None,
            link: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(name: &str, value: Value) -> Value {
        let mut body = json!({"board_id": "1", "media_source": {"source_type": "image_url", "url": "https://a.example/1.png"}});
        body[name] = value;
        body
    }

    fn parse(body: &Value) -> Result<Draft, ApiError> {
        Draft::parse(body.to_string().as_bytes())
    }

    #[test]
    fn limits_count_characters_not_bytes() {
        for (name, max) in [("title", 100), ("description", 800), ("alt_text", 500)] {
            assert!(parse(&with(name, json!("ü".repeat(max)))).is_ok(), "{name}");
            let error = parse(&with(name, json!("ü".repeat(max + 1)))).expect_err(name);
            assert!(
                error.message.contains(&format!("maxLength={max}")),
                "{}",
                error.message
            );
        }
    }

    #[test]
    fn nulls_and_unknown_fields_are_accepted() {
        for name in [
            "title",
            "description",
            "link",
            "alt_text",
            "dominant_color",
            "parent_pin_id",
            "board_section_id",
        ] {
            assert!(parse(&with(name, Value::Null)).is_ok(), "{name}");
        }
        assert!(parse(&with("note", json!("kept by older clients"))).is_ok());
    }

    #[test]
    fn every_refusal_has_its_text() {
        let items = |count| {
            let item = json!({"url": "https://a.example/1.png"});
            with(
                "media_source",
                json!({"source_type": "multiple_image_urls", "items": vec![item; count]}),
            )
        };
        let video = |extra: Value| {
            let mut media = json!({"source_type": "video_id", "media_id": "5"});
            for (name, value) in extra.as_object().expect("object") {
                media[name] = value.clone();
            }
            with("media_source", media)
        };
        for (body, text) in [
            (
                with("board_id", json!("abc")),
                r"'abc' does not match '^\d+$'",
            ),
            (
                with("board_id", json!(5)),
                "'board_id': 5 is not of type 'string'",
            ),
            (
                with("board_id", Value::Null),
                "'board_id' is a required property",
            ),
            (
                with("media_source", Value::Null),
                "'media_source' is a required property",
            ),
            (
                with("media_source", json!({"source_type": "video_url"})),
                "'video_url' is not one of",
            ),
            (
                with("link", json!("not a url")),
                "Parameter 'link' with the value 'not a url' is not a valid URL format.",
            ),
            (
                with("link", json!("javascript:alert(1)")),
                "is not a valid URL format",
            ),
            (with("dominant_color", json!("red")), "does not match '^#"),
            (
                with("title", json!(7)),
                "'title': 7 is not of type 'string'",
            ),
            (items(1), "minItems=2"),
            (items(6), "maxItems=5"),
            (
                video(json!({})),
                "cover_image_url or cover_image_content_type",
            ),
            (
                video(json!({"cover_image_key_frame_time": -1})),
                "not an integer of 0 or more",
            ),
            (
                video(
                    json!({"cover_image_key_frame_time": 1, "cover_image_url": "https://a.example/"}),
                ),
                "only one of",
            ),
            (
                with(
                    "media_source",
                    json!({"source_type": "image_base64", "content_type": "image/webp", "data": "aa"}),
                ),
                "'image/webp' is not one of",
            ),
            (
                with(
                    "media_source",
                    json!({"source_type": "image_base64", "content_type": "image/png", "data": "a_-b"}),
                ),
                "does not match '^[a-zA-Z0-9+/=]+$'",
            ),
        ] {
            let error = parse(&body).expect_err(text);
            assert_eq!(error.status, 400, "{text}");
            assert!(
                error.message.contains(text),
                "{} has no {text}",
                error.message
            );
        }
        assert!(parse(&items(2)).is_ok() && parse(&items(5)).is_ok());
        assert!(parse(&video(json!({"cover_image_key_frame_time": 0}))).is_ok());
    }

    #[test]
    fn undecodable_base64_is_a_broken_image() {
        let media =
            json!({"source_type": "image_base64", "content_type": "image/png", "data": "a=a"});
        let error = parse(&with("media_source", media)).expect_err("broken");
        assert_eq!((error.status, error.code), (403, 235));
    }
}
