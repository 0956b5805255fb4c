//! Connected accounts.

use serde::{Deserialize, Serialize};

/// A profile on a network, connected by OAuth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// `pinterest:549…`; the part behind the colon is the network's own id, since user names change.
    pub id: String,
    /// `pinterest` and so on.
    pub platform: String,
    /// Name shown to people.
    pub name: Option<String>,
    /// State of the connection.
    pub status: AccountStatus,
    /// `live`, or `test` for a sandbox account.
    pub mode: crate::Mode,
    /// What the user granted.
    pub scopes: Vec<String>,
    /// Without a new consent the connection ends here, UTC. Renewed with every token refresh.
    pub reconnect_before: Option<String>,
    /// How many uploads are due after `reconnect_before`.
    pub uploads_due_after: u64,
    /// When it was connected, UTC.
    pub connected_at: String,
}

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Works.
    Active,
    /// Ends within seven days unless it is renewed.
    Expiring,
    /// A person must connect it again.
    ReconnectRequired,
}

/// Start of an OAuth connection. `POST /v1/accounts/connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConnectRequest {
    /// `pinterest`.
    pub platform: String,
    /// Where the browser goes afterwards: a path of this service; absent shows a page that says it worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
}

/// An OAuth connection under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectSession {
    /// Names the connection; `GET /v1/accounts/connect/{id}` tells what became of it.
    pub id: String,
    /// The network's consent page: open it in a browser.
    pub authorize_url: String,
    /// The page must be confirmed before, UTC.
    pub expires_at: String,
    /// `pending`, `connected` or `failed`.
    pub status: String,
    /// The account, once connected.
    pub account: Option<Account>,
    /// Why it failed.
    pub error: Option<crate::ErrorInfo>,
}
