//! What Pinterest would refuse of pictures and videos, by the table in [`super::media_rules`].

use multi_upload_wire::{MediaFacts, MediaKind};

use super::check::{Report, web_address};
use super::media_rules as rules;
use crate::{ContentMedia, Cover, Source, StoredFile};

/// What an operator chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MediaChoices {
    /// Longest video in seconds.
    pub(super) max_video_seconds: u32,
    /// Are images converted that Pinterest would not take as they are?
    pub(super) convert_images: bool,
}

/// Must it be converted before it is sent?
pub(super) fn needs_conversion(file: &StoredFile) -> bool {
    rules::CONVERTED_TYPES.contains(&file.facts.content_type.as_str())
        || file.facts.colors.as_deref() == Some("cmyk")
        || file.bytes > rules::IMAGE_BYTES
}

impl Report {
    pub(super) fn media(&mut self, media: &ContentMedia, choices: MediaChoices) {
        match media {
            ContentMedia::ImageUrl { url } if url.is_empty() => self.refuse(
                "/media",
                "required",
                "A pin needs an image or a video. Give its address or an uploaded file.",
            ),
            ContentMedia::ImageUrl { url } => self.address("/media", url, "image"),
            ContentMedia::ImageFile(file) => self.image("/media", file, choices),
            ContentMedia::Carousel { images } => self.carousel(images, choices),
            ContentMedia::Video { video, cover } => {
                match video {
                    Source::Url(url) => self.address("/media", url, "video"),
                    Source::File(file) => self.video(file, choices),
                }
                self.cover(video, cover, choices);
            }
        }
    }

    fn address(&mut self, pointer: &str, url: &str, what: &str) {
        if web_address(url).is_none() {
            let end = if what == "video" {
                "video.mp4"
            } else {
                "image.jpg"
            };
            self.refuse(
                pointer,
                "invalid",
                format!("The {what}'s address is not valid. Give a complete one such as https://example.com/{end}."),
            );
        }
    }

    fn image(&mut self, pointer: &str, file: &StoredFile, choices: MediaChoices) {
        let StoredFile { bytes, facts, .. } = file;
        let kind = facts.content_type.as_str();
        if facts.kind == MediaKind::Video {
            self.refuse(
                pointer,
                "unsupported",
                format!("The file is a video ({kind}), and an image is needed here. Give a JPEG or PNG image."),
            );
            return;
        }
        let is_taken = rules::IMAGE_TYPES.contains(&kind)
            || (choices.convert_images && rules::CONVERTED_TYPES.contains(&kind));
        if !is_taken {
            self.refuse(
                pointer,
                "unsupported",
                format!("The file is {kind}; Pinterest takes image/jpeg and image/png. Save it as one of these."),
            );
        }
        if facts.colors.as_deref() == Some("cmyk") && !choices.convert_images {
            self.refuse(
                pointer,
                "unsupported",
                "The image has the colors of a print (CMYK); Pinterest shows RGB. Save it in RGB.",
            );
        }
        if *bytes > rules::IMAGE_BYTES && !choices.convert_images {
            self.refuse(
                pointer,
                "too_large",
                format!(
                    "The image has {bytes} bytes; Pinterest takes {} (20 MB). Make it smaller, 1000 x 1500 pixels are \
                     enough.",
                    rules::IMAGE_BYTES
                ),
            );
        }
        if *bytes == 0 {
            self.refuse(
                pointer,
                "invalid",
                "The image is empty. Upload the file again.",
            );
        }
        if facts.animated {
            self.warn(
                pointer,
                "The image is animated; a pin shows one picture of it. Make it a video if it shall move.".to_owned(),
            );
        }
    }

    fn carousel(&mut self, images: &[Source], choices: MediaChoices) {
        let count = images.len();
        if count < rules::CAROUSEL_FEWEST {
            self.refuse(
                "/media",
                "too_few",
                format!(
                    "The carousel has {count} image; Pinterest takes {} to {}. Add images, or send one alone with \
                     `image_url` or `media_id`.",
                    rules::CAROUSEL_FEWEST,
                    rules::CAROUSEL_MOST
                ),
            );
        }
        if count > rules::CAROUSEL_MOST {
            self.refuse(
                "/media",
                "too_many",
                format!(
                    "The carousel has {count} images; Pinterest takes {} to {}. Remove at least {}.",
                    rules::CAROUSEL_FEWEST,
                    rules::CAROUSEL_MOST,
                    count - rules::CAROUSEL_MOST
                ),
            );
        }
        let is_address = |source: &Source| matches!(source, Source::Url(_));
        if images.iter().any(is_address) && !images.iter().all(is_address) {
            self.refuse(
                "/media",
                "conflict",
                "The carousel mixes addresses and uploaded files; Pinterest takes all of one kind. Upload the rest, or \
                 give addresses for all.",
            );
        }
        for (index, source) in images.iter().enumerate() {
            let pointer = format!("/media/images/{index}");
            match source {
                Source::Url(url) => self.address(&pointer, url, "image"),
                Source::File(file) => self.image(&pointer, file, choices),
            }
        }
        let mut shapes = images.iter().filter_map(|source| match source {
            Source::File(file) => Some(shown(&file.facts)),
            Source::Url(_) => None,
        });
        if let Some(first) = shapes.next()
            && let Some(other) = shapes.find(|other| !is_same_shape(first, *other))
        {
            self.warn(
                "/media",
                format!(
                    "The images differ in shape ({} x {} and {} x {} pixels); Pinterest shows them all in one. Cut them to \
                     the same shape.",
                    first.0, first.1, other.0, other.1
                ),
            );
        }
    }

