//! The outbox of webhooks: its rows, and what a store does with them.
//!
//! A message is stored in the transaction of the change that it tells of, with one delivery for each endpoint that wants it.
//! Deliveries about one subject (an upload, an account) go to an endpoint in their order: one behind another has no time until
//! that one has ended.

use async_trait::async_trait;

use super::{Millis, Owner, StoreResult};

/// A stored endpoint. `Debug` shows no secrets: they are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// `wh_…`
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// Where events are posted.
    pub url: String,
    /// Text for people.
    pub description: Option<String>,
    /// The events it gets; `None` means all.
    pub events: Option<Vec<String>>,
    /// The secret, sealed for the cell `secret`.
    pub secret_sealed: Vec<u8>,
    /// The one before, sealed for the cell `previous`.
    pub previous_sealed: Option<Vec<u8>>,
    /// Until when the one before signs too.
    pub previous_until: Option<Millis>,
    /// False when nothing is delivered.
    pub enabled: bool,
    /// Why the service switched it off.
    pub disabled_reason: Option<String>,
    /// Since when every delivery has failed.
    pub failing_since: Option<Millis>,
    /// Failures in a row.
    pub failures: u32,
    /// Nothing is sent before.
    pub paused_until: Option<Millis>,
    /// Goes up with every claim of its lane.
    pub fence: u64,
    /// When it was made.
    pub created_at: Millis,
}

/// State of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Not arrived yet.
    Pending,
    /// Answered with 2xx.
    Delivered,
    /// Given up.
    Failed,
}

impl DeliveryState {
    /// The number in the database.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Delivered => 1,
            Self::Failed => 2,
        }
    }

    /// The state of a number.
    #[must_use]
    pub const fn of(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Pending),
            1 => Some(Self::Delivered),
            2 => Some(Self::Failed),
            _ => None,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A message on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// `dl_…`
    pub id: String,
    /// `msg_…`, the same for every endpoint and attempt.
    pub message_id: String,
    /// `upload.published` and so on.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The body, byte for byte.
    pub body: String,
    /// Pending, delivered or failed.
    pub state: DeliveryState,
    /// When it goes on; `None` behind another of its subject, and at the end.
    pub due_at: Option<Millis>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was stored.
    pub created_at: Millis,
    /// When the last attempt ended.
    pub last_at: Option<Millis>,
    /// HTTP status of the last attempt.
    pub status: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// The beginning of the last answer.
    pub answer: Option<String>,
}

/// A message to be stored, with a delivery for each endpoint that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// `msg_…`; one that exists is not stored again.
    pub id: String,
    /// Whose endpoints.
    pub owner: Owner,
    /// `upload.published` and so on.
    pub kind: String,
    /// What it is about: messages about the same arrive in order.
    pub subject: String,
    /// The body.
    pub body: String,
    /// When it happened.
    pub at: Millis,
}

/// What became of the deliveries of a claimed lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneResult {
    /// The endpoint as it shall be: `failing_since`, `failures`, `paused_until` are written.
    pub webhook: WebhookRow,
    /// Switches the endpoint off, and says why.
    pub disable: Option<String>,
    /// The deliveries as they shall be: state, times, attempts and the last answer are written.
    pub deliveries: Vec<DeliveryRow>,
    /// Gives the lane back.
    pub release: bool,
    /// Now.
    pub at: Millis,
}

/// The part of a store that keeps webhooks.
#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// Stores a new endpoint.
    async fn create_webhook(&self, row: WebhookRow) -> StoreResult<()>;

    /// Replaces address, texts, events, secrets and state of an endpoint. False if it is gone.
    async fn update_webhook(&self, row: WebhookRow) -> StoreResult<bool>;

    /// Removes an endpoint with its deliveries; true if it was there.
    async fn delete_webhook(&self, owner: &Owner, id: &str) -> StoreResult<bool>;

    /// One endpoint.
    async fn webhook(&self, owner: &Owner, id: &str) -> StoreResult<Option<WebhookRow>>;

    /// All endpoints of an owner, newest first.
    async fn webhooks(&self, owner: &Owner) -> StoreResult<Vec<WebhookRow>>;

    /// Stores a message for the endpoints that want it, or for `only` this one. Gives the number of deliveries.
    async fn queue_message(&self, message: NewMessage, only: Option<String>) -> StoreResult<u64>;

    /// Deliveries of an endpoint, newest first, at most `limit`, all older than `before` (a delivery id).
    async fn deliveries(
        &self,
        owner: &Owner,
        webhook_id: &str,
        before: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>>;

    /// Makes a delivery due again, with all its attempts before it. `None` if it is not there.
    async fn redeliver(
        &self,
        owner: &Owner,
        webhook_id: &str,
        delivery_id: &str,
        now: Millis,
    ) -> StoreResult<Option<DeliveryRow>>;

    /// When the next lane can go on.
    async fn next_delivery(&self) -> StoreResult<Option<Millis>>;

    /// Takes up to `limit` lanes that can go on: the fence goes up by one, the lease ends at `lease_until`.
    async fn claim_lanes(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<WebhookRow>>;

    /// Deliveries of an endpoint that are due, oldest first, one for each subject.
    async fn due_deliveries(
        &self,
        webhook: &WebhookRow,
        now: Millis,
        limit: u32,
    ) -> StoreResult<Vec<DeliveryRow>>;

    /// Writes what became of them, if the lane's fence is still that of `result.webhook`; false otherwise, and nothing is written.
    /// What stood behind a delivery that has ended becomes due.
    async fn finish_lane(&self, result: LaneResult) -> StoreResult<bool>;

    /// Makes due what stands behind nothing any more: two transactions that could not see each other can leave such.
    async fn free_deliveries(&self, now: Millis) -> StoreResult<u64>;

    /// Ends every lane's lease, for a process that owns the database alone.
    async fn expire_lanes(&self) -> StoreResult<()>;

    /// Removes deliveries that ended and were stored before `before`, and messages without deliveries.
    async fn forget_deliveries(&self, before: Millis) -> StoreResult<u64>;
}
