//! Short forms inside a case, written out before anybody sees the case:
//!
//! - `{"$fixture": "upload", "set": {…}}`: an object of `fixtures.json`, with members replaced
//!   (objects are merged, all else is replaced).
//! - `{"$repeat": {"count": 250, "item": {…}, "from": 0, "except": {"7": {…}}}}`: a list; `{n}` in
//!   a text becomes the number, the whole text `$n` the number itself.

use serde_json::{Map, Value};

/// Writes out every short form in `value`.
pub(crate) fn expand(value: &Value, fixtures: &Map<String, Value>) -> Result<Value, String> {
    match value {
        Value::Array(items) => items.iter().map(|item| expand(item, fixtures)).collect(),
        Value::Object(members) if members.contains_key("$fixture") => fixture(members, fixtures),
        Value::Object(members) if members.contains_key("$repeat") => {
            repeat(&members["$repeat"], fixtures)
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| Ok((name.clone(), expand(value, fixtures)?)))
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        other => Ok(other.clone()),
    }
}

fn fixture(members: &Map<String, Value>, fixtures: &Map<String, Value>) -> Result<Value, String> {
    let name = members["$fixture"].as_str().unwrap_or_default();
    let found = fixtures
        .get(name)
        .ok_or_else(|| format!("no fixture {name:?}"))?;
    let mut value = expand(found, fixtures)?;
    if let Some(unknown) = members
        .keys()
        .find(|key| !["$fixture", "set"].contains(&key.as_str()))
    {
        return Err(format!(
            "fixture {name:?} does not take {unknown:?}; use `set`"
        ));
    }
    if let Some(set) = members.get("set") {
        merge(&mut value, expand(set, fixtures)?);
    }
    Ok(value)
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(members), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

fn repeat(rule: &Value, fixtures: &Map<String, Value>) -> Result<Value, String> {
    let count = rule["count"].as_u64().ok_or("`$repeat` needs `count`")?;
    let from = rule["from"].as_u64().unwrap_or(0);
    let item = expand(rule.get("item").ok_or("`$repeat` needs `item`")?, fixtures)?;
    let mut items = Vec::new();
    for number in from..from + count {
        let template = match rule["except"].get(number.to_string()) {
            Some(other) => &expand(other, fixtures)?,
            None => &item,
        };
        items.push(fill(template, number));
    }
    Ok(Value::Array(items))
}

fn fill(value: &Value, number: u64) -> Value {
    match value {
        Value::String(text) if text == "$n" => Value::from(number),
        Value::String(text) => Value::String(text.replace("{n}", &number.to_string())),
        Value::Array(items) => items.iter().map(|item| fill(item, number)).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), fill(value, number)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fixture_is_merged_and_a_repeat_is_counted() {
        let fixtures = json!({"pin": {"id": "p", "content": {"title": "a", "link": "b"}}});
        let fixtures = fixtures.as_object().cloned().unwrap_or_default();
        let short = json!({"$repeat": {"count": 2, "from": 3,
            "item": {"index": "$n", "pin": {"$fixture": "pin", "set": {"id": "p{n}", "content": {"title": "c"}}}},
            "except": {"4": {"index": "$n", "error": "no"}}}});
        assert_eq!(
            expand(&short, &fixtures),
            Ok(json!([
                {"index": 3, "pin": {"id": "p3", "content": {"title": "c", "link": "b"}}},
                {"index": 4, "error": "no"},
            ]))
        );
        assert!(expand(&json!({"$fixture": "pni"}), &fixtures).is_err());
    }
}
