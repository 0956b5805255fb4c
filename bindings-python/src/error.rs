//! Errors as Python exceptions. The classes are Python (`multi_upload/_errors.py`): with the stable
//! ABI of 3.10 a native class cannot extend an exception.

use std::error::Error as _;

use multi_upload_core::Error;
use pyo3::prelude::*;

use crate::convert::to_python;

/// The exception of a failed call, its causes in `__cause__`.
pub(crate) fn raise(py: Python, error: impl Into<Error>) -> PyErr {
    let error = error.into();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let exception = || {
        let fields = to_python(py, &serde_json::json!(error.info()))?;
        let errors = py.import("multi_upload._errors")?;
        errors.getattr("_from_native")?.call1((fields, causes))
    };
    exception().map_or_else(|fault| fault, PyErr::from_value)
}
