//! A body from a stranger: counted, timed, and ended when it is too large or too slow.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use tokio::time::{Instant, timeout};

/// Over which time the least rate is measured.
const WINDOW: Duration = Duration::from_secs(10);

/// What is allowed of one fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchLimits {
    /// Bytes of the body, at most.
    pub(crate) max_bytes: u64,
    /// From the first lookup to the last byte.
    pub(crate) total: Duration,
    /// Bytes per second that must come, on average over 10 s of waiting.
    pub(crate) min_rate: u64,
}

impl FetchLimits {
    /// At most this many bytes, 30 minutes, at least 16 KiB/s.
    pub(crate) const fn up_to(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            total: Duration::from_secs(1_800),
            min_rate: 16 * 1024,
        }
    }
}

/// Counts what came in a window of waiting. Pure: the time that was waited is given.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Waiting that is left before the rate is judged.
    fn left(&self) -> Duration {
        WINDOW.saturating_sub(self.waited)
    }

    /// Takes note of a piece; false if the window is over and too little came.
    fn keeps_up(&mut self, waited: Duration, bytes: u64, min_rate: u64) -> bool {
        self.waited += waited;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < WINDOW {
            return true;
        }
        let enough = self.bytes >= min_rate.saturating_mul(WINDOW.as_secs());
        *self = Self::default();
        enough
    }
}

struct State<S> {
    pieces: S,
    limits: FetchLimits,
    deadline: Instant,
    received: u64,
    pace: Pace,
}

/// Bounds a body. Only the time spent waiting for the sender counts for the rate, not the time the reader takes.
pub(super) fn bounded<S>(
    pieces: S,
    limits: FetchLimits,
    deadline: Instant,
) -> BoxStream<'static, io::Result<Bytes>>
where
    S: futures_util::Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
{
    let state = State {
        pieces,
        limits,
        deadline,
        received: 0,
        pace: Pace::default(),
    };
    // The state goes with the first error: nothing is read after it.
    unfold(Some(state), |state| async move {
        let mut state = state?;
        match next(&mut state).await {
            None => None,
            Some(Ok(piece)) => Some((Ok(piece), Some(state))),
            Some(Err(error)) => Some((Err(error), None)),
        }
    })
    .boxed()
}

async fn next<S>(state: &mut State<S>) -> Option<io::Result<Bytes>>
where
    S: futures_util::Stream<Item = io::Result<Bytes>> + Send + Unpin,
{
    loop {
        let begun = Instant::now();
        let left = state.deadline.saturating_duration_since(begun);
        if left.is_zero() {
            return Some(Err(late(&state.limits)));
        }
        let came = timeout(left.min(state.pace.left()), state.pieces.next()).await;
        let bytes = match &came {
            Ok(Some(Ok(piece))) => piece.len() as u64,
            Ok(Some(Err(_)) | None) => return came.unwrap_or_default(),
            Err(_) => 0,
        };
        let keeps_up = state
            .pace
            .keeps_up(begun.elapsed(), bytes, state.limits.min_rate);
        state.received = state.received.saturating_add(bytes);
        if state.received > state.limits.max_bytes {
            return Some(Err(large(state.limits.max_bytes)));
        }
        if !keeps_up {
            return Some(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it sent less than {} bytes a second", state.limits.min_rate),
            )));
        }
        if let Ok(Some(piece)) = came {
            return Some(piece);
        }
    }
}

fn late(limits: &FetchLimits) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("it did not end within {} s", limits.total.as_secs()),
    )
}

fn large(max_bytes: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it is larger than {max_bytes} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const LIMITS: FetchLimits = FetchLimits {
        max_bytes: 1_000,
        total: Duration::from_secs(60),
        min_rate: 10,
    };

    async fn read(
        pieces: impl futures_util::Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        limits: FetchLimits,
    ) -> (usize, Option<io::ErrorKind>) {
        let mut body = bounded(pieces, limits, Instant::now() + limits.total);
        let mut length = 0;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => length += piece.len(),
                Err(error) => {
                    assert!(body.next().await.is_none(), "it went on after an error");
                    return (length, Some(error.kind()));
                }
            }
        }
        (length, None)
    }

    /// `size` bytes every `every`, for ever.
    fn endless(
        size: usize,
        every: Duration,
    ) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + Unpin {
        stream::unfold((), move |()| async move {
            tokio::time::sleep(every).await;
            Some((Ok(Bytes::from(vec![0; size])), ()))
        })
        .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_within_the_limits_passes_whole() {
        let pieces = stream::iter((0..10).map(|_| Ok(Bytes::from_static(&[7; 100]))));
        assert_eq!(read(pieces, LIMITS).await, (1_000, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_more_than_allowed_ends_it() {
        let pieces = stream::iter((0..11).map(|_| Ok(Bytes::from_static(&[7; 100]))));
        assert_eq!(
            read(pieces, LIMITS).await,
            (1_000, Some(io::ErrorKind::FileTooLarge))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_a_second_ends_with_the_first_window() {
        let begun = Instant::now();
        let (length, error) = read(endless(1, Duration::from_secs(1)), LIMITS).await;
        assert_eq!(error, Some(io::ErrorKind::TimedOut));
        assert!(length <= 10, "{length} bytes");
        assert!(begun.elapsed() <= Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_with_the_first_window() {
        let begun = Instant::now();
        let (length, error) = read(stream::pending(), LIMITS).await;
        assert_eq!((length, error), (0, Some(io::ErrorKind::TimedOut)));
        assert!(begun.elapsed() <= Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_body_at_the_least_rate_ends_at_the_deadline() {
        let begun = Instant::now();
        let (length, error) = read(endless(11, Duration::from_secs(1)), LIMITS).await;
        assert_eq!(error, Some(io::ErrorKind::TimedOut));
        assert!(length > 500, "{length} bytes");
        assert!(begun.elapsed() <= Duration::from_secs(61));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_the_senders_fault() {
        let pieces = stream::iter((0..3).map(|_| Ok(Bytes::from_static(b"x"))));
        let mut body = bounded(pieces, LIMITS, Instant::now() + LIMITS.total);
        for _ in 0..3 {
            assert!(body.next().await.is_some_and(|piece| piece.is_ok()));
            tokio::time::advance(Duration::from_secs(15)).await;
        }
        assert!(body.next().await.is_none());
    }
}
