//! What a target says, after overrides: the same for every attempt.

use multi_upload_wire::{FieldError, MediaFacts, Warning};
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
    ImageFile(StoredFile),
    /// Several images in one post.
    Carousel {
        /// In order.
        images: Vec<Source>,
    },
    /// A video.
    Video {
        /// The video itself.
        video: Source,
        /// What stands there before it plays.
        cover: Cover,
    },
}

impl Default for ContentMedia {
    fn default() -> Self {
        Self::ImageUrl { url: String::new() }
    }
}

/// Where a picture or video comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A public address.
    Url(String),
    /// A stored file.
    File(StoredFile),
}

/// The cover of a video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// The frame at this time, in whole seconds.
    KeyFrame(u32),
    /// An image at a public address.
    Url(String),
    /// A stored image.
    File(StoredFile),
}

impl Default for Cover {
    /// The first frame.
    fn default() -> Self {
        Self::KeyFrame(0)
    }
}

/// A file of the service's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// `md_…`
    pub media_id: String,
    /// Of the content, lower-case hex.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
    /// What the content is.
    pub facts: Box<MediaFacts>,
}

/// Answer of a local check: what the network would refuse, before anything is sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Check {
    /// Refused. Pointers are relative to the content: `/title`, `/link`, `/board_id`, `/media`, `/media/images/1`,
    /// `/media/cover`.
    pub errors: Vec<FieldError>,
    /// Allowed, but probably not meant.
    pub warnings: Vec<Warning>,
}
