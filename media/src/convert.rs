//! An image made to fit what a network takes.

use std::borrow::Cow;

use image::DynamicImage;
use image::metadata::Orientation;

use crate::image::Header;
use crate::picture::{self, Picture};
use crate::{Fault, FaultKind};

/// What a network takes.
#[derive(Debug, Clone, Copy)]
pub struct Wants<'a> {
    /// `image/jpeg` and others. What is made is JPEG or PNG; another type passes only untouched.
    pub content_types: &'a [&'a str],
    /// The most bytes.
    pub max_bytes: u64,
    /// The most pixels in all.
    pub max_pixels: Option<u64>,
    /// The most pixels of the longer side.
    pub max_side: Option<u32>,
}

/// What was changed of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// Stored upright instead of with an orientation for the viewer.
    Orientation,
    /// Another type of file.
    Type,
    /// Inks became light; colours may differ slightly.
    Colors,
    /// Transparent parts became white.
    Transparency,
    /// Only the first frame of an animation is left.
    Frames,
    /// Fewer pixels.
    Size,
    /// Compressed more strongly.
    Quality,
}

impl Change {
    /// The stable word: `orientation`, `type`, `colors`, `transparency`, `frames`, `size` or `quality`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orientation => "orientation",
            Self::Type => "type",
            Self::Colors => "colors",
            Self::Transparency => "transparency",
            Self::Frames => "frames",
            Self::Size => "size",
            Self::Quality => "quality",
        }
    }
}

/// An image that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted<'a> {
    /// The file; borrowed, byte by byte as it came, if nothing had to change.
    pub bytes: Cow<'a, [u8]>,
    /// `image/jpeg` and others.
    pub content_type: &'static str,
    /// Pixels across, as shown.
    pub width: u32,
    /// Pixels down, as shown.
    pub height: u32,
    /// What was changed; nothing if the bytes are as they came.
    pub changes: Vec<Change>,
}

/// The side that JPEG cannot go beyond.
const JPEG_SIDE: u32 = 65_535;

/// The quality of what is made when there is room, and what is tried after it when there is not.
const QUALITIES: [u8; 4] = [92, 85, 75, 65];

/// How often an image that is still too many bytes is made smaller.
const ROUNDS: usize = 6;

/// Makes the image in `bytes` fit `wants`, or gives it back untouched if it does.
///
/// Orientation is baked in; CMYK becomes RGB; WebP becomes PNG if it has transparency, else JPEG; too many pixels are
/// scaled down; too many bytes are compressed more strongly, then scaled down. Colour profiles are kept, other
/// metadata (place, camera) is not. Takes at most 500 MB of memory beside `bytes` and what is made, which JPEG of 55 and
/// PNG and WebP of 41 megapixels fit in.
///
/// # Errors
/// A [`Fault`] for files that are no image, are damaged, have more pixels than fit the memory, or cannot be made to fit.
pub fn convert<'a>(bytes: &'a [u8], wants: &Wants<'_>) -> Result<Converted<'a>, Fault> {
    let header = picture::header(bytes)?;
    let is_turned = header.orientation != Orientation::NoTransforms;
    let (width, height) = shown(&header);
    let max_side = wants.max_side.unwrap_or(u32::MAX);
    let max_pixels = wants.max_pixels.unwrap_or(u64::MAX);
    let sides = picture::reduced(width, height, max_side, max_pixels);
    let takes = |content_type: &str| wants.content_types.contains(&content_type);
    let fits = takes(header.content_type())
        && !is_turned
        && !header.is_cmyk
        && sides == (width, height)
        && bytes.len() as u64 <= wants.max_bytes;
    if fits {
        return Ok(Converted {
            bytes: Cow::Borrowed(bytes),
            content_type: header.content_type(),
            width,
            height,
            changes: Vec::new(),
        });
    }
    if !takes("image/jpeg") && !takes("image/png") {
        return Err(Fault::new(
            FaultKind::Unfit,
            format!(
                "the image is {}, and neither JPEG nor PNG is taken, which it could be converted to",
                header.content_type()
            ),
        ));
    }
    let Picture { image, profile } = picture::decode(bytes, &header)?;
    let mut work = Work {
        header: &header,
        image,
        profile,
        changes: Vec::new(),
    };
    work.resize(sides, width)?;
    if is_turned {
        work.image.apply_orientation(header.orientation);
        work.changes.push(Change::Orientation);
    }
    if header.is_cmyk {
        work.changes.push(Change::Colors);
    }
    if header.animated {
        work.changes.push(Change::Frames);
    }
    let keeps_png = takes("image/png")
        && (!takes("image/jpeg")
            || picture::is_transparent(&work.image)
            || header.content_type() == "image/png");
    if keeps_png {
        match work.as_png(wants.max_bytes, takes("image/jpeg"))? {
            Some(done) => return Ok(done),
            None if takes("image/jpeg") => {}
            None => return Err(unfit(bytes, wants)),
        }
    }
    work.as_jpeg(wants.max_bytes)?
        .ok_or_else(|| unfit(bytes, wants))
}

