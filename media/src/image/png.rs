//! PNG: its chunks from the first to the last, without their contents.

use std::io::{Read, Seek};

use ::image::metadata::Orientation;

use super::{EXIF_LIMIT, Header, orientation, sides};
use crate::Fault;
use crate::sniff::Format;
use crate::source::Source;

const WHAT: &str = "PNG image";

/// The header of a PNG whose last chunk is there. The number of chunks is bounded by what is read in all.
pub(crate) fn header<R: Read + Seek>(source: &mut Source<'_, R>) -> Result<Header, Fault> {
    if source.array::<8>(WHAT, 8)? != *b"\0\0\0\x0DIHDR" {
        return Err(Fault::broken(WHAT, "its header is missing"));
    }
    let (width, height) = (
        u32::from_be_bytes(source.array(WHAT, 16)?),
        u32::from_be_bytes(source.array(WHAT, 20)?),
    );
    let (width, height) = sides(WHAT, width, height)?;
    if width > i32::MAX.unsigned_abs() || height > i32::MAX.unsigned_abs() {
        return Err(Fault::broken(
            WHAT,
            format_args!("it says it is {width} x {height} pixels"),
        ));
    }
    let mut header = Header {
        format: Format::Png,
        width,
        height,
        orientation: Orientation::NoTransforms,
        is_cmyk: false,
        animated: false,
        // Three times four colours of a byte, or once with two bytes and then with one.
        cost: 12,
    };
    let mut at = 8 + 4 + 4 + 13 + 4;
    let mut has_picture = false;
    loop {
        let [l3, l2, l1, l0, name @ ..] = source.array::<8>(WHAT, at)?;
        let length = u32::from_be_bytes([l3, l2, l1, l0]);
        let end = at + 12 + u64::from(length);
        if end > source.len() {
            return Err(Fault::truncated(WHAT, source.len(), end));
        }
        match &name {
            b"IDAT" => {
                has_picture = true;
                // From here on only the headers of large chunks are read, far apart.
                source.look_ahead(0);
            }
            b"IEND" if has_picture => return Ok(header),
            b"IEND" => return Err(Fault::broken(WHAT, "it has no picture")),
            b"acTL" if !has_picture && length >= 8 => {
                let frames = u32::from_be_bytes(source.array(WHAT, at + 8)?);
                header.animated = frames > 1;
            }
            b"eXIf" => {
                let count = usize::try_from(length).unwrap_or(0).min(EXIF_LIMIT);
                header.orientation = orientation(source.bytes(WHAT, at + 8, count)?);
            }
            name if !name.iter().all(u8::is_ascii_alphabetic) => {
                return Err(Fault::broken(
                    WHAT,
                    format_args!("no chunk begins at byte {at}, where one should"),
                ));
            }
            _ => {}
        }
        at = end;
    }
}
