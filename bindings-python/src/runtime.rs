//! The tokio runtime of this process, and the three ways Python meets it: waiting in a plain
//! call, waiting in asyncio, and leaving.
//!
//! The runtime is ours and belongs to a process id. Threads do not survive `fork`, so a child
//! makes its own runtime and leaks what it inherited; the global runtime of
//! `pyo3-async-runtimes` would hang there.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use multi_upload_cli::Local;
use multi_upload_wire::{ErrorCode, ErrorInfo};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3_async_runtimes::{TaskLocals, generic};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error;

/// How long a waiting call may be deaf to Ctrl-C.
const SLICE: Duration = Duration::from_millis(50);
/// How long leaving waits for cancelled calls to end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long leaving waits for local engines: an armed send gets 35 s of its own.
const ENGINES: Duration = Duration::from_secs(40);

/// What one process owns.
pub(crate) struct Process {
    pid: u32,
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    /// Cancelled when the interpreter leaves; every client's token is its child.
    pub(crate) root: CancellationToken,
    /// Everything that may still touch Python.
    calls: TaskTracker,
    engines: Mutex<Vec<Weak<Local>>>,
}

/// The processes this address space has lived in, one behind the other: the last one is alive. No
/// lock is taken on the way through, since a lock held during `fork` stays held in the child.
struct Slot(OnceLock<Process>, OnceLock<Box<Slot>>);

static FIRST: Slot = Slot(OnceLock::new(), OnceLock::new());

/// The runtime of this process, made at first use.
pub(crate) fn process() -> &'static Process {
    let pid = std::process::id();
    let mut slot = &FIRST;
    loop {
        let process = slot.0.get_or_init(|| Process::new(pid));
        if process.pid == pid {
            return process;
        }
        let next = || Box::new(Slot(OnceLock::new(), OnceLock::new()));
        slot = slot.1.get_or_init(next);
    }
}

impl Process {
    #[expect(
        clippy::expect_used,
        reason = "without threads there is nothing left to do"
    )]
    fn new(pid: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("multi-upload")
            .enable_all()
            .build()
            .expect("the operating system gave no threads for the runtime");
        Self {
            pid,
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            root: CancellationToken::new(),
            calls: TaskTracker::new(),
            engines: Mutex::new(Vec::new()),
        }
    }

    /// Refuses objects of another process, and everything once the interpreter is leaving.
    pub(crate) fn admit(&self, made_in: u32) -> Result<(), ErrorInfo> {
        self.made(made_in)?;
        if self.is_left() {
            let detail = "The interpreter is leaving: no more calls are started.";
            return Err(ErrorInfo::new(ErrorCode::Cancelled, detail));
        }
        Ok(())
    }

    /// Refuses objects of another process.
    pub(crate) fn made(&self, made_in: u32) -> Result<(), ErrorInfo> {
        if made_in == self.pid {
            return Ok(());
        }
        let detail = format!(
            "This client was made in process {made_in} and cannot be used in its forked child {}.",
            self.pid
        );
        Err(ErrorInfo::new(ErrorCode::ConfigInvalid, detail)
            .with_remedy("Make a new client in the child, or start children by `spawn`."))
    }

    /// True once the interpreter is leaving.
    pub(crate) fn is_left(&self) -> bool {
        self.root.is_cancelled()
    }

    /// Remembers a local engine, so that leaving stops it properly.
    pub(crate) fn remember(&self, engine: Weak<Local>) {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.retain(|known| known.strong_count() > 0);
        engines.push(engine);
    }

    /// Starts a task that leaving waits for.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(self.calls.track_future(future));
    }

    /// Cancel, drain, then shut down: in any other order a thread may attach to an interpreter
    /// that is already gone.
    fn leave(&self) {
        self.root.cancel();
        self.calls.close();
        self.handle.block_on(async {
            // A call that does not end in time is left behind with the runtime below.
            let _ = tokio::time::timeout(DRAIN, self.calls.wait()).await;
            let engines =
                std::mem::take(&mut *self.engines.lock().unwrap_or_else(PoisonError::into_inner));
            for engine in engines.iter().filter_map(Weak::upgrade) {
                let _ = tokio::time::timeout(ENGINES, engine.shutdown()).await;
            }
        });
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// The `atexit` hook. A process that made no client has nothing to leave.
#[pyfunction]
pub(crate) fn at_exit(py: Python) {
    let pid = std::process::id();
    let mut slot = Some(&FIRST);
    while let Some(Slot(process, next)) = slot {
        if let Some(process) = process.get().filter(|process| process.pid == pid) {
            py.detach(|| process.leave());
        }
        slot = next.get().map(|next| &**next);
    }
}

/// Waits in a plain call: other Python threads run, Ctrl-C is seen within a slice and drops the
/// future. `between` runs attached after every slice; `true` says that the answer has come.
///
/// `finish` makes the result of the answer while the call still counts as running: leaving must
/// not end a thread that is in the middle of native code.
pub(crate) fn wait<T: Send, R>(
    py: Python,
    future: impl Future<Output = T> + Send,
    mut between: impl FnMut(bool) -> PyResult<()>,
    finish: impl FnOnce(T) -> PyResult<R>,
) -> PyResult<R> {
    let process = process();
    let _counted = process.calls.token();
    let mut future = pin!(future);
    loop {
        let slice = py.detach(|| {
            process
                .handle
                .block_on(async { tokio::time::timeout(SLICE, future.as_mut()).await })
        });
        between(slice.is_ok())?;
        match slice {
            Ok(value) => return finish(value),
            Err(_) => py.check_signals()?,
        }
    }
}

/// An awaitable for the running asyncio loop; cancelling it drops the future.
pub(crate) fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = PyResult<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'any> IntoPyObject<'any> + Send + 'static,
{
    let running = TaskLocals::with_running_loop(py).map_err(|_| {
        let info = ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            "An asynchronous client needs a running asyncio event loop.",
        );
        let remedy =
            "Use it inside `asyncio.run(...)`, or take the plain `Client`; trio is not supported.";
        error::raise(py, info.with_remedy(remedy))
    })?;
    let event_loop = EventLoop(running.event_loop(py).unbind());
    let locals = TaskLocals::new(Bound::new(py, event_loop)?.into_any());
    generic::future_into_py_with_locals::<Tokio, _, _>(py, locals, future)
}

