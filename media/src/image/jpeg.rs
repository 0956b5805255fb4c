//! JPEG: segments up to the first scan, then the end of the file.

use std::io::{Read, Seek};

use ::image::metadata::Orientation;

use super::{EXIF_LIMIT, Header, orientation, sides};
use crate::Fault;
use crate::sniff::Format;
use crate::source::Source;

const WHAT: &str = "JPEG image";

/// More segments before the picture than any real file has.
const MAX_SEGMENTS: usize = 4096;

/// How far from the end the mark of the end is looked for, in bytes: programs append data of their own.
const TAIL: u64 = 256 * 1024;

/// The header of a JPEG whose end is there.
pub(crate) fn header<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<Header, Fault> {
    let mut at = 2;
    let mut size = None;
    let mut turned = None;
    for _ in 0..MAX_SEGMENTS {
        let (marker, body) = marker(source, at)?;
        if marker == 0x01 || (0xD0..=0xD8).contains(&marker) {
            at = body;
            continue;
        }
        if marker == 0xD9 {
            return Err(Fault::broken(WHAT, "it ends before its picture begins"));
        }
        let length = u64::from(u16::from_be_bytes(source.array(WHAT, body)?));
        let Some(content) = length.checked_sub(2) else {
            return Err(Fault::broken(
                WHAT,
                format_args!("a segment says it is {length} bytes long"),
            ));
        };
        let start = body + 2;
        at = body + length;
        match marker {
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                let [_, h1, h0, w1, w0, components] = source.array(WHAT, start)?;
                let (width, height) = (
                    u16::from_be_bytes([w1, w0]).into(),
                    u16::from_be_bytes([h1, h0]).into(),
                );
                let (width, height) = sides(WHAT, width, height)?;
                size = Some((width, height, components, marker));
            }
            0xE1 if turned.is_none() && content > 6 => {
                // Bounded by the two bytes of the length.
                let count = usize::try_from(content).unwrap_or(0).min(EXIF_LIMIT);
                if source.bytes(WHAT, start, 6)? == b"Exif\0\0" {
                    turned = Some(orientation(source.bytes(WHAT, start, count)?));
                }
            }
            0xDA => {
                let Some((width, height, components, coding)) = size else {
                    return Err(Fault::broken(WHAT, "its picture has no size"));
                };
                find_end(source, at)?;
                return Ok(Header {
                    format: Format::Jpeg,
                    width,
                    height,
                    orientation: turned.unwrap_or(Orientation::NoTransforms),
                    is_cmyk: components == 4,
                    animated: false,
                    cost: cost(coding, components),
                });
            }
            _ => {}
        }
    }
    Err(Fault::too_large(format!(
        "the {WHAT} has more than {MAX_SEGMENTS} segments before its picture; export it again with an ordinary program"
    )))
}

/// Bytes a pixel: the picture itself, a row-wise scaled one and the result; or the picture and all its coefficients (two
/// bytes each) if it comes in several passes.
fn cost(coding: u8, components: u8) -> u64 {
    let coefficients = match coding {
        0xC0 | 0xC1 => 0,
        _ => 2 * u64::from(components),
    };
    (3 + coefficients).max(9)
}

/// The marker at `at` and where what follows it begins. Any number of FF bytes may stand in front.
fn marker<R: Read + Seek>(source: &mut Source<'_, R>, at: u64) -> Result<(u8, u64), Fault> {
    const MAX_FILL: u64 = 1024;
    if source.array::<1>(WHAT, at)? != [0xFF] {
        return Err(Fault::broken(
            WHAT,
            format_args!("no segment begins at byte {at}, where one should"),
        ));
    }
    for fill in 1..MAX_FILL {
        let [byte] = source.array(WHAT, at + fill)?;
        if byte != 0xFF {
            return Ok((byte, at + fill + 1));
        }
    }
    Err(Fault::broken(WHAT, "it is filled up with empty bytes"))
}

/// The mark of the end is there. It cannot occur inside of a picture, so a file that was cut off has none.
fn find_end<R: Read + Seek>(source: &mut Source<'_, R>, picture: u64) -> Result<(), Fault> {
    const STEP: u64 = 16 * 1024;
    let floor = picture.max(source.len().saturating_sub(TAIL));
    let mut end = source.len();
    source.look_ahead(0);
    let mut step = 64;
    while end > floor {
        let start = end.saturating_sub(step).max(floor);
        let count = usize::try_from(end - start).unwrap_or(0);
        if source
            .bytes(WHAT, start, count)?
            .windows(2)
            .any(|pair| pair == [0xFF, 0xD9])
        {
            return Ok(());
        }
        if start == floor {
            break;
        }
        // One byte again, in case the mark lies across.
        end = start + 1;
        step = STEP;
    }
    Err(Fault::truncated(WHAT, source.len(), source.len() + 2))
}
