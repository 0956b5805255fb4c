//! Posting slots: weekly times that `schedule: "next_slot"` fills, and what is left of an account's limits.

use serde::{Deserialize, Serialize};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// From Monday to Sunday.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

/// A weekly posting time of an account. It takes one post a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Slot {
    /// `slot_…`
    pub id: String,
    /// `pinterest:549…`
    pub account: String,
    /// On these days, from Monday to Sunday.
    pub weekdays: Vec<Weekday>,
    /// At this local time, `HH:MM`.
    pub time: String,
    /// IANA zone of `time`, such as `Europe/Paris`.
    pub timezone: String,
    /// False while nothing new is put into it; what it holds already is published all the same.
    pub enabled: bool,
    /// When it was made, UTC.
    pub created_at: String,
    /// Its next occurrence that nothing has taken, UTC; null where it is not enabled, or full for 52 weeks.
    pub next_free_at: Option<String>,
    /// Posts that wait in it.
    pub taken: u64,
    /// For so many days from now it is full: whole days until `next_free_at`; 364 when it is full.
    pub days_filled: u32,
}

/// A new slot. `POST /v1/slots`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSlot {
    /// A connected account, `pinterest:549…`.
    pub account: String,
    /// On these days; absent means every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<Weekday>>,
    /// At this local time, `HH:MM`. Where a clock change skips it, the post goes out later by the gap; where it comes twice, at
    /// the first.
    pub time: String,
    /// IANA zone, such as `Europe/Paris`.
    pub timezone: String,
    /// False makes it without using it yet. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A change of a slot. `PATCH /v1/slots/{id}`: absent fields stay. Posts that wait in the slot keep their times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateSlot {
    /// See `CreateSlot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<Weekday>>,
    /// See `CreateSlot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// See `CreateSlot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// See `CreateSlot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What an account may still do. `GET /v1/accounts/{id}/limits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountLimits {
    /// `pinterest:549…`
    pub account: String,
    /// Requests that publish, over everything that this service sends for the account.
    pub writes: LimitUse,
    /// Looks for posts whose outcome is unknown: this service's share of the network's read limit, for each node.
    pub looks: LimitShare,
    /// Nothing is sent before, UTC: the network asked for a pause, or reported a limit or a block. Null when nothing holds it.
    pub resumes_at: Option<String>,
    /// Over all enabled slots of the account.
    pub slots: SlotQueue,
}

/// A limit and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitUse {
    /// At most this many …
    pub limit: u32,
    /// … in any span of so many seconds.
    pub per_seconds: u64,
    /// Sent within the span, or just being sent.
    pub used: u32,
    /// What is left now.
    pub left: u32,
    /// When the first of the used ones counts no more, UTC; null when none is used, or only by what is just being sent.
    pub renews_at: Option<String>,
}

/// A limit whose use each node counts for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitShare {
    /// At most this many …
    pub limit: u32,
    /// … in any span of so many seconds.
    pub per_seconds: u64,
}

/// How far the slots of an account are filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SlotQueue {
    /// Enabled slots.
    pub count: u64,
    /// Posts that wait in slots.
    pub taken: u64,
    /// What `schedule: "next_slot"` would take now, UTC; null without slots, or when all are full for 52 weeks.
    pub next_free_at: Option<String>,
    /// For so many days from now every occurrence is taken: whole days until `next_free_at`; 364 when all are full.
    pub days_filled: u32,
}
