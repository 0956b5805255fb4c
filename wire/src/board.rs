//! Boards and their sections.

use serde::{Deserialize, Serialize};

/// A Pinterest board of an account: own, group or secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Board {
    /// Digits, longer than 2^53.
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// `PUBLIC`, `PROTECTED`, `SECRET`, or a word that Pinterest adds later.
    pub privacy: Option<String>,
    /// User name of the owner; another user's on a group board.
    pub owner: Option<String>,
    /// Number of pins.
    pub pin_count: Option<u64>,
}

/// A section of a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Section {
    /// Digits.
    pub id: String,
    /// Name.
    pub name: String,
}

/// A new board. `POST /v1/accounts/{id}/boards`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateBoard {
    /// Name; unique within the account.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `PUBLIC` (default), `PROTECTED` or `SECRET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<String>,
}

/// A new section. `POST /v1/accounts/{id}/boards/{board_id}/sections`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSection {
    /// 1 to 180 characters.
    pub name: String,
}
