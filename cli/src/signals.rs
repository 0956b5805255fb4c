//! Ctrl-C and the stop signal of service managers.

/// Hears the signals that ask to stop, from the moment it is made.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Begins to listen: from now on these signals do not end the process by themselves.
    pub(crate) fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Self {
                terminate: heard(signal(SignalKind::terminate())),
                interrupt: heard(signal(SignalKind::interrupt())),
            }
        }
        #[cfg(not(unix))]
        {
            Self {}
        }
    }

    /// Waits for the next one; for ever where the system offers none.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        {
            tokio::select! {
                () = next_of(&mut self.terminate) => {}
                () = next_of(&mut self.interrupt) => {}
            }
        }
        #[cfg(not(unix))]
        {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(unix)]
fn heard(
    signal: std::io::Result<tokio::signal::unix::Signal>,
) -> Option<tokio::signal::unix::Signal> {
    signal
        .inspect_err(|error| tracing::warn!(%error, "a stop signal cannot be heard"))
        .ok()
}

#[cfg(unix)]
async fn next_of(signal: &mut Option<tokio::signal::unix::Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
