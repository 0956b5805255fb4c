//! Ctrl-C and the stop signal of service managers.

/// Waits for the next of them. `None` where this process cannot listen for signals.
pub(crate) async fn stop() -> Option<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).ok()?;
        let mut interrupt = signal(SignalKind::interrupt()).ok()?;
        tokio::select! {
            got = terminate.recv() => got,
            got = interrupt.recv() => got,
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.ok()
    }
}
