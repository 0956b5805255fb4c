//! The picture: groups of blocks, block by block.

use super::Plane;
use super::bits::Bits;
use super::header::Frame;
use super::huffman::Table;
use super::transform::Transform;

/// One component under way.
struct Part<'f> {
    /// Blocks across and down in a group.
    across: usize,
    down: usize,
    mean: &'f Table,
    rest: &'f Table,
    transform: Transform,
    /// Means are stored as differences to the one before.
    before: i32,
    plane: Plane,
}

/// The components, each with `eighths` pixels for what was eight; `None` if anything is not as it should be.
pub(super) fn read(frame: &Frame<'_>, eighths: usize) -> Option<Vec<Plane>> {
    let (across, down) = frame.group();
    let groups_across = (frame.width as usize).div_ceil(8 * across);
    let groups_down = (frame.height as usize).div_ceil(8 * down);
    let mut parts = Vec::new();
    for component in &frame.components {
        // A component with fewer blocks has more pixels from each, so that all planes have one size.
        let wide = eighths * across / component.across;
        let high = eighths * down / component.down;
        if wide > 8 || high > 8 {
            return None;
        }
        let transform = Transform::new(wide, high, frame.quantizer(component)?);
        let stride = groups_across * component.across * wide;
        parts.push(Part {
            across: component.across,
            down: component.down,
            mean: frame.means.get(component.mean)?.as_deref()?,
            rest: frame.rests.get(component.rest)?.as_deref()?,
            plane: Plane {
                pixels: vec![0; stride * groups_down * component.down * high],
                stride,
            },
            transform,
            before: 0,
        });
    }
    let mut bits = Bits::new(frame.data);
    let (mut until_mark, mut marks) = (frame.restart, 0_u8);
    for group_row in 0..groups_down {
        for group in 0..groups_across {
            if until_mark == Some(0) {
                bits.restart(marks & 7)?;
                marks = marks.wrapping_add(1);
                until_mark = frame.restart;
                for part in &mut parts {
                    part.before = 0;
                }
            }
            until_mark = until_mark.map(|left| left - 1);
            for part in &mut parts {
                part.group(&mut bits, group, group_row)?;
            }
        }
        if bits.is_overdrawn() {
            return None;
        }
    }
    Some(parts.into_iter().map(|part| part.plane).collect())
}

impl Part<'_> {
    /// Reads the blocks of one group.
    fn group(&mut self, bits: &mut Bits<'_>, group: usize, group_row: usize) -> Option<()> {
        for y in 0..self.down {
            for x in 0..self.across {
                let mut block = [0.0; 64];
                self.block(bits, &mut block)?;
                let column = (group * self.across + x) * self.transform.across;
                let row = (group_row * self.down + y) * self.transform.down;
                let stride = self.plane.stride;
                let out = self.plane.pixels.get_mut(row * stride + column..)?;
                self.transform.write(&block, out, stride);
            }
        }
        Some(())
    }

    /// Reads one block: its mean, then the other frequencies up to the end of the block.
    #[inline]
    fn block(&mut self, bits: &mut Bits<'_>, block: &mut [f32; 64]) -> Option<()> {
        let window = bits.window();
        let code = self.mean.find(window);
        if code.bits == 0 || code.symbol > 15 {
            return None;
        }
        let (length, size) = (u32::from(code.bits), u32::from(code.symbol));
        bits.skip(length + size);
        // Absurd sums only make absurd pixels.
        self.before = self.before.wrapping_add(number(window << length, size));
        self.transform.put(block, 0, self.before);
        let mut at = 1;
        while at < 64 {
            let window = bits.window();
            let code = self.rest.find(window);
            if code.bits == 0 {
                return None;
            }
            let (length, size) = (u32::from(code.bits), u32::from(code.symbol & 15));
            let run = usize::from(code.symbol >> 4);
            bits.skip(length + size);
            if size == 0 {
                if run < 15 {
                    break;
                }
                at += 16;
                continue;
            }
            at += run;
            if at <= self.transform.last {
                self.transform
                    .put(block, at, number(window << length, size));
            } else if at > 63 {
                return None;
            }
            at += 1;
        }
        Some(())
    }
}

/// The number in the highest `size` bits (at most 15) of `window`: the lower half of its range stands for negative ones.
#[inline]
fn number(window: u64, size: u32) -> i32 {
    if size == 0 {
        return 0;
    }
    let value = (window >> (64 - size)) as i32;
    if value < 1 << (size - 1) {
        value - (1 << size) + 1
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_sign_in_the_first_bit() {
        for (bits, size, expected) in [
            (0, 0, 0),
            (0, 1, -1),
            (1, 1, 1),
            (0b00, 2, -3),
            (0b01, 2, -2),
            (0b10, 2, 2),
            (0b111, 3, 7),
        ] {
            let window = if size == 0 {
                u64::MAX
            } else {
                bits << (64 - size)
            };
            assert_eq!(number(window, size), expected, "{bits:b} of {size}");
        }
    }
}
