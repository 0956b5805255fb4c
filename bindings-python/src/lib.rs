//! The native half of the Python package: converters around `multi_upload_core::Client`.
//!
//! Nothing here decides anything about uploads. Calls go through one door, operation name and
//! arguments in, plain objects out; the typed surface is Python (`python/multi_upload`), and
//! retries, waiting and paging are the core's.
//!
//! * [`runtime`]: the tokio runtime of this process, waiting with Ctrl-C, futures for asyncio, the end.
//! * [`convert`]: Python objects to JSON values and back.
//! * [`client`]: the classes that Python sees.
//! * [`observe`]: progress and attempts on their way to Python callbacks.
//! * [`error`]: errors of the core as Python exceptions.

mod client;
mod convert;
mod error;
mod observe;
mod runtime;
mod source;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    use std::ffi::OsString;

    use pyo3::prelude::*;

    #[pymodule_export]
    use super::client::{Client, Stream};

    /// Runs the `multi-upload` command with these arguments (the first is the program's name) and
    /// returns its exit code.
    #[pyfunction]
    fn run_cli(py: Python, args: Vec<OsString>) -> i32 {
        py.detach(|| multi_upload_cli::run(args))
    }

    /// Checks a webhook by its headers and secrets, and gives its event.
    #[pyfunction]
    fn verify_webhook<'py>(
        py: Python<'py>,
        body: &[u8],
        headers: Vec<(String, String)>,
        secrets: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let event = multi_upload_core::webhook::verify_now(body, headers, &secrets)
            .map_err(|error| super::error::raise(py, error))?;
        super::convert::to_python(py, &event)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        let end = wrap_pyfunction!(super::runtime::at_exit, module)?;
        py.import("atexit")?.call_method1("register", (end,))?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
