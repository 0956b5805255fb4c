//! Single fields of an answer. The document marks almost nothing as required and new kinds of values come with
//! every version, so a field that is missing, null or of another type is simply not there.

use serde_json::Value;

/// A text that is not empty; a whole number is taken as its digits (ids).
pub(super) fn text(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number of 0 or more, also as text.
pub(super) fn whole(object: &Value, name: &str) -> Option<u64> {
    match object.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// `items`; anything else is an empty list.
pub(super) fn items(page: &Value) -> &[Value] {
    page.get("items")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The bookmark of the next page. One that repeats the last would go round for ever, so it counts as the end.
pub(super) fn bookmark(page: &Value, asked_with: Option<&str>) -> Option<String> {
    text(page, "bookmark").filter(|bookmark| Some(bookmark.as_str()) != asked_with)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn odd_values_are_not_there() {
        let object = json!({"a": "x", "b": "", "c": null, "d": 549_755_885_175_000_001_u64, "e": [], "f": -1, "g": " 7 "});
        assert_eq!(text(&object, "a").as_deref(), Some("x"));
        assert_eq!(text(&object, "d").as_deref(), Some("549755885175000001"));
        for name in ["b", "c", "e", "f", "missing"] {
            assert_eq!(text(&object, name), None, "{name}");
        }
        assert_eq!(whole(&object, "g"), Some(7));
        assert_eq!(whole(&object, "d"), Some(549_755_885_175_000_001));
        for name in ["a", "c", "e", "f", "missing"] {
            assert_eq!(whole(&object, name), None, "{name}");
        }
        assert_eq!(text(&json!([]), "a"), None);
    }

    #[test]
    fn a_page_ends_without_a_new_bookmark() {
        assert_eq!(
            bookmark(&json!({"bookmark": "b"}), None).as_deref(),
            Some("b")
        );
        assert_eq!(
            bookmark(&json!({"bookmark": "b"}), Some("a")).as_deref(),
            Some("b")
        );
        for page in [
            json!({"bookmark": "b"}),
            json!({"bookmark": null}),
            json!({"bookmark": ""}),
            json!({}),
        ] {
            assert_eq!(bookmark(&page, Some("b")), None, "{page}");
        }
        assert!(items(&json!({"items": null})).is_empty() && items(&json!({})).is_empty());
    }
}