/// The event loop as `pyo3-async-runtimes` sees it. An answer that comes after the loop was closed
/// has nobody to go to; the loop itself would raise, and a traceback would be printed for each.
#[pyclass(frozen)]
struct EventLoop(Py<PyAny>);

#[pymethods]
impl EventLoop {
    fn create_future(&self, py: Python) -> PyResult<Py<PyAny>> {
        self.0.call_method0(py, "create_future")
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn call_soon_threadsafe(
        &self,
        py: Python,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let called = self.0.call_method(py, "call_soon_threadsafe", args, kwargs);
        match called {
            Err(_) if self.0.call_method0(py, "is_closed")?.is_truthy(py)? => Ok(()),
            called => called.map(|_| ()),
        }
    }
}

/// Our runtime for `pyo3-async-runtimes`.
pub(crate) struct Tokio;

/// `JoinError` in the words of `pyo3-async-runtimes`.
pub(crate) struct Joined(JoinError);

impl generic::JoinError for Joined {
    fn is_panic(&self) -> bool {
        self.0.is_panic()
    }
    fn into_panic(self) -> Box<dyn std::any::Any + Send + 'static> {
        self.0.into_panic()
    }
}

type Joining = Pin<Box<dyn Future<Output = Result<(), Joined>> + Send>>;

impl generic::Runtime for Tokio {
    type JoinError = Joined;
    type JoinHandle = Joining;

    fn spawn<F: Future<Output = ()> + Send + 'static>(future: F) -> Joining {
        let process = process();
        // When the interpreter leaves, the event loop is closed: nobody is left to be told.
        let until = async move {
            process.root.run_until_cancelled(future).await;
        };
        let task = process.handle.spawn(process.calls.track_future(until));
        Box::pin(async move { task.await.map_err(Joined) })
    }

    fn spawn_blocking<F: FnOnce() + Send + 'static>(work: F) -> Joining {
        let process = process();
        let counted = process.calls.token();
        let task = process.handle.spawn_blocking(move || {
            work();
            drop(counted);
        });
        Box::pin(async move { task.await.map_err(Joined) })
    }
}

// Locals are for Rust that awaits Python, which nothing here does.
impl generic::ContextExt for Tokio {
    fn scope<F, R>(_: TaskLocals, future: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        Box::pin(future)
    }

    fn get_task_locals() -> Option<TaskLocals> {
        None
    }
}
