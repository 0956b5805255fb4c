//! The native classes: a client with one door, and a stream.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use multi_upload_cli::{Local, LocalOptions};
use multi_upload_core as core;
use multi_upload_core::{CallOptions, ClientOptions, ItemStream, MediaInput};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use pyo3::exceptions::{PyStopAsyncIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pyo3::{PyTraverseError, PyVisit};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::convert::{to_json, to_python};
use crate::error;
use crate::observe::Observer;
use crate::runtime::{self, Process, process};

/// A value of the process that made it. After `fork` it is leaked in the child: dropping it would
/// touch sockets, an event queue and a database handle that the parent still uses.
struct Owned<T> {
    value: Option<T>,
    pid: u32,
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            std::mem::forget(self.value.take());
        }
    }
}

/// An engine inside this process.
pub(crate) struct Engine(Local);

impl Engine {
    /// Stops claiming, lets armed sends end.
    pub(crate) async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}

/// What a client and its streams share.
struct Shared {
    core: core::Client,
    engine: Option<Arc<Engine>>,
    cancel: CancellationToken,
    calls: TaskTracker,
}

/// A client; `http` or `local` makes one.
#[pyclass(frozen, module = "multi_upload._native")]
pub(crate) struct Client(Owned<Shared>);

/// What a finished call is for Python. The conversion runs attached, off the workers.
enum Answer {
    Value(Value),
    Failed(core::Error),
    Nothing,
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
            Self::Failed(failure) => Err(error::from_error(py, &failure)),
            Self::Nothing => Ok(py.None().into_bound(py)),
            Self::End => Err(PyStopAsyncIteration::new_err(())),
        }
    }
}

#[pymethods]
impl Client {
    /// A client over HTTP. What is absent comes from `MULTI_UPLOAD_URL` and `MULTI_UPLOAD_API_KEY`.
    #[staticmethod]
    #[pyo3(signature = (url, key, options))]
    fn http(
        py: Python<'_>,
        url: Option<String>,
        key: Option<String>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let process = open(py, std::process::id())?;
        let mut settings = ClientOptions::given_or_env(url, key)
            .map_err(|failure| error::from_error(py, &failure))?;
        let seconds = |name: &str, field: &mut Duration| -> PyResult<()> {
            if let Some(given) = duration(options, name)? {
                *field = given;
            }
            Ok(())
        };
        seconds("timeout", &mut settings.timeout)?;
        seconds("attempt_timeout", &mut settings.attempt_timeout)?;
        seconds("retry_base_delay", &mut settings.retry.base_delay)?;
        seconds("retry_max_delay", &mut settings.retry.cap)?;
        if let Some(attempts) = options.get_item("max_attempts")? {
            settings.max_attempts = attempts.extract()?;
        }
        if let Some(jitter) = options.get_item("retry_jitter")? {
            settings.retry.jitter = jitter.extract()?;
        }
        let core =
            core::Client::http(settings).map_err(|failure| error::from_error(py, &failure))?;
        Ok(Self::new(process, core, None))
    }

    /// A client with the whole engine inside this process, on a data folder.
    #[staticmethod]
    fn local(
        py: Python<'_>,
        path: PathBuf,
        sandbox: bool,
        listen: Option<String>,
    ) -> PyResult<Self> {
        let process = open(py, std::process::id())?;
        let listen = listen
            .map(|address| address.parse())
            .transpose()
            .map_err(|_| refuse(py, "`listen` is not an address such as 127.0.0.1:8787."))?;
        let starting = Local::start(LocalOptions {
            path,
            sandbox,
            listen,
        });
        let local = runtime::wait(py, starting, quietly, |started| {
            started.map_err(|info| error::from_info(py, &info))
        })?;
        let core = local.client.clone();
        let engine = Arc::new(Engine(local));
        process.remember(Arc::downgrade(&engine));
        Ok(Self::new(process, core, Some(engine)))
    }

    /// Where the sandbox of a local engine listens.
    #[getter]
    fn sandbox_url(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let engine = self.shared(py)?.engine.as_ref();
        Ok(engine.and_then(|engine| engine.0.sandbox_url.clone()))
    }

    /// Runs an operation and waits for its result.
    fn call<'py>(
        &self,
        py: Python<'py>,
        op: String,
        args: &Bound<'py, PyDict>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (call, mut observer) = self.prepare(py, op, args, options)?;
        let deliver = |finished| observer.deliver(py, finished);
        runtime::wait(py, call, deliver, |answer| answer.into_pyobject(py))
    }

    /// The same for asyncio.
    fn call_async<'py>(
        &self,
        py: Python<'py>,
        op: String,
        args: &Bound<'py, PyDict>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (call, mut observer) = self.prepare(py, op, args, options)?;
        runtime::awaitable(py, async move { Ok(observer.watch(call).await) })
    }

    /// Runs an operation that gives many items.
    fn stream(
        &self,
        py: Python<'_>,
        op: String,
        args: &Bound<'_, PyDict>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Stream> {
        let shared = self.shared(py)?;
        let mut settings = shared.options(options)?;
        let observer = Observer::install(options, &mut settings)?;
        let items = shared.core.stream(&op, to_json(args)?, settings);
        Ok(Stream(Owned {
            value: Some(Arc::new(Mutex::new(Items { items, observer }))),
            pid: self.0.pid,
        }))
    }

    /// Cancels what runs, waits for its end and stops a local engine.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closing = self.closing(py)?;
        if process().is_left() {
            // Leaving has closed everything; a caller's own exit hook may come after it.
            return Ok(());
        }
        runtime::wait(py, closing, quietly, Ok)
    }

    /// The same for asyncio.
    fn close_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let closing = self.closing(py)?;
        runtime::awaitable(py, async move {
            closing.await;
            Ok(Answer::Nothing)
        })
    }
}

