//! What Pinterest would refuse, found without asking it. Lengths are counted in Unicode code points, as the
//! limits of the document are.

use multi_upload_wire::{FieldError, Warning};
use serde_json::{Map, Value};
use url::Url;

use crate::{Check, Content, ContentMedia};

const TITLE: usize = 100;
const DESCRIPTION: usize = 800;
/// The public product pages promise this much only; Pinterest's apps cut there.
const DESCRIPTION_SHOWN: usize = 500;
const LINK: usize = 2_048;
const ALT_TEXT: usize = 500;
/// 20 MB, as Pinterest's product pages give it for uploads.
const IMAGE_BYTES: u64 = 20 * 1024 * 1024;

/// Fields that the upload itself carries under these names.
pub(super) const OWN_FIELDS: [&str; 7] = [
    "board_id",
    "board_section_id",
    "title",
    "description",
    "link",
    "alt_text",
    "media_source",
];

/// Services whose short links Pinterest tends to block as spam.
const SHORTENERS: [&str; 10] = [
    "bit.ly",
    "buff.ly",
    "cutt.ly",
    "goo.gl",
    "is.gd",
    "lnkd.in",
    "ow.ly",
    "rebrand.ly",
    "t.co",
    "tinyurl.com",
];

pub(super) fn check(content: &Content) -> Check {
    let mut report = Report::default();
    report.length("/title", "The title", content.title.as_deref(), TITLE);
    report.length(
        "/description",
        "The description",
        content.description.as_deref(),
        DESCRIPTION,
    );
    report.length(
        "/alt_text",
        "The alt text",
        content.alt_text.as_deref(),
        ALT_TEXT,
    );
    if let Some(count) = content.description.as_deref().map(count)
        && (DESCRIPTION_SHOWN + 1..=DESCRIPTION).contains(&count)
    {
        report.warn(
            "/description",
            format!(
                "The description has {count} characters. Pinterest takes {DESCRIPTION}, but may show only the first \
                 {DESCRIPTION_SHOWN}."
            ),
        );
    }
    report.link(content.link.as_deref());
    report.board(content);
    report.media(&content.media);
    report.fields(&content.fields);
    report.0
}

/// A Pinterest id: digits, more than fit a JSON number.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// An absolute http or https address without spaces.
fn web_address(text: &str) -> Option<Url> {
    let begins = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !(begins("http://") || begins("https://"))
        || text.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return None;
    }
    Url::parse(text)
        .ok()
        .filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
}

#[derive(Default)]
struct Report(Check);

impl Report {
    fn refuse(&mut self, pointer: &str, code: &str, detail: impl Into<String>) {
        self.0.errors.push(FieldError {
            pointer: pointer.to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
        });
    }

    fn warn(&mut self, pointer: &str, detail: String) {
        self.0.warnings.push(Warning {
            pointer: pointer.to_owned(),
            detail,
        });
    }

    fn length(&mut self, pointer: &str, what: &str, text: Option<&str>, limit: usize) {
        let count = text.map_or(0, count);
        if count > limit {
            let over = count - limit;
            self.refuse(
                pointer,
                "too_long",
                format!("{what} has {count} characters; Pinterest takes {limit}. Remove at least {over}."),
            );
        }
    }

    fn link(&mut self, link: Option<&str>) {
        let Some(link) = link.map(str::trim).filter(|link| !link.is_empty()) else {
            return;
        };
        self.length("/link", "The link", Some(link), LINK);
        match web_address(link) {
            None => self.refuse(
                "/link",
                "invalid",
                "The link is not a valid address. Give a complete one such as https://example.com/page.",
            ),
            Some(url) if url.host_str().is_some_and(|host| SHORTENERS.contains(&host)) => self.warn(
                "/link",
                "The link is a short link. Pinterest often blocks those as spam; use the full address of the page."
                    .to_owned(),
            ),
            Some(_) => {}
        }
    }

