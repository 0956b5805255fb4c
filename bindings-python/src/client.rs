//! The native classes: a client with one door, and a stream.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use multi_upload_cli::{Local, LocalOptions};
use multi_upload_core as core;
use multi_upload_core::{CallOptions, ClientOptions, ItemStream};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use pyo3::exceptions::{PyStopAsyncIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::convert::{to_json, to_python};
use crate::error;
use crate::observe::Observer;
use crate::runtime::{self, Process, process};
use crate::source;

type Dict<'py> = Bound<'py, PyDict>;
type Object<'py> = PyResult<Bound<'py, PyAny>>;

/// What a client, its calls and its streams share.
struct Shared {
    pid: u32,
    cancel: CancellationToken,
    calls: TaskTracker,
    /// Only empty while it is dropped.
    parts: Option<(core::Client, Option<Arc<Local>>)>,
}

impl Drop for Shared {
    /// A local engine that nobody uses any more is stopped as if it had been closed. After `fork`
    /// everything is leaked in the child: dropping it would touch sockets, an event queue and a
    /// database handle that the parent still uses.
    fn drop(&mut self) {
        let parts = self.parts.take();
        if self.pid != std::process::id() {
            std::mem::forget(parts);
        } else if let Some((_, Some(engine))) = parts {
            process().spawn(async move { engine.shutdown().await });
        }
    }
}

/// A client; `http` or `local` makes one.
#[pyclass(frozen, module = "multi_upload._native")]
pub(crate) struct Client(Arc<Shared>);

/// What a finished call is for Python. The conversion runs attached, off the workers.
enum Answer {
    Value(Value),
    Failed(core::Error),
    End,
}

impl From<Result<Value, core::Error>> for Answer {
    fn from(result: Result<Value, core::Error>) -> Self {
        result.map_or_else(Self::Failed, Self::Value)
    }
}

impl<'py> IntoPyObject<'py> for Answer {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match self {
            Self::Value(value) => to_python(py, &value),
            Self::Failed(failure) => Err(error::raise(py, failure)),
            Self::End => Err(PyStopAsyncIteration::new_err(())),
        }
    }
}

#[pymethods]
impl Client {
    /// A client over HTTP. What is absent comes from `MULTI_UPLOAD_URL` and `MULTI_UPLOAD_API_KEY`.
    #[staticmethod]
    fn http(
        py: Python,
        url: Option<String>,
        key: Option<String>,
        options: &Dict,
    ) -> PyResult<Self> {
        let process = open(py, std::process::id())?;
        let raise = |failure: core::Error| error::raise(py, failure);
        let mut settings = ClientOptions::given_or_env(url, key).map_err(raise)?;
        let retry = &mut settings.retry;
        for (name, field) in [
            ("timeout", &mut settings.timeout),
            ("attempt_timeout", &mut settings.attempt_timeout),
            ("retry_base_delay", &mut retry.base_delay),
            ("retry_max_delay", &mut retry.cap),
        ] {
            *field = duration(options, name)?.unwrap_or(*field);
        }
        retry.jitter = option(options, "retry_jitter")?.unwrap_or(retry.jitter);
        settings.max_attempts = option(options, "max_attempts")?.unwrap_or(settings.max_attempts);
        Ok(Self::new(
            process,
            core::Client::http(settings).map_err(raise)?,
            None,
        ))
    }

    /// A client with the whole engine inside this process, on a data folder.
    #[staticmethod]
    fn local(py: Python, path: PathBuf, sandbox: bool, listen: Option<String>) -> PyResult<Self> {
        let process = open(py, std::process::id())?;
        let listen = listen
            .map(|address| address.parse())
            .transpose()
            .map_err(|_| refuse(py, "`listen` is not an address such as 127.0.0.1:8787."))?;
        let options = LocalOptions {
            path,
            sandbox,
            listen,
        };
        let local = runtime::wait(py, Local::start(options), quietly, |started| {
            started.map_err(|info| error::raise(py, info))
        })?;
        let core = local.client.clone();
        let engine = Arc::new(local);
        process.remember(Arc::downgrade(&engine));
        Ok(Self::new(process, core, Some(engine)))
    }

    /// Where the sandbox of a local engine listens.
    #[getter]
    fn sandbox_url(&self, py: Python) -> PyResult<Option<String>> {
        let (_, engine) = self.open(py)?;
        Ok(engine
            .as_ref()
            .and_then(|engine| engine.sandbox_url.clone()))
    }

    /// Runs an operation and waits for its result.
    fn call<'py>(&self, py: Python<'py>, op: String, args: &Dict, options: &Dict) -> Object<'py> {
        let (call, mut observer) = self.prepare(py, op, args, options)?;
        let deliver = |finished| observer.deliver(py, finished);
        runtime::wait(py, call, deliver, |answer| answer.into_pyobject(py))
    }

    /// The same for asyncio.
    fn call_async<'py>(
        &self,
        py: Python<'py>,
        op: String,
        args: &Dict,
        options: &Dict,
    ) -> Object<'py> {
        let (call, mut observer) = self.prepare(py, op, args, options)?;
        runtime::awaitable(py, async move { Ok(observer.watch(call).await) })
    }

    /// Runs an operation that gives many items.
    fn stream(&self, py: Python, op: String, args: &Dict, options: &Dict) -> PyResult<Stream> {
        let (core, _) = self.open(py)?;
        let (settings, observer) = self.options(options)?;
        let items = core.stream(&op, to_json(args)?, settings);
        Ok(Stream {
            items: Arc::new(Mutex::new(Items { items, observer })),
            shared: self.0.clone(),
        })
    }

    /// Cancels what runs, waits for its end and stops a local engine.
    fn close(&self, py: Python) -> PyResult<()> {
        let closing = self.closing(py)?;
        if process().is_left() {
            // Leaving has closed everything; a caller's own exit hook may come after it.
            return Ok(());
        }
        runtime::wait(py, closing, quietly, Ok)
    }

    /// The same for asyncio.
    fn close_async<'py>(&self, py: Python<'py>) -> Object<'py> {
        let closing = self.closing(py)?;
        runtime::awaitable(py, async move {
            closing.await;
            Ok(Answer::Value(Value::Null))
        })
    }
}

