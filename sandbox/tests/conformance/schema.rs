//! A small judge of JSON against the schemas of an OpenAPI 3.0 document: the keywords that the document uses for the
//! answers at hand, no more. A keyword with an argument it cannot judge is reported, never passed over.

use serde_json::{Map, Value};

/// The whole document; references point into it.
pub(crate) struct Document(pub(crate) Value);

impl Document {
    /// What `value` breaks, as `place: problem`.
    pub(crate) fn problems(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        self.judge(schema, value, "", &mut problems);
        problems
    }

    /// A part of the document with its reference followed.
    pub(crate) fn resolve<'a>(&'a self, part: &'a Value) -> &'a Value {
        let mut part = part;
        while let Some(reference) = part.get("$ref").and_then(Value::as_str) {
            let pointer = reference
                .strip_prefix('#')
                .expect("references stay inside of the document");
            part = self
                .0
                .pointer(pointer)
                .unwrap_or_else(|| panic!("nothing at {reference}"));
        }
        part
    }

    fn judge(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if value.is_null() {
            if schema["nullable"] != true {
                problems.push(format!("{at}: null"));
            }
            return;
        }
        self.judge_type(schema, value, at, problems);
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            problems.push(format!("{at}: {value} is not one of {allowed:?}"));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.judge(part, value, at, problems);
        }
        match (
            self.chosen(schema, value),
            schema["oneOf"].as_array(),
            schema["anyOf"].as_array(),
        ) {
            (Some(chosen), ..) => self.judge(&chosen, value, at, problems),
            (None, Some(branches), _) if schema.get("discriminator").is_none() => {
                self.judge_branches(branches, value, at, problems, |fitting| fitting == 1);
            }
            (None, Some(_), _) => problems.push(format!("{at}: the discriminator says nothing")),
            (None, None, Some(branches)) => {
                self.judge_branches(branches, value, at, problems, |fitting| fitting > 0);
            }
            (None, None, None) => {}
        }
        match value {
            Value::String(text) => judge_text(schema, text, at, problems),
            Value::Number(number) => {
                if let Some(minimum) = schema["minimum"].as_f64()
                    && number.as_f64().is_some_and(|number| number < minimum)
                {
                    problems.push(format!("{at}: {number} is below {minimum}"));
                }
            }
            Value::Array(items) => {
                let (least, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
                let count = items.len() as u64;
                if least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most)
                {
                    problems.push(format!("{at}: {count} items"));
                }
                if let Some(schema) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.judge(schema, item, &format!("{at}/{index}"), problems);
                    }
                }
            }
            Value::Object(fields) => self.judge_fields(schema, fields, at, problems),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn judge_type(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        let fits = match schema["type"].as_str() {
            None => true,
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some(other) => {
                problems.push(format!("{at}: the judge does not know the type {other}"));
                true
            }
        };
        if !fits {
            problems.push(format!("{at}: {value} is not of type {}", schema["type"]));
        }
    }

    fn judge_fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        at: &str,
        problems: &mut Vec<String>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !name.as_str().is_some_and(|name| fields.contains_key(name)) {
                problems.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, value) in fields {
            // Fields that the document does not list are allowed: real answers have them, too.
            if let Some(schema) = schema["properties"].get(name) {
                self.judge(schema, value, &format!("{at}/{name}"), problems);
            } else if let Some(schema @ Value::Object(_)) = schema.get("additionalProperties") {
                self.judge(schema, value, &format!("{at}/{name}"), problems);
            }
        }
    }

    fn judge_branches(
        &self,
        branches: &[Value],
        value: &Value,
        at: &str,
        problems: &mut Vec<String>,
        enough: impl Fn(usize) -> bool,
    ) {
        let fitting = branches
            .iter()
            .filter(|branch| self.problems(branch, value).is_empty())
            .count();
        if !enough(fitting) {
            problems.push(format!(
                "{at}: fits {fitting} of {} branches",
                branches.len()
            ));
        }
    }

    /// The schema that the discriminator picks.
    fn chosen(&self, schema: &Value, value: &Value) -> Option<Value> {
        let discriminator = schema.get("discriminator")?;
        let name = value
            .get(discriminator["propertyName"].as_str()?)?
            .as_str()?;
        let reference = discriminator["mapping"].get(name)?;
        Some(serde_json::json!({"$ref": reference}))
    }
}

fn judge_text(schema: &Value, text: &str, at: &str, problems: &mut Vec<String>) {
    let length = text.chars().count() as u64;
    let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
    if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
        problems.push(format!("{at}: {length} characters"));
    }
    match schema["pattern"].as_str() {
        None => {}
        Some(r"^\d+$") if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {}
        Some(r"^[a-zA-Z0-9+/=]+$")
            if !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)) => {}
        Some(pattern @ (r"^\d+$" | r"^[a-zA-Z0-9+/=]+$")) => {
            problems.push(format!("{at}: {text:?} does not match {pattern}"));
        }
        Some(other) => problems.push(format!("{at}: the judge does not know the pattern {other}")),
    }
    // Real answers have no zone, whatever the document says.
    if schema["format"] == "date-time" && !is_time(text) {
        problems.push(format!("{at}: {text:?} is not a time"));
    }
}

fn is_time(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    text.len() == 19
        && text
            .bytes()
            .zip(b"0000-00-00T00:00:00")
            .all(|(given, shape)| match shape {
                b'0' => given.is_ascii_digit(),
                _ => given == *shape,
            })
}
