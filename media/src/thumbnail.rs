//! Small pictures for lists and dashboards.

use image::DynamicImage;

use crate::sniff::Format;
use crate::{Fault, picture, reduced};

/// A small JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// The file, `image/jpeg`.
    pub bytes: Vec<u8>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// The longest side a thumbnail can have, in pixels.
const MAX_SIDE: u32 = 2048;

const QUALITY: u8 = 80;

/// The image in `bytes` as a JPEG of at most `max_side` pixels (1 to 2048) on its longer side, upright, on white, without
/// metadata. Smaller images are not enlarged. Takes at most 500 MB of memory.
///
/// # Errors
/// A [`Fault`] for files that are no image, are damaged, or have more pixels than fit the memory.
pub fn thumbnail(bytes: &[u8], max_side: u32) -> Result<Thumbnail, Fault> {
    let header = picture::header(bytes)?;
    let max_side = max_side.clamp(1, MAX_SIDE);
    let (width, height) = picture::reduced(header.width, header.height, max_side, u64::MAX);
    let quick = (header.format == Format::Jpeg)
        .then(|| reduced::decode(bytes, width, height))
        .flatten();
    let whole = match quick {
        Some(image) => image,
        None => picture::decode(bytes, &header)?.image,
    };
    let mut image = if (width, height) == (whole.width(), whole.height()) {
        whole
    } else {
        picture::scale(&whole, width, height)?
    };
    image.apply_orientation(header.orientation);
    let image: DynamicImage = picture::flatten(image);
    Ok(Thumbnail {
        bytes: picture::jpeg(&image, QUALITY, None)?,
        width: image.width(),
        height: image.height(),
    })
}
