//! The rows of the store.

use multi_upload_platforms::Content;
use multi_upload_wire::{
    CreateUpload, ErrorInfo, MediaFacts, Mode, Scope, TargetStatus, UploadStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::when::When;

/// Unix time in milliseconds, UTC.
pub type Millis = i64;

/// Whose rows: a team in one mode. Without one no row can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `team_…`
    pub team: String,
    /// Test or live.
    pub mode: Mode,
}

/// Phase of a target in the publishing machine. The public states are fewer, see [`Phase::status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Stored, not to be published yet.
    Draft,
    /// Waits for its time.
    Scheduled,
    /// Taken by a node; nothing was sent.
    Claimed,
    /// The intent row is stored: a commit request may have left.
    Armed,
    /// It may exist. Looks for it at `due_at`, with a lease while a look is under way.
    Reconciling,
    /// Goes on at `due_at`; nothing is under way.
    Waiting,
    /// Exists.
    Published,
    /// Refused for good.
    Failed,
    /// Canceled before it was sent.
    Canceled,
    /// Its time passed beyond the late rule.
    Missed,
    /// Cannot be proven; a person decides.
    NeedsReview,
}

impl Phase {
    /// Every phase; the position is the number in the database.
    pub const ALL: [Self; 11] = [
        Self::Draft,
        Self::Scheduled,
        Self::Claimed,
        Self::Armed,
        Self::Reconciling,
        Self::Waiting,
        Self::Published,
        Self::Failed,
        Self::Canceled,
        Self::Missed,
        Self::NeedsReview,
    ];

    /// The public state.
    #[must_use]
    pub const fn status(self) -> TargetStatus {
        match self {
            Self::Draft => TargetStatus::Draft,
            Self::Scheduled => TargetStatus::Scheduled,
            Self::Claimed | Self::Armed | Self::Reconciling => TargetStatus::Publishing,
            Self::Waiting => TargetStatus::Waiting,
            Self::Published => TargetStatus::Published,
            Self::Failed => TargetStatus::Failed,
            Self::Canceled => TargetStatus::Canceled,
            Self::Missed => TargetStatus::Missed,
            Self::NeedsReview => TargetStatus::NeedsReview,
        }
    }

    /// True when nothing more will happen to the target.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self.status().is_terminal()
    }
}

/// A stored upload.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadRow {
    /// `up_…`
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// State over all targets, kept up to date by the store.
    pub status: UploadStatus,
    /// What was asked for.
    pub content: CreateUpload,
    /// When it is due; `None` for a draft without a time.
    pub scheduled_at: Option<Millis>,
    /// The zone of the local time that was given.
    pub timezone: Option<String>,
    /// The caller's own label.
    pub external_id: Option<String>,
    /// Goes up with every change.
    pub version: u64,
    /// Position in the change feed.
    pub change_seq: u64,
    /// When it was stored.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
    /// One for each account, in the order asked for.
    pub targets: Vec<TargetRow>,
}

/// A stored target: one account's share of an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetRow {
    /// `tg_…`
    pub id: String,
    /// Its upload.
    pub upload_id: String,
    /// Whose.
    pub owner: Owner,
    /// `pinterest:549…`
    pub account_id: String,
    /// `pinterest`
    pub platform: String,
    /// Phase in the machine.
    pub phase: Phase,
    /// Goes up with every claim: a change by an older holder finds another number.
    pub fence: u64,
    /// When it goes on: the due time, or the end of a wait.
    pub due_at: Millis,
    /// When the user wanted it.
    pub scheduled_at: Millis,
    /// Not sent after this time; then it is missed.
    pub send_until: Millis,
    /// End of the holder's lease: always while claimed or armed, while reconciling only during a look.
    pub lease_until: Option<Millis>,
    /// Publishing attempts that were armed.
    pub attempts: u32,
    /// Tries that ended before anything was applied: token, prepare, open, not sent. Limits are not counted.
    pub setbacks: u32,
    /// What it says.
    pub content: Content,
    /// The same for contents whose posts a look could not tell apart: they go one after the other.
    pub fingerprint: String,
    /// The last publishing attempt, from arming until its outcome is proven.
    pub attempt: Option<Attempt>,
    /// What a repeated *prepare* needs.
    pub prepared: Option<Value>,
    /// Id on the network.
    pub remote_id: Option<String>,
    /// Address on the network.
    pub remote_url: Option<String>,
    /// When the network confirmed it.
    pub published_at: Option<Millis>,
    /// Why it failed, waits or needs review.
    pub error: Option<ErrorInfo>,
    /// When to look for a second post. Before the publication: set once an attempt whose outcome was unclear is to be followed
    /// by another.
    pub sentinel_at: Option<Millis>,
}

/// A target and the holder it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub owner: Owner,
    /// Its upload.
    pub upload_id: String,
    /// `tg_…`
    pub target_id: String,
    /// That of the holder's claim.
    pub fence: u64,
}

