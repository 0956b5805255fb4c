//! From a JSON object to a typed request, with everything that is wrong in one answer.
//!
//! Serde stops at the first fault. Here each field is tried alone, so that a caller hears of every
//! unknown name (with the nearest known one) and every wrong type at once.

use multi_upload_wire::FieldError;
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde_json::{Map, Value};

use super::body::{kind, step};
use super::problem::field;

/// The typed request, or every fault. `at` is the JSON Pointer of the object.
pub(crate) fn typed<T: DeserializeOwned>(
    object: &Map<String, Value>,
    at: &str,
) -> Result<T, Vec<FieldError>> {
    let known = names::<T>();
    let mut errors = Vec::new();
    let mut good = Map::new();
    let mut faulty: Vec<&str> = Vec::new();
    for (name, value) in object {
        if !known.contains(&name.as_str()) {
            errors.push(unknown(name, at, known.iter().copied()));
            continue;
        }
        let found = faults_of::<T>(name, value, known, &format!("{at}/{}", step(name)));
        if found.is_empty() {
            good.insert(name.clone(), value.clone());
        } else {
            faulty.push(name);
            errors.extend(found);
        }
    }
    match serde_json::from_value::<T>(Value::Object(good)) {
        Ok(value) if errors.is_empty() => Ok(value),
        Ok(_) => Err(errors),
        Err(error) => {
            match missing(&error) {
                Some(name) if faulty.contains(&name.as_str()) => {}
                Some(name) => errors.push(field(
                    format!("{at}/{}", step(&name)),
                    "required",
                    format!("`{name}` is required"),
                )),
                None => errors.push(field(at, "invalid", words(&error))),
            }
            Err(errors)
        }
    }
}

/// An unknown name, with the nearest known one.
pub(crate) fn unknown<'a>(
    name: &str,
    at: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> FieldError {
    let shown: String = name.chars().take(80).collect();
    let hint = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<String> = known.map(|name| format!("`{name}`")).collect();
            format!("known here: {}", all.join(", "))
        }
    };
    field(
        format!("{at}/{}", step(&shown)),
        "unknown",
        format!("`{shown}` is not known; {hint}"),
    )
}

/// The nearest known word, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 100 {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-', ' '], "");
    let mine = plain(word);
    known
        .map(|name| (strsim::jaro_winkler(&mine, &plain(name)), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// What is wrong with the value of one field, tried alone.
fn faults_of<T: DeserializeOwned>(
    name: &str,
    value: &Value,
    known: &[&str],
    pointer: &str,
) -> Vec<FieldError> {
    let Some(whole) = fault::<T>(name, value, known) else {
        return Vec::new();
    };
    // In a list the faulty elements are named.
    if let Value::Array(items) = value {
        let of_items: Vec<FieldError> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let words = fault::<T>(name, &Value::Array(vec![item.clone()]), known)?;
                Some(field(format!("{pointer}/{index}"), "invalid", words))
            })
            .collect();
        if !of_items.is_empty() {
            return of_items;
        }
    }
    vec![field(pointer, "invalid", whole)]
}

fn fault<T: DeserializeOwned>(name: &str, value: &Value, known: &[&str]) -> Option<String> {
    let mut alone = Map::new();
    alone.insert(name.to_owned(), value.clone());
    let error = serde_json::from_value::<T>(Value::Object(alone)).err()?;
    // Another field of the same object that is required is not this field's fault.
    if missing(&error).is_some_and(|other| known.contains(&other.as_str())) {
        return None;
    }
    Some(sentence(name, value, &error))
}

fn sentence(name: &str, value: &Value, error: &serde_json::Error) -> String {
    let words = words(error);
    match words
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        Some((_, expected)) => {
            format!("`{name}` must be {expected}, not {}", kind(value))
        }
        None => format!("`{name}`: {words}"),
    }
}

fn missing(error: &serde_json::Error) -> Option<String> {
    words(error)
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
        .map(str::to_owned)
}

fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The names a struct takes, as its `Deserialize` announces them. Empty for a type that is not a
/// plain struct: flattened types take their names by hand.
pub(crate) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // The answer comes as an error: nothing is read.
    let _ = T::deserialize(Names(&mut found));
    found
}

struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(de::Error::custom("names taken"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use multi_upload_wire::{ConnectRequest, CreateApiKey, CreateUpload};
    use serde_json::json;

    use super::*;

    fn faults<T: DeserializeOwned>(value: Value) -> Vec<(String, String)> {
        let Value::Object(object) = value else {
            panic!("not an object")
        };
        match typed::<T>(&object, "") {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn every_fault_is_named_at_once() {
        assert_eq!(
            faults::<CreateUpload>(json!({
                "accounts": ["pinterest:1", 5], "title": 7, "boardid": "1", "draft": "yes"
            })),
            pairs(&[
                ("/accounts/1", "invalid"),
                ("/title", "invalid"),
                ("/boardid", "unknown"),
                ("/draft", "invalid"),
            ])
        );
    }

    #[test]
    fn what_is_required_is_said_once() {
        assert_eq!(
            faults::<CreateUpload>(json!({"titel": "x"})),
            pairs(&[("/titel", "unknown"), ("/accounts", "required")])
        );
        assert_eq!(
            faults::<ConnectRequest>(json!({"platform": 3})),
            pairs(&[("/platform", "invalid")])
        );
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let known = names::<CreateUpload>();
        assert!(known.contains(&"board_section_id"));
        let near = |word| nearest(word, known.iter().copied());
        assert_eq!(near("boardId"), Some("board_id"));
        assert_eq!(near("titel"), Some("title"));
        assert_eq!(near("image"), Some("image_url"));
        assert_eq!(near("schedule_at"), Some("scheduled_at"));
        assert_eq!(near("qqqq"), None);
    }

    #[test]
    fn words_of_a_list_are_checked_one_by_one() {
        assert_eq!(
            faults::<CreateApiKey>(json!({"scopes": ["admin", "upload:write"]})),
            pairs(&[("/scopes/1", "invalid")])
        );
    }

    #[test]
    fn null_is_an_absent_option() {
        assert!(faults::<CreateUpload>(json!({"accounts": [], "title": null})).is_empty());
    }
}