    fn board(&mut self, content: &Content) {
        match content.board_id.as_deref().filter(|id| !id.is_empty()) {
            None => self.refuse(
                "/board_id",
                "required",
                "Pinterest needs a board. Set `board_id` to an id from the account's board list.",
            ),
            Some(id) if !is_id(id) => self.refuse(
                "/board_id",
                "invalid",
                "The board id is not a string of digits. Use the `id` from the account's board list, not the board's name.",
            ),
            Some(_) => {}
        }
        if content
            .board_section_id
            .as_deref()
            .is_some_and(|id| !id.is_empty() && !is_id(id))
        {
            self.refuse(
                "/board_section_id",
                "invalid",
                "The section id is not a string of digits. Use the `id` from the board's section list, not the section's name.",
            );
        }
    }

    fn media(&mut self, media: &ContentMedia) {
        match media {
            ContentMedia::ImageUrl { url } if url.is_empty() => {
                self.refuse(
                    "/media",
                    "required",
                    "A pin needs an image. Give its address or an uploaded file.",
                );
            }
            ContentMedia::ImageUrl { url } => {
                if web_address(url).is_none() {
                    self.refuse(
                        "/media",
                        "invalid",
                        "The image's address is not valid. Give a complete one such as https://example.com/image.jpg.",
                    );
                }
            }
            ContentMedia::ImageFile {
                content_type,
                bytes,
                ..
            } => {
                if !matches!(content_type.as_str(), "image/jpeg" | "image/png") {
                    self.refuse(
                        "/media",
                        "unsupported",
                        format!("The file is {content_type}; Pinterest takes image/jpeg and image/png. Save it as one of these."),
                    );
                }
                if *bytes > IMAGE_BYTES {
                    self.refuse(
                        "/media",
                        "too_large",
                        format!(
                            "The image has {bytes} bytes; Pinterest takes {IMAGE_BYTES} (20 MB). Make it smaller, 1000 x 1500 \
                             pixels are enough."
                        ),
                    );
                }
                if *bytes == 0 {
                    self.refuse(
                        "/media",
                        "invalid",
                        "The image is empty. Upload the file again.",
                    );
                }
            }
        }
    }

