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
    /// Of the content, lower-case hex.
    pub sha256: Option<String>,
    /// When it was stored, UTC.
    pub created_at: String,
    /// When it is removed if no upload uses it, UTC.
    pub expires_at: Option<String>,
    /// What a platform would refuse, by platform name.
    pub refusals: std::collections::BTreeMap<String, Vec<FieldError>>,
}
