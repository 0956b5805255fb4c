//! Progress and attempts on their way to Python callbacks.
//!
//! The core reports from its own threads; the callbacks run where the caller waits: between two
//! slices of a plain call, or through the event loop. So a callback may use the client, and it
//! sees the caller's context.

use std::sync::Arc;

use multi_upload_core::CallOptions;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_async_runtimes::generic::Runtime as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::runtime::Tokio;

/// Something the core reported.
pub(crate) enum Notice {
    Progress(u64, u64),
    Attempt(u32, u64, Option<String>),
}

/// The callbacks of one call and what waits for them.
pub(crate) struct Observer {
    progress: Option<Arc<Py<PyAny>>>,
    attempt: Option<Arc<Py<PyAny>>>,
    notices: UnboundedReceiver<Notice>,
}

impl Observer {
    /// Takes `progress` and `on_attempt` out of the call's options and hangs itself into the core's.
    pub(crate) fn install(options: &Bound<'_, PyDict>, call: &mut CallOptions) -> PyResult<Self> {
        let (sender, notices) = unbounded_channel();
        let take = |name: &str| -> PyResult<Option<Arc<Py<PyAny>>>> {
            let given = options.get_item(name)?.filter(|value| !value.is_none());
            Ok(given.map(|callback| Arc::new(callback.unbind())))
        };
        let (progress, attempt) = (take("progress")?, take("on_attempt")?);
        // A closed channel means that the caller has gone: there is nobody to tell.
        if progress.is_some() {
            let sender = sender.clone();
            call.on_progress = Some(Arc::new(move |progress| {
                let _ = sender.send(Notice::Progress(progress.done, progress.total));
            }));
        }
        if attempt.is_some() {
            call.on_attempt = Some(Arc::new(move |attempt| {
                let cause = attempt.cause.clone();
                let _ = sender.send(Notice::Attempt(attempt.number, attempt.delay_ms, cause));
            }));
        }
        Ok(Self {
            progress,
            attempt,
            notices,
        })
    }

    /// Calls back for all that waits. What a callback raises ends the call, unless the answer has
    /// come already: reporting finished work as failed would invite to do it twice.
    pub(crate) fn deliver(&mut self, py: Python, finished: bool) -> PyResult<()> {
        while let Ok(notice) = self.notices.try_recv() {
            match self
                .callback(&notice)
                .map_or(Ok(()), |callback| notice.tell(py, &callback))
            {
                Err(raised) if finished => raised.write_unraisable(py, None),
                told => told?,
            }
        }
        Ok(())
    }

    /// Runs a call in asyncio and calls back meanwhile, off the workers.
    pub(crate) async fn watch<T>(&mut self, call: impl Future<Output = T>) -> T {
        let mut call = std::pin::pin!(call);
        loop {
            tokio::select! {
                biased;
                Some(notice) = self.notices.recv() => self.hand_over(notice).await,
                value = call.as_mut() => {
                    while let Ok(notice) = self.notices.try_recv() {
                        self.hand_over(notice).await;
                    }
                    return value;
                }
            }
        }
    }

    /// These callbacks only pass on to the event loop; what they raise means that it is closed.
    async fn hand_over(&self, notice: Notice) {
        let Some(callback) = self.callback(&notice) else {
            return;
        };
        let telling = Tokio::spawn_blocking(move || {
            Python::attach(|py| {
                if let Err(raised) = notice.tell(py, &callback) {
                    raised.write_unraisable(py, None);
                }
            });
        });
        let _ = telling.await;
    }

    fn callback(&self, notice: &Notice) -> Option<Arc<Py<PyAny>>> {
        match notice {
            Notice::Progress(..) => self.progress.clone(),
            Notice::Attempt(..) => self.attempt.clone(),
        }
    }

    /// For the garbage collector: a callback may refer to the object that holds this observer.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Py<PyAny>> {
        self.progress
            .iter()
            .chain(&self.attempt)
            .map(|callback| &**callback)
    }
}

impl Notice {
    fn tell(&self, py: Python, callback: &Py<PyAny>) -> PyResult<()> {
        match self {
            Self::Progress(done, total) => callback.call1(py, (done, total))?,
            Self::Attempt(number, delay, cause) => callback.call1(py, (number, delay, cause))?,
        };
        Ok(())
    }
}
