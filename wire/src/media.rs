//! Uploaded files.

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// What kind of file it is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A still image.
    Image,
    /// A video.
    Video,
}

/// What a file is, found in its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFacts {
    /// Kind.
    pub kind: MediaKind,
    /// Type by content: `image/jpeg`, `image/png`, `image/webp`, `video/mp4`, `video/quicktime`.
    pub content_type: String,
    /// Pixels across as stored, before [`MediaFacts::rotation`].
    pub width: u32,
    /// Pixels down as stored, before [`MediaFacts::rotation`].
    pub height: u32,
    /// Degrees to turn clockwise for showing it: 0, 90, 180 or 270.
    #[serde(default)]
    pub rotation: u16,
    /// Length of a video in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Codec of the pictures of a video: `h264`, `hevc`, `av1`, `vp9`, `prores`, else the four characters in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// Codec of the sound of a video: `aac`, `mp3`, `opus`, else the four characters in the file. `None` without sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    /// Is the video in fragments (`moof`)?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragmented: Option<bool>,
    /// Does the index (`moov`) come before the frames (`mdat`)?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_first: Option<bool>,
    /// Colours of an image that not everybody can show: `cmyk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colors: Option<String>,
    /// True for an image of several frames.
    #[serde(default)]
    pub animated: bool,
}

/// An uploaded file. `GET /v1/media/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Media {
    /// `md_…`
    pub id: String,
    /// `uploading` or `ready`.
    pub status: String,
    /// Kind, once known.
    pub kind: Option<MediaKind>,
    /// Type by content: `image/jpeg`, `image/png`, `image/webp`, `video/mp4`, `video/quicktime`.
    pub content_type: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// Pixels across, before rotation.
    pub width: Option<u32>,
    /// Pixels down, before rotation.
    pub height: Option<u32>,
    /// Degrees to turn it clockwise for showing it: 0, 90, 180 or 270.
    #[serde(default)]
    pub rotation: Option<u16>,
    /// Length of a video in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// Codec of the pictures of a video, such as `h264` or `hevc`.
    #[serde(default)]
    pub video_codec: Option<String>,
    /// Codec of the sound of a video, such as `aac`; `null` without sound.
    #[serde(default)]
    pub audio_codec: Option<String>,
    /// Of the content, lower-case hex.
    pub sha256: Option<String>,
    /// When it was stored, UTC.
    pub created_at: String,
    /// When it is removed if no upload uses it, UTC.
    pub expires_at: Option<String>,
    /// What a platform would refuse, by platform name.
    pub refusals: std::collections::BTreeMap<String, Vec<FieldError>>,
}