impl Client {
    fn new(process: &Process, core: core::Client, engine: Option<Arc<Engine>>) -> Self {
        let shared = Shared {
            core,
            engine,
            cancel: process.root.child_token(),
            calls: TaskTracker::new(),
        };
        Self(Owned {
            value: Some(shared),
            pid: process.pid(),
        })
    }

    /// What the calls need, unless the client is closed or belongs to another process.
    fn shared(&self, py: Python<'_>) -> PyResult<&Shared> {
        open(py, self.0.pid)?;
        match &self.0.value {
            Some(shared) if !shared.cancel.is_cancelled() => Ok(shared),
            _ => Err(refuse(py, "This client is closed.")),
        }
    }

    fn prepare(
        &self,
        py: Python<'_>,
        op: String,
        args: &Bound<'_, PyDict>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(impl Future<Output = Answer> + Send + 'static, Observer)> {
        let shared = self.shared(py)?;
        let mut settings = shared.options(options)?;
        let observer = Observer::install(options, &mut settings)?;
        let core = shared.core.clone();
        // A file in memory goes as it is; everything else is JSON.
        let bytes = args.get_item("bytes")?;
        let args = match &bytes {
            Some(_) => Value::Null,
            None => to_json(args)?,
        };
        let bytes = bytes
            .map(|bytes| Ok::<_, PyErr>(bytes.cast::<PyBytes>()?.as_bytes().to_vec()))
            .transpose()?;
        let call = async move {
            match bytes {
                Some(bytes) => core
                    .media()
                    .upload(MediaInput::Bytes(bytes.into()), &settings)
                    .await
                    .map_or_else(Answer::Failed, |media| {
                        serde_json::to_value(media).map_or(Answer::Nothing, Answer::Value)
                    }),
                None => core.call(&op, args, settings).await.into(),
            }
        };
        Ok((shared.calls.track_future(call), observer))
    }

    fn closing(&self, py: Python<'_>) -> PyResult<impl Future<Output = ()> + Send + 'static> {
        let made_here = process().made(self.0.pid);
        made_here.map_err(|info| error::from_info(py, &info))?;
        let shared = self.0.value.as_ref();
        let parts = shared.map(|shared| {
            (
                shared.cancel.clone(),
                shared.calls.clone(),
                shared.engine.clone(),
            )
        });
        Ok(async move {
            if let Some((cancel, calls, engine)) = parts {
                cancel.cancel();
                calls.close();
                calls.wait().await;
                if let Some(engine) = engine {
                    engine.shutdown().await;
                }
            }
        })
    }
}

impl Drop for Client {
    /// A local engine whose client was forgotten is stopped as if it had been closed.
    fn drop(&mut self) {
        if self.0.pid != std::process::id() {
            return;
        }
        if let Some(Shared {
            engine: Some(engine),
            ..
        }) = self.0.value.take()
        {
            process().spawn(async move { engine.shutdown().await });
        }
    }
}

impl Shared {
    fn options(&self, given: &Bound<'_, PyDict>) -> PyResult<CallOptions> {
        let text = |name: &str| -> PyResult<Option<String>> {
            given
                .get_item(name)?
                .map(|value| value.extract())
                .transpose()
                .map(Option::flatten)
        };
        Ok(CallOptions {
            idempotency_key: text("idempotency_key")?,
            timeout: duration(given, "timeout")?,
            max_attempts: given
                .get_item("max_attempts")?
                .map(|value| value.extract::<Option<u32>>())
                .transpose()?
                .flatten(),
            cancel: self.cancel.child_token(),
            ..CallOptions::default()
        })
    }
}

struct Items {
    items: ItemStream,
    observer: Observer,
}

/// Items of a list or a feed, for `for` and for `async for`.
#[pyclass(frozen, module = "multi_upload._native")]
pub(crate) struct Stream(Owned<Arc<Mutex<Items>>>);

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
            item.map(|item| Answer::from(item).into_pyobject(py))
                .transpose()
        })
    }

    fn __aiter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let items = self.items(py)?;
        runtime::awaitable(py, async move {
            let mut items = items.lock_owned().await;
            let Items { items, observer } = &mut *items;
            Ok(observer
                .watch(items.next())
                .await
                .map_or(Answer::End, Answer::from))
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(items) = self
            .0
            .value
            .as_ref()
            .and_then(|items| items.try_lock().ok())
        {
            for callback in items.observer.held() {
                visit.call(callback)?;
            }
        }
        Ok(())
    }
}

impl Stream {
    fn items(&self, py: Python<'_>) -> PyResult<Arc<Mutex<Items>>> {
        open(py, self.0.pid)?;
        self.0
            .value
            .clone()
            .ok_or_else(|| refuse(py, "This stream is closed."))
    }
}

/// Nothing to do while waiting.
fn quietly(_: bool) -> PyResult<()> {
    Ok(())
}

/// The runtime, if an object made in this process may be used now.
fn open(py: Python<'_>, made_in: u32) -> PyResult<&'static Process> {
    let process = process();
    process
        .admit(made_in)
        .map_err(|info| error::from_info(py, &info))?;
    Ok(process)
}

fn refuse(py: Python<'_>, detail: &str) -> PyErr {
    error::from_info(py, &ErrorInfo::new(ErrorCode::ConfigInvalid, detail))
}

/// Seconds of an option.
fn duration(options: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<Duration>> {
    let Some(given) = options.get_item(name)?.filter(|value| !value.is_none()) else {
        return Ok(None);
    };
    let duration = Duration::try_from_secs_f64(given.extract()?);
    duration
        .map(Some)
        .map_err(|_| PyTypeError::new_err(format!("{name}: seconds from 0 on")))
}
