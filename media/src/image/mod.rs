//! The headers of images: what they say about size, orientation, colours and frames.

use ::image::metadata::Orientation;
use multi_upload_wire::{MediaFacts, MediaKind};

use crate::Fault;
use crate::sniff::Format;

pub(crate) mod jpeg;
pub(crate) mod png;
pub(crate) mod webp;

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: Format,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) orientation: Orientation,
    /// Inks instead of light: CMYK.
    pub(crate) is_cmyk: bool,
    /// More than one frame.
    pub(crate) animated: bool,
    /// Bytes of memory that decoding, scaling and turning the picture takes at most for each pixel.
    pub(crate) cost: u64,
}

impl Header {
    /// `image/jpeg` and so on.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.format {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
            // Only images have this header.
            Format::Webp | Format::Boxes => "image/webp",
        }
    }

    /// The facts that are told to the outside.
    pub(crate) fn facts(self) -> MediaFacts {
        MediaFacts {
            kind: MediaKind::Image,
            content_type: self.content_type().to_owned(),
            width: self.width,
            height: self.height,
            rotation: rotation(self.orientation),
            duration_ms: None,
            video_codec: None,
            audio_codec: None,
            fragmented: None,
            index_first: None,
            colors: self.is_cmyk.then(|| "cmyk".to_owned()),
            animated: self.animated,
        }
    }
}

/// Degrees clockwise, leaving mirroring aside.
pub(crate) fn rotation(orientation: Orientation) -> u16 {
    match orientation {
        Orientation::NoTransforms | Orientation::FlipHorizontal => 0,
        Orientation::Rotate90 | Orientation::Rotate90FlipH => 90,
        Orientation::Rotate180 | Orientation::FlipVertical => 180,
        Orientation::Rotate270 | Orientation::Rotate270FlipH => 270,
    }
}

/// The most that is read of a block of camera data: the orientation stands at its beginning.
const EXIF_LIMIT: usize = 64 * 1024;

/// The orientation in a block of EXIF data, with or without the name that JPEG puts in front. Not readable or out of
/// range counts as upright, as everywhere.
fn orientation(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}

/// Refuses an image without pixels.
fn sides(what: &str, width: u32, height: u32) -> Result<(u32, u32), Fault> {
    if width == 0 || height == 0 {
        return Err(Fault::broken(
            what,
            format_args!("it says it is {width} x {height} pixels"),
        ));
    }
    Ok((width, height))
}
