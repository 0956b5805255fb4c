//! Where everything that must survive is kept: one trait, one folder for each database.
//!
//! Rules for every implementation:
//! - An `Ok` from a call that writes means the change survives a power loss.
//! - Each call is one transaction: all of it or nothing.
//! - Clock, randomness and ids come from the caller. Times are Unix milliseconds, UTC.
//! - Not found is `None`; an error is always trouble with the database itself.
//! - Every call names the team (and mode) whose rows it may touch.

mod audit;
mod codec;
mod model;
mod open;
pub mod postgres;
pub mod sqlite;
mod uses;
mod webhooks;
mod when;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use multi_upload_wire::ErrorCode;

pub(crate) use open::{FILE, Opened, open, open_beside};

use audit::without_query;
pub use audit::{AuditFilter, AuditHead, AuditRow, AuditStore, ChainKey, NewAudit};
pub use webhooks::{DeliveryRow, DeliveryState, LaneResult, NewMessage, WebhookRow, WebhookStore};

pub use model::{
    AccountRow, AccountUse, ApiKeyRow, Attempt, AttemptChange, Begun, Census, ConnectRow,
    CreateOutcome, DataKeyRow, Doubt, EventRow, GoneMedia, Held, Idempotency, KeyUse, MediaRow,
    Millis, NewEvent, NewUpload, Owner, Phase, Rest, TargetChange, TargetRow, UploadEdit,
    UploadFilter, UploadRow, WriteLimit,
};
pub use when::{
    EditOutcome, KeptTime, NextSlot, Occurrence, Retime, SlotOutcome, SlotRow, WallTime, When,
};

/// Trouble with the database. Never a wrong argument, never "not found".
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk has no space left.
    #[error("the disk is full")]
    Full,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// How long a file stays after its time, for an upload that was checked just before.
pub const EXPIRY_GRACE: Millis = 15 * 60_000;
/// How long before the end of its time a file that is in use gets new time.
pub(crate) const EXPIRY_AHEAD: Millis = 2 * 3_600_000;

/// Result of a store call.
pub type StoreResult<T> = Result<T, StoreError>;

/// The store.
#[async_trait]
pub trait Store: WebhookStore + AuditStore {
    // ---- uploads

    /// Stores uploads with their targets and first events, each row for itself: in one transaction all rows that can be
    /// stored are, and the others say why not. A row whose key was used with the same body within its
    /// life is answered from the first time. With [`When::NextSlot`] the targets get the times of the earliest free occurrences,
    /// which nobody else gets, whatever is stored at the same time.
    async fn create_uploads(&self, uploads: Vec<NewUpload>) -> StoreResult<Vec<CreateOutcome>>;

    /// What an idempotency key answered within its life, with the hash of that request's body.
    async fn answered(
        &self,
        owner: &Owner,
        key: &str,
        now: Millis,
    ) -> StoreResult<Option<(Vec<u8>, String)>>;

    /// Takes an idempotency key for a request that is about to be carried out. `None` when it is free; else what it was used for
    /// within its life.
    async fn begin_request(
        &self,
        owner: &Owner,
        key: &str,
        body_hash: Vec<u8>,
        now: Millis,
    ) -> StoreResult<Option<KeyUse>>;

    /// Keeps the answer of a request that was begun; without one its key is free again.
    async fn end_request(
        &self,
        owner: &Owner,
        key: &str,
        answer: Option<String>,
    ) -> StoreResult<()>;

    /// One upload with its targets.
    async fn upload(&self, owner: &Owner, id: &str) -> StoreResult<Option<UploadRow>>;

