//! The facts of a file of any kind that is taken.

use std::io::{Read, Seek};

use multi_upload_wire::MediaFacts;

use crate::sniff::{self, Format};
use crate::source::Source;
use crate::{Fault, image, video};

/// The facts of the file in `reader`, which is `len` bytes long.
///
/// At most 1 MiB is read, in most cases a few kilobytes; the pictures themselves are not decoded. Names and declared
/// types play no part.
///
/// An image whose orientation is mirrored (EXIF 2, 4, 5, 7) has the rotation that remains once it is mirrored left
/// to right: 0, 180, 90, 270.
///
/// # Errors
/// A [`Fault`] that tells empty, unknown, unsupported, cut-off and damaged files apart.
pub fn probe(reader: &mut (impl Read + Seek), len: u64) -> Result<MediaFacts, Fault> {
    let mut source = Source::new(reader, len);
    let head = usize::try_from(len).map_or(sniff::HEAD, |len| len.min(sniff::HEAD));
    match sniff::format(source.bytes("file", 0, head)?)? {
        Format::Jpeg => image::jpeg::header(&mut source).map(image::Header::facts),
        Format::Png => image::png::header(&mut source).map(image::Header::facts),
        Format::Webp => image::webp::header(&mut source).map(image::Header::facts),
        Format::Boxes => video::facts(&mut source),
    }
}
