//! What Pinterest takes of pictures and videos: the whole table, in one place.
//!
//! Sources, read in November 2026. **H**: the product specifications
//! (<https://help.pinterest.com/en/business/article/pinterest-product-specs>). **S**: the OpenAPI document, version 5.23.
//! Where Pinterest publishes no figure (smallest image, resolution, frame rate) there is no rule here: its own answer decides.

/// Types of images, by content. H; S for images sent as base64.
pub(super) const IMAGE_TYPES: [&str; 2] = ["image/jpeg", "image/png"];

/// Types that are sent as one of those above, converted by the service.
pub(super) const CONVERTED_TYPES: [&str; 1] = ["image/webp"];

/// Largest image, 20 MB. H.
pub(super) const IMAGE_BYTES: u64 = 20 * 1024 * 1024;

/// Longer side of an image that is converted because it is too large, in pixels. Ours: more than any screen shows, and
/// a JPEG of that size stays far below [`IMAGE_BYTES`].
pub(super) const CONVERTED_SIDE: u32 = 4_096;

/// Fewest images of a carousel. S: `minItems`.
pub(super) const CAROUSEL_FEWEST: usize = 2;

/// Most images of a carousel. S: `maxItems`.
pub(super) const CAROUSEL_MOST: usize = 5;

/// Types of videos, by content: .mp4, .m4v, .mov. H.
pub(super) const VIDEO_TYPES: [&str; 2] = ["video/mp4", "video/quicktime"];

/// Codecs of a video's pictures, H.264 and H.265. H.
pub(super) const VIDEO_CODECS: [&str; 2] = ["h264", "hevc"];

/// Codecs of a video's sound that are known to work. H names none; this is what others send.
pub(super) const AUDIO_CODECS: [&str; 1] = ["aac"];

/// Largest video, 2 GB. H.
pub(super) const VIDEO_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Shortest video in milliseconds. H. The longest is a setting, 15 min by default (H).
pub(super) const VIDEO_SHORTEST_MS: u64 = 4_000;

/// Narrowest and widest video: width divided by height, in hundredths. H: "shorter than 1:2, taller than 1.91:1".
pub(super) const VIDEO_SHAPE: (u64, u64) = (50, 191);
