//! *Look*: the pins that exist where the content would be.
//!
//! Pinterest documents no order of its lists, so a look reads them to the end, or to a bound, and says which.
//! Pictures and videos cannot be compared: Pinterest hosts them anew. What they are can: an image, a video, so many
//! images.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::api::Api;
use super::boards::LARGEST_PAGE;
use super::fingerprint::{address, text};
use super::{classify, fields, pin_url, require_digits};
use crate::{Content, ContentMedia, Look, PlatformError, RemotePost};

/// Pages of one look: 2,500 pins, ten calls of the read limit.
const PAGES: usize = 10;

pub(super) async fn look(api: &Api, token: &str, content: &Content) -> Result<Look, PlatformError> {
    let board = text(content.board_id.as_deref());
    require_digits("board_id", board)?;
    let section = text(content.board_section_id.as_deref());
    let path = if section.is_empty() {
        vec!["boards", board, "pins"]
    } else {
        require_digits("board_section_id", section)?;
        vec!["boards", board, "sections", section, "pins"]
    };
    let size = LARGEST_PAGE.to_string();
    let mut look = Look::default();
    // A list that changes between two pages may show a pin twice.
    let mut seen = HashSet::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let mut pairs = vec![("page_size", size.as_str())];
        pairs.extend(cursor.as_deref().map(|cursor| ("bookmark", cursor)));
        let page = api.get(token, &path, &pairs).await?;
        look.requests += 1;
        let posts = fields::items(&page)
            .iter()
            .filter_map(|pin| post(pin, content));
        look.posts
            .extend(posts.filter(|post| seen.insert(post.id.clone())));
        cursor = fields::bookmark(&page, cursor.as_deref());
        if cursor.is_none() {
            look.complete = true;
            break;
        }
    }
    if look.complete && look.posts.is_empty() {
        // Trouble at Pinterest may show an empty page too; the board's own count tells them apart.
        let board = api.get(token, &["boards", board], &[]).await?;
        look.requests += 1;
        look.total = board.get("pin_count").and_then(Value::as_u64);
    }
    Ok(look)
}

fn post(pin: &Value, content: &Content) -> Option<RemotePost> {
    let id = classify::digits(pin.get("id"))?;
    let url = pin_url(&id);
    let created_at = pin.get("created_at").and_then(Value::as_str).and_then(utc);
    Some(RemotePost {
        url,
        created_at,
        matches: is_match(pin, content),
        id,
    })
}

/// Equal title, description, link and place, and not somebody else's pin on a group board. What the answer does not
/// say about place and owner counts as equal: the list itself was that of the place.
fn is_match(pin: &Value, content: &Content) -> bool {
    let said = |name: &str| pin.get(name).and_then(Value::as_str);
    let is_same_place = |name: &str, wanted: Option<&str>| match pin.get(name) {
        None | Some(Value::Null) => true,
        Some(_) => text(fields::text(pin, name).as_deref()) == text(wanted),
    };
    text(said("title")) == text(content.title.as_deref())
        && text(said("description")) == text(content.description.as_deref())
        && address(said("link")) == address(content.link.as_deref())
        && is_same_place("board_id", content.board_id.as_deref())
        && is_same_place("board_section_id", content.board_section_id.as_deref())
        && pin.get("is_owner").and_then(Value::as_bool) != Some(false)
        && !is_of_another_kind(pin, &content.media)
}

/// Does the answer say clearly that it is something else than what was sent? A pin taken for another one is seen by
/// a person; one that is not recognised is sent twice. So silence, words of tomorrow and contradictions count as equal.
fn is_of_another_kind(pin: &Value, media: &ContentMedia) -> bool {
    let (wanted, count) = match media {
        ContentMedia::ImageUrl { .. } | ContentMedia::ImageFile(_) => (Kind::Image, None),
        ContentMedia::Carousel { images } => (Kind::Carousel, Some(images.len())),
        ContentMedia::Video { .. } => (Kind::Video, None),
    };
    let shown = pin.get("media");
    let by_media = shown.and_then(|media| match media.get("media_type")?.as_str()? {
        "image" => Some(Kind::Image),
        "video" => Some(Kind::Video),
        "multiple_images" => Some(Kind::Carousel),
        _ => None,
    });
    let by_type = pin
        .get("creative_type")
        .and_then(|kind| match kind.as_str()? {
            "REGULAR" => Some(Kind::Image),
            "VIDEO" => Some(Kind::Video),
            "CAROUSEL" => Some(Kind::Carousel),
            _ => None,
        });
    let said: Vec<Kind> = by_media.into_iter().chain(by_type).collect();
    if !said.is_empty() && !said.contains(&wanted) {
        return true;
    }
    let items = shown
        .and_then(|media| media.get("items")?.as_array())
        .map(Vec::len)
        .filter(|items| *items > 0);
    matches!((count, items), (Some(sent), Some(shown)) if sent != shown)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Video,
    Carousel,
}

