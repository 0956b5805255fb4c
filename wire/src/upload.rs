//! Uploads: what a user asks for, and what became of it on each account.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Board, ErrorInfo, FieldError};

/// A request to publish on one or more accounts. `POST /v1/upload`, `/v1/uploads`.
///
/// Exactly one kind of media: `image_url`, `image_urls`, `video_url`, `media_id` or `media_ids`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateUpload {
    /// 1 to 25 of `platform:ACCOUNT_ID`.
    pub accounts: Vec<String>,
    /// Public address of one image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Public addresses of a carousel, 2 to 5 on Pinterest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_urls: Option<Vec<String>>,
    /// Public address of a video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_url: Option<String>,
    /// An uploaded file, `md_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_id: Option<String>,
    /// Uploaded files of a carousel, 2 to 5 on Pinterest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_ids: Option<Vec<String>>,
    /// The text, wherever a platform has no field of its own set below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Title; at most 100 characters on Pinterest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Description; at most 800 characters on Pinterest. Overrides `caption` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the pin leads; http or https, at most 2048 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Text for people who do not see the image; at most 500 characters on Pinterest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<String>,
    /// Pinterest board; required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board_id: Option<String>,
    /// Section of the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board_section_id: Option<String>,
    /// Video cover by address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_image_url: Option<String>,
    /// Video cover by uploaded file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_media_id: Option<String>,
    /// Video cover by moment, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_image_key_frame_time: Option<u32>,
    /// When to publish; absent means now. RFC 3339 with an offset, or local time together with `timezone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<String>,
    /// IANA zone of a local `scheduled_at`, such as `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// `next_slot` instead of a time: each account's earliest slot occurrence that is free, see `/v1/slots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Other values for one account or platform: keys are account ids or platform names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<std::collections::HashMap<String, Override>>))]
    pub overrides: Option<std::collections::BTreeMap<String, Override>>,
    /// Your own label; listed and filtered by, not unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Store without publishing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<bool>,
    /// Check only: nothing is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// What to do when the time was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Late>,
    /// Fields with Pinterest's own names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub pinterest: Option<Map<String, Value>>,
    /// Fields with TikTok's own names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub tiktok: Option<Map<String, Value>>,
    /// Fields with Instagram's own names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub instagram: Option<Map<String, Value>>,
}

/// Values that replace those of the upload for one account or platform.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// See [`CreateUpload::caption`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// See [`CreateUpload::title`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// See [`CreateUpload::description`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`CreateUpload::link`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// See [`CreateUpload::alt_text`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<String>,
    /// See [`CreateUpload::board_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board_id: Option<String>,
    /// See [`CreateUpload::board_section_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board_section_id: Option<String>,
    /// See [`CreateUpload::cover_image_url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_image_url: Option<String>,
    /// See [`CreateUpload::cover_media_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_media_id: Option<String>,
    /// See [`CreateUpload::cover_image_key_frame_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_image_key_frame_time: Option<u32>,
}

/// The late rule of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// Send if at most this late, else the upload is `missed`: `90s`, `15m`, `24h`, `7d`. Default `24h`.
    pub send_within: String,
}

/// State of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UploadStatus {
    /// Stored, not to be published yet.
    Draft,
    /// Waits for its time.
    Scheduled,
    /// Due, waits for its turn.
    Queued,
    /// At least one target is open or needs review.
    Publishing,
    /// On every account.
    Published,
    /// Targets ended differently.
    Partial,
    /// On no account.
    Failed,
    /// Canceled before it was published.
    Canceled,
    /// Its time passed beyond the late rule.
    Missed,
}