impl Client {
    fn new(process: &Process, core: core::Client, engine: Option<Arc<Local>>) -> Self {
        Self(Arc::new(Shared {
            pid: std::process::id(),
            cancel: process.root.child_token(),
            calls: TaskTracker::new(),
            parts: Some((core, engine)),
        }))
    }

    /// What the calls need, unless the client is closed or belongs to another process.
    fn open(&self, py: Python) -> PyResult<&(core::Client, Option<Arc<Local>>)> {
        open(py, self.0.pid)?;
        let parts = self
            .0
            .parts
            .as_ref()
            .filter(|_| !self.0.cancel.is_cancelled());
        parts.ok_or_else(|| refuse(py, "This client is closed."))
    }

    fn options(&self, given: &Dict) -> PyResult<(CallOptions, Observer)> {
        let mut options = CallOptions {
            idempotency_key: option(given, "idempotency_key")?,
            timeout: duration(given, "timeout")?,
            max_attempts: option(given, "max_attempts")?,
            cancel: self.0.cancel.child_token(),
            ..CallOptions::default()
        };
        let observer = Observer::install(given, &mut options)?;
        Ok((options, observer))
    }

    fn prepare(
        &self,
        py: Python,
        op: String,
        args: &Dict,
        options: &Dict,
    ) -> PyResult<(impl Future<Output = Answer> + Send + 'static, Observer)> {
        let core = self.open(py)?.0.clone();
        let (settings, observer) = self.options(options)?;
        // Bytes go as they are; everything else is JSON.
        let input = source::input(args)?;
        let args = input.is_none().then(|| to_json(args)).transpose()?;
        let shared = self.0.clone();
        let call = async move {
            let answer = match (input, args) {
                (Some(input), _) => core
                    .media()
                    .upload(input, &settings)
                    .await
                    .map(|media| json!(media)),
                (None, args) => core.call(&op, args.unwrap_or_default(), settings).await,
            };
            drop(shared);
            Answer::from(answer)
        };
        Ok((self.0.calls.track_future(call), observer))
    }

    fn closing(&self, py: Python) -> PyResult<impl Future<Output = ()> + Send + 'static> {
        let made_here = process().made(self.0.pid);
        made_here.map_err(|info| error::raise(py, info))?;
        let shared = self.0.clone();
        Ok(async move {
            shared.cancel.cancel();
            shared.calls.close();
            shared.calls.wait().await;
            if let Some((_, Some(engine))) = &shared.parts {
                engine.shutdown().await;
            }
        })
    }
}

struct Items {
    items: ItemStream,
    observer: Observer,
}

/// Items of a list or a feed, for `for` and for `async for`.
#[pyclass(frozen, module = "multi_upload._native")]
pub(crate) struct Stream {
    items: Arc<Mutex<Items>>,
    shared: Arc<Shared>,
}

#[pymethods]
impl Stream {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let items = self.items(py)?;
        // One caller at a time, as with any iterator of Python.
        let mut items = runtime::wait(py, items.lock_owned(), quietly, Ok)?;
        let Items { items, observer } = &mut *items;
        let deliver = |finished| observer.deliver(py, finished);
        runtime::wait(py, items.next(), deliver, |item| {
            let item = item.map(|item| Answer::from(item).into_pyobject(py));
            item.transpose()
        })
    }

    fn __aiter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> Object<'py> {
        let items = self.items(py)?;
        runtime::awaitable(py, async move {
            let mut items = items.lock_owned().await;
            let Items { items, observer } = &mut *items;
            let item = observer.watch(items.next()).await;
            Ok(item.map_or(Answer::End, Answer::from))
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(items) = self.items.try_lock() {
            for callback in items.observer.held() {
                visit.call(callback)?;
            }
        }
        Ok(())
    }
}

impl Stream {
    fn items(&self, py: Python) -> PyResult<Arc<Mutex<Items>>> {
        open(py, self.shared.pid)?;
        Ok(self.items.clone())
    }
}

/// Nothing to do while waiting.
fn quietly(_: bool) -> PyResult<()> {
    Ok(())
}

/// The runtime, if an object made in this process may be used now.
fn open(py: Python, made_in: u32) -> PyResult<&'static Process> {
    let process = process();
    process
        .admit(made_in)
        .map_err(|info| error::raise(py, info))?;
    Ok(process)
}

fn refuse(py: Python, detail: &str) -> PyErr {
    error::raise(py, ErrorInfo::new(ErrorCode::ConfigInvalid, detail))
}

/// An option that was given, and is not `None`.
fn option<'py, T>(options: &Dict<'py>, name: &str) -> PyResult<Option<T>>
where
    T: for<'any> FromPyObject<'any, 'py, Error = PyErr>,
{
    let given = options.get_item(name)?.filter(|value| !value.is_none());
    given.map(|value| value.extract()).transpose()
}

/// Seconds of an option.
fn duration(options: &Dict, name: &str) -> PyResult<Option<Duration>> {
    let seconds = option::<f64>(options, name)?.map(Duration::try_from_secs_f64);
    let wrong = |_| PyTypeError::new_err(format!("{name}: seconds from 0 on"));
    seconds.transpose().map_err(wrong)
}
