//! Query parameters and page cursors.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use multi_upload_wire::FieldError;

use super::fields::nearest;
use super::problem::{Problem, field};

/// The query of a request, read name by name; whatever is left over is an error.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Splits the query.
    pub(crate) fn of(uri: &http::Uri) -> Self {
        let pairs = uri
            .query()
            .map(|query| {
                url::form_urlencoded::parse(query.as_bytes())
                    .into_owned()
                    .collect()
            })
            .unwrap_or_default();
        Self {
            pairs,
            known: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The value of a parameter; an empty one counts as absent.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut found = None;
        let mut count = 0;
        self.pairs.retain(|(key, value)| {
            if key != name {
                return true;
            }
            count += 1;
            found = Some(value.clone());
            false
        });
        if count > 1 {
            self.wrong(name, "conflict", format!("`{name}` stands {count} times"));
        }
        let value = found.filter(|value| !value.is_empty())?;
        if value.contains('\0') {
            self.wrong(name, "invalid", format!("`{name}` must not hold U+0000"));
            return None;
        }
        Some(value)
    }

    /// The value of a parameter, understood by `read`, which says what it expects.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(expected) => {
                let shown: String = text.chars().take(60).collect();
                self.wrong(
                    name,
                    "invalid",
                    format!("`{name}` must be {expected}, not {shown:?}"),
                );
                None
            }
        }
    }

    /// A whole number within a range.
    pub(crate) fn number(&mut self, name: &'static str, min: u32, max: u32) -> Option<u32> {
        self.read(name, |text| {
            text.parse()
                .ok()
                .filter(|number| (min..=max).contains(number))
                .ok_or_else(|| format!("a whole number from {min} to {max}"))
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        self.read(name, |text| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("true or false".to_owned()),
        })
        .unwrap_or(false)
    }

    /// `limit`: 1 to 1000, default 100.
    pub(crate) fn limit(&mut self) -> u32 {
        self.number("limit", 1, 1_000).unwrap_or(100)
    }

    /// `cursor`: what the page before gave as `next_cursor`.
    pub(crate) fn cursor(&mut self, kind: &'static str) -> Option<String> {
        self.read("cursor", |text| {
            open_cursor(kind, text)
                .ok_or_else(|| "a `next_cursor` of the same list, unchanged".to_owned())
        })
    }

    /// Notes a fault.
    pub(crate) fn wrong(&mut self, name: &str, code: &str, detail: String) {
        self.errors.push(field(format!("?{name}"), code, detail));
    }

    /// Every fault at once, unknown names among them.
    pub(crate) fn end(mut self) -> Result<(), Problem> {
        for (name, _) in &self.pairs {
            let shown: String = name.chars().take(80).collect();
            let hint = match nearest(name, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if self.known.is_empty() => "this call takes none".to_owned(),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.errors.push(field(
                format!("?{shown}"),
                "unknown",
                format!("the parameter `{shown}` is not known; {hint}"),
            ));
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::fields(self.errors))
        }
    }
}

/// An opaque cursor: what follows it, with the kind of list it belongs to.
pub(crate) fn seal_cursor(kind: &str, value: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{value}"))
}

/// The value of a cursor of this kind of list.
pub(crate) fn open_cursor(kind: &str, cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let value = text.strip_prefix(kind)?.strip_prefix(':')?;
    (!value.is_empty() && value.len() <= 4_096 && !value.contains('\0')).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn query(text: &'static str) -> Query {
        Query::of(&http::Uri::from_static(text))
    }

    #[test]
    fn faults_of_a_query_come_together() {
        let mut q = query("/x?limit=0&status=&stauts=a&flag=maybe&q=1&q=2");
        assert_eq!(q.limit(), 100);
        assert_eq!(q.text("status"), None);
        assert!(!q.flag("flag"));
        q.text("q");
        let problem = q.end().unwrap_err();
        let pointers: Vec<_> = problem
            .info
            .errors
            .iter()
            .map(|error| error.pointer.as_str())
            .collect();
        assert_eq!(pointers, ["?limit", "?flag", "?q", "?stauts"]);
        assert!(problem.info.errors[3].detail.contains("`status`"));
    }

    #[test]
    fn a_cursor_belongs_to_one_kind_of_list() {
        let cursor = seal_cursor("uploads", "up_1");
        assert_eq!(open_cursor("uploads", &cursor).as_deref(), Some("up_1"));
        assert_eq!(open_cursor("changes", &cursor), None);
        assert_eq!(open_cursor("uploads", "!!"), None);
        assert_eq!(open_cursor("uploads", ""), None);
    }
}