impl UploadStatus {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Publishing => "publishing",
            Self::Published => "published",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Missed => "missed",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "draft" => Self::Draft,
            "scheduled" => Self::Scheduled,
            "queued" => Self::Queued,
            "publishing" => Self::Publishing,
            "published" => Self::Published,
            "partial" => Self::Partial,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            "missed" => Self::Missed,
            _ => return None,
        })
    }

    /// True when nothing more will happen by itself.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Published | Self::Partial | Self::Failed | Self::Canceled | Self::Missed
        )
    }

    /// The state of an upload from the states of its targets.
    ///
    /// While a target is open or `needs_review` the upload is `publishing`, unless all wait for
    /// the same thing; when all have ended it has their common state, else `partial`.
    #[must_use]
    pub fn of_targets(targets: impl IntoIterator<Item = TargetStatus>) -> Self {
        let mut seen: Vec<TargetStatus> = Vec::new();
        for status in targets {
            if !seen.contains(&status) {
                seen.push(status);
            }
        }
        match seen.as_slice() {
            [] | [TargetStatus::Draft] => Self::Draft,
            [TargetStatus::Scheduled] => Self::Scheduled,
            [TargetStatus::Queued] => Self::Queued,
            [TargetStatus::Published] => Self::Published,
            [TargetStatus::Failed] => Self::Failed,
            [TargetStatus::Canceled] => Self::Canceled,
            [TargetStatus::Missed] => Self::Missed,
            several if several.iter().all(|s| s.is_terminal()) => Self::Partial,
            _ => Self::Publishing,
        }
    }
}

/// State of one account's share of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TargetStatus {
    /// Stored, not to be published yet.
    Draft,
    /// Waits for its time.
    Scheduled,
    /// Due, waits for its turn.
    Queued,
    /// Being published.
    Publishing,
    /// Waits for a limit, for processing, or to try again.
    Waiting,
    /// Exists on the network.
    Published,
    /// Refused for good.
    Failed,
    /// Canceled before it was sent.
    Canceled,
    /// Its time passed beyond the late rule.
    Missed,
    /// It cannot be proven whether it exists; see `POST /v1/uploads/{id}/resolve`.
    NeedsReview,
}

impl TargetStatus {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Publishing => "publishing",
            Self::Waiting => "waiting",
            Self::Published => "published",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Missed => "missed",
            Self::NeedsReview => "needs_review",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "draft" => Self::Draft,
            "scheduled" => Self::Scheduled,
            "queued" => Self::Queued,
            "publishing" => Self::Publishing,
            "waiting" => Self::Waiting,
            "published" => Self::Published,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            "missed" => Self::Missed,
            "needs_review" => Self::NeedsReview,
            _ => return None,
        })
    }

    /// True when the target has ended. `needs_review` has not: a person ends it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Published | Self::Failed | Self::Canceled | Self::Missed
        )
    }
}

/// An upload and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Upload {
    /// `up_…`
    pub id: String,
    /// State over all targets.
    pub status: UploadStatus,
    /// When it is due, UTC. With `schedule: "next_slot"` the earliest of its targets' times.
    pub scheduled_at: Option<String>,
    /// The zone it was scheduled in, if a local time was given.
    pub timezone: Option<String>,
    /// The caller's own label.
    pub external_id: Option<String>,
    /// Goes up with every change; guards `PATCH`.
    pub version: u64,
    /// When it was stored, UTC.
    pub created_at: String,
    /// When it last changed, UTC.
    pub updated_at: String,
    /// What was asked for, as stored.
    pub content: CreateUpload,
    /// One for each account.
    pub targets: Vec<Target>,
}

/// One account's share of an upload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Target {
    /// `tg_…`
    pub id: String,
    /// `pinterest:549…`
    pub account: String,
    /// `pinterest` and so on.
    pub platform: String,
    /// State.
    pub status: TargetStatus,
    /// When it is due, UTC: its own slot's time with `schedule: "next_slot"`, else that of the upload. Null for a draft without a time.
    pub scheduled_at: Option<String>,
    /// How many times a publishing request may have left.
    pub attempts: u32,
    /// When it goes on, while it waits, UTC.
    pub next_attempt_at: Option<String>,
    /// The board it goes to.
    pub board_id: Option<String>,
    /// Id on the network.
    pub remote_id: Option<String>,
    /// Address on the network.
    pub remote_url: Option<String>,
    /// When the network confirmed it, UTC.
    pub published_at: Option<String>,
    /// Why it failed, waits or needs review.
    pub error: Option<ErrorInfo>,
}

