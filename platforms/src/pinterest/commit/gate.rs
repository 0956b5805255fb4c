//! The gate in front of the socket: knows whether a byte of the request has left, and lets the first one out only
//! soon after the commit began. A process that was frozen in between (a laptop asleep, a paused container) then
//! gives up as *not sent* instead of posting long after its time.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Shared by the socket and the commit.
#[derive(Debug, Default)]
pub(super) struct Gate {
    armed: Mutex<Option<Armed>>,
    begun: AtomicBool,
    refused: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    monotonic: Instant,
    wall: SystemTime,
    limit: Duration,
}

impl Gate {
    /// The commit begins now; the first byte must leave within `limit`.
    pub(super) fn arm(&self, limit: Duration) {
        let armed = Armed {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
            limit,
        };
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(armed);
    }

    /// May a byte have left?
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// Why the gate stayed shut, if it did.
    pub(super) fn reason(&self) -> Option<&'static str> {
        self.refused
            .load(Ordering::SeqCst)
            .then_some("this process was held up for some seconds before the first byte")
    }

    fn pass(&self) -> io::Result<()> {
        if self.has_begun() {
            return Ok(());
        }
        let armed = *self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_in_time = armed.is_some_and(|armed| {
            // One clock stands still while the machine sleeps, the other may be set: the later one counts.
            let wall = armed.wall.elapsed().unwrap_or_default();
            armed.monotonic.elapsed().max(wall) <= armed.limit
        });
        if !is_in_time {
            self.refused.store(true, Ordering::SeqCst);
            return Err(io::Error::other("too late for the first byte"));
        }
        // Before the write, not after it: a failed write may have sent something.
        self.begun.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// A socket behind its gate.
#[derive(Debug)]
pub(super) struct Gated<S> {
    pub(super) socket: S,
    pub(super) gate: Arc<Gate>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.gate.pass()?;
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.gate.pass()?;
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]
    use super::*;

    #[test]
    fn it_opens_only_when_armed_and_in_time() {
        let gate = Gate::default();
        assert!(gate.pass().is_err());
        gate.arm(Duration::from_secs(60));
        assert!(!gate.has_begun());
        gate.pass().unwrap();
        assert!(gate.has_begun());
        // Once a byte has left, the rest follows whatever the clock says.
        gate.arm(Duration::ZERO);
        gate.pass().unwrap();
    }

    #[test]
    fn a_sleep_is_seen_by_either_clock() {
        let minute = Duration::from_secs(60);
        let now = Armed {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
            limit: minute,
        };
        for (armed, is_in_time) in [
            (now, true),
            (
                Armed {
                    wall: now.wall - 2 * minute,
                    ..now
                },
                false,
            ),
            (
                Armed {
                    monotonic: now.monotonic.checked_sub(2 * minute).unwrap(),
                    ..now
                },
                false,
            ),
            // A clock that was set back tells nothing; the other one still does.
            (
                Armed {
                    wall: now.wall + 2 * minute,
                    ..now
                },
                true,
            ),
        ] {
            let gate = Gate::default();
            *gate.armed.lock().unwrap() = Some(armed);
            assert_eq!(gate.pass().is_ok(), is_in_time);
            assert_eq!(gate.has_begun(), is_in_time);
            assert_eq!(gate.reason().is_some(), !is_in_time);
        }
    }
}
