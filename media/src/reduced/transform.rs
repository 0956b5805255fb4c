//! From frequencies to pixels, at 1, 2, 4 or 8 pixels on a side.

use std::f32::consts::PI;

/// Where the frequencies stand in a block of 8 x 8 (across, down), in the order of the file.
const ZIGZAG: [(u8, u8); 64] = zigzag();

const fn zigzag() -> [(u8, u8); 64] {
    let mut order = [(0, 0); 64];
    let (mut across, mut down) = (0_u8, 0_u8);
    let mut at = 0;
    while at < 64 {
        order[at] = (across, down);
        let up = (across + down).is_multiple_of(2);
        (across, down) = match (up, across, down) {
            (true, 7, _) => (across, down + 1),
            (true, _, 0) => (across + 1, 0),
            (true, ..) => (across + 1, down - 1),
            (false, _, 7) => (across + 1, down),
            (false, 0, _) => (0, down + 1),
            (false, ..) => (across - 1, down + 1),
        };
        at += 1;
    }
    order
}

/// How blocks of one component become pixels.
pub(super) struct Transform {
    /// Pixels across and down for a block.
    pub(super) across: usize,
    pub(super) down: usize,
    /// The step of each frequency that is used, 0 of the others, in the order of the file.
    steps: [f32; 64],
    /// Where a frequency is put.
    places: [u8; 64],
    /// The last one that is used.
    pub(super) last: usize,
    waves_across: [[f32; 8]; 8],
    waves_down: [[f32; 8]; 8],
}

impl Transform {
    pub(super) fn new(across: usize, down: usize, quantizer: &[u16; 64]) -> Self {
        let (mut steps, mut places, mut last) = ([0.0; 64], [0; 64], 0);
        for (at, (x, y)) in ZIGZAG.into_iter().enumerate() {
            if usize::from(x) < across && usize::from(y) < down {
                steps[at] = f32::from(quantizer[at]);
                places[at] = y * 8 + x;
                last = at;
            }
        }
        Self {
            across,
            down,
            steps,
            places,
            last,
            waves_across: waves(across),
            waves_down: waves(down),
        }
    }

    /// Puts the frequency that is number `at` of the file, if it is used, into its place.
    #[inline]
    pub(super) fn put(&self, block: &mut [f32; 64], at: usize, value: i32) {
        let at = at & 63;
        let step = self.steps[at];
        if step != 0.0 {
            block[usize::from(self.places[at] & 63)] = value as f32 * step;
        }
    }

    /// Writes the pixels of a block to `out`, in rows of `stride`.
    #[inline]
    pub(super) fn write(&self, block: &[f32; 64], out: &mut [u8], stride: usize) {
        if (self.across, self.down) == (1, 1) {
            if let Some(pixel) = out.first_mut() {
                *pixel = to_pixel(block[0] * 0.125);
            }
            return;
        }
        // Across first: the rows of frequencies become rows of pixels, still to be mixed.
        let mut rows = [[0.0_f32; 8]; 8];
        for (row, frequencies) in (rows.iter_mut().zip(block.chunks_exact(8))).take(self.down) {
            for (wave, frequency) in self.waves_across.iter().zip(frequencies).take(self.across) {
                for (pixel, wave) in row.iter_mut().zip(wave) {
                    *pixel += wave * frequency;
                }
            }
        }
        for (y, line) in out.chunks_mut(stride).take(self.down).enumerate() {
            let mut mixed = [0.0_f32; 8];
            for (wave, row) in self.waves_down.iter().zip(&rows).take(self.down) {
                for (pixel, value) in mixed.iter_mut().zip(row) {
                    *pixel += wave[y & 7] * value;
                }
            }
            for (pixel, value) in line.iter_mut().zip(mixed).take(self.across) {
                *pixel = to_pixel(value);
            }
        }
    }
}

/// For each frequency, its wave at each of `count` pixels.
fn waves(count: usize) -> [[f32; 8]; 8] {
    let mut waves = [[0.0; 8]; 8];
    let n = count as f32;
    for (frequency, wave) in waves.iter_mut().enumerate().take(count) {
        let norm = if frequency == 0 { 1.0 / n } else { 2.0 / n };
        let scale = (n / 8.0 * norm).sqrt();
        for (x, value) in wave.iter_mut().enumerate().take(count) {
            *value = scale * ((2 * x + 1) as f32 * frequency as f32 * PI / (2.0 * n)).cos();
        }
    }
    waves
}

/// Values are stored around zero.
#[inline]
fn to_pixel(value: f32) -> u8 {
    (value + 128.5).clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_standard() {
        let names: Vec<u8> = ZIGZAG.iter().map(|(x, y)| y * 8 + x).collect();
        assert_eq!(names[..12], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25]);
        assert_eq!(names[60..], [47, 55, 62, 63].map(|name| name)[..]);
        let mut sorted = names;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..64).collect::<Vec<u8>>());
    }

    #[test]
    fn a_flat_block_is_flat_at_any_size() {
        let quantizer = [2; 64];
        for (across, down) in [(1, 1), (2, 2), (4, 4), (8, 8), (4, 2), (2, 4), (8, 4)] {
            let transform = Transform::new(across, down, &quantizer);
            let mut block = [0.0; 64];
            transform.put(&mut block, 0, 200);
            let mut out = [0; 64];
            transform.write(&block, &mut out, 8);
            for (at, pixel) in out.into_iter().enumerate() {
                let expected = if at % 8 < across && at / 8 < down {
                    178
                } else {
                    0
                };
                assert_eq!(pixel, expected, "{across} x {down}");
            }
        }
    }
}
