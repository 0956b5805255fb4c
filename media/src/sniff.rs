//! The kind of a file by its first bytes. A file that is valid as several kinds is taken for what it begins with.

use crate::{Fault, FaultKind};

/// A kind of file that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    Webp,
    /// MP4 or MOV: which of them, the `ftyp` box tells.
    Boxes,
}

/// How many of the first bytes [`format`] wants to see.
pub(crate) const HEAD: usize = 32;

/// What is not taken, by its beginning: bytes, their offset, and a name for people.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"GIF87a", "a GIF image"),
    (0, b"GIF89a", "a GIF image"),
    (0, b"BM", "a BMP image"),
    (0, b"II*\0", "a TIFF or camera raw image"),
    (0, b"MM\0*", "a TIFF or camera raw image"),
    (0, b"\0\0\x01\0", "a Windows icon"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\xFF\x0A", "a JPEG XL image"),
    (0, b"\0\0\0\x0CJXL ", "a JPEG XL image"),
    (0, b"\0\0\0\x0CjP  ", "a JPEG 2000 image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
    (0, b"\x1F\x8B", "a gzip archive"),
    (0, b"\x1A\x45\xDF\xA3", "a Matroska or WebM video"),
    (8, b"AVI ", "an AVI video"),
    (8, b"WAVE", "a WAV sound"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"OggS", "an Ogg file"),
    (0, b"ID3", "an MP3 sound"),
    (0, b"fLaC", "a FLAC sound"),
    (0, b"\0\0\x01\xBA", "an MPEG program stream"),
    (0, b"\x30\x26\xB2\x75", "a Windows Media file"),
    (0, b"<?xml", "an XML or SVG document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
];

/// Brands of an `ftyp` box that are pictures or sound: bytes and a name for people.
const OTHER_BRANDS: &[(&[u8; 4], &str)] = &[
    (b"heic", "a HEIC image"),
    (b"heix", "a HEIC image"),
    (b"heim", "a HEIC image"),
    (b"heis", "a HEIC image"),
    (b"hevc", "a HEIC image sequence"),
    (b"hevx", "a HEIC image sequence"),
    (b"mif1", "a HEIF image"),
    (b"msf1", "a HEIF image sequence"),
    (b"avif", "an AVIF image"),
    (b"avis", "an AVIF image sequence"),
    (b"crx ", "a camera raw image"),
    (b"jxl ", "a JPEG XL image"),
    (b"M4A ", "an M4A sound"),
    (b"M4B ", "an audio book"),
    (b"aax ", "an audio book"),
];

/// Names of boxes a QuickTime file may begin with instead of `ftyp`.
const FIRST_BOXES: &[&[u8; 4]] = &[
    b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof", b"sidx",
];

/// The kind of the file that begins with `head`.
pub(crate) fn format(head: &[u8]) -> Result<Format, Fault> {
    if head.is_empty() {
        return Err(Fault::new(
            FaultKind::Empty,
            "the file is empty (0 bytes); choose the file again, or wait until it is fully written",
        ));
    }
    if head.starts_with(b"\xFF\xD8\xFF") {
        return Ok(Format::Jpeg);
    }
    if head.starts_with(b"\x89PNG\r\n\x1A\n") {
        return Ok(Format::Png);
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        return Ok(Format::Webp);
    }
    for (at, bytes, name) in OTHERS {
        if head.get(*at..).is_some_and(|rest| rest.starts_with(bytes)) {
            return Err(unsupported(name));
        }
    }
    let Some(name) = head.get(4..8) else {
        return Err(unknown());
    };
    if name == b"ftyp" {
        for (brand, kind) in OTHER_BRANDS {
            if head.get(8..12) == Some(brand.as_slice()) {
                return Err(unsupported(kind));
            }
        }
    }
    if FIRST_BOXES.iter().any(|known| known.as_slice() == name) {
        return Ok(Format::Boxes);
    }
    Err(unknown())
}

fn unsupported(name: &str) -> Fault {
    Fault::new(
        FaultKind::Unsupported,
        format!(
            "the file is {name}; JPEG, PNG and WebP images and MP4 and MOV videos are taken: convert it to one of them"
        ),
    )
}

fn unknown() -> Fault {
    Fault::new(
        FaultKind::Unknown,
        "the file is no image or video that is known by its content; JPEG, PNG and WebP images and MP4 and MOV videos \
         are taken, whatever their names",
    )
}
