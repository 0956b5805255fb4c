//! Codes of variable length.

/// Codes up to this many bits are found in one step.
const FAST: u32 = 10;

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    /// Bits of the code itself; 0 if there is no such code.
    pub(super) bits: u8,
    /// Four bits: how many frequencies are skipped. Four bits: how many bits of a number follow.
    pub(super) symbol: u8,
}

impl Code {
    const NONE: Self = Self { bits: 0, symbol: 0 };
}

/// One table of codes.
pub(super) struct Table {
    fast: [Code; 1 << FAST],
    /// For each length from 1 to 16: the first 16-bit number that is beyond its codes, its first code, and where its
    /// symbols begin.
    beyond: [(u32, u32, usize); 16],
    symbols: Vec<u8>,
}

impl Table {
    /// The table with so many codes of each length; `None` if there cannot be so many.
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            fast: [Code::NONE; 1 << FAST],
            beyond: [(0, 0, 0); 16],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut at) = (0_u32, 0);
        for ((bits, count), beyond) in (1_u8..).zip(counts).zip(&mut table.beyond) {
            let first = code;
            let length = u32::from(bits);
            for symbol in symbols.get(at..at + usize::from(*count))? {
                if length <= FAST {
                    let from = (code << (FAST - length)) as usize;
                    let to = ((code + 1) << (FAST - length)) as usize;
                    table.fast.get_mut(from..to)?.fill(Code {
                        bits,
                        symbol: *symbol,
                    });
                }
                code += 1;
            }
            if code > 1 << length {
                return None;
            }
            *beyond = (code << (16 - length), first, at);
            at += usize::from(*count);
            code <<= 1;
        }
        Some(table)
    }

    /// The code that `window` begins with, whose highest bits are the next of the file.
    #[inline]
    pub(super) fn find(&self, window: u64) -> Code {
        let code = self.fast[(window >> (64 - FAST)) as usize];
        if code.bits != 0 {
            code
        } else {
            self.find_long(window)
        }
    }

    #[cold]
    fn find_long(&self, window: u64) -> Code {
        let next = (window >> 48) as u32;
        for (bits, (beyond, first, at)) in (1_u8..).zip(self.beyond) {
            if u32::from(bits) > FAST && next < beyond {
                let offset = (next >> (16 - u32::from(bits))).checked_sub(first);
                let symbol = offset.and_then(|offset| self.symbols.get(at + offset as usize));
                return symbol.map_or(Code::NONE, |symbol| Code {
                    bits,
                    symbol: *symbol,
                });
            }
        }
        Code::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_short_and_long_are_found() {
        // 0 -> 5, 10 -> 6, then one of 12 bits: 110000000000 -> 7.
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[11]) = (1, 1, 1);
        let table = Table::new(&counts, &[5, 6, 7]).expect("a table");
        let find = |bits: u64, length: u32| table.find(bits << (64 - length));
        assert_eq!(find(0, 1), Code { bits: 1, symbol: 5 });
        assert_eq!(find(0b10, 2), Code { bits: 2, symbol: 6 });
        assert_eq!(
            find(0b1100_0000_0000, 12),
            Code {
                bits: 12,
                symbol: 7
            }
        );
        assert_eq!(find(0b1111_1111_1111, 12), Code::NONE);
    }

    #[test]
    fn more_codes_than_there_can_be_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3]).is_none());
        assert!(Table::new(&counts, &[1]).is_none());
    }
}
