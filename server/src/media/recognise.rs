//! What a file is, by its content. Names and declared types are not believed.

/// Facts of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// `image/jpeg`, `image/png` or `image/webp`.
    pub(super) content_type: &'static str,
    /// Pixels across, before rotation.
    pub(super) width: u32,
    /// Pixels down, before rotation.
    pub(super) height: u32,
}

/// The facts of an image of a known type whose header can be read.
pub(super) fn image(content: &[u8]) -> Option<Facts> {
    let content_type = content_type(content)?;
    let size = imagesize::blob_size(content).ok()?;
    let (width, height) = (
        u32::try_from(size.width).ok()?,
        u32::try_from(size.height).ok()?,
    );
    (width > 0 && height > 0).then_some(Facts {
        content_type,
        width,
        height,
    })
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

    /// A PNG header of 3 x 2 pixels: signature and the IHDR chunk.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

    #[test]
    fn an_image_is_known_by_its_content() {
        assert_eq!(
            image(PNG),
            Some(Facts {
                content_type: "image/png",
                width: 3,
                height: 2
            })
        );
    }

    #[test]
    fn what_only_begins_like_an_image_is_none() {
        assert_eq!(image(&PNG[..8]), None);
        assert_eq!(image(b"\xFF\xD8\xFF"), None);
        assert_eq!(image(b"RIFF\0\0\0\0WEBP"), None);
        assert_eq!(image(b"GIF89a\x01\0\x01\0"), None);
        assert_eq!(image(b"<svg/>"), None);
        assert_eq!(image(b""), None);
    }
}
