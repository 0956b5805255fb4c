//! What a file is, by its content. Names and declared types are not believed.

use multi_upload_wire::{ErrorCode, ErrorInfo, MediaFacts, MediaKind};

/// The kind of a file by its first bytes; `None` for what is not taken.
pub(super) fn kind(first: &[u8]) -> Option<MediaKind> {
    content_type(first).map(|_| MediaKind::Image)
}

/// The refusal of a file that is not taken.
pub(super) fn refusal(fault: Fault) -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::MediaTypeUnsupported,
        match fault {
            Fault::Unknown => "the content is not a JPEG, PNG or WebP image; nothing was kept",
            Fault::CutOff => "the image is cut off: its end is missing; nothing was kept",
        },
    )
}

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not a JPEG, PNG or WebP image, or its header cannot be read.
    Unknown,
    /// It begins like one but its end is missing.
    CutOff,
}

/// The facts of an image of a known type that is whole, as far as its header and end tell.
pub(super) fn image(content: &[u8]) -> Result<MediaFacts, Fault> {
    let content_type = content_type(content).ok_or(Fault::Unknown)?;
    let size = imagesize::blob_size(content).map_err(|_| Fault::Unknown)?;
    let side = |pixels: usize| u32::try_from(pixels).ok().filter(|pixels| *pixels > 0);
    let (Some(width), Some(height)) = (side(size.width), side(size.height)) else {
        return Err(Fault::Unknown);
    };
    let is_whole = match content_type {
        "image/jpeg" => ends_with_marker(content, &[0xFF, 0xD9]),
        "image/png" => ends_with_marker(content, b"IEND"),
        // RIFF says its own length, which does not count its first eight bytes.
        _ => content
            .get(4..8)
            .and_then(|bytes| bytes.try_into().ok())
            .is_some_and(|bytes| u32::from_le_bytes(bytes) as usize + 8 <= content.len()),
    };
    if !is_whole {
        return Err(Fault::CutOff);
    }
    Ok(MediaFacts {
        kind: MediaKind::Image,
        content_type: content_type.to_owned(),
        width,
        height,
        rotation: 0,
        duration_ms: None,
        video_codec: None,
        audio_codec: None,
        fragmented: None,
        index_first: None,
        colors: None,
        animated: false,
    })
}

/// Is the marker there? Looked for from the end, since some programs append data of their own.
fn ends_with_marker(content: &[u8], marker: &[u8]) -> bool {
    content
        .windows(marker.len())
        .rev()
        .any(|window| window == marker)
}

fn content_type(content: &[u8]) -> Option<&'static str> {
    if content.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Some("image/jpeg")
    } else if content.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG header of 3 x 2 pixels and its end: signature, the IHDR chunk, the name of the last chunk.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0IEND";

    #[test]
    fn an_image_is_known_by_its_content() {
        let facts = image(PNG).expect("it is one");
        assert_eq!((facts.width, facts.height), (3, 2));
        assert_eq!(facts.content_type, "image/png");
    }

    #[test]
    fn an_image_without_its_end_is_cut_off() {
        assert_eq!(image(&PNG[..PNG.len() - 1]), Err(Fault::CutOff));
        let mut webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x3f\0\0\x2f\0\0".to_vec();
        assert_eq!(image(&webp).map(|facts| facts.width), Ok(64));
        webp[4] += 1;
        assert_eq!(image(&webp), Err(Fault::CutOff));
    }

    #[test]
    fn what_only_begins_like_an_image_is_none() {
        for content in [
            &PNG[..8],
            b"\xFF\xD8\xFF",
            b"RIFF\0\0\0\0WEBP",
            b"GIF89a\x01\0\x01\0",
            b"<svg/>",
            b"",
        ] {
            assert_eq!(image(content), Err(Fault::Unknown), "{content:?}");
        }
    }
}