/// What is known of a publishing attempt whose outcome is not proven.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// When its intent row was stored.
    pub armed_at: Millis,
    /// True when the posts that existed before are known: only then a look can tell.
    pub has_baseline: bool,
    /// After a restore: posts made before this time are those that existed before, and all that is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Millis>,
    /// Set once the answer was lost or unclear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
}

/// An attempt that may have taken effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// From then on it cannot take effect any more without being visible.
    pub quiet_until: Millis,
    /// The network said that the post exists; only its id is missing. Never sent again.
    pub exists: bool,
    /// Looks so far.
    pub looks: u32,
    /// Conclusive looks begun after `quiet_until` that showed nothing new.
    pub clear: u32,
    /// Looks begun after `quiet_until` that could not tell.
    pub useless: u32,
    /// Why it is in doubt.
    pub cause: Box<ErrorInfo>,
}

/// An account from which nothing is taken for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// `pinterest:549…`
    pub account_id: String,
    /// The end.
    pub until: Millis,
    /// Code of what the network said; `None` when our own count of its write limit says so.
    pub why: Option<String>,
}

/// How many publishing requests a network takes from one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimit {
    /// At most this many …
    pub count: u32,
    /// … in any span of this length.
    pub per_ms: Millis,
}

/// How much of its write limit an account has used, and whether it is held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountUse {
    /// When attempts within the span were armed, the newest first; not more than the limit.
    pub armed: Vec<Millis>,
    /// Targets that are claimed and not armed yet.
    pub claimed: u32,
    /// Nothing is taken from it before.
    pub held_until: Option<Millis>,
}

/// A new upload with everything that is stored in its transaction.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// The row. `version` is 1; the store sets `change_seq`.
    pub row: UploadRow,
    /// First events: (target id or none, event).
    pub events: Vec<NewEvent>,
    /// Repeat protection.
    pub idempotency: Option<Idempotency>,
    /// How its times come about.
    pub when: When,
}

/// Repeat protection of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key, unique within the team and mode.
    pub key: String,
    /// SHA-256 of method, path and canonical body.
    pub body_hash: Vec<u8>,
    /// The answer to give when the key comes again, JSON.
    pub answer: String,
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// SHA-256 of the request.
    pub body_hash: Vec<u8>,
    /// The answer, once there is one.
    pub answer: Option<String>,
    /// When it was used.
    pub at: Millis,
}

/// What became of a new upload.
#[derive(Debug, Clone, PartialEq)]
pub enum CreateOutcome {
    /// Stored.
    Stored(Box<UploadRow>),
    /// The key was used before with the same body: the answer of that time.
    Replayed(String),
    /// The key was used before with another body.
    KeyMismatch,
    /// No slot of this account is free; nothing was stored.
    NoFreeSlot(String),
}

/// Which uploads to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadFilter {
    /// In one of these states; empty means any. An upload is `queued`, no longer `scheduled`, when it is due at `now`.
    pub status: Vec<UploadStatus>,
    /// The time that tells `queued` from `scheduled`.
    pub now: Millis,
    /// With a target on this account.
    pub account: Option<String>,
    /// With a target on this platform.
    pub platform: Option<String>,
    /// With this label.
    pub external_id: Option<String>,
    /// Due at or after.
    pub from: Option<Millis>,
    /// Due before.
    pub to: Option<Millis>,
    /// With this text in caption, title, description or link; case-insensitive.
    pub q: Option<String>,
}

impl UploadFilter {
    /// The states as they are stored: what is due and waits for its turn is stored as `scheduled`.
    pub(crate) fn stored_statuses(&self) -> Vec<&'static str> {
        let mut stored: Vec<_> = self
            .status
            .iter()
            .map(|status| match status {
                UploadStatus::Queued => UploadStatus::Scheduled.as_str(),
                other => other.as_str(),
            })
            .collect();
        stored.dedup();
        stored
    }

    /// Of what is stored as `scheduled`: true for only what is due, false for only what is not, `None` for all of it.
    pub(crate) fn only_due(&self) -> Option<bool> {
        let has = |status| self.status.contains(&status);
        match (has(UploadStatus::Queued), has(UploadStatus::Scheduled)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// A change of an upload that has not been published.
#[derive(Debug, Clone)]
pub struct UploadEdit {
    /// The upload, with its new content and times. `version`, `change_seq`, `status` are the store's.
    pub row: UploadRow,
    /// The version that was read.
    pub expect_version: u64,
    /// How its times come about.
    pub when: When,
    /// What to write to the timeline.
    pub event: NewEvent,
}

/// A move of a target.
#[derive(Debug, Clone)]
pub struct TargetChange {
    /// The target as it shall be. Only the fields of the machine are written: phase, fence, due and lease times, attempts, setbacks, prepared,
    /// attempt, remote id and address, `published_at`, error, `sentinel_at`.
    pub row: TargetRow,
    /// The phase it must still be in.
    pub expect_phase: Phase,
    /// The fence it must still carry.
    pub expect_fence: u64,
    /// What happened to the attempt's row.
    pub attempt: Option<AttemptChange>,
    /// What to write to the timeline.
    pub event: NewEvent,
    /// Now.
    pub at: Millis,
}

/// What happens to the row of a publishing attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptChange {
    /// The intent row: stored before the first byte of the commit request leaves.
    Open {
        /// From 1.
        number: u32,
        /// After this time the request must not leave any more.
        deadline: Millis,
        /// Hashed ids of the posts that existed before, 8 bytes each; kept until the target has ended.
        baseline: Option<Vec<u8>>,
    },
    /// The attempt is over.
    Close {
        /// From 1.
        number: u32,
        /// `applied`, `rejected`, `throttled`, `not_sent`, `token_expired`, `unknown`.
        outcome: &'static str,
    },
}

/// An entry for the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// `upload.scheduled`, `target.armed` and so on.
    pub kind: &'static str,
    /// The target concerned.
    pub target_id: Option<String>,
    /// In a sentence.
    pub detail: String,
    /// Facts.
    pub data: Map<String, Value>,
    /// When.
    pub at: Millis,
}

