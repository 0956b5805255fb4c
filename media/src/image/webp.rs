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
            b"VP8 " => {
                has_picture = true;
                if size.is_none() {
                    size = Some(lossy(source, start)?);
                }
            }
            b"VP8L" => {
                has_picture = true;
                if size.is_none() {
                    size = Some(lossless(source, start)?);
                }
            }
            b"ANMF" => {
                has_picture = true;
                frames = frames.saturating_add(1);
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
        // The picture twice, and what it is put together from.
        cost: 12,
    })
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
