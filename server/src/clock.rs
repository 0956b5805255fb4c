//! The time, as a value that tests can move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::store::Millis;

/// Tells the time. Clones share what was set.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    fixed: Option<Arc<AtomicI64>>,
    /// What the database's clock is ahead of the machine's.
    ahead: Arc<AtomicI64>,
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
            fixed: Some(Arc::new(AtomicI64::new(now))),
            ahead: Arc::default(),
        }
    }

    /// Moves a fixed clock. The machine's clock is not moved.
    pub fn set(&self, now: Millis) {
        if let Some(fixed) = &self.fixed {
            fixed.store(now, Ordering::SeqCst);
        }
    }

    /// Goes by another clock, which is this much ahead of the machine's. A fixed clock is not moved.
    pub(crate) fn follow(&self, ahead: Millis) {
        self.ahead.store(ahead, Ordering::SeqCst);
    }

    /// Unix milliseconds, UTC.
    #[must_use]
    pub fn now(&self) -> Millis {
        match &self.fixed {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => Timestamp::now().as_millisecond() + self.ahead.load(Ordering::SeqCst),
        }
    }
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
    fn clones_follow_the_same_clock() {
        let clock = Clock::system();
        clock.clone().follow(3_600_000);
        assert!(clock.now() > Timestamp::now().as_millisecond() + 3_000_000);
    }
}
