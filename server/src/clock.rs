//! The time, as a value that tests can move.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::store::Millis;

/// Tells the time. Clones share what was set.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    source: Source,
    /// What the database's clock is ahead of the machine's.
    ahead: Arc<AtomicI64>,
}

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Fixed(Arc<AtomicI64>),
    Told(Arc<dyn Fn() -> Millis + Send + Sync>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Fixed(at) => f.debug_tuple("Fixed").field(at).finish(),
            Self::Told(_) => f.write_str("Told"),
        }
    }
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until [`Clock::set`].
    #[must_use]
    pub fn fixed(now: Millis) -> Self {
        Self {
            source: Source::Fixed(Arc::new(AtomicI64::new(now))),
            ahead: Arc::default(),
        }
    }

    /// A clock that asks another one: the time of a simulation.
    #[must_use]
    pub fn told(tell: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self {
            source: Source::Told(Arc::new(tell)),
            ahead: Arc::default(),
        }
    }

    /// Moves a fixed clock. The machine's clock is not moved.
    pub fn set(&self, now: Millis) {
        if let Source::Fixed(fixed) = &self.source {
            fixed.store(now, Ordering::SeqCst);
        }
    }

    /// Goes by another clock, which is this much ahead of the machine's. A fixed clock is not moved.
    pub(crate) fn follow(&self, ahead: Millis) {
        self.ahead.store(ahead, Ordering::SeqCst);
    }

    /// Milliseconds since the machine was started, sleep included: nobody can set it. `None` where the time is not the
    /// machine's.
    pub(crate) fn since_boot(&self) -> Option<Millis> {
        matches!(self.source, Source::System).then(since_boot)
    }

    /// Unix milliseconds, UTC.
    #[must_use]
    pub fn now(&self) -> Millis {
        match &self.source {
            Source::Fixed(fixed) => fixed.load(Ordering::SeqCst),
            Source::Told(tell) => tell(),
            Source::System => Timestamp::now().as_millisecond() + self.ahead.load(Ordering::SeqCst),
        }
    }

    /// Begins to measure how long something takes.
    pub(crate) fn stopwatch(&self) -> Stopwatch<'_> {
        Stopwatch {
            clock: self,
            monotonic: Instant::now(),
            wall: self.now(),
        }
    }
}

/// Measures by two clocks: one stands still while the machine sleeps, the other may be set.
pub(crate) struct Stopwatch<'a> {
    clock: &'a Clock,
    monotonic: Instant,
    wall: Millis,
}

impl Stopwatch<'_> {
    /// By the one that says more.
    pub(crate) fn elapsed(&self) -> Duration {
        let wall = u64::try_from(self.clock.now() - self.wall).unwrap_or(0);
        self.monotonic.elapsed().max(Duration::from_millis(wall))
    }
}

#[cfg(unix)]
fn since_boot() -> Millis {
    use nix::time::{ClockId, clock_gettime};
    // Elsewhere the monotonic clock counts sleep too, or the machine does not sleep.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::CLOCK_BOOTTIME;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::CLOCK_MONOTONIC;
    clock_gettime(clock).map_or(0, |time| {
        #[allow(
            clippy::useless_conversion,
            reason = "their widths differ between systems"
        )]
        let (seconds, nanos) = (Millis::from(time.tv_sec()), Millis::from(time.tv_nsec()));
        seconds * 1_000 + nanos / 1_000_000
    })
}

#[cfg(not(unix))]
fn since_boot() -> Millis {
    use std::sync::OnceLock;
    use std::time::Instant;
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let elapsed = FIRST.get_or_init(Instant::now).elapsed();
    Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX)
}

/// `2026-12-01T20:00:00Z`; three digits of milliseconds where there are some.
#[must_use]
pub(crate) fn rfc3339(at: Millis) -> String {
    let time = Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX);
    if at % 1_000 == 0 {
        time.to_string()
    } else {
        format!("{time:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_without_empty_fractions() {
        assert_eq!(rfc3339(1_796_155_200_000), "2026-12-01T20:00:00Z");
        assert_eq!(rfc3339(1_796_155_200_250), "2026-12-01T20:00:00.250Z");
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::fixed(5);
        assert_eq!(clock.now(), 5);
        clock.clone().set(9);
        assert_eq!(clock.now(), 9);
        clock.follow(1_000);
        assert_eq!(clock.now(), 9);
    }

    #[test]
    fn a_stopwatch_sees_a_sleep_that_only_the_wall_clock_tells() {
        let clock = Clock::fixed(5_000);
        let watch = clock.stopwatch();
        assert!(watch.elapsed() < Duration::from_secs(60));
        clock.set(125_000);
        assert_eq!(watch.elapsed(), Duration::from_secs(120));
        clock.set(1_000);
        assert!(
            watch.elapsed() < Duration::from_secs(60),
            "set back, it tells nothing"
        );
    }

    #[test]
    fn a_told_clock_says_what_it_is_told() {
        let other = Clock::fixed(7);
        let clock = {
            let other = other.clone();
            Clock::told(move || other.now())
        };
        other.set(9);
        assert_eq!(clock.now(), 9);
    }

    #[test]
    fn clones_follow_the_same_clock() {
        let clock = Clock::system();
        clock.clone().follow(3_600_000);
        assert!(clock.now() > Timestamp::now().as_millisecond() + 3_000_000);
    }
}