/// A change before publishing. `PATCH /v1/uploads/{id}`: a field that is absent stays, `null` clears it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateUpload {
    /// The version the caller has read; another one in the store answers 412. `If-Match` does the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Any field of [`CreateUpload`] but `accounts` and `dry_run`.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub fields: Map<String, Value>,
}

/// A person's answer to `needs_review`. `POST /v1/uploads/{id}/resolve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// The target, where the upload has several that need review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What is true.
    pub resolution: Resolution,
    /// The id on the network, with `published`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
}

/// What is true of a target whose outcome was unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It exists; `remote_id` names it.
    Published,
    /// It does not exist: send it again.
    Resend,
    /// Leave it as it is: the target ends as failed.
    Abandon,
}

/// Several uploads in one request. `POST /v1/uploads/batch`, up to 1,000.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The uploads, in order.
    pub uploads: Vec<BatchItem>,
}

/// One row of a batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchItem {
    /// Makes the row safe to send again: the same key and content stores nothing twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The upload itself.
    #[serde(flatten)]
    pub upload: CreateUpload,
}

/// One result for each row, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchResponse {
    /// In the order of the request.
    pub results: Vec<BatchResult>,
}

/// What became of one row: an upload or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchResult {
    /// Row number, from 0.
    pub index: u64,
    /// The stored upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
    /// Why it was not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// True when the row had been stored before under the same key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

/// Answer of `POST /v1/uploads/validate` and of `dry_run`: every check, nothing stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Validation {
    /// True when it would be accepted.
    pub valid: bool,
    /// When it would be due, UTC; with `schedule: "next_slot"` the earliest of its targets' times, if nothing takes it before.
    pub scheduled_at: Option<String>,
    /// What would be refused.
    pub errors: Vec<FieldError>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Warning>,
    /// What each account would get.
    pub targets: Vec<ValidatedTarget>,
}

/// Something allowed that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Warning {
    /// JSON Pointer into the request.
    pub pointer: String,
    /// In a sentence.
    pub detail: String,
}

/// What one account would get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ValidatedTarget {
    /// The account.
    pub account: String,
    /// The board, with its name.
    pub board: Option<Board>,
    /// When it would be due, UTC.
    pub scheduled_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_takes_the_common_state_of_its_targets() {
        use TargetStatus as T;
        let of = |targets: &[T]| UploadStatus::of_targets(targets.iter().copied());
        assert_eq!(of(&[T::Scheduled, T::Scheduled]), UploadStatus::Scheduled);
        assert_eq!(of(&[T::Published, T::Published]), UploadStatus::Published);
        assert_eq!(of(&[T::Published, T::Failed]), UploadStatus::Partial);
        assert_eq!(of(&[T::Published, T::Waiting]), UploadStatus::Publishing);
        assert_eq!(of(&[T::NeedsReview]), UploadStatus::Publishing);
        assert_eq!(
            of(&[T::NeedsReview, T::Published]),
            UploadStatus::Publishing
        );
        assert_eq!(of(&[T::Waiting]), UploadStatus::Publishing);
    }

    #[test]
    fn words_and_states_agree() {
        for name in [
            "draft",
            "scheduled",
            "queued",
            "publishing",
            "published",
            "failed",
            "canceled",
            "missed",
        ] {
            assert_eq!(
                UploadStatus::from_name(name).map(UploadStatus::as_str),
                Some(name)
            );
            assert_eq!(
                TargetStatus::from_name(name).map(TargetStatus::as_str),
                Some(name)
            );
        }
        assert_eq!(UploadStatus::from_name("waiting"), None);
        assert_eq!(TargetStatus::from_name("partial"), None);
    }
}