    fn video(&mut self, file: &StoredFile, choices: MediaChoices) {
        let StoredFile { bytes, facts, .. } = file;
        let kind = facts.content_type.as_str();
        if facts.kind != MediaKind::Video || !rules::VIDEO_TYPES.contains(&kind) {
            self.refuse(
                "/media",
                "unsupported",
                format!("The file is {kind}; Pinterest takes MP4 and MOV videos. Save it as MP4."),
            );
            return;
        }
        if *bytes > rules::VIDEO_BYTES {
            self.refuse(
                "/media",
                "too_large",
                format!(
                    "The video has {bytes} bytes; Pinterest takes {} (2 GB). Shorten it, or save it with a lower bit rate.",
                    rules::VIDEO_BYTES
                ),
            );
        }
        match facts.duration_ms {
            None | Some(0) => self.warn(
                "/media",
                format!(
                    "The file does not say how long the video is; Pinterest takes 4 to {} s.",
                    choices.max_video_seconds
                ),
            ),
            Some(ms) if ms < rules::VIDEO_SHORTEST_MS => self.refuse(
                "/media",
                "too_short",
                format!(
                    "The video has {} s; Pinterest takes at least 4 s. Make it longer.",
                    seconds(ms)
                ),
            ),
            Some(ms) if ms > u64::from(choices.max_video_seconds) * 1_000 => self.refuse(
                "/media",
                "too_long",
                format!(
                    "The video has {} s; Pinterest takes at most {} s. Shorten it.",
                    seconds(ms),
                    choices.max_video_seconds
                ),
            ),
            Some(_) => {}
        }
        if let Some(codec) = &facts.video_codec
            && !rules::VIDEO_CODECS.contains(&codec.as_str())
        {
            self.refuse(
                "/media",
                "unsupported",
                format!("The video is coded as {codec}; Pinterest takes H.264 and H.265. Save it with one of these."),
            );
        }
        if let Some(codec) = &facts.audio_codec
            && !rules::AUDIO_CODECS.contains(&codec.as_str())
        {
            self.warn(
                "/media",
                format!(
                    "The sound is coded as {codec}; AAC is what is known to work on Pinterest."
                ),
            );
        }
        let (width, height) = shown(facts);
        let (narrowest, widest) = rules::VIDEO_SHAPE;
        if height > 0 && (width * 100 < narrowest * height || width * 100 > widest * height) {
            self.refuse(
                "/media",
                "bad_shape",
                format!(
                    "The video is shown at {width} x {height} pixels; Pinterest takes shapes from 1:2 to 1.91:1. Cut it to \
                     9:16, 2:3, 4:5 or 1:1.",
                ),
            );
        }
    }

    fn cover(&mut self, video: &Source, cover: &Cover, choices: MediaChoices) {
        match cover {
            Cover::Url(url) => self.address("/media/cover", url, "image"),
            Cover::File(file) => self.image("/media/cover", file, choices),
            Cover::KeyFrame(at) => {
                let length = match video {
                    Source::File(file) => file.facts.duration_ms,
                    Source::Url(_) => None,
                };
                if let Some(length) = length
                    && u64::from(*at) * 1_000 > length
                {
                    self.warn(
                        "/media/cover",
                        format!(
                            "The cover is to be the frame at {at} s, but the video has {} s; Pinterest takes its last frame.",
                            seconds(length)
                        ),
                    );
                }
            }
        }
    }
}

/// Width and height as they are shown.
fn shown(facts: &MediaFacts) -> (u64, u64) {
    let (width, height) = (u64::from(facts.width), u64::from(facts.height));
    if facts.rotation % 180 == 90 {
        (height, width)
    } else {
        (width, height)
    }
}

/// Within two parts of a hundred.
fn is_same_shape((width, height): (u64, u64), (other_width, other_height): (u64, u64)) -> bool {
    let (one, other) = (width * other_height, other_width * height);
    one.abs_diff(other) * 50 <= one.max(other)
}

/// With one digit after the point.
fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1_000, ms % 1_000 / 100)
}
