//! API keys.

use serde::{Deserialize, Serialize};

/// Which accounts a key or an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Sandbox accounts only: `mu_test_…`.
    Test,
    /// Real accounts only: `mu_live_…`.
    Live,
}

impl Mode {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Read uploads.
    #[serde(rename = "uploads:read")]
    UploadsRead,
    /// Create, change and cancel uploads.
    #[serde(rename = "uploads:write")]
    UploadsWrite,
    /// Read accounts and boards.
    #[serde(rename = "accounts:read")]
    AccountsRead,
    /// Connect and disconnect accounts, create boards.
    #[serde(rename = "accounts:write")]
    AccountsWrite,
    /// Upload files.
    #[serde(rename = "media:write")]
    MediaWrite,
    /// Manage webhooks.
    #[serde(rename = "webhooks:write")]
    WebhooksWrite,
    /// Read the audit log.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Everything, keys included.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [
        Self::UploadsRead,
        Self::UploadsWrite,
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::MediaWrite,
        Self::WebhooksWrite,
        Self::AuditRead,
        Self::Admin,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UploadsRead => "uploads:read",
            Self::UploadsWrite => "uploads:write",
            Self::AccountsRead => "accounts:read",
            Self::AccountsWrite => "accounts:write",
            Self::MediaWrite => "media:write",
            Self::WebhooksWrite => "webhooks:write",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }

    /// The scope of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    /// `key_…`
    pub id: String,
    /// Name given by its maker.
    pub name: Option<String>,
    /// Which accounts it sees.
    pub mode: Mode,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The accounts it may use; `null` means all.
    pub accounts: Option<Vec<String>>,
    /// When it was made, UTC.
    pub created_at: String,
    /// When it stops working, UTC.
    pub expires_at: Option<String>,
    /// When it was revoked, UTC.
    pub revoked_at: Option<String>,
}

/// A new key. `POST /v1/api-keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Absent means everything but `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
    /// Absent means all accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<String>>,
    /// RFC 3339; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A key at its birth: the only time the secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedApiKey {
    /// `key_…`
    pub id: String,
    /// The secret: `mu_live_…` or `mu_test_…`.
    pub key: String,
    /// Which accounts it sees.
    pub mode: Mode,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The accounts it may use; `null` means all.
    pub accounts: Option<Vec<String>>,
}

impl std::fmt::Debug for CreatedApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedApiKey")
            .field("id", &self.id)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
