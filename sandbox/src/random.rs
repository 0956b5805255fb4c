//! Ids, tokens and orderings. Seeded, they repeat from run to run; nothing here is meant to be a secret.

use std::fmt::Write as _;

/// SplitMix64: one word of state is enough for a fake, and the same seed gives the same ids.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// With a seed the sequence is fixed; without one it comes from the operating system.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(seed.unwrap_or_else(|| getrandom::u64().unwrap_or(0x5eed)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A digit string of 18 places: like Pinterest's ids too long for a double.
    pub(crate) fn id(&mut self) -> String {
        (100_000_000_000_000_000 + self.next() % 900_000_000_000_000_000).to_string()
    }

    /// `len` hexadecimal digits.
    pub(crate) fn hex(&mut self, len: usize) -> String {
        let mut text = String::with_capacity(len + 16);
        while text.len() < len {
            let _ = write!(text, "{:016x}", self.next());
        }
        text.truncate(len);
        text
    }
}

/// Spreads a number over all 64 bits; also the order of shuffled lists.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_ids_are_eighteen_digits() {
        let (mut a, mut b) = (Random::new(Some(7)), Random::new(Some(7)));
        let id = a.id();
        assert_eq!(id, b.id());
        assert_eq!(id.len(), 18);
        assert!(id.bytes().all(|byte| byte.is_ascii_digit()));
        assert_ne!(id, a.id());
        assert_eq!(a.hex(20).len(), 20);
    }
}
