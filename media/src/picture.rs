//! Pictures in memory: decoding within a limit, turning, scaling, encoding.

use std::io::Cursor;

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngDecoder, PngEncoder};
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageEncoder, ImageError, Limits, RgbImage};

use crate::image::Header;
use crate::sniff::{self, Format};
use crate::source::Source;
use crate::{Fault, FaultKind};

/// The memory that working on one picture may take, in bytes. JPEG of up to 55 megapixels fits, PNG and WebP of up to 41.
pub(crate) const MEMORY_LIMIT: u64 = 500_000_000;

/// The longest side that is decoded, in pixels: decoders hold some rows beside the picture.
const MAX_SIDE: u32 = 100_000;

/// More passes over a JPEG than any real one has. Each costs time for every pixel, and next to no bytes.
const MAX_PASSES: usize = 100;

/// What a PNG may unpack beside the picture, in bytes: its colour profile.
const UNPACKED_LIMIT: u64 = 4 << 20;

/// Longer colour profiles are left out of what is made.
const PROFILE_LIMIT: usize = 1 << 20;

/// The header of the picture in `bytes`, if it can be decoded within the limit of memory.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, Fault> {
    let mut reader = Cursor::new(bytes);
    let mut source = Source::new(&mut reader, bytes.len() as u64);
    let head = bytes.get(..sniff::HEAD).unwrap_or(bytes);
    let header = match sniff::format(head)? {
        Format::Jpeg => crate::image::jpeg::header(&mut source)?,
        Format::Png => crate::image::png::header(&mut source)?,
        Format::Webp => crate::image::webp::header(&mut source)?,
        Format::Boxes => {
            return Err(Fault::new(
                FaultKind::Unsupported,
                "the file is a video, and a JPEG, PNG or WebP image is needed here",
            ));
        }
    };
    let pixels = u64::from(header.width) * u64::from(header.height);
    let most = MEMORY_LIMIT / header.cost;
    if pixels > most {
        return Err(Fault::too_large(format!(
            "the image is {} x {} pixels ({:.1} megapixels); one of its kind can be worked on up to {:.1} megapixels: \
             scale it down first",
            header.width,
            header.height,
            pixels as f64 / 1e6,
            most as f64 / 1e6,
        )));
    }
    if header.width.max(header.height) > MAX_SIDE {
        return Err(Fault::too_large(format!(
            "the image is {} x {} pixels; at most {MAX_SIDE} on one side can be worked on: scale it down first",
            header.width, header.height
        )));
    }
    if header.format == Format::Jpeg {
        // Inside of a pass the two bytes of its mark cannot occur.
        let passes = (bytes.windows(2))
            .filter(|pair| *pair == [0xFF, 0xDA])
            .count();
        if passes > MAX_PASSES {
            return Err(Fault::too_large(format!(
                "the JPEG image has {passes} passes, at most {MAX_PASSES} are taken; export it again with an ordinary \
                 program"
            )));
        }
    }
    Ok(header)
}

/// A decoded picture, as stored, with eight bits for each colour.
pub(crate) struct Picture {
    pub(crate) image: DynamicImage,
    /// Its colour profile, if it has one that fits the decoded colours.
    pub(crate) profile: Option<Vec<u8>>,
}

/// Decodes the picture in `bytes`, which has this header. Of an animation, the first frame.
pub(crate) fn decode(bytes: &[u8], header: &Header) -> Result<Picture, Fault> {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    // Of a PNG, for some rows and what is unpacked beside; the picture itself was looked at before.
    limits.max_alloc = Some(UNPACKED_LIMIT + 32 * u64::from(header.width));
    let reader = Cursor::new(bytes);
    let decoded = match header.format {
        Format::Jpeg => JpegDecoder::new(reader).and_then(|decoder| run(decoder, limits)),
        Format::Png => {
            PngDecoder::with_limits(reader, limits.clone()).and_then(|decoder| run(decoder, limits))
        }
        Format::Webp | Format::Boxes => {
            WebPDecoder::new(reader).and_then(|decoder| run(decoder, limits))
        }
    };
    let mut picture = decoded.map_err(|error| undecodable(header, &error))?;
    if header.is_cmyk {
        // It describes inks, and these are lights now.
        picture.profile = None;
    }
    Ok(picture)
}

fn run(mut decoder: impl ImageDecoder, limits: Limits) -> Result<Picture, ImageError> {
    decoder.set_limits(limits)?;
    let profile = decoder.icc_profile()?;
    let image = match DynamicImage::from_decoder(decoder)? {
        image @ (DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_)) => image,
        deep @ DynamicImage::ImageLuma16(_) => DynamicImage::ImageLuma8(deep.into_luma8()),
        deep @ DynamicImage::ImageLumaA16(_) => DynamicImage::ImageLumaA8(deep.into_luma_alpha8()),
        deep if deep.color().has_alpha() => DynamicImage::ImageRgba8(deep.into_rgba8()),
        deep => DynamicImage::ImageRgb8(deep.into_rgb8()),
    };
    Ok(Picture {
        image,
        profile: profile.filter(|profile| !profile.is_empty() && profile.len() <= PROFILE_LIMIT),
    })
}

