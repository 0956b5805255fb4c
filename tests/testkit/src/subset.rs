//! Comparing what is expected with what is there.
//!
//! An object must hold at least the expected members; a list must have the same length and match
//! item by item; `null` also matches a member that is missing. Objects with one member that begins
//! with `$` are rules: `$length`, `$contains`, `$present`.

use serde_json::Value;

/// Adds a line to `failures` for every difference; `at` is the JSON Pointer so far.
pub(crate) fn compare(
    expected: &Value,
    actual: Option<&Value>,
    at: &str,
    failures: &mut Vec<String>,
) {
    if let Some((rule, argument)) = rule(expected) {
        if !holds(rule, argument, actual) {
            failures.push(format!("{at}: expected {expected}, got {}", show(actual)));
        }
        return;
    }
    match (expected, actual) {
        (Value::Null, None | Some(Value::Null)) => {}
        (Value::Object(members), Some(Value::Object(there))) => {
            for (name, value) in members {
                compare(value, there.get(name), &format!("{at}/{name}"), failures);
            }
        }
        (Value::Array(items), Some(Value::Array(there))) => {
            if items.len() != there.len() {
                failures.push(format!(
                    "{at}: expected {} items, got {}",
                    items.len(),
                    there.len()
                ));
            }
            for (index, (item, found)) in items.iter().zip(there).enumerate() {
                compare(item, Some(found), &format!("{at}/{index}"), failures);
            }
        }
        (expected, Some(actual)) if same(expected, actual) => {}
        (expected, actual) => {
            failures.push(format!("{at}: expected {expected}, got {}", show(actual)));
        }
    }
}

fn rule(expected: &Value) -> Option<(&str, &Value)> {
    let members = expected.as_object()?;
    let (name, argument) = members.iter().next()?;
    (members.len() == 1 && name.starts_with('$')).then_some((name.as_str(), argument))
}

fn holds(rule: &str, argument: &Value, actual: Option<&Value>) -> bool {
    let actual = actual.filter(|value| !value.is_null());
    match rule {
        "$present" => argument.as_bool() == Some(actual.is_some()),
        "$contains" => match (argument.as_str(), actual.and_then(Value::as_str)) {
            (Some(part), Some(text)) => text.contains(part),
            _ => false,
        },
        "$length" => {
            let length = match actual {
                Some(Value::Array(items)) => items.len(),
                Some(Value::Object(members)) => members.len(),
                Some(Value::String(text)) => text.chars().count(),
                _ => return false,
            };
            argument.as_u64() == u64::try_from(length).ok()
        }
        _ => false,
    }
}

/// Numbers are equal by value, times by instant: languages write UTC in three ways.
fn same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) => a == b || utc(a).is_some_and(|a| utc(b) == Some(a)),
        (a, b) => a == b,
    }
}

/// `2026-12-01T20:00:00.000Z` and `…+00:00` as `2026-12-01T20:00:00`; `None` for other text.
fn utc(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[4] != b'-' || bytes[10] != b'T' || bytes[13] != b':' {
        return None;
    }
    let local = text
        .strip_suffix('Z')
        .or_else(|| text.strip_suffix("+00:00"))?;
    match local.split_once('.') {
        Some((seconds, fraction)) if fraction.bytes().all(|digit| digit == b'0') => Some(seconds),
        _ => Some(local),
    }
}

fn show(actual: Option<&Value>) -> String {
    let Some(value) = actual else {
        return "nothing".to_owned();
    };
    let mut text = value.to_string();
    if text.len() > 300 {
        let end = (0..=300)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fits(expected: Value, actual: Value) -> bool {
        let mut failures = Vec::new();
        compare(&expected, Some(&actual), "", &mut failures);
        failures.is_empty()
    }

    #[test]
    fn objects_are_subsets_and_lists_are_not() {
        assert!(fits(json!({"a": 1}), json!({"a": 1, "b": 2})));
        assert!(!fits(json!({"a": 1}), json!({"b": 2})));
        assert!(!fits(json!([1]), json!([1, 2])));
        assert!(!fits(json!({"a": 1}), json!({"a": "1"})));
        assert!(fits(json!({"a": null}), json!({})));
        assert!(!fits(json!({"a": null}), json!({"a": 0})));
    }

    #[test]
    fn rules_look_at_one_value() {
        assert!(fits(json!({"$length": 2}), json!([1, 2])));
        assert!(!fits(json!({"$length": 3}), json!([1, 2])));
        assert!(fits(json!({"$contains": "board"}), json!("no board here")));
        assert!(!fits(json!({"$contains": "pin"}), json!("no board here")));
        assert!(fits(json!({"a": {"$present": true}}), json!({"a": 0})));
        assert!(!fits(json!({"a": {"$present": false}}), json!({"a": 0})));
        assert!(!fits(json!({"a": {"$unheard-of": 1}}), json!({"a": 1})));
    }

    #[test]
    fn utc_is_the_same_however_it_is_written() {
        assert!(fits(
            json!("2026-12-01T20:00:00Z"),
            json!("2026-12-01T20:00:00.000Z")
        ));
        assert!(fits(
            json!("2026-12-01T20:00:00Z"),
            json!("2026-12-01T20:00:00+00:00")
        ));
        assert!(!fits(
            json!("2026-12-01T20:00:00Z"),
            json!("2026-12-01T20:00:00.500Z")
        ));
        assert!(!fits(
            json!("2026-12-01T20:00:00Z"),
            json!("2026-12-01T20:00:00+01:00")
        ));
        assert!(!fits(
            json!("2026-12-01T20:00:00Z"),
            json!("2026-12-01T20:00:00")
        ));
    }
}
