//! JPEG decoded at an eighth, a quarter or half of its size, for thumbnails.
//!
//! A block of 8 x 8 pixels is stored as frequencies: its lowest 1, 2 x 2 or 4 x 4 of them *are* the block at that size,
//! so that the others need not be computed, and the full picture never exists. Decoders that are well kept in Rust
//! always make the full picture, which takes twice the time and forty times the memory.
//!
//! Only ordinary files are done here (one pass, grey or YCbCr, 8 bits). For the others, and for any doubt, [`decode`]
//! gives `None` and the full decoder has the last word, also about what is wrong with a file.

use image::{DynamicImage, GrayImage, RgbImage};

mod bits;
mod header;
mod huffman;
mod scan;
mod transform;

use header::Frame;

/// The picture in `bytes`, at the smallest size that is at least `width` x `height`.
pub(crate) fn decode(bytes: &[u8], width: u32, height: u32) -> Option<DynamicImage> {
    let frame = header::read(bytes)?;
    let side = |full: u32, eighths: u32| (full * eighths).div_ceil(8);
    let eighths = [1, 2, 4].into_iter().find(|eighths| {
        side(frame.width, *eighths) >= width && side(frame.height, *eighths) >= height
    })?;
    let planes = scan::read(&frame, eighths as usize)?;
    let (width, height) = (side(frame.width, eighths), side(frame.height, eighths));
    picture(&frame, &planes, width, height)
}

/// One colour of a picture, in rows that are a little longer than it.
struct Plane {
    pixels: Vec<u8>,
    stride: usize,
}

impl Plane {
    fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact(self.stride)
    }
}

fn picture(frame: &Frame<'_>, planes: &[Plane], width: u32, height: u32) -> Option<DynamicImage> {
    let columns = width as usize;
    match (frame.components.len(), planes) {
        (1, [grey]) => {
            let rows = grey.rows().take(height as usize);
            let pixels = rows.flat_map(|row| row.iter().take(columns).copied());
            GrayImage::from_raw(width, height, pixels.collect()).map(DynamicImage::ImageLuma8)
        }
        (3, [light, blue, red]) => {
            let mut pixels = Vec::with_capacity(columns * height as usize * 3);
            let rows = light.rows().zip(blue.rows()).zip(red.rows());
            for ((light, blue), red) in rows.take(height as usize) {
                for ((y, cb), cr) in light.iter().zip(blue).zip(red).take(columns) {
                    pixels.extend(rgb(*y, *cb, *cr));
                }
            }
            RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
        }
        _ => None,
    }
}

/// The colour that JFIF means by these numbers, in units of 2^-16.
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y) << 16, i32::from(cb) - 128, i32::from(cr) - 128);
    [
        y + 91_881 * cr,
        y - 22_554 * cb - 46_802 * cr,
        y + 116_130 * cb,
    ]
    .map(|value| ((value + 0x8000) >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture;

    /// The mean difference of a colour between two pictures of one size.
    fn difference(a: &DynamicImage, b: &DynamicImage) -> f64 {
        let (a, b) = (a.to_rgb8(), b.to_rgb8());
        assert_eq!(a.dimensions(), b.dimensions());
        let sum: u64 = (a.iter().zip(b.iter()))
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        sum as f64 / a.len() as f64
    }

    /// The full decoder's picture, averaged over squares of pixels.
    fn averaged(full: &DynamicImage, width: u32, height: u32, by: u32) -> DynamicImage {
        let full = full.to_rgb8();
        let out = RgbImage::from_fn(width, height, |x, y| {
            let (mut sums, mut count) = ([0_u32; 3], 0);
            for dy in 0..by {
                for dx in 0..by {
                    let (x, y) = (x * by + dx, y * by + dy);
                    if x < full.width() && y < full.height() {
                        let [r, g, b] = full.get_pixel(x, y).0;
                        sums = [
                            sums[0] + u32::from(r),
                            sums[1] + u32::from(g),
                            sums[2] + u32::from(b),
                        ];
                        count += 1;
                    }
                }
            }
            image::Rgb(sums.map(|sum| (sum / count) as u8))
        });
        DynamicImage::ImageRgb8(out)
    }

    const FILES: [(&str, &[u8]); 6] = [
        ("420", include_bytes!("../../tests/files/sampling-420.jpg")),
        ("422", include_bytes!("../../tests/files/sampling-422.jpg")),
        ("444", include_bytes!("../../tests/files/sampling-444.jpg")),
        ("grey", include_bytes!("../../tests/files/gray.jpg")),
        ("restarts", include_bytes!("../../tests/files/restarts.jpg")),
        (
            "corners",
            include_bytes!("../../tests/files/orientation-1.jpg"),
        ),
    ];

    #[test]
    fn reduced_pictures_look_like_full_ones() {
        for (name, bytes) in FILES {
            let header = picture::header(bytes).expect("an image");
            let full = picture::decode(bytes, &header).expect("an image").image;
            for by in [2, 4, 8] {
                let (width, height) = (full.width().div_ceil(by), full.height().div_ceil(by));
                let small = decode(bytes, width, height).unwrap_or_else(|| panic!("{name}/{by}"));
                let off = difference(&small, &averaged(&full, width, height, by));
                assert!(off < 4.0, "{name} at 1/{by} is off by {off}");
            }
        }
    }

    #[test]
    fn a_size_in_between_gives_the_next_larger_one() {
        let (_, bytes) = FILES[0];
        let size = |width, height| {
            decode(bytes, width, height).map(|small| (small.width(), small.height()))
        };
        assert_eq!(size(1, 1), Some((6, 4)));
        assert_eq!(size(6, 4), Some((6, 4)));
        assert_eq!(size(7, 4), Some((12, 8)));
        assert_eq!(size(12, 9), Some((23, 16)));
        assert_eq!(size(24, 16), None);
    }

    #[test]
    fn what_is_not_ordinary_is_left_to_the_full_decoder() {
        let files: [&[u8]; 4] = [
            include_bytes!("../../tests/files/progressive.jpg"),
            include_bytes!("../../tests/files/cmyk.jpg"),
            include_bytes!("../../tests/files/plain.png"),
            b"",
        ];
        for bytes in files {
            assert!(decode(bytes, 1, 1).is_none());
        }
        let (_, bytes) = FILES[4];
        let scan = bytes
            .windows(2)
            .position(|pair| pair == [0xFF, 0xDA])
            .expect("a picture");
        for keep in 0..scan + 40 {
            assert!(decode(&bytes[..keep], 1, 1).is_none(), "cut at {keep}");
        }
    }
}