    /// Pinterest's own optional fields. Unknown ones pass: they may come with a newer version.
    fn fields(&mut self, fields: &Map<String, Value>) {
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let pointer = format!("/fields/{}", name.replace('~', "~0").replace('/', "~1"));
            if OWN_FIELDS.contains(&name.as_str()) {
                let detail = format!(
                    "`{name}` does not belong among Pinterest's own fields. Set it on the upload or in an override."
                );
                self.refuse(&pointer, "conflict", detail);
                continue;
            }
            let wanted = match name.as_str() {
                "dominant_color" if !value.as_str().is_some_and(is_color) => {
                    "a color such as #6E7874"
                }
                "parent_pin_id" | "sponsor_id" if !value.as_str().is_some_and(is_id) => {
                    "an id: a string of digits"
                }
                "is_standard" if !value.is_boolean() => "true or false",
                "ai_disclosures" if !has_values(value) => {
                    "an object such as {\"values\": [\"AI_MODIFIED\"]} with at least one value; leave it out otherwise"
                }
                _ => continue,
            };
            self.refuse(&pointer, "invalid", format!("`{name}` must be {wanted}."));
        }
    }
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Pinterest refuses an empty list.
fn has_values(disclosures: &Value) -> bool {
    disclosures
        .get("values")
        .and_then(Value::as_array)
        .is_some_and(|values| {
            !values.is_empty()
                && values
                    .iter()
                    .all(|value| value.as_str().is_some_and(|value| !value.is_empty()))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Content {
        Content {
            title: Some("Lemon cake".to_owned()),
            board_id: Some("549755885175000001".to_owned()),
            media: ContentMedia::ImageUrl {
                url: "https://a.example/1.png".to_owned(),
            },
            ..Content::default()
        }
    }

    fn file(content_type: &str, bytes: u64) -> ContentMedia {
        ContentMedia::ImageFile {
            media_id: "md_1".to_owned(),
            content_type: content_type.to_owned(),
            sha256: "00".to_owned(),
            bytes,
        }
    }

    /// What `change` makes of a good content: pointers and codes of its errors, pointers of its warnings.
    fn verdict(change: impl FnOnce(&mut Content)) -> (Vec<(String, String)>, Vec<String>) {
        let mut content = good();
        change(&mut content);
        let check = check(&content);
        for error in &check.errors {
            assert!(error.detail.ends_with('.'), "{error:?}");
        }
        (
            check
                .errors
                .into_iter()
                .map(|error| (error.pointer, error.code))
                .collect(),
            check
                .warnings
                .into_iter()
                .map(|warning| warning.pointer)
                .collect(),
        )
    }

    fn text(character: &str, count: usize) -> Option<String> {
        Some(character.repeat(count))
    }

    #[test]
    fn limits_stand_where_the_document_says() {
        type Row = (
            &'static str,
            fn(&mut Content),
            &'static [(&'static str, &'static str)],
            &'static [&'static str],
        );
        let long_link =
            |length: usize| Some(format!("https://a.example/{}", "x".repeat(length - 18)));
        assert_eq!(long_link(2_048).map(|link| link.len()), Some(2_048));
        let table: &[Row] = &[
            ("good", |_| {}, &[], &[]),
            ("title 100", |c| c.title = text("é", 100), &[], &[]),
            (
                "title 101",
                |c| c.title = text("é", 101),
                &[("/title", "too_long")],
                &[],
            ),
            ("emoji count once", |c| c.title = text("🍋", 100), &[], &[]),
            ("no title", |c| c.title = None, &[], &[]),
            (
                "description 500",
                |c| c.description = text("é", 500),
                &[],
                &[],
            ),
            (
                "description 501",
                |c| c.description = text("é", 501),
                &[],
                &["/description"],
            ),
            (
                "description 800",
                |c| c.description = text("é", 800),
                &[],
                &["/description"],
            ),
            (
                "description 801",
                |c| c.description = text("é", 801),
                &[("/description", "too_long")],
                &[],
            ),
            ("alt text 500", |c| c.alt_text = text("é", 500), &[], &[]),
            (
                "alt text 501",
                |c| c.alt_text = text("é", 501),
                &[("/alt_text", "too_long")],
                &[],
            ),
            (
                "link",
                |c| c.link = Some("https://a.example/p?q=1#f".to_owned()),
                &[],
                &[],
            ),
            (
                "link http",
                |c| c.link = Some("HTTP://a.example".to_owned()),
                &[],
                &[],
            ),
            ("empty link", |c| c.link = Some(" ".to_owned()), &[], &[]),
            (
                "link without scheme",
                |c| c.link = Some("a.example/p".to_owned()),
                &[("/link", "invalid")],
                &[],
            ),
            (
                "link with a space",
                |c| c.link = Some("https://a.example/a b".to_owned()),
                &[("/link", "invalid")],
                &[],
            ),
            (
                "link without host",
                |c| c.link = Some("https://".to_owned()),
                &[("/link", "invalid")],
                &[],
            ),
            (
                "other scheme",
                |c| c.link = Some("ftp://a.example".to_owned()),
                &[("/link", "invalid")],
                &[],
            ),
            (
                "short link",
                |c| c.link = Some("https://bit.ly/x".to_owned()),
                &[],
                &["/link"],
            ),
            (
                "no board",
                |c| c.board_id = None,
                &[("/board_id", "required")],
                &[],
            ),
            (
                "empty board",
                |c| c.board_id = text("x", 0),
                &[("/board_id", "required")],
                &[],
            ),
            (
                "board by name",
                |c| c.board_id = Some("my-board".to_owned()),
                &[("/board_id", "invalid")],
                &[],
            ),
            (
                "board with a path",
                |c| c.board_id = Some("1/../2".to_owned()),
                &[("/board_id", "invalid")],
                &[],
            ),
            (
                "section",
                |c| c.board_section_id = Some("12".to_owned()),
                &[],
                &[],
            ),
            (
                "section by name",
                |c| c.board_section_id = Some("Soups".to_owned()),
                &[("/board_section_id", "invalid")],
                &[],
            ),
            (
                "no media",
                |c| c.media = ContentMedia::default(),
                &[("/media", "required")],
                &[],
            ),
            (
                "media path",
                |c| {
                    c.media = ContentMedia::ImageUrl {
                        url: "/a.png".to_owned(),
                    }
                },
                &[("/media", "invalid")],
                &[],
            ),
            ("jpeg", |c| c.media = file("image/jpeg", 1), &[], &[]),
            (
                "png of 20 MB",
                |c| c.media = file("image/png", 20 * 1024 * 1024),
                &[],
                &[],
            ),
            (
                "png over 20 MB",
                |c| c.media = file("image/png", 20 * 1024 * 1024 + 1),
                &[("/media", "too_large")],
                &[],
            ),
            (
                "webp",
                |c| c.media = file("image/webp", 1),
                &[("/media", "unsupported")],
                &[],
            ),
            (
                "empty file",
                |c| c.media = file("image/png", 0),
                &[("/media", "invalid")],
                &[],
            ),
        ];
        for (name, change, errors, warnings) in table {
            let (found_errors, found_warnings) = verdict(change);
            let found_errors: Vec<_> = found_errors
                .iter()
                .map(|(p, c)| (p.as_str(), c.as_str()))
                .collect();
            assert_eq!(found_errors, *errors, "{name}");
            assert_eq!(found_warnings, *warnings, "{name}");
        }
        assert!(verdict(|c| c.link = long_link(2_048)).0.is_empty());
        assert_eq!(
            verdict(|c| c.link = long_link(2_049)).0,
            [("/link".to_owned(), "too_long".to_owned())]
        );
    }

    #[test]
    fn details_give_the_figure_the_limit_and_the_way_out() {
        let mut content = good();
        content.title = text("a", 130);
        let detail = &check(&content).errors[0].detail;
        assert_eq!(
            detail,
            "The title has 130 characters; Pinterest takes 100. Remove at least 30."
        );
    }

    #[test]
    fn several_faults_are_found_at_once() {
        let (errors, _) = verdict(|c| {
            c.title = text("a", 101);
            c.board_id = None;
            c.media = ContentMedia::default();
        });
        assert_eq!(errors.len(), 3);
    }

    #[test]
    fn pinterests_own_fields() {
        for (name, value, code) in [
            ("dominant_color", json!("#6E7874"), None),
            ("dominant_color", json!(null), None),
            ("dominant_color", json!("red"), Some("invalid")),
            ("dominant_color", json!("#6E787"), Some("invalid")),
            ("parent_pin_id", json!("123"), None),
            ("parent_pin_id", json!(123), Some("invalid")),
            ("sponsor_id", json!("x"), Some("invalid")),
            ("is_standard", json!(false), None),
            ("is_standard", json!("false"), Some("invalid")),
            ("ai_disclosures", json!({"values": ["AI_MODIFIED"]}), None),
            (
                "ai_disclosures",
                json!({"values": ["A_WORD_OF_TOMORROW"]}),
                None,
            ),
            ("ai_disclosures", json!({"values": []}), Some("invalid")),
            ("ai_disclosures", json!(["AI_MODIFIED"]), Some("invalid")),
            ("added_in_6", json!([1]), None),
            ("title", json!("x"), Some("conflict")),
            ("media_source", json!({}), Some("conflict")),
        ] {
            let (errors, _) = verdict(|c| {
                c.fields.insert(name.to_owned(), value.clone());
            });
            let expected: Vec<_> = code
                .into_iter()
                .map(|code| (format!("/fields/{name}"), code.to_owned()))
                .collect();
            assert_eq!(errors, expected, "{name} {value}");
        }
    }
}
