//! *Look*: the pins that exist where the content would be.
//!
//! Pinterest documents no order of its lists, so a look reads them to the end, or to a bound, and says which.
//! The image cannot be compared: Pinterest hosts it anew.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::api::Api;
use super::boards::LARGEST_PAGE;
use super::fingerprint::{address, text};
use super::{classify, fields, pin_url, require_digits};
use crate::{Content, Look, PlatformError, RemotePost};

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
