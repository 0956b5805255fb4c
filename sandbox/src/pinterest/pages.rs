//! Paging: `page_size`, opaque bookmarks, and the page itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::answer::ApiError;

/// What the caller asks for. A bookmark names the place of the last item seen, so items that come or go in between
/// neither repeat nor hide others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    size: usize,
    after: Option<u64>,
}

impl Page {
    pub(crate) fn parse(query: &[(String, String)]) -> Result<Self, ApiError> {
        let mut page = Self {
            size: 25,
            after: None,
        };
        for (name, value) in query {
            match name.as_str() {
                "page_size" => {
                    page.size = value.parse().map_err(|_| {
                        ApiError::new(
                            400,
                            1,
                            format!(
                                "Parameter 'page_size' with the value '{value}' is not an integer."
                            ),
                        )
                    })?;
                    if !(1..=250).contains(&page.size) {
                        return Err(ApiError::new(
                            400,
                            1,
                            format!(
                                "Parameter 'page_size' with the value '{value}' is not between 1 and 250."
                            ),
                        ));
                    }
                }
                "bookmark" if !value.is_empty() => {
                    page.after = Some(decode(value).ok_or_else(|| {
                        ApiError::new(
                            400,
                            1,
                            "Parameter 'bookmark' is not one that this endpoint gave out.",
                        )
                    })?);
                }
                _ => {}
            }
        }
        Ok(page)
    }

    /// The same page, but no longer than the switch allows.
    pub(crate) fn at_most(mut self, longest: usize) -> Self {
        self.size = self.size.min(longest.max(1));
        self
    }

    /// The page of `items`, given with their places, shown by `show`.
    pub(crate) fn of<T>(
        self,
        items: impl Iterator<Item = (u64, T)>,
        show: impl Fn(T) -> Value,
    ) -> Value {
        let mut items: Vec<_> = items
            .filter(|(place, _)| self.after.is_none_or(|after| *place > after))
            .collect();
        items.sort_unstable_by_key(|(place, _)| *place);
        let bookmark = (items.len() > self.size).then(|| encode(items[self.size - 1].0));
        items.truncate(self.size);
        let items: Vec<_> = items.into_iter().map(|(_, item)| show(item)).collect();
        json!({"items": items, "bookmark": bookmark})
    }
}

fn encode(place: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("place:{place}"))
}

fn decode(bookmark: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(bookmark).ok()?;
    std::str::from_utf8(&bytes)
        .ok()?
        .strip_prefix("place:")?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn pages_are_complete_and_end_with_null() {
        let items = || [5_u64, 1, 4, 2, 3].into_iter().map(|place| (place, place));
        let mut seen = Vec::new();
        let mut asked = query(&[("page_size", "2")]);
        loop {
            let page = Page::parse(&asked)
                .expect("valid")
                .of(items(), |item| json!(item));
            seen.extend(page["items"].as_array().expect("items").clone());
            let Some(bookmark) = page["bookmark"].as_str() else {
                break;
            };
            assert!(
                bookmark
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            );
            asked = query(&[("page_size", "2"), ("bookmark", bookmark)]);
        }
        assert_eq!(json!(seen), json!([1, 2, 3, 4, 5]));
    }

    #[test]
    fn sizes_outside_the_limits_are_refused() {
        for size in ["0", "251", "-1", "many"] {
            let error = Page::parse(&query(&[("page_size", size)])).expect_err(size);
            assert_eq!((error.status, error.code), (400, 1), "{size}");
        }
        assert!(Page::parse(&query(&[("bookmark", "nonsense!")])).is_err());
        assert!(Page::parse(&query(&[("page_size", "250"), ("bookmark", "")])).is_ok());
    }
}
