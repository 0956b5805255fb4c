//! What Pinterest would refuse, found without asking it. Lengths are counted in Unicode code points, as the
//! limits of the document are.

use multi_upload_wire::{FieldError, Warning};
use serde_json::{Map, Value};
use url::Url;

use super::check_media::MediaChoices;
use crate::{Check, Content};

const TITLE: usize = 100;
const DESCRIPTION: usize = 800;
/// The public product pages promise this much only; Pinterest's apps cut there.
const DESCRIPTION_SHOWN: usize = 500;
const LINK: usize = 2_048;
const ALT_TEXT: usize = 500;

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

pub(super) fn check(content: &Content, choices: MediaChoices) -> Check {
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
    report.media(&content.media, choices);
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
pub(super) fn web_address(text: &str) -> Option<Url> {
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

/// What was found so far.
#[derive(Default)]
pub(super) struct Report(Check);

impl Report {
    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.0.errors
    }

    pub(super) fn refuse(&mut self, pointer: &str, code: &str, detail: impl Into<String>) {
        self.0.errors.push(FieldError {
            pointer: pointer.to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
        });
    }

    pub(super) fn warn(&mut self, pointer: &str, detail: String) {
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
mod tests;