    /// Newest first, at most `limit`, all older than `before` (an upload id).
    async fn uploads(
        &self,
        owner: &Owner,
        filter: &UploadFilter,
        before: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<UploadRow>>;

    /// Uploads whose `change_seq` is above `since`, in its order; each once, as it is now.
    async fn changes(&self, owner: &Owner, since: u64, limit: u32) -> StoreResult<Vec<UploadRow>>;

    /// The highest `change_seq` so far; 0 at the beginning.
    async fn last_change(&self) -> StoreResult<u64>;

    /// Replaces content and times of an upload whose version is still `edit.expect_version` and none of
    /// whose targets has left `draft`, `scheduled` or `waiting`; stale if that no longer holds. With [`When::NextSlot`] its own
    /// occurrences count as free.
    async fn edit_upload(&self, owner: &Owner, edit: UploadEdit) -> StoreResult<EditOutcome>;

    /// The timeline of an upload, oldest first.
    async fn events(&self, owner: &Owner, upload_id: &str) -> StoreResult<Vec<EventRow>>;

    /// How many targets of an account are open and due after `after`.
    async fn open_targets_after(
        &self,
        owner: &Owner,
        account_id: &str,
        after: Millis,
    ) -> StoreResult<u64>;

    // ---- publishing

    /// The earliest time at which [`Store::claim`], [`Store::claim_looks`], [`Store::claim_sentinels`] or [`Store::expired`] would
    /// find something.
    async fn next_timer(&self) -> StoreResult<Option<Millis>>;

    /// Takes up to `limit` targets that are due (`scheduled` or `waiting`, `due_at <= now`), oldest first: phase becomes
    /// [`Phase::Claimed`], the fence goes up by one, the lease ends at `lease_until`.
    ///
    /// Left alone are: all but one target of an (account, board) while one is claimed or armed; all but one target of
    /// an (account, fingerprint) while one is claimed, armed or reconciling; accounts that are held; and accounts that have used their write
    /// limit (`limits`, by platform name): armed attempts within the span, and targets claimed but not armed yet, count. Such an
    /// account is held until its limit allows the next.
    async fn claim(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
        limits: Arc<BTreeMap<String, WriteLimit>>,
    ) -> StoreResult<Vec<TargetRow>>;

    /// Takes up to `limit` targets in doubt whose next look is due (`reconciling`, no lease, `due_at <= now`): the fence goes up
    /// by one, the lease ends at `lease_until`.
    async fn claim_looks(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>>;

    /// Takes up to `limit` published targets whose `sentinel_at` has come; it becomes `lease_until`, so that a holder that dies
    /// is followed by another.
    async fn claim_sentinels(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>>;

    /// Takes nothing from an account (of any team, in this mode) before `until`, because of `why`. A hold is never cut short:
    /// the one that ends last stands, with its reason.
    async fn hold_account(
        &self,
        owner: &Owner,
        account_id: &str,
        until: Millis,
        why: ErrorCode,
    ) -> StoreResult<()>;

    /// Which of these accounts rest at `now`: held, or with their write limit used up.
    async fn rests(
        &self,
        owner: &Owner,
        account_ids: Vec<String>,
        now: Millis,
    ) -> StoreResult<Vec<Rest>>;

    /// Targets that wait (`scheduled` or `waiting`) although `send_until` has passed, the longest passed first. Those that were due
    /// at `due_after` or before are left alone.
    async fn late(
        &self,
        now: Millis,
        due_after: Option<Millis>,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>>;

    /// The earliest time at which [`Store::late`] would find something.
    async fn next_late(&self, due_after: Option<Millis>) -> StoreResult<Option<Millis>>;

    /// Whether one of those that a look could not tell apart is claimed, armed, reconciling or in review: what a look sees may
    /// be its post.
    async fn is_in_doubt(
        &self,
        owner: &Owner,
        account_id: &str,
        fingerprint: &str,
    ) -> StoreResult<bool>;

    /// What an account (of any team, in this mode) has used of its write limit, by the same count as [`Store::claim`].
    async fn account_use(
        &self,
        owner: &Owner,
        account_id: &str,
        limit: WriteLimit,
        now: Millis,
    ) -> StoreResult<AccountUse>;

    /// One target, of any team: for a worker that holds it.
    async fn target(
        &self,
        owner: &Owner,
        upload_id: &str,
        id: &str,
    ) -> StoreResult<Option<TargetRow>>;

    /// The baseline of an attempt, if it has one and the target has not ended.
    async fn baseline(
        &self,
        owner: &Owner,
        target_id: &str,
        number: u32,
    ) -> StoreResult<Option<Vec<u8>>>;

    /// Which of these network ids belong to targets of the account.
    async fn known_remote_ids(
        &self,
        owner: &Owner,
        account_id: &str,
        ids: Vec<String>,
    ) -> StoreResult<Vec<String>>;

    /// Targets that are claimed, armed or reconciling and whose lease has ended at `now`, the longest ended first.
    async fn expired(&self, now: Millis, limit: u32) -> StoreResult<Vec<TargetRow>>;

    /// Extends the leases of living holders: each ends at `until`, or later if it did already. Gives the ids of the targets that are
    /// another's by now or no longer under way. Nothing else is written, and no change is told.
    async fn extend_leases(&self, held: Vec<Held>, until: Millis) -> StoreResult<Vec<String>>;

    /// Ends every lease now. For the start of an engine that owns the database alone: whoever held one is dead.
    async fn expire_leases(&self, now: Millis) -> StoreResult<u64>;

    /// Moves a target if its phase and fence are still as expected; writes state, attempt and event and
    /// renews the upload's status, version and `change_seq` in one transaction. A lease that was extended meanwhile is not shortened.
    ///
    /// `None`, and nothing is written, if another was faster: phase or fence are others by now, another target of the
    /// (account, board) is under way, or the remote id belongs to another target of the account. `None` also for a
    /// move that is never allowed: out of `published` (staying there is allowed: error and `sentinel_at` may change), or out of another end to anything but `scheduled`, `waiting` or
    /// `published`. A second open attempt is an error: the machine must not come to that.
    async fn change_target(&self, change: TargetChange) -> StoreResult<Option<TargetRow>>;

    /// Several at once, each for itself.
    async fn change_targets(
        &self,
        changes: Vec<TargetChange>,
    ) -> StoreResult<Vec<Option<TargetRow>>>;

    // ---- slots and wall times

    /// Stores a slot: a new one, or one that replaces what is there under its id.
    async fn put_slot(&self, row: SlotRow, is_new: bool) -> StoreResult<SlotOutcome>;

    /// All slots, by account and time of day.
    async fn slots(&self, owner: &Owner) -> StoreResult<Vec<SlotRow>>;

    /// Removes a slot; true if it was there. Targets that took an occurrence of it keep their times.
    async fn delete_slot(&self, owner: &Owner, id: &str) -> StoreResult<bool>;

    /// Which occurrences of an account's slots are taken, on `from` or later: (slot, local date). A target that is canceled, or
    /// edited to another time, frees its occurrence.
    async fn taken_slots(
        &self,
        owner: &Owner,
        account_id: &str,
        from: Date,
    ) -> StoreResult<Vec<(String, Date)>>;

    /// Wall times of all teams whose instant comes after `now` and whose target has not been begun, by number above `after`.
    async fn kept_times(&self, now: Millis, after: i64, limit: u32) -> StoreResult<Vec<KeptTime>>;

    /// Moves a target whose wall time means another instant; false, and nothing is written, if it has been begun or its time is
    /// another by now.
    async fn retime(&self, retime: Retime) -> StoreResult<bool>;

    // ---- accounts

    /// Inserts or replaces an account, tokens included. Reconnecting keeps `connected_at` of the new row; `token_version`
    /// goes up even if the new row's does not, so that a refresh under way cannot overwrite the new tokens.
    async fn put_account(&self, row: AccountRow) -> StoreResult<()>;

    /// One account.
    async fn account(&self, owner: &Owner, id: &str) -> StoreResult<Option<AccountRow>>;

    /// All accounts, by id.
    async fn accounts(&self, owner: &Owner) -> StoreResult<Vec<AccountRow>>;

    /// Takes the right to renew an account's tokens until `until`, over all engines; false if another has it at `now`.
    /// [`Store::save_tokens`], [`Store::put_account`] and [`Store::end_renewal`] give it back.
    async fn begin_renewal(
        &self,
        owner: &Owner,
        account_id: &str,
        now: Millis,
        until: Millis,
    ) -> StoreResult<bool>;

    /// Gives the right to renew back without new tokens.
    async fn end_renewal(&self, owner: &Owner, account_id: &str) -> StoreResult<()>;

    /// Stores new tokens if `token_version` is still `expect`; raises it by one.
    async fn save_tokens(&self, row: AccountRow, expect: u64) -> StoreResult<bool>;

    /// Removes an account and its tokens; true if it was there.
    async fn delete_account(&self, owner: &Owner, id: &str) -> StoreResult<bool>;

    /// Begins an OAuth connection.
    async fn create_connect(&self, row: ConnectRow) -> StoreResult<()>;

    /// Takes the pending connection of a state, once: a second call finds none. Expired ones are not found.
    async fn take_connect(&self, state_hash: &[u8], now: Millis)
    -> StoreResult<Option<ConnectRow>>;

    /// Ends a connection.
    async fn finish_connect(&self, row: ConnectRow) -> StoreResult<()>;

    /// One connection.
    async fn connect(&self, owner: &Owner, id: &str) -> StoreResult<Option<ConnectRow>>;

    // ---- keys

    /// Stores an API key (its hash).
    async fn create_api_key(&self, row: ApiKeyRow) -> StoreResult<()>;

    /// By id, for any team: authentication.
    async fn api_key(&self, id: &str) -> StoreResult<Option<ApiKeyRow>>;

    /// All keys of a team, newest first.
    async fn api_keys(&self, team: &str) -> StoreResult<Vec<ApiKeyRow>>;

    /// Revokes a key; true if it was valid before.
    async fn revoke_api_key(&self, team: &str, id: &str, now: Millis) -> StoreResult<bool>;

    /// The wrapped data keys of a team, oldest first.
    async fn data_keys(&self, team: &str) -> StoreResult<Vec<DataKeyRow>>;

    /// Adds a data key if its (team, version) is free; false otherwise.
    async fn add_data_key(&self, row: DataKeyRow) -> StoreResult<bool>;

    // ---- the database itself

    /// What the engine noted about this database under a name.
    async fn note(&self, name: &str) -> StoreResult<Option<String>>;

    /// Notes all of these, each replacing what was there under its name.
    async fn put_notes(&self, notes: Vec<(&'static str, String)>) -> StoreResult<()>;

    /// Says that the database is in use at `now`: raises the note `beat`, which never falls, and gives what it is now. What tells
    /// this database from a copy is noted with it, unless it is a copy and that shall not be `adopted`.
    async fn beat(&self, now: Millis, adopt: bool) -> StoreResult<Millis>;

    /// Whether this is not the database of the last [`Store::beat`], but one that was restored from it, or brought back to an
    /// earlier time by its server. Always false where a database cannot tell.
    async fn is_copy(&self) -> StoreResult<bool>;

    // ---- media

    /// Begins a file, unless its key began one before or it goes beyond the owner's allowance in bytes.
    async fn begin_media(&self, row: MediaRow, allowance: Option<u64>) -> StoreResult<Begun>;

    /// Stores how far receiving has come (length, offset, state, end), if it stood at `from` until now; false otherwise.
    async fn advance_media(&self, row: MediaRow, from: u64) -> StoreResult<bool>;

    /// Makes a file ready. If another file of the owner has the same content, that one's blob is named from now on. `None` if the file
    /// is gone or ready already.
    async fn finish_media(&self, row: MediaRow) -> StoreResult<Option<MediaRow>>;

    /// One file.
    async fn media(&self, owner: &Owner, id: &str) -> StoreResult<Option<MediaRow>>;

    /// Bytes of all files of an owner: shared content once, begun files in full.
    async fn media_bytes(&self, owner: &Owner) -> StoreResult<u64>;

    /// Removes a file's row; `None` if there is none.
    async fn delete_media(&self, owner: &Owner, id: &str) -> StoreResult<Option<GoneMedia>>;

    /// Removes up to `limit` files, of any team, whose time ended [`EXPIRY_GRACE`] before `now`. Files that an open upload names, or
    /// whose last upload ended less than `keep` ago, get new time first, well before theirs is over.
    async fn expire_media(
        &self,
        now: Millis,
        keep: Millis,
        limit: u32,
    ) -> StoreResult<Vec<GoneMedia>>;

    /// Counts what stands in the database at `now`, over all teams.
    async fn census(&self, now: Millis) -> StoreResult<Census>;

    /// Removes idempotency keys made before `before`, pending connections and such that ended before it.
    async fn forget(&self, before: Millis) -> StoreResult<u64>;

    /// Closes the store; whatever was accepted is on disk afterwards.
    async fn close(&self) -> StoreResult<()>;
}
