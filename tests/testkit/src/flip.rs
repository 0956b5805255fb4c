//! The self-check: one expected value is turned into a wrong one, so that right behaviour must be
//! judged wrong. A runner that reports nothing, or a field it made up, is caught by it.

use serde_json::Value;

use crate::case::Then;

/// Flips the `choice`-th expected value (counted over what the *runner* reports: result, error,
/// attempts) and names it; `None` where the case expects nothing of the runner.
pub(crate) fn flip(then: &mut Then, choice: usize) -> Option<String> {
    let mut leaves = Vec::new();
    let parts = [
        ("result", &then.result),
        ("error", &then.error),
        ("attempts", &then.attempts),
    ];
    for (part, value) in parts {
        if let Some(value) = value {
            collect(value, String::new(), &mut |leaf| leaves.push((part, leaf)));
        }
    }
    let (part, pointer) = leaves.get(choice % leaves.len().max(1))?.clone();
    let root = match part {
        "result" => then.result.as_mut(),
        "error" => then.error.as_mut(),
        _ => then.attempts.as_mut(),
    };
    let leaf = root?.pointer_mut(&pointer)?;
    *leaf = other(leaf);
    Some(format!("/{part}{pointer}"))
}

/// Which value a case flips when the runner leaves the choice to the kit: spread over the cases, so
/// that all kinds of fields are covered.
pub(crate) fn spread(id: &str) -> usize {
    id.bytes()
        .fold(7, |sum, byte| (sum * 31 + usize::from(byte)) % 100_003)
}

fn collect(value: &Value, at: String, found: &mut impl FnMut(String)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{at}/{index}"), found);
            }
        }
        _ => found(at),
    }
}

fn other(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => Value::Bool(!flag),
        Value::Number(number) => Value::from(number.as_f64().unwrap_or(0.0) + 1.0),
        Value::String(text) => Value::String(format!("{text} (flipped)")),
        _ => Value::from("flipped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_choice_changes_exactly_one_value() {
        let then = Then {
            result: Some(json!({"a": [1, {"b": null}], "c": {"$length": 2}})),
            ..Then::default()
        };
        let mut seen = Vec::new();
        for choice in 0..4 {
            let mut flipped = then.clone();
            seen.push((flip(&mut flipped, choice), flipped.result));
        }
        assert_eq!(seen[0].0.as_deref(), Some("/result/a/0"));
        assert_eq!(
            seen[1].1,
            Some(json!({"a": [1, {"b": "flipped"}], "c": {"$length": 2}}))
        );
        assert_eq!(seen[2].0.as_deref(), Some("/result/c/$length"));
        assert_eq!(seen[3], seen[0]);
        assert_eq!(flip(&mut Then::default(), 0), None);
    }
}
