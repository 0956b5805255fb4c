//! WebP: the chunks of its RIFF container.

use std::io::{Read, Seek};

use ::image::metadata::Orientation;

use super::{EXIF_LIMIT, Header, orientation, sides};
use crate::Fault;
use crate::sniff::Format;
use crate::source::Source;

const WHAT: &str = "WebP image";

/// The header of a WebP that is as long as it says. The number of chunks is bounded by what is read in all.
pub(crate) fn header<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<Header, Fault> {
    let end = u64::from(u32::from_le_bytes(source.array(WHAT, 4)?)) + 8;
    if end > source.len() {
        return Err(Fault::truncated(WHAT, source.len(), end));
    }
    let mut size = None;
    let mut turned = Orientation::NoTransforms;
    let mut frames = 0_u32;
    let mut has_picture = false;
    let mut at = 12;
    while end.saturating_sub(at) >= 8 {
        let [n0, n1, n2, n3, length @ ..] = source.array::<8>(WHAT, at)?;
        let length = u64::from(u32::from_le_bytes(length));
        let (start, next) = (at + 8, at + 8 + length + (length & 1));
        // Some programs leave out the last byte that makes the length even.
        if start + length > end {
            return Err(Fault::broken(
                WHAT,
                format_args!("a chunk at byte {at} is longer than the image"),
            ));
        }
        match &[n0, n1, n2, n3] {
            b"VP8X" => {
                let bytes: [u8; 10] = source.array(WHAT, start)?;
                let [_, _, _, _, w0, w1, w2, h0, h1, h2] = bytes;
                size = Some((
                    u32::from_le_bytes([w0, w1, w2, 0]) + 1,
                    u32::from_le_bytes([h0, h1, h2, 0]) + 1,
                ));
                source.look_ahead(64);
            }
            b"VP8 " | b"VP8L" => {
                has_picture = true;
                let own = frame_size(source, at)?;
                let canvas = *size.get_or_insert(own);
                same_size(own, canvas)?;
            }
            b"ANMF" => {
                has_picture = true;
                frames = frames.saturating_add(1);
                // Only the first frame is ever decoded.
                if let (1, Some(canvas)) = (frames, size) {
                    first_frame(source, start, start + length, canvas)?;
                }
            }
            b"EXIF" => {
                let count = usize::try_from(length).map_or(EXIF_LIMIT, |n| n.min(EXIF_LIMIT));
                turned = orientation(source.bytes(WHAT, start, count)?);
            }
            _ => {}
        }
        at = next;
    }
    let (Some((width, height)), true) = (size, has_picture) else {
        return Err(Fault::broken(WHAT, "it has no picture"));
    };
    let (width, height) = sides(WHAT, width, height)?;
    Ok(Header {
        format: Format::Webp,
        width,
        height,
        orientation: turned,
        is_cmyk: false,
        animated: frames > 1,
        // Three times four colours.
        cost: 12,
    })
}

/// Refuses a picture that is larger than the image: it would be decoded before anybody noticed.
fn same_size(picture: (u32, u32), image: (u32, u32)) -> Result<(), Fault> {
    if picture == image {
        return Ok(());
    }
    Err(Fault::broken(
        WHAT,
        format_args!(
            "it says it is {} x {} pixels, and the picture in it {} x {}",
            image.0, image.1, picture.0, picture.1
        ),
    ))
}

/// Checks the sizes of the frame from `start` to `end` of an animation.
fn first_frame<R: Read + Seek>(
    source: &mut Source<'_, R>,
    start: u64,
    end: u64,
    canvas: (u32, u32),
) -> Result<(), Fault> {
    let [x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..] = source.array::<16>(WHAT, start)?;
    let number = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]);
    let size = (number(w0, w1, w2) + 1, number(h0, h1, h2) + 1);
    let (x, y) = (number(x0, x1, x2) * 2, number(y0, y1, y2) * 2);
    if x + size.0 > canvas.0 || y + size.1 > canvas.1 {
        return Err(Fault::broken(WHAT, "a frame lies outside of it"));
    }
    let mut at = start + 16;
    // Transparency may come before the picture.
    for _ in 0..2 {
        if end.saturating_sub(at) < 8 {
            break;
        }
        let [n0, n1, n2, n3, length @ ..] = source.array::<8>(WHAT, at)?;
        if matches!(&[n0, n1, n2, n3], b"VP8 " | b"VP8L") {
            return same_size(frame_size(source, at)?, size);
        }
        let length = u64::from(u32::from_le_bytes(length));
        at += 8 + length + (length & 1);
    }
    Err(Fault::broken(WHAT, "its first frame has no picture"))
}

/// The size in the chunk at `at`, which is `VP8 ` or `VP8L`.
fn frame_size<R: Read + Seek>(source: &mut Source<'_, R>, at: u64) -> Result<(u32, u32), Fault> {
    if source.array::<4>(WHAT, at)? == *b"VP8L" {
        lossless(source, at + 8)
    } else {
        lossy(source, at + 8)
    }
}

/// The size in the first frame of VP8 at `at`.
fn lossy<R: Read + Seek>(source: &mut Source<'_, R>, at: u64) -> Result<(u32, u32), Fault> {
    let bytes: [u8; 10] = source.array(WHAT, at)?;
    let [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = bytes else {
        return Err(Fault::broken(WHAT, "its picture does not begin as one"));
    };
    // The upper two bits are a wish for enlargement that nobody honours.
    Ok((
        u32::from(u16::from_le_bytes([w0, w1]) & 0x3FFF),
        u32::from(u16::from_le_bytes([h0, h1]) & 0x3FFF),
    ))
}

/// The size in a VP8L picture at `at`.
fn lossless<R: Read + Seek>(source: &mut Source<'_, R>, at: u64) -> Result<(u32, u32), Fault> {
    let [0x2F, bits @ ..] = source.array::<5>(WHAT, at)? else {
        return Err(Fault::broken(WHAT, "its picture does not begin as one"));
    };
    let bits = u32::from_le_bytes(bits);
    Ok(((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1))
}
