//! The timeline of an upload and the change feed over all uploads.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Upload;

/// One entry of an upload's timeline. `GET /v1/uploads/{id}/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Goes up with time.
    pub seq: u64,
    /// When, UTC.
    pub at: String,
    /// What: `upload.scheduled`, `target.armed`, `target.waiting`, `target.published` and so on.
    pub kind: String,
    /// The target concerned.
    pub target: Option<String>,
    /// In a sentence, for people.
    pub detail: String,
    /// Facts of the kind: attempt, status, wait and others.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: Map<String, Value>,
}

/// Uploads that changed since a cursor, oldest change first. `GET /v1/changes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changes {
    /// Each upload once, as it is now.
    pub uploads: Vec<Upload>,
    /// Send it as `since` next time.
    pub cursor: String,
}
