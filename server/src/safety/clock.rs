//! Can the clock be believed? Pure: readings in, judgement out.
//!
//! The clock on the wall may be set at any time; the one that runs since the boot never is. What one gains on the other is a
//! jump. A jump back makes everything wait longer, which harms nobody. A jump forward makes things due that are not,
//! and quiet periods over that are not: it has to be confirmed first, by time or by a person.

use crate::store::Millis;

/// A clock that gains more than this at once has jumped.
const JUMP_MS: Millis = 300_000;

/// Readings of a jump agree when they differ by no more than this.
const AGREE_MS: Millis = 10_000;

/// A longer jump is never believed by itself: it would send a day of uploads at once.
const LONGEST_MS: Millis = 86_400_000;

/// No build is older than this, so no clock that is right shows less: 2026-11-01.
const BUILT_AFTER: Millis = 1_793_491_200_000;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Unix time.
    pub(super) wall: Millis,
    /// Since the boot, sleep included.
    pub(super) boot: Millis,
}

impl Reading {
    fn ahead(self) -> Millis {
        self.wall - self.boot
    }
}

/// What is believed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Belief {
    /// What the wall is ahead of the boot.
    ahead: Millis,
    /// What it seems to be ahead instead, and since when (boot).
    claimed: Option<(Millis, Millis)>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It shows a time before this program was built.
    BeforeTheBuild,
    /// It jumped forward.
    Jumped {
        /// How far.
        by: Millis,
        /// How much longer it must agree with itself; `None` when only a person can confirm it.
        wait: Option<Millis>,
    },
}

impl Belief {
    /// The first reading has nothing to be compared with.
    pub(super) fn first(reading: Reading) -> Self {
        Self {
            ahead: reading.ahead(),
            claimed: None,
        }
    }

    /// The belief after one more reading. A jump of up to a day is believed once its readings have agreed for `confirm`.
    pub(super) fn after(self, reading: Reading, confirm: Millis) -> Self {
        let ahead = reading.ahead();
        let gain = ahead - self.ahead;
        if gain <= 0 {
            return Self::first(reading);
        }
        match self.claimed {
            Some((claim, since)) if (ahead - claim).abs() <= AGREE_MS => {
                if reading.boot - since >= confirm && gain <= LONGEST_MS {
                    Self::first(reading)
                } else {
                    self
                }
            }
            _ => Self {
                claimed: Some((ahead, reading.boot)),
                ..self
            },
        }
    }

    /// What is wrong with the clock at this reading, which the belief must have seen.
    pub(super) fn fault(self, reading: Reading, confirm: Millis) -> Option<Fault> {
        if reading.wall < BUILT_AFTER {
            return Some(Fault::BeforeTheBuild);
        }
        let by = reading.ahead() - self.ahead;
        if by <= JUMP_MS {
            return None;
        }
        let since = self.claimed.map_or(reading.boot, |(_, since)| since);
        Some(Fault::Jumped {
            by,
            wait: (by <= LONGEST_MS).then(|| (since + confirm - reading.boot).max(0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = 1_800_000_000_000;
    const CONFIRM: Millis = 900_000;
    const MINUTE: Millis = 60_000;
    const HOUR: Millis = 60 * MINUTE;

    /// Readings as (minutes since the start, what the wall has gained by then), and what is wrong at the last of them.
    fn judged(readings: &[(Millis, Millis)]) -> Option<Fault> {
        let mut belief = None;
        let mut fault = None;
        for (minutes, gained) in readings {
            let boot = minutes * MINUTE;
            let reading = Reading {
                wall: START + boot + gained,
                boot,
            };
            let now = belief.map_or_else(
                || Belief::first(reading),
                |before: Belief| before.after(reading, CONFIRM),
            );
            fault = now.fault(reading, CONFIRM);
            belief = Some(now);
        }
        fault
    }

    /// What it is about, readings, and what is wrong in the end.
    type Case = (&'static str, &'static [(Millis, Millis)], Option<Fault>);

    const fn jumped(by: Millis, wait: Option<Millis>) -> Option<Fault> {
        Some(Fault::Jumped { by, wait })
    }

    #[test]
    fn only_a_jump_forward_holds_and_only_until_it_is_confirmed() {
        let cases: [Case; 14] = [
            ("steady", &[(0, 0), (1, 0), (9_999, 0)], None),
            ("drift", &[(0, 0), (1, 200), (2, 400)], None),
            ("five minutes are no jump", &[(0, 0), (1, 5 * MINUTE)], None),
            (
                "one more is",
                &[(0, 0), (1, 6 * MINUTE)],
                jumped(6 * MINUTE, Some(CONFIRM)),
            ),
            ("back", &[(0, 0), (1, -10 * HOUR)], None),
            ("there and back", &[(0, 0), (1, HOUR), (2, 0)], None),
            (
                "back and there",
                &[(0, 0), (1, -HOUR), (2, 0)],
                jumped(HOUR, Some(CONFIRM)),
            ),
            (
                "it has to stay",
                &[(0, 0), (1, HOUR), (15, HOUR)],
                jumped(HOUR, Some(MINUTE)),
            ),
            ("it stayed", &[(0, 0), (1, HOUR), (16, HOUR)], None),
            (
                "it stayed, and goes on",
                &[(0, 0), (1, HOUR), (16, HOUR), (17, HOUR + 50)],
                None,
            ),
            (
                "it jumped again meanwhile",
                &[(0, 0), (1, HOUR), (10, 2 * HOUR), (16, 2 * HOUR)],
                jumped(2 * HOUR, Some(9 * MINUTE)),
            ),
            (
                "a few small ones are a large one",
                &[(0, 0), (1, 4 * MINUTE), (2, 8 * MINUTE)],
                jumped(8 * MINUTE, Some(CONFIRM)),
            ),
            (
                "a small one is believed in the end",
                &[(0, 0), (1, 4 * MINUTE), (16, 4 * MINUTE), (17, 8 * MINUTE)],
                None,
            ),
            (
                "years",
                &[(0, 0), (1, 9_000 * HOUR), (99_999, 9_000 * HOUR)],
                jumped(9_000 * HOUR, None),
            ),
        ];
        for (what, readings, fault) in cases {
            assert_eq!(judged(readings), fault, "{what}");
        }
    }

    #[test]
    fn a_clock_before_the_build_is_wrong() {
        let at = |wall| Reading { wall, boot: 5 };
        for (wall, is_wrong) in [(0, true), (BUILT_AFTER - 1, true), (BUILT_AFTER, false)] {
            let fault = Belief::first(at(wall)).fault(at(wall), CONFIRM);
            assert_eq!(fault, is_wrong.then_some(Fault::BeforeTheBuild), "{wall}");
        }
    }
}
