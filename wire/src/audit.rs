//! The log of who did what.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One thing that was done. `GET /v1/audit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Goes up with time.
    pub seq: u64,
    /// When, UTC.
    pub at: String,
    /// `key`, `local` (a caller on the machine itself), `consent` (a browser back from a network) or `machine`.
    pub actor: String,
    /// `key_…` of a key.
    pub actor_id: Option<String>,
    /// Id of the request that it came with.
    pub request_id: Option<String>,
    /// `upload.scheduled`, `target.armed`, `account.connected`, `api_key.revoked` and so on.
    pub action: String,
    /// Id of what it was done to.
    pub object: String,
    /// The target concerned.
    pub target: Option<String>,
    /// In a sentence, for people.
    pub detail: String,
    /// Facts of the action.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: Map<String, Value>,
    /// Place in the team's chain; `null` for the second until it is sealed.
    pub place: Option<u64>,
    /// Hash over this row and the one before, in hexadecimal digits.
    pub hash: Option<String>,
}

/// Whether the log is as it was written. `GET /v1/audit/verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditReport {
    /// True if nothing was found.
    pub ok: bool,
    /// Whose log.
    pub team: String,
    /// Sealed rows that were read.
    pub rows: u64,
    /// Rows that are not sealed yet, and could be changed unnoticed.
    pub unsealed: u64,
    /// Checkpoints that were compared, in the file outside the database.
    pub checkpoints: u64,
    /// Place of the last checkpoint: an end that was cut behind it, and the note of it set back, is not noticed.
    pub last_checkpoint: Option<u64>,
    /// What was found, at most 100.
    pub faults: Vec<AuditFault>,
}

/// A place where the log is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditFault {
    /// Place in the chain.
    pub place: u64,
    /// In a sentence.
    pub detail: String,
}