/// Pixels across and down as shown.
fn shown(header: &Header) -> (u32, u32) {
    if crate::image::rotation(header.orientation).is_multiple_of(180) {
        (header.width, header.height)
    } else {
        (header.height, header.width)
    }
}

fn unfit(bytes: &[u8], wants: &Wants<'_>) -> Fault {
    Fault::new(
        FaultKind::Unfit,
        format!(
            "the image is {} bytes, and at most {} are taken; it could not be made so small: use a smaller image",
            bytes.len(),
            wants.max_bytes
        ),
    )
}

/// An image under way.
struct Work<'h> {
    header: &'h Header,
    image: DynamicImage,
    profile: Option<Vec<u8>>,
    changes: Vec<Change>,
}

impl Work<'_> {
    /// Scales to `sides`, which are as shown like `shown_width`, before the image is turned.
    fn resize(&mut self, sides: (u32, u32), shown_width: u32) -> Result<(), Fault> {
        let (width, height) = if shown_width == self.header.width {
            sides
        } else {
            (sides.1, sides.0)
        };
        self.scale_to(width, height)
    }

    fn scale_to(&mut self, width: u32, height: u32) -> Result<(), Fault> {
        if (width, height) != (self.image.width(), self.image.height()) {
            self.image = picture::scale(&self.image, width, height)?;
            self.note(Change::Size);
        }
        Ok(())
    }

    fn note(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// As PNG of at most `max_bytes`. An opaque one is made smaller only `unless_jpeg` does it better.
    fn as_png(
        &mut self,
        max_bytes: u64,
        unless_jpeg: bool,
    ) -> Result<Option<Converted<'static>>, Fault> {
        let is_opaque = !picture::is_transparent(&self.image);
        for _ in 0..ROUNDS {
            let bytes = picture::png(&self.image, self.profile.as_deref())?;
            if bytes.len() as u64 <= max_bytes {
                return Ok(Some(self.done(bytes, "image/png")));
            }
            if is_opaque && unless_jpeg {
                return Ok(None);
            }
            if !self.shrink(bytes.len(), max_bytes)? {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// As JPEG of at most `max_bytes`.
    fn as_jpeg(&mut self, max_bytes: u64) -> Result<Option<Converted<'static>>, Fault> {
        let (width, height) =
            picture::reduced(self.image.width(), self.image.height(), JPEG_SIDE, u64::MAX);
        self.scale_to(width, height)?;
        if self.image.color().has_alpha() {
            if picture::is_transparent(&self.image) {
                self.note(Change::Transparency);
            }
            let image = std::mem::take(&mut self.image);
            self.image = picture::flatten(image);
        }
        let mut qualities = QUALITIES.into_iter();
        let mut quality = QUALITIES[0];
        for _ in 0..ROUNDS + QUALITIES.len() {
            let bytes = picture::jpeg(&self.image, quality, self.profile.as_deref())?;
            if bytes.len() as u64 <= max_bytes {
                return Ok(Some(self.done(bytes, "image/jpeg")));
            }
            match qualities.find(|next| *next < quality) {
                // A quality less saves a third at most: skipped where that cannot be enough.
                Some(next) if (bytes.len() as u64) < max_bytes.saturating_mul(4) => {
                    quality = next;
                    self.note(Change::Quality);
                }
                _ if !self.shrink(bytes.len(), max_bytes)? => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Scales so that `bytes` become about `max_bytes`; false if it is as small as it gets.
    fn shrink(&mut self, bytes: usize, max_bytes: u64) -> Result<bool, Fault> {
        let factor = ((max_bytes as f64 / bytes as f64).sqrt() * 0.95).clamp(0.05, 0.9);
        let side = |pixels: u32| ((f64::from(pixels) * factor) as u32).max(1);
        let (width, height) = (side(self.image.width()), side(self.image.height()));
        if (width, height) == (self.image.width(), self.image.height()) {
            return Ok(false);
        }
        self.scale_to(width, height)?;
        Ok(true)
    }

    fn done(&mut self, bytes: Vec<u8>, content_type: &'static str) -> Converted<'static> {
        if content_type != self.header.content_type() {
            self.note(Change::Type);
        }
        Converted {
            bytes: Cow::Owned(bytes),
            content_type,
            width: self.image.width(),
            height: self.image.height(),
            changes: std::mem::take(&mut self.changes),
        }
    }
}
