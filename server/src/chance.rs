//! Chance, as a value that tests can repeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives random numbers. Clones share what a seed has left.
#[derive(Debug, Clone, Default)]
pub struct Chance(Option<Arc<AtomicU64>>);

impl Chance {
    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Numbers that a seed repeats (SplitMix64).
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(seed))))
    }

    /// From 0 up to 1, without it.
    #[must_use]
    pub fn next(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let Some(state) = &self.0 else {
            return rand::random();
        };
        let mut z = state.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        #[expect(clippy::cast_precision_loss, reason = "53 bits are all that fits")]
        let fraction = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats() {
        let (one, other) = (Chance::seeded(7), Chance::seeded(7));
        let numbers: Vec<f64> = (0..100).map(|_| one.next()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.iter().any(|n| *n < 0.5) && numbers.iter().any(|n| *n > 0.5));
        assert!(numbers.iter().all(|n| *n == other.next()));
        assert_ne!(Chance::seeded(8).next(), numbers[0]);
    }

    #[test]
    fn the_machines_own_differs() {
        let chance = Chance::system();
        assert_ne!(chance.next(), chance.next());
    }
}
