//! How long to wait, as pure functions.

use multi_upload_platforms::PlatformError;

use crate::store::Millis;

/// First wait after a setback, doubled each time.
const SETBACK_BASE_MS: f64 = 2_000.0;

/// Longest wait after a setback.
const SETBACK_CAP_MS: f64 = 300_000.0;

/// Wait after a limit whose end the network does not tell.
const LIMIT_MS: Millis = 60_000;

/// Looks after the quiet period stand this far apart at least, so that one stale answer cannot serve several.
const SHORTEST_LOOK_MS: Millis = 200;

/// When a second post is looked for the last time, after a publication.
pub(super) const LAST_SENTINEL_MS: Millis = 86_400_000;

/// Times after a publication at which a second post is looked for.
const SENTINEL_MS: [Millis; 6] = [
    60_000,
    300_000,
    1_800_000,
    7_200_000,
    28_800_000,
    LAST_SENTINEL_MS,
];

/// Full jitter, but never less than a quarter, so that a herd spreads and nobody hammers.
pub(super) fn backoff(setbacks: u32, random: f64) -> Millis {
    let ceiling =
        (SETBACK_BASE_MS * f64::from(2_u32.saturating_pow(setbacks.min(16)))).min(SETBACK_CAP_MS);
    #[expect(clippy::cast_possible_truncation, reason = "at most 300,000")]
    let wait = (ceiling * random.clamp(0.25, 1.0)) as Millis;
    wait
}

/// What the network asks for.
pub(super) fn limit(error: &PlatformError) -> Millis {
    error.retry_after.map_or(LIMIT_MS, |wait| {
        Millis::try_from(wait.as_millis()).unwrap_or(LIMIT_MS)
    })
}

/// When to look next for an attempt armed at `armed_at`: soon, then at doubling distances until the quiet
/// period ends, because most of what exists is visible at once; then at even distances.
pub(super) fn next_look(armed_at: Millis, quiet_until: Millis, looks: u32, now: Millis) -> Millis {
    let quiet = quiet_until - armed_at;
    if now >= quiet_until {
        return now + (quiet / 30).max(SHORTEST_LOOK_MS);
    }
    let first = (quiet / 180).max(SHORTEST_LOOK_MS);
    let next = now + first.saturating_mul(1 << looks.min(20));
    next.min(quiet_until)
}

/// When to look next for a second post; `None` when it is over.
pub(super) fn next_sentinel(published_at: Millis, now: Millis) -> Option<Millis> {
    SENTINEL_MS
        .iter()
        .map(|after| published_at + after)
        .find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_soon_then_seldom_then_evenly() {
        let quiet = 900_000;
        let mut at = 0;
        let mut looks = Vec::new();
        for n in 0..12 {
            at = next_look(0, quiet, n, at);
            looks.push(at / 1_000);
        }
        assert_eq!(
            looks,
            [5, 15, 35, 75, 155, 315, 635, 900, 930, 960, 990, 1_020]
        );
    }

    #[test]
    fn a_short_quiet_period_still_leaves_time_between_looks() {
        assert_eq!(next_look(0, 2_000, 0, 0), 200);
        assert_eq!(next_look(0, 2_000, 9, 2_500), 2_700);
    }

    #[test]
    fn the_sentinel_looks_for_a_day() {
        assert_eq!(next_sentinel(0, 0), Some(60_000));
        assert_eq!(next_sentinel(0, 60_000), Some(300_000));
        assert_eq!(next_sentinel(0, 86_400_000), None);
    }
}
