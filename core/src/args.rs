//! Arguments of the JSON door, checked before anything is sent.

use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::{Map, Value};

use crate::error::Error;

/// The arguments of one operation; each is taken once, and what is left over is an error.
pub(crate) struct Args {
    operation: &'static str,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Args {
    /// Arguments must be an object; `null` stands for an empty one.
    pub(crate) fn new(operation: &'static str, args: Value) -> Result<Self, Error> {
        let map = match args {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => {
                return Err(Error::invalid(
                    "",
                    "invalid",
                    format!("the arguments of `{operation}` must be an object"),
                ));
            }
        };
        Ok(Self {
            operation,
            map,
            known: Vec::new(),
        })
    }

    /// Takes any value; `null` is as good as absent.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Is there a value that stays in the body?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes text.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "must be a string")),
        }
    }

    /// Takes text that must be there.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<String, Error> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes true or false.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong(name, "must be true or false")),
        }
    }

    /// Takes a whole number.
    pub(crate) fn number(&mut self, name: &'static str) -> Result<Option<u32>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .map(Some)
                .ok_or_else(|| self.wrong(name, "must be a whole number")),
        }
    }

    /// Takes a list of texts.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|_| self.wrong(name, "must be a list of strings")),
        }
    }

    /// Takes a list of objects that must be there.
    pub(crate) fn objects(&mut self, name: &'static str) -> Result<Vec<Map<String, Value>>, Error> {
        let Some(value) = self.take(name) else {
            return Err(self.missing(name));
        };
        let Value::Array(rows) = value else {
            return Err(self.wrong(name, "must be a list"));
        };
        rows.into_iter()
            .enumerate()
            .map(|(index, row)| match row {
                Value::Object(row) => Ok(row),
                _ => Err(Error::invalid(
                    &format!("/{name}/{index}"),
                    "invalid",
                    format!("row {index} of `{name}` must be an object"),
                )),
            })
            .collect()
    }

    /// What is left, as the body of the request; the service checks it.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.map
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let Some(name) = self.map.keys().next() else {
            return Ok(());
        };
        let hint = nearest(name, self.known.iter().copied())
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        Err(Error::invalid(
            &format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            "unknown",
            format!("`{}` has no argument `{name}`{hint}", self.operation),
        ))
    }

    pub(crate) fn missing(&self, name: &str) -> Error {
        Error::invalid(
            &format!("/{name}"),
            "required",
            format!("`{}` needs `{name}`", self.operation),
        )
    }

    pub(crate) fn wrong(&self, name: &str, what: &str) -> Error {
        Error::invalid(
            &format!("/{name}"),
            "invalid",
            format!("`{name}` of `{}` {what}", self.operation),
        )
    }
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// No operation has this name.
pub(crate) fn unknown_operation(name: &str, known: impl Iterator<Item = &'static str>) -> Error {
    let hint = nearest(name, known).map_or_else(
        || "see the documentation of the client for all operations".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    ErrorInfo::new(
        ErrorCode::ConfigInvalid,
        format!("there is no operation `{name}`; {hint}"),
    )
    .with_remedy("Use one of the client's operations; the package and the native library may be of different versions.")
    .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_arguments_are_named() {
        let mut args = Args::new("uploads.get", json!({"id": 5})).expect("an object");
        let error = args.required("id").expect_err("not text");
        assert_eq!(error.info().errors[0].pointer, "/id");
        assert_eq!(error.info().errors[0].code, "invalid");

        let mut args = Args::new("uploads.get", Value::Null).expect("empty");
        let error = args.required("id").expect_err("missing");
        assert_eq!(error.info().errors[0].code, "required");

        let mut args =
            Args::new("boards.list", json!({"account": "a", "refesh": true})).expect("ok");
        args.required("account").expect("there");
        args.flag("refresh").expect("absent");
        let error = args.finish().expect_err("left over");
        assert!(error.info().detail.contains("did you mean `refresh`"));

        assert!(Args::new("uploads.get", json!([1])).is_err());
    }

    #[test]
    fn words_that_are_far_off_get_no_hint() {
        assert_eq!(
            nearest(
                "uploads.creat",
                ["uploads.create", "boards.create"].into_iter()
            ),
            Some("uploads.create")
        );
        assert_eq!(nearest("xyz", ["uploads.create"].into_iter()), None);
    }
}
