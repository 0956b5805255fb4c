//! The store in one SQLite file: one thread writes with group commit, a few connections read.

mod accounts;
mod audit;
mod backup;
mod census;
mod claims;
mod codec;
mod events;
mod keys;
mod lanes;
mod media;
mod open;
#[cfg(test)]
mod plans;
mod readers;
mod slots;
mod targets;
mod turns;
mod uploads;
mod wall_times;
mod webhooks;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use multi_upload_wire::ErrorCode;
use tokio::sync::watch;

use super::audit::{of_new_key, of_tokens};
use super::{
    AccountRow, AccountUse, ApiKeyRow, Begun, Census, ConnectRow, CreateOutcome, DataKeyRow,
    EditOutcome, EventRow, GoneMedia, Held, Idempotency, KeptTime, KeyUse, MediaRow, Millis,
    NewAudit, NewUpload, Owner, Rest, Retime, SlotOutcome, SlotRow, Store, StoreResult,
    TargetChange, TargetRow, UploadEdit, UploadFilter, UploadRow, WriteLimit,
};
use readers::Readers;
use writer::Writer;

pub(crate) use backup::{check, copy, fold_log};

/// Reading connections of a service.
const READERS: u32 = 4;

/// The store in one SQLite file.
///
/// Closed by [`Store::close`]; when it is dropped instead, accepted changes are still written, but nobody waits for them.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the database, makes it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// On a network file system, when a newer version wrote it, and when the file cannot be used.
    pub fn open(path: &Path) -> StoreResult<Self> {
        Self::with_readers(path, READERS)
    }

    /// The same for a short command beside a running service: SQLite's own locks let both write.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_shared(path: &Path) -> StoreResult<Self> {
        Self::with_readers(path, 1)
    }

    fn with_readers(path: &Path, readers: u32) -> StoreResult<Self> {
        let conn = open::writer(path)?;
        Ok(Self {
            readers: Readers::open(path, readers)?,
            writer: Writer::start(conn)?,
        })
    }

    /// The last committed `change_seq`; changes after each commit that raised it.
    #[must_use]
    pub fn changes_watch(&self) -> watch::Receiver<u64> {
        self.writer.changes()
    }

    /// How many transactions this store has committed since it was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_uploads(&self, uploads: Vec<NewUpload>) -> StoreResult<Vec<CreateOutcome>> {
        let ready = uploads
            .into_iter()
            .map(uploads::Ready::new)
            .collect::<StoreResult<Vec<_>>>()?;
        self.writer.run(|tx| uploads::create(tx, ready)).await
    }

    async fn answered(
        &self,
        owner: &Owner,
        key: &str,
        now: Millis,
    ) -> StoreResult<Option<(Vec<u8>, String)>> {
        let (owner, key) = (owner.clone(), key.to_owned());
        self.readers
            .run(move |conn| uploads::answered(conn, &owner, &key, now))
            .await
    }

    async fn begin_request(
        &self,
        owner: &Owner,
        key: &str,
        body_hash: Vec<u8>,
        now: Millis,
    ) -> StoreResult<Option<KeyUse>> {
        let owner = owner.clone();
        let key = Idempotency {
            key: key.to_owned(),
            body_hash,
            answer: String::new(),
        };
        self.writer
            .run(move |tx| uploads::take_key(tx.conn, &owner, now, &key))
            .await
    }

    async fn end_request(
        &self,
        owner: &Owner,
        key: &str,
        answer: Option<String>,
    ) -> StoreResult<()> {
        let (owner, key) = (owner.clone(), key.to_owned());
        self.writer
            .run(move |tx| uploads::end_request(tx.conn, &owner, &key, answer.as_deref()))
            .await
    }

    async fn upload(&self, owner: &Owner, id: &str) -> StoreResult<Option<UploadRow>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.readers
            .run(move |conn| uploads::get(conn, &owner, &id))
            .await
    }

    async fn uploads(
        &self,
        owner: &Owner,
        filter: &UploadFilter,
        before: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<UploadRow>> {
        let (owner, filter, before) =
            (owner.clone(), filter.clone(), before.map(ToOwned::to_owned));
        self.readers
            .run(move |conn| uploads::list(conn, &owner, &filter, before.as_deref(), limit))
            .await
    }

    async fn changes(&self, owner: &Owner, since: u64, limit: u32) -> StoreResult<Vec<UploadRow>> {
        let owner = owner.clone();
        self.readers
            .run(move |conn| uploads::changes(conn, &owner, since, limit))
            .await
    }

    async fn last_change(&self) -> StoreResult<u64> {
        self.readers.run(uploads::last_change).await
    }

    async fn edit_upload(&self, owner: &Owner, edit: UploadEdit) -> StoreResult<EditOutcome> {
        if edit.row.owner != *owner {
            return Ok(EditOutcome::Stale);
        }
        self.writer.run(move |tx| uploads::edit(tx, &edit)).await
    }

    async fn events(&self, owner: &Owner, upload_id: &str) -> StoreResult<Vec<EventRow>> {
        let (owner, id) = (owner.clone(), upload_id.to_owned());
        self.readers
            .run(move |conn| events::list(conn, &owner, &id))
            .await
    }

    async fn open_targets_after(
        &self,
        owner: &Owner,
        account_id: &str,
        after: Millis,
    ) -> StoreResult<u64> {
        let (owner, account_id) = (owner.clone(), account_id.to_owned());
        self.readers
            .run(move |conn| targets::open_after(conn, &owner, &account_id, after))
            .await
    }

    async fn next_timer(&self) -> StoreResult<Option<Millis>> {
        self.readers.run(claims::next_timer).await
    }

    async fn claim(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
        limits: Arc<BTreeMap<String, WriteLimit>>,
    ) -> StoreResult<Vec<TargetRow>> {
        self.writer
            .run(move |tx| claims::claim(tx, now, lease_until, limit, &limits))
            .await
    }

    async fn claim_looks(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>> {
        self.writer
            .run(move |tx| claims::claim_looks(tx.conn, now, lease_until, limit))
            .await
    }

    async fn claim_sentinels(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>> {
        self.writer
            .run(move |tx| claims::claim_sentinels(tx.conn, now, lease_until, limit))
            .await
    }

    async fn hold_account(
        &self,
        owner: &Owner,
        account_id: &str,
        until: Millis,
        why: ErrorCode,
    ) -> StoreResult<()> {
        let account = lanes::Account {
            mode: owner.mode.as_str(),
            id: account_id.to_owned(),
        };
        self.writer
            .run(move |tx| turns::hold(tx.conn, &account, until, why))
            .await
    }

    async fn rests(
        &self,
        owner: &Owner,
        account_ids: Vec<String>,
        now: Millis,
    ) -> StoreResult<Vec<Rest>> {
        let mode = owner.mode.as_str();
        self.readers
            .run(move |conn| {
                let accounts = account_ids.into_iter();
                accounts
                    .map(|id| turns::rest(conn, &lanes::Account { mode, id }, now))
                    .filter_map(Result::transpose)
                    .collect()
            })
            .await
    }

    async fn late(
        &self,
        now: Millis,
        due_after: Option<Millis>,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>> {
        self.readers
            .run(move |conn| claims::late(conn, now, due_after, limit))
            .await
    }

    async fn next_late(&self, due_after: Option<Millis>) -> StoreResult<Option<Millis>> {
        self.readers
            .run(move |conn| claims::next_late(conn, due_after))
            .await
    }

    async fn is_in_doubt(
        &self,
        owner: &Owner,
        account_id: &str,
        fingerprint: &str,
    ) -> StoreResult<bool> {
        let (mode, account_id) = (owner.mode.as_str(), account_id.to_owned());
        let fingerprint = fingerprint.to_owned();
        self.readers
            .run(move |conn| targets::is_in_doubt(conn, mode, &account_id, &fingerprint))
            .await
    }

    async fn account_use(
        &self,
        owner: &Owner,
        account_id: &str,
        limit: WriteLimit,
        now: Millis,
    ) -> StoreResult<AccountUse> {
        let account = lanes::Account {
            mode: owner.mode.as_str(),
            id: account_id.to_owned(),
        };
        self.readers
            .run(move |conn| turns::used(conn, &account, limit, now))
            .await
    }

    async fn target(
        &self,
        owner: &Owner,
        upload_id: &str,
        id: &str,
    ) -> StoreResult<Option<TargetRow>> {
        let (owner, upload_id, id) = (owner.clone(), upload_id.to_owned(), id.to_owned());
        self.readers
            .run(move |conn| targets::get(conn, &owner, &upload_id, &id))
            .await
    }

    async fn baseline(
        &self,
        owner: &Owner,
        target_id: &str,
        number: u32,
    ) -> StoreResult<Option<Vec<u8>>> {
        let (owner, id) = (owner.clone(), target_id.to_owned());
        self.readers
            .run(move |conn| targets::baseline(conn, &owner, &id, number))
            .await
    }

    async fn known_remote_ids(
        &self,
        owner: &Owner,
        account_id: &str,
        ids: Vec<String>,
    ) -> StoreResult<Vec<String>> {
        let (owner, account_id) = (owner.clone(), account_id.to_owned());
        self.readers
            .run(move |conn| targets::known_remote_ids(conn, &owner, &account_id, ids))
            .await
    }

    async fn expired(&self, now: Millis, limit: u32) -> StoreResult<Vec<TargetRow>> {
        self.readers
            .run(move |conn| claims::expired(conn, now, limit))
            .await
    }

    async fn extend_leases(&self, held: Vec<Held>, until: Millis) -> StoreResult<Vec<String>> {
        self.writer
            .run(move |tx| claims::extend_leases(tx.conn, &held, until))
            .await
    }

    async fn expire_leases(&self, now: Millis) -> StoreResult<u64> {
        self.writer
            .run(move |tx| claims::expire_leases(tx.conn, now))
            .await
    }

    async fn change_target(&self, change: TargetChange) -> StoreResult<Option<TargetRow>> {
        self.writer
            .run(move |tx| targets::change(tx, &change))
            .await
    }

    async fn change_targets(
        &self,
        changes: Vec<TargetChange>,
    ) -> StoreResult<Vec<Option<TargetRow>>> {
        self.writer
            .run(move |tx| targets::change_all(tx, &changes))
            .await
    }

    async fn put_slot(&self, row: SlotRow, is_new: bool) -> StoreResult<SlotOutcome> {
        self.writer
            .run(move |tx| slots::put(tx.conn, &row, is_new))
            .await
    }

    async fn slots(&self, owner: &Owner) -> StoreResult<Vec<SlotRow>> {
        let owner = owner.clone();
        self.readers
            .run(move |conn| slots::list(conn, &owner))
            .await
    }

    async fn delete_slot(&self, owner: &Owner, id: &str) -> StoreResult<bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer
            .run(move |tx| slots::delete(tx.conn, &owner, &id))
            .await
    }

    async fn taken_slots(
        &self,
        owner: &Owner,
        account_id: &str,
        from: Date,
    ) -> StoreResult<Vec<(String, Date)>> {
        let (owner, account_id) = (owner.clone(), account_id.to_owned());
        self.readers
            .run(move |conn| wall_times::taken(conn, &owner, &account_id, from))
            .await
    }

    async fn kept_times(&self, now: Millis, after: i64, limit: u32) -> StoreResult<Vec<KeptTime>> {
        self.readers
            .run(move |conn| wall_times::kept(conn, now, after, limit))
            .await
    }

    async fn retime(&self, retime: Retime) -> StoreResult<bool> {
        self.writer
            .run(move |tx| wall_times::retime(tx, &retime))
            .await
    }

    async fn put_account(&self, row: AccountRow) -> StoreResult<()> {
        self.writer
            .run(move |tx| {
                accounts::put(tx.conn, &row)?;
                let new = NewAudit::at_once(
                    &row.owner,
                    "account.connected",
                    &row.id,
                    "connected by OAuth",
                );
                audit::note(tx, &new.at(row.connected_at))?;
                webhooks::account_changed(
                    tx.conn,
                    "account.connected",
                    &row.owner,
                    &row.id,
                    row.connected_at,
                )
            })
            .await
    }

    async fn account(&self, owner: &Owner, id: &str) -> StoreResult<Option<AccountRow>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.readers
            .run(move |conn| accounts::get(conn, &owner, &id))
            .await
    }

    async fn accounts(&self, owner: &Owner) -> StoreResult<Vec<AccountRow>> {
        let owner = owner.clone();
        self.readers
            .run(move |conn| accounts::list(conn, &owner))
            .await
    }

    async fn begin_renewal(
        &self,
        owner: &Owner,
        account_id: &str,
        now: Millis,
        until: Millis,
    ) -> StoreResult<bool> {
        let (owner, id) = (owner.clone(), account_id.to_owned());
        self.writer
            .run(move |tx| accounts::begin_renewal(tx.conn, &owner, &id, now, until))
            .await
    }

    async fn end_renewal(&self, owner: &Owner, account_id: &str) -> StoreResult<()> {
        let (owner, id) = (owner.clone(), account_id.to_owned());
        self.writer
            .run(move |tx| accounts::end_renewal(tx.conn, &owner, &id))
            .await
    }

    async fn save_tokens(&self, row: AccountRow, expect: u64) -> StoreResult<bool> {
        self.writer
            .run(move |tx| {
                let saved = accounts::save_tokens(tx.conn, &row, expect)?;
                if saved {
                    audit::note(tx, &of_tokens(&row, tx.by().at()))?;
                }
                if saved && !row.usable {
                    let at = tx.by().at();
                    webhooks::account_changed(
                        tx.conn,
                        "account.disconnected",
                        &row.owner,
                        &row.id,
                        at,
                    )?;
                }
                Ok(saved)
            })
            .await
    }

    async fn delete_account(&self, owner: &Owner, id: &str) -> StoreResult<bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer
            .run(move |tx| {
                // While it can still be shown.
                webhooks::account_changed(
                    tx.conn,
                    "account.disconnected",
                    &owner,
                    &id,
                    tx.by().at(),
                )?;
                let gone = accounts::delete(tx.conn, &owner, &id)?;
                if gone {
                    let by = NewAudit::at_once(
                        &owner,
                        "account.disconnected",
                        &id,
                        "its tokens were deleted",
                    );
                    audit::note(tx, &by.at(tx.by().at()))?;
                }
                Ok(gone)
            })
            .await
    }

    async fn create_connect(&self, row: ConnectRow) -> StoreResult<()> {
        self.writer
            .run(move |tx| {
                accounts::create_connect(tx.conn, &row)?;
                let what = format!("began to connect an account of {}", row.platform);
                let new = NewAudit::at_once(&row.owner, "connection.begun", &row.id, &what);
                audit::note(tx, &new.at(row.created_at))
            })
            .await
    }

    async fn take_connect(
        &self,
        state_hash: &[u8],
        now: Millis,
    ) -> StoreResult<Option<ConnectRow>> {
        let state_hash = state_hash.to_vec();
        self.writer
            .run(move |tx| accounts::take_connect(tx.conn, &state_hash, now))
            .await
    }

    async fn finish_connect(&self, row: ConnectRow) -> StoreResult<()> {
        self.writer
            .run(move |tx| accounts::finish_connect(tx.conn, &row))
            .await
    }

    async fn connect(&self, owner: &Owner, id: &str) -> StoreResult<Option<ConnectRow>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.readers
            .run(move |conn| accounts::get_connect(conn, &owner, &id))
            .await
    }

    async fn create_api_key(&self, row: ApiKeyRow) -> StoreResult<()> {
        self.writer
            .run(move |tx| {
                keys::create(tx.conn, &row)?;
                audit::note(tx, &of_new_key(&row))
            })
            .await
    }

    async fn api_key(&self, id: &str) -> StoreResult<Option<ApiKeyRow>> {
        let id = id.to_owned();
        self.readers.run(move |conn| keys::get(conn, &id)).await
    }

    async fn api_keys(&self, team: &str) -> StoreResult<Vec<ApiKeyRow>> {
        let team = team.to_owned();
        self.readers.run(move |conn| keys::list(conn, &team)).await
    }

    async fn revoke_api_key(&self, team: &str, id: &str, now: Millis) -> StoreResult<bool> {
        let (team, id) = (team.to_owned(), id.to_owned());
        self.writer
            .run(move |tx| {
                let revoked = keys::revoke(tx.conn, &team, &id, now)?;
                if revoked && let Some(row) = keys::get(tx.conn, &id)? {
                    let new =
                        NewAudit::at_once(&row.owner, "api_key.revoked", &id, "valid no more");
                    audit::note(tx, &new.at(now))?;
                }
                Ok(revoked)
            })
            .await
    }

    async fn data_keys(&self, team: &str) -> StoreResult<Vec<DataKeyRow>> {
        let team = team.to_owned();
        self.readers
            .run(move |conn| keys::data_keys(conn, &team))
            .await
    }

    async fn add_data_key(&self, row: DataKeyRow) -> StoreResult<bool> {
        self.writer
            .run(move |tx| keys::add_data_key(tx.conn, &row))
            .await
    }

    async fn note(&self, name: &str) -> StoreResult<Option<String>> {
        let name = name.to_owned();
        self.readers.run(move |conn| keys::note(conn, &name)).await
    }

    async fn put_notes(&self, notes: Vec<(&'static str, String)>) -> StoreResult<()> {
        self.writer
            .run(move |tx| keys::put_notes(tx.conn, &notes))
            .await
    }

    async fn beat(&self, now: Millis, _adopt: bool) -> StoreResult<Millis> {
        self.writer.run(move |tx| keys::beat(tx.conn, now)).await
    }

    /// One file is as good as another.
    async fn is_copy(&self) -> StoreResult<bool> {
        Ok(false)
    }

    async fn begin_media(&self, row: MediaRow, allowance: Option<u64>) -> StoreResult<Begun> {
        self.writer
            .run(move |tx| media::begin(tx.conn, &row, allowance))
            .await
    }

    async fn advance_media(&self, row: MediaRow, from: u64) -> StoreResult<bool> {
        self.writer
            .run(move |tx| media::advance(tx.conn, &row, from))
            .await
    }

    async fn finish_media(&self, row: MediaRow) -> StoreResult<Option<MediaRow>> {
        self.writer
            .run(move |tx| media::finish(tx.conn, &row))
            .await
    }

    async fn media(&self, owner: &Owner, id: &str) -> StoreResult<Option<MediaRow>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.readers
            .run(move |conn| media::get(conn, &owner, &id))
            .await
    }

    async fn media_bytes(&self, owner: &Owner) -> StoreResult<u64> {
        let owner = owner.clone();
        self.readers
            .run(move |conn| media::bytes(conn, &owner))
            .await
    }

    async fn delete_media(&self, owner: &Owner, id: &str) -> StoreResult<Option<GoneMedia>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer
            .run(move |tx| media::delete(tx.conn, &owner, &id))
            .await
    }

    async fn expire_media(
        &self,
        now: Millis,
        keep: Millis,
        limit: u32,
    ) -> StoreResult<Vec<GoneMedia>> {
        self.writer
            .run(move |tx| media::expire(tx.conn, now, keep, limit))
            .await
    }

    async fn census(&self, now: Millis) -> StoreResult<Census> {
        self.readers
            .run(move |conn| census::census(conn, now))
            .await
    }

    async fn forget(&self, before: Millis) -> StoreResult<u64> {
        self.writer
            .run(move |tx| wall_times::forget(tx.conn, before))
            .await?;
        let mut gone = 0;
        loop {
            let portion = self
                .writer
                .run(move |tx| media::forget(tx.conn, before))
                .await?;
            gone += portion;
            if portion < u64::from(media::FORGET) {
                return Ok(gone);
            }
        }
    }

    async fn close(&self) -> StoreResult<()> {
        // Readers first: with the last connection SQLite folds the log into the file.
        self.readers.close().await;
        self.writer.close().await
    }
}
