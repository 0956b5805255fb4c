//! Which contents a look could take for one another.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use crate::Content;

/// Equal for contents whose pins a look could not tell apart: Pinterest keeps no trace of the file it was given, so
/// only place, texts and link count. An image, a video and a carousel of one text are alike here too: a look tells them
/// apart where Pinterest's answer says what they are, and it need not say. See [`super::look`].
pub(super) fn fingerprint(content: &Content) -> String {
    hash(&json!([place(content), texts(content)]))
}

/// Board and section.
fn place(content: &Content) -> [&str; 2] {
    [
        text(content.board_id.as_deref()),
        text(content.board_section_id.as_deref()),
    ]
}

fn texts(content: &Content) -> [String; 3] {
    [
        text(content.title.as_deref()).to_owned(),
        text(content.description.as_deref()).to_owned(),
        address(content.link.as_deref()),
    ]
}

/// As it is compared: spaces at the ends do not count, and absent is the same as empty.
pub(super) fn text(text: Option<&str>) -> &str {
    text.unwrap_or_default().trim()
}

/// As it is compared: two spellings of one address are equal (`https://A.example` and `https://a.example/`).
pub(super) fn address(link: Option<&str>) -> String {
    let link = text(link);
    Url::parse(link).map_or_else(|_| link.to_owned(), String::from)
}

fn hash(parts: &serde_json::Value) -> String {
    // JSON quotes every part, so no two lists of parts give one text.
    Sha256::digest(parts.to_string())
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContentMedia;

    fn content() -> Content {
        Content {
            title: Some("Cake".to_owned()),
            description: Some("Lemon".to_owned()),
            link: Some("https://a.example".to_owned()),
            alt_text: Some("A cake".to_owned()),
            board_id: Some("1".to_owned()),
            media: ContentMedia::ImageUrl {
                url: "https://a.example/1.png".to_owned(),
            },
            ..Content::default()
        }
    }

    #[test]
    fn it_is_a_sha256_in_hex_and_stays() {
        let print = fingerprint(&content());
        assert_eq!(print.len(), 64);
        assert!(
            print
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        );
        assert_eq!(print, fingerprint(&content()));
    }

    #[test]
    fn what_a_reader_sees_counts_and_nothing_else() {
        type Change = fn(&mut Content);
        let table: &[(&str, Change, bool)] = &[
            ("nothing", |_| {}, false),
            ("title", |c| c.title = Some("Pie".to_owned()), true),
            ("description", |c| c.description = None, true),
            (
                "link",
                |c| c.link = Some("https://a.example/?x".to_owned()),
                true,
            ),
            ("board", |c| c.board_id = Some("2".to_owned()), true),
            (
                "section",
                |c| c.board_section_id = Some("2".to_owned()),
                true,
            ),
            ("alt text", |c| c.alt_text = None, false),
            (
                "image",
                |c| {
                    c.media = ContentMedia::ImageUrl {
                        url: "https://a.example/2.png".to_owned(),
                    }
                },
                false,
            ),
            (
                "spelling of the link",
                |c| c.link = Some(" HTTPS://A.example/ ".to_owned()),
                false,
            ),
            ("spaces", |c| c.title = Some(" Cake\n".to_owned()), false),
            (
                "empty section",
                |c| c.board_section_id = Some(String::new()),
                false,
            ),
        ];
        let before = fingerprint(&content());
        for (name, change, changes) in table {
            let mut changed = content();
            change(&mut changed);
            assert_eq!(fingerprint(&changed) != before, *changes, "{name}");
        }
    }

    #[test]
    fn texts_do_not_run_into_one_another() {
        let pair = |title: &str, description: &str| Content {
            title: Some(title.to_owned()),
            description: Some(description.to_owned()),
            ..content()
        };
        assert_ne!(fingerprint(&pair("a", "bc")), fingerprint(&pair("ab", "c")));
        assert_ne!(
            fingerprint(&pair("a\",\"b", "")),
            fingerprint(&pair("a", "b"))
        );
    }
}