/// A stored entry of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Goes up with time, over all uploads.
    pub seq: u64,
    /// When.
    pub at: Millis,
    /// What.
    pub kind: String,
    /// The target concerned.
    pub target_id: Option<String>,
    /// In a sentence.
    pub detail: String,
    /// Facts.
    pub data: Map<String, Value>,
}

/// A connected account. `Debug` shows no tokens: they are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// `pinterest:549…`
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// `pinterest`
    pub platform: String,
    /// Name shown to people.
    pub name: Option<String>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// False when a person must connect it again.
    pub usable: bool,
    /// When it was connected.
    pub connected_at: Millis,
    /// The access token, sealed.
    pub access_sealed: Vec<u8>,
    /// The refresh token, sealed.
    pub refresh_sealed: Option<Vec<u8>>,
    /// End of the access token.
    pub access_expires_at: Millis,
    /// End of the refresh token.
    pub refresh_expires_at: Option<Millis>,
    /// Goes up with every new pair of tokens.
    pub token_version: u64,
}

/// An OAuth connection under way.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectRow {
    /// `oc_…`
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// `pinterest`
    pub platform: String,
    /// SHA-256 of the state parameter.
    pub state_hash: Vec<u8>,
    /// As it was sent to the network.
    pub redirect_uri: String,
    /// Where the browser goes afterwards.
    pub return_url: Option<String>,
    /// When it was begun.
    pub created_at: Millis,
    /// When it ends unused.
    pub expires_at: Millis,
    /// `pending`, `exchanging`, `connected`, `failed`.
    pub status: String,
    /// The account, once connected.
    pub account_id: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
}

/// A stored API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// `key_…`
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// Name for people.
    pub name: Option<String>,
    /// SHA-256 of the secret.
    pub hash: Vec<u8>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The accounts it may use; `None` means all.
    pub accounts: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Millis,
    /// When it stops working.
    pub expires_at: Option<Millis>,
    /// When it was revoked.
    pub revoked_at: Option<Millis>,
}

/// A team's data key, wrapped by the root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyRow {
    /// Whose.
    pub team: String,
    /// From 1.
    pub version: u32,
    /// Wrapped.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Millis,
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRow {
    /// `md_…`
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// True once all bytes are there and the content was recognised.
    pub ready: bool,
    /// Size in bytes; 0 while it is not known.
    pub length: u64,
    /// Bytes received.
    pub offset: u64,
    /// The idempotency key that it was begun with.
    pub key: Option<String>,
    /// What the caller said about it, as it came.
    pub metadata: Option<String>,
    /// How receiving goes on, in the receiver's own words; `None` at the beginning and at the end.
    pub state: Option<String>,
    /// What was found in the content.
    pub facts: Option<MediaFacts>,
    /// Of the content, lower-case hex.
    pub sha256: Option<String>,
    /// Under which name the content is kept: the id of the first file of the owner that brought it.
    pub blob: Option<String>,
    /// When it was begun.
    pub created_at: Millis,
    /// When it is removed if no upload uses it.
    pub expires_at: Millis,
}

/// What became of beginning a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is stored.
    New,
    /// The key was used before, for this file.
    Known(Box<MediaRow>),
    /// It does not fit into the owner's allowance, of which so many bytes are used.
    Full {
        /// Bytes of all the owner's files, begun ones in full.
        used: u64,
    },
}

/// A file whose row was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneMedia {
    /// The row as it was.
    pub row: MediaRow,
    /// True when no other file has the same content: whatever is kept of it may go.
    pub last: bool,
}

/// What stands in the database, over all teams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Targets that wait for their time, a limit or another try.
    pub waiting: i64,
    /// Those among them whose time has come.
    pub due: i64,
    /// Claimed or armed.
    pub under_way: i64,
    /// Their outcome is not known yet.
    pub in_doubt: i64,
    /// A person must decide.
    pub needs_review: i64,
    /// Accounts that must be connected again.
    pub accounts_unusable: i64,
    /// Since when somebody could have been taken and was not.
    pub oldest_due: Option<Millis>,
    /// The longest ended lease that still stands.
    pub oldest_lease: Option<Millis>,
    /// Targets with two open attempts: none, as long as the store keeps its rules.
    pub attempts_open_twice: i64,
}
