//! The bits of a picture, without the bytes that only protect marks.

/// Reads bits from the front of some bytes. Behind their end, or a mark, there are zeros without end.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the highest down.
    window: u64,
    /// How many of them are filled.
    count: u32,
    /// How many bits behind the end were filled in.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            window: 0,
            count: 0,
            invented: 0,
        }
    }

    /// The next bits, at least 48 of them, from the highest down.
    #[inline]
    pub(super) fn window(&mut self) -> u64 {
        if self.count < 48 {
            self.fill();
        }
        self.window
    }

    /// Passes over bits, at most 48 since the last [`Self::window`].
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.window <<= count;
        self.count -= count;
    }

    #[inline]
    fn fill(&mut self) {
        let next = (self.data.get(self.at..)).and_then(<[u8]>::first_chunk::<8>);
        if let Some(bytes) = next {
            let word = u64::from_be_bytes(*bytes);
            if !has_ff(word) {
                // Bits beyond the whole bytes are those of the next byte: putting them there twice changes nothing.
                self.window |= word >> self.count;
                let bytes = (63 - self.count) >> 3;
                self.at += bytes as usize;
                self.count += bytes * 8;
                return;
            }
        }
        self.fill_slowly();
    }

    #[cold]
    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match self.data.get(self.at..) {
                Some([0xFF, 0, ..]) => {
                    self.at += 2;
                    0xFF
                }
                Some([byte, ..]) if *byte != 0xFF => {
                    self.at += 1;
                    *byte
                }
                _ => {
                    self.invented += 8;
                    // What stood there of the bits that follow is not wanted any more.
                    self.window &= !(u64::MAX >> self.count);
                    0
                }
            };
            self.window |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Were bits used that are not in the file?
    pub(super) fn is_overdrawn(&self) -> bool {
        self.count < self.invented
    }

    /// Passes over the mark with this number, which has to be next.
    pub(super) fn restart(&mut self, number: u8) -> Option<()> {
        // Less than a byte of filling may be left before it.
        let left = self.count.checked_sub(self.invented)?;
        let mark = self.data.get(self.at..self.at + 2)?;
        if left >= 8 || mark != [0xFF, 0xD0 | number] {
            return None;
        }
        *self = Self {
            at: self.at + 2,
            ..Self::new(self.data)
        };
        Some(())
    }
}

/// Is one of the eight bytes FF?
fn has_ff(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let inverted = !word;
    inverted.wrapping_sub(ONES) & !inverted & HIGHS != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bits: &mut Bits<'_>, count: u32) -> u64 {
        let value = bits.window() >> (64 - count);
        bits.skip(count);
        value
    }

    #[test]
    fn stuffed_bytes_are_left_out() {
        let mut data = vec![0xFF, 0, 0x12, 0xFF, 0, 0x34];
        data.extend([0xAB; 20]);
        let mut bits = Bits::new(&data);
        for expected in [0xFF, 0x12, 0xFF, 0x34, 0xAB, 0xAB] {
            assert_eq!(take(&mut bits, 8), expected);
        }
        for _ in 2..20 {
            assert_eq!(take(&mut bits, 4), 0xA);
            assert_eq!(take(&mut bits, 4), 0xB);
        }
        assert!(!bits.is_overdrawn());
        assert_eq!(take(&mut bits, 1), 0);
        assert!(bits.is_overdrawn());
    }

    #[test]
    fn a_mark_is_passed_only_where_it_is_due() {
        let data = [0b1010_1111, 0xFF, 0xD3, 0x77, 0xFF, 0xD9];
        let mut bits = Bits::new(&data);
        assert_eq!(take(&mut bits, 4), 0b1010);
        assert_eq!(bits.restart(4), None);
        assert_eq!(bits.restart(3), Some(()));
        assert_eq!(take(&mut bits, 8), 0x77);
        assert_eq!(bits.restart(4), None);
    }

    #[test]
    fn ff_is_seen_anywhere() {
        for at in 0..8 {
            assert!(has_ff(0xFF << (8 * at)));
            assert!(has_ff(0x0101_0101_0101_0101 | 0xFF << (8 * at)));
            assert!(!has_ff(0xFE << (8 * at)));
        }
        assert!(!has_ff(0));
    }
}