/// RFC 3339 UTC. Real answers leave the zone out, against the document; they mean UTC.
fn utc(text: &str) -> Option<String> {
    let at = text.trim().parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.trim().parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    })?;
    Some(at.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_with_and_without_a_zone_are_utc() {
        for (text, expected) in [
            ("2022-10-13T01:40:29", Some("2022-10-13T01:40:29Z")),
            ("2022-10-13T01:40:29Z", Some("2022-10-13T01:40:29Z")),
            ("2022-10-13T03:40:29+02:00", Some("2022-10-13T01:40:29Z")),
            ("2022-10-13T01:40:29.5", Some("2022-10-13T01:40:29.5Z")),
            ("2022-10-13 01:40:29", Some("2022-10-13T01:40:29Z")),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(utc(text).as_deref(), expected, "{text}");
        }
    }

    fn content() -> Content {
        Content {
            title: Some("Cake ".to_owned()),
            description: None,
            link: Some("https://a.example".to_owned()),
            board_id: Some("1".to_owned()),
            ..Content::default()
        }
    }

    fn pin() -> Value {
        json!({
            "id": "9", "title": "Cake", "description": null, "link": "https://a.example/", "board_id": "1",
            "board_section_id": null, "is_owner": true, "created_at": "2022-10-13T01:40:29"
        })
    }

    #[test]
    fn texts_link_place_and_owner_decide() {
        for (name, value, matches) in [
            ("id", json!("9"), true),
            ("title", json!(" Cake"), true),
            ("title", json!("cake"), false),
            ("title", json!(null), false),
            ("description", json!(""), true),
            ("description", json!("Lemon"), false),
            ("link", json!("https://a.example"), true),
            ("link", json!("https://a.example/?utm=1"), false),
            ("link", json!(null), false),
            ("board_id", json!("2"), false),
            ("board_id", json!(1), true),
            ("board_section_id", json!("3"), false),
            ("is_owner", json!(false), false),
            ("is_owner", json!(null), true),
            ("alt_text", json!("anything"), true),
            ("creative_type", json!("A_WORD_OF_TOMORROW"), true),
        ] {
            let mut pin = pin();
            pin[name] = value.clone();
            let post = post(&pin, &content());
            assert_eq!(
                post.map(|post| post.matches),
                Some(matches),
                "{name} {value}"
            );
        }
    }

    #[test]
    fn a_bare_answer_is_enough() {
        let bare = post(
            &json!({"id": "9"}),
            &Content {
                board_id: Some("1".to_owned()),
                ..Content::default()
            },
        );
        let expected = RemotePost {
            id: "9".to_owned(),
            url: "https://www.pinterest.com/pin/9/".to_owned(),
            created_at: None,
            matches: true,
        };
        assert_eq!(bare, Some(expected));
        assert_eq!(post(&json!({"title": "Cake"}), &content()), None);
        assert_eq!(post(&json!({"id": "x"}), &content()), None);
        assert_eq!(post(&json!(null), &content()), None);
    }

    #[test]
    fn another_kind_of_media_is_another_pin_if_the_answer_is_clear() {
        use crate::{Cover, Source};
        let url = || Source::Url("https://a.example/1".to_owned());
        let image = ContentMedia::default;
        let video = || ContentMedia::Video {
            video: url(),
            cover: Cover::default(),
        };
        let two = || ContentMedia::Carousel {
            images: vec![url(), url()],
        };
        let media = |kind: &str| json!({"media": {"media_type": kind}});
        let items = |count| json!({"media": {"media_type": "multiple_images", "items": vec![json!({}); count]}});
        for (sent, shown, matches) in [
            (image(), json!({}), true),
            (image(), media("image"), true),
            (image(), media("video"), false),
            (image(), media("a_word_of_tomorrow"), true),
            (
                image(),
                json!({"media": null, "creative_type": "VIDEO"}),
                false,
            ),
            (video(), media("video"), true),
            (video(), media("image"), false),
            (
                video(),
                json!({"media": {"media_type": "image"}, "creative_type": "VIDEO"}),
                true,
            ),
            (video(), media("multiple_images"), false),
            (two(), items(2), true),
            (two(), items(0), true),
            (two(), items(3), false),
            (two(), media("image"), false),
        ] {
            let content = Content {
                media: sent,
                ..content()
            };
            let mut pin = pin();
            for (name, value) in shown.as_object().into_iter().flatten() {
                pin[name] = value.clone();
            }
            assert_eq!(
                post(&pin, &content).map(|post| post.matches),
                Some(matches),
                "{content:?} {shown}"
            );
        }
    }

    #[test]
    fn a_section_is_a_place_of_its_own() {
        let content = Content {
            board_section_id: Some("3".to_owned()),
            ..content()
        };
        let mut pin = pin();
        for (section, matches) in [(json!("3"), true), (json!("4"), false), (json!(null), true)] {
            pin["board_section_id"] = section.clone();
            assert_eq!(
                post(&pin, &content).map(|post| post.matches),
                Some(matches),
                "{section}"
            );
        }
    }
}