fn undecodable(header: &Header, error: &ImageError) -> Fault {
    let what = match header.format {
        Format::Jpeg => "JPEG image",
        Format::Png => "PNG image",
        Format::Webp | Format::Boxes => "WebP image",
    };
    match error {
        ImageError::Limits(_) => Fault::too_large(format!(
            "the {what} unpacks to more than its size tells (its colour profile, at most {UNPACKED_LIMIT} bytes); export it \
             again with an ordinary program"
        )),
        ImageError::Unsupported(error) => Fault::new(
            FaultKind::Unsupported,
            format!(
                "the {what} is coded in a way that is not taken ({error}); export it again with an ordinary program"
            ),
        ),
        error => Fault::broken(what, error),
    }
}

/// Scales to exactly these sides, at least one pixel each.
pub(crate) fn scale(image: &DynamicImage, width: u32, height: u32) -> Result<DynamicImage, Fault> {
    let mut out = DynamicImage::new(width.max(1), height.max(1), image.color());
    // Going far down, a narrower filter gives the same picture for a third of the time.
    let filter = if image.width() / width.max(1) >= 4 {
        FilterType::Hamming
    } else {
        FilterType::Lanczos3
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new()
        .resize(image, &mut out, &options)
        .map_err(|error| {
            Fault::new(
                FaultKind::Unfit,
                format!("the image cannot be scaled: {error}"),
            )
        })?;
    Ok(out)
}

/// The sides of `width` x `height` reduced to the limits, keeping their proportion. Never larger than before.
pub(crate) fn reduced(width: u32, height: u32, max_side: u32, max_pixels: u64) -> (u32, u32) {
    let (w, h) = (f64::from(width), f64::from(height));
    let by_side = f64::from(max_side) / w.max(h);
    let by_pixels = (max_pixels as f64 / (w * h)).sqrt();
    let factor = by_side.min(by_pixels);
    if factor >= 1.0 {
        return (width, height);
    }
    // Rounded down, so that both limits hold; positive and smaller than before.
    let side = |pixels: f64| ((pixels * factor + 1e-6).floor() as u32).max(1);
    (side(w), side(h))
}

/// Is any pixel not opaque?
pub(crate) fn is_transparent(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageLumaA8(image) => image.pixels().any(|pixel| pixel.0[1] != u8::MAX),
        DynamicImage::ImageRgba8(image) => image.pixels().any(|pixel| pixel.0[3] != u8::MAX),
        _ => false,
    }
}

/// The picture on white paper, without transparency.
pub(crate) fn flatten(image: DynamicImage) -> DynamicImage {
    fn over(value: u8, alpha: u8) -> u8 {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        // At most 255, since the weights add up to 255.
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    }
    match image {
        DynamicImage::ImageRgba8(image) => {
            let (width, height) = image.dimensions();
            DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
                let [r, g, b, a] = image.get_pixel(x, y).0;
                image::Rgb([over(r, a), over(g, a), over(b, a)])
            }))
        }
        DynamicImage::ImageLumaA8(image) => {
            let (width, height) = image.dimensions();
            DynamicImage::ImageLuma8(GrayImage::from_fn(width, height, |x, y| {
                let [value, a] = image.get_pixel(x, y).0;
                image::Luma([over(value, a)])
            }))
        }
        opaque => opaque,
    }
}

/// As JPEG. The picture must have no transparency and sides of at most 65,535.
pub(crate) fn jpeg(
    image: &DynamicImage,
    quality: u8,
    profile: Option<&[u8]>,
) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut out, quality);
    if let Some(profile) = profile {
        encoder
            .set_icc_profile(profile.to_vec())
            .map_err(|error| unencodable(&error))?;
    }
    image
        .write_with_encoder(encoder)
        .map_err(|error| unencodable(&error))?;
    Ok(out)
}

/// As PNG.
pub(crate) fn png(image: &DynamicImage, profile: Option<&[u8]>) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut encoder =
        PngEncoder::new_with_quality(&mut out, CompressionType::Default, PngFilter::Adaptive);
    if let Some(profile) = profile {
        encoder
            .set_icc_profile(profile.to_vec())
            .map_err(|error| unencodable(&error))?;
    }
    image
        .write_with_encoder(encoder)
        .map_err(|error| unencodable(&error))?;
    Ok(out)
}

fn unencodable(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(
        FaultKind::Unfit,
        format!("the image cannot be written: {error}"),
    )
}
