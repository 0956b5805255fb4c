//! Errors as Python exceptions. The classes are Python (`multi_upload/_errors.py`): with the stable
//! ABI of 3.10 a native class cannot extend an exception.

use std::error::Error as _;

use multi_upload_core::Error;
use multi_upload_wire::ErrorInfo;
use pyo3::prelude::*;

use crate::convert::to_python;

/// The exception of a failed call, its causes in `__cause__`.
pub(crate) fn from_error(py: Python<'_>, error: &Error) -> PyErr {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    build(py, error.info(), causes)
}

/// The exception of an error without a cause.
pub(crate) fn from_info(py: Python<'_>, info: &ErrorInfo) -> PyErr {
    build(py, info, Vec::new())
}

fn build(py: Python<'_>, info: &ErrorInfo, causes: Vec<String>) -> PyErr {
    let exception = || {
        let fields = serde_json::to_value(info)
            .map_err(|fault| pyo3::exceptions::PyRuntimeError::new_err(fault.to_string()))?;
        py.import("multi_upload._errors")?
            .getattr("_from_native")?
            .call1((to_python(py, &fields)?, causes))
    };
    match exception() {
        Ok(exception) => PyErr::from_value(exception),
        Err(fault) => fault,
    }
}
