//! As much of JSON Schema as `schema.json` uses. A keyword that it does not know is a failure, so
//! that the schema cannot promise what nobody checks.

use serde_json::{Map, Value};

/// What does not fit; empty when all does.
pub(crate) fn check(schema: &Value, value: &Value) -> Vec<String> {
    let mut checker = Checker {
        root: schema,
        failures: Vec::new(),
    };
    checker.check(schema, value, "");
    checker.failures
}

struct Checker<'a> {
    root: &'a Value,
    failures: Vec<String>,
}

impl<'a> Checker<'a> {
    fn check(&mut self, schema: &'a Value, value: &Value, at: &str) {
        let Some(rules) = schema.as_object() else {
            return self.fail(at, "the schema itself is no object");
        };
        for (keyword, rule) in rules {
            if let Some(problem) = self.rule(rules, keyword, rule, value, at) {
                self.fail(at, &format!("{problem}: {value}"));
            }
        }
    }

    fn rule(
        &mut self,
        rules: &'a Map<String, Value>,
        keyword: &str,
        rule: &'a Value,
        value: &Value,
        at: &str,
    ) -> Option<String> {
        let size = |length: Option<usize>| {
            length.is_none_or(|length| length as u64 >= rule.as_u64().unwrap())
        };
        let fits = match keyword {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                self.check(self.root.pointer(pointer).unwrap(), value, at);
                true
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64() || value.is_u64(),
                other => return Some(format!("the schema names the type {other}")),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= rule.as_f64().unwrap()),
            "minLength" => size(value.as_str().map(|text| text.chars().count())),
            "minItems" => size(value.as_array().map(Vec::len)),
            "minProperties" => size(value.as_object().map(Map::len)),
            "uniqueItems" => value
                .as_array()
                .is_none_or(|items| (1..items.len()).all(|n| !items[..n].contains(&items[n]))),
            "required" => value.as_object().is_none_or(|members| {
                let names = rule.as_array().unwrap();
                names
                    .iter()
                    .all(|name| members.contains_key(name.as_str().unwrap()))
            }),
            "pattern" => value
                .as_str()
                .is_none_or(|text| pattern(rule.as_str().unwrap(), text)),
            "propertyNames" => {
                for name in value.as_object().into_iter().flat_map(Map::keys) {
                    self.check(rule, &Value::String(name.clone()), &format!("{at}/{name}"));
                }
                true
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        self.check(schema, member, &format!("{at}/{name}"));
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                for (name, member) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    let at = format!("{at}/{name}");
                    match rule {
                        Value::Bool(false) => self.fail(&at, "it is not known"),
                        schema => self.check(schema, member, &at),
                    }
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(rule, item, &format!("{at}/{index}"));
                }
                true
            }
            "oneOf" => {
                let fitting = rule.as_array().unwrap().iter().filter(|schema| {
                    let mut inner = Checker {
                        root: self.root,
                        failures: Vec::new(),
                    };
                    inner.check(schema, value, at);
                    inner.failures.is_empty()
                });
                fitting.count() == 1
            }
            other => return Some(format!("the schema uses {other}, which nobody checks")),
        };
        (!fits).then(|| format!("{keyword} {rule} does not hold"))
    }

    fn fail(&mut self, at: &str, problem: &str) {
        self.failures.push(format!("{at}: {problem}"));
    }
}

/// The few patterns of `schema.json`, by hand: a dependency for four lines would be too much.
fn pattern(pattern: &str, text: &str) -> bool {
    let word = |text: &str, more: &dyn Fn(char) -> bool| !text.is_empty() && text.chars().all(more);
    let lower = |c: char| c.is_ascii_lowercase() || c == '_';
    match pattern {
        "^/" => text.starts_with('/'),
        "^[a-z0-9-]+$" => word(text, &|c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
        }),
        r"^[a-z_]+\.[a-z_]+$" => text
            .split_once('.')
            .is_some_and(|(space, name)| word(space, &lower) && word(name, &lower)),
        r"^[a-z][a-z_]*(\.[A-Za-z0-9_-]+)+$" => {
            text.split_once('.').is_some_and(|(space, rest)| {
                let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                word(space, &lower) && rest.split('.').all(|name| word(name, &part))
            })
        }
        other => panic!("the schema uses the pattern {other}, which nobody checks"),
    }
}
