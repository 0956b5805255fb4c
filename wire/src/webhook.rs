//! Webhook endpoints, what is delivered to them, and the log of deliveries.

use serde::{Deserialize, Serialize};

/// What an endpoint can be told of.
pub const WEBHOOK_EVENTS: [&str; 14] = [
    "upload.scheduled",
    "upload.published",
    "upload.partial",
    "upload.failed",
    "upload.canceled",
    "upload.missed",
    "target.published",
    "target.failed",
    "target.needs_review",
    "account.connected",
    "account.expiring",
    "account.disconnected",
    "webhook.disabled",
    "webhook.test",
];

/// An endpoint, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// `wh_…`
    pub id: String,
    /// Where events are posted.
    pub url: String,
    /// Text for people.
    pub description: Option<String>,
    /// The events it gets; `null` means all.
    pub events: Option<Vec<String>>,
    /// False when nothing is delivered.
    pub enabled: bool,
    /// Why the service switched it off.
    pub disabled_reason: Option<String>,
    /// Since when every delivery has failed, UTC; `null` when the last one arrived.
    pub failing_since: Option<String>,
    /// Until when the secret from before the last rotation signs too, UTC.
    pub previous_secret_until: Option<String>,
    /// When it was made, UTC.
    pub created_at: String,
}

/// A new endpoint. `POST /v1/webhooks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// A public http or https address without a user name, on port 80, 443, 8080 or 8443.
    pub url: String,
    /// The events it gets; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A change of an endpoint; what is absent stays. `PATCH /v1/webhooks/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhook {
    /// Another address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Other events; an empty list means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Another text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Switches delivery off, or on again after the service switched it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// An endpoint with its secret: shown once, when it is made and when it is rotated.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookSecret {
    /// The endpoint.
    pub webhook: Webhook,
    /// The secret that deliveries are signed with: `whsec_…`.
    pub secret: String,
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSecret")
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookDelivery {
    /// `dl_…`
    pub id: String,
    /// `msg_…`: the header `webhook-id`, the same for every attempt.
    pub message_id: String,
    /// `upload.published` and so on.
    pub event: String,
    /// `pending`, `delivered` or `failed`.
    pub status: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next attempt is due, UTC; `null` behind an earlier event of the same upload and at the end.
    pub next_attempt_at: Option<String>,
    /// When the last attempt ended, UTC.
    pub last_attempt_at: Option<String>,
    /// HTTP status of the last attempt.
    pub response_status: Option<u16>,
    /// The beginning of the last answer, up to 1 KiB.
    pub response: Option<String>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When the event happened, UTC.
    pub created_at: String,
}
