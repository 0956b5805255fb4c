//! What a target says, after overrides: the same for every attempt.

use async_trait::async_trait;
use bytes::Bytes;
use multi_upload_wire::{FieldError, Warning};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The content of one target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Description; the caption where none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the post leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Text for people who do not see the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<String>,
    /// Board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board_id: Option<String>,
    /// Section of the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board_section_id: Option<String>,
    /// The picture or video.
    pub media: ContentMedia,
    /// Fields with the network's own names.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

/// The picture or video of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ContentMedia {
    /// An image that the network fetches itself.
    ImageUrl {
        /// Public address.
        url: String,
    },
    /// A stored image.
    ImageFile {
        /// `md_…`
        media_id: String,
        /// Type by content.
        content_type: String,
        /// Of the content, lower-case hex.
        sha256: String,
        /// Size.
        bytes: u64,
    },
}

impl Default for ContentMedia {
    fn default() -> Self {
        Self::ImageUrl { url: String::new() }
    }
}

/// Answer of a local check: what the network would refuse, before anything is sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Check {
    /// Refused. Pointers are relative to the content: `/title`, `/link`, `/board_id`, `/media`.
    pub errors: Vec<FieldError>,
    /// Allowed, but probably not meant.
    pub warnings: Vec<Warning>,
}

/// Where stored files are read from.
#[async_trait]
pub trait MediaSource: Send + Sync {
    /// The whole content of a stored image, at most 20 MB.
    ///
    /// # Errors
    /// Whatever the store says; a missing file is `NotFound`.
    async fn read(&self, media_id: &str) -> std::io::Result<Bytes>;
}
