//! Python objects to JSON values and back, directly: no text in between.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_json::{Map, Value};

/// Deeper than this is refused; it is also what stops a list that contains itself.
const DEPTH: usize = 64;

/// A Python argument as JSON: `None`, `bool`, `int`, `float`, `str`, lists, tuples, dicts with text
/// keys, `datetime` (RFC 3339), paths (text), and our own records (their id).
pub(crate) fn to_json(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    inner(object, &mut Vec::new())
}

/// `path` names the place for error messages.
fn inner(object: &Bound<'_, PyAny>, path: &mut Vec<String>) -> PyResult<Value> {
    if path.len() > DEPTH {
        return Err(PyValueError::new_err("arguments are nested too deeply"));
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::String(text.extract()?));
    }
    if let Ok(flag) = object.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return match object.extract::<i64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Ok(object
                .extract::<u64>()
                .map_err(|_| wrong(path, "an integer beyond 64 bits"))?
                .into()),
        };
    }
    if object.is_instance_of::<PyFloat>() {
        let number = serde_json::Number::from_f64(object.extract()?);
        return Ok(Value::Number(
            number.ok_or_else(|| wrong(path, "NaN or infinity"))?,
        ));
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        let mut map = Map::with_capacity(dict.len());
        for (key, value) in dict.iter() {
            let key: String = key
                .extract()
                .map_err(|_| wrong(path, "a key that is not text"))?;
            path.push(format!(".{key}"));
            let value = inner(&value, path)?;
            path.pop();
            map.insert(key, value);
        }
        return Ok(Value::Object(map));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let mut items = Vec::with_capacity(object.len()?);
        for (index, item) in object.try_iter()?.enumerate() {
            path.push(format!("[{index}]"));
            items.push(inner(&item?, path)?);
            path.pop();
        }
        return Ok(Value::Array(items));
    }
    let py = object.py();
    if object.hasattr("__multi_upload_id__")? {
        return inner(&object.getattr("__multi_upload_id__")?, path);
    }
    if object.is_instance(&py.import("datetime")?.getattr("datetime")?)? {
        return Ok(Value::String(object.call_method0("isoformat")?.extract()?));
    }
    if object.hasattr("__fspath__")? {
        return Ok(Value::String(object.call_method0("__fspath__")?.extract()?));
    }
    // Whole numbers of other libraries, such as numpy's.
    if object.hasattr("__index__")? {
        return Ok(object.extract::<i64>()?.into());
    }
    let kind = object.get_type().name()?;
    Err(wrong(path, &format!("an object of type {kind}")))
}

fn wrong(path: &[String], what: &str) -> PyErr {
    let place = path.concat();
    let place = place.strip_prefix('.').unwrap_or(&place);
    let place = if place.is_empty() {
        "the argument"
    } else {
        place
    };
    PyTypeError::new_err(format!(
        "{place}: {what} cannot be sent; use text, numbers, booleans, None, datetime, Path, lists and dicts"
    ))
}

/// A JSON value as a plain Python object.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::String(text) => text.into_pyobject(py)?.into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (None, Some(number)) => number.into_pyobject(py)?.into_any(),
            _ => number.as_f64().into_pyobject(py)?.into_any(),
        },
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, item) in map {
                dict.set_item(PyString::intern(py, key), to_python(py, item)?)?;
            }
            dict.into_any()
        }
    })
}
