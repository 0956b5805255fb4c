//! The store in PostgreSQL (15 or newer), for services of one or many nodes.
//!
//! - Nodes share nothing but the database. What is due is claimed under row locks that other nodes pass by, so each target is
//!   taken once; whoever holds one is recognised by its fence. Leases are reckoned in the time the caller gives, which should be
//!   the database's, see [`PgStore::now`].
//! - Places in the change feed become visible in their order (`pace.rs`, `counters` in the schema).
//! - Inserts and changes that wait together share a transaction (`writer.rs`).
//! - Nodes hear of each other's changes by LISTEN (`listen.rs`). It and the prepared statements need connections that last:
//!   a pooler in between must pool by session.

/// One transaction, run again when another was preferred to it. A macro, since a closure's future could not be said to be `Send`.
macro_rules! transaction {
    ($db:expr, |$tx:ident| $work:expr) => {
        $crate::store::postgres::db::again(|| async {
            let mut client = $db.client().await?;
            let transaction = $crate::store::postgres::db::begin(&mut client).await?;
            let $tx = &transaction;
            let done = $work;
            transaction.commit().await?;
            Ok(done)
        })
        .await
    };
}

mod accounts;
mod audit;
mod census;
mod change;
mod claim;
mod codec;
mod create;
mod db;
mod edit;
mod events;
mod keys;
mod leases;
mod listen;
mod media;
mod migrate;
mod pace;
mod place;
mod slots;
mod targets;
mod tls;
mod trouble;
mod uploads;
mod url;
mod wall_times;
mod webhooks;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use jiff::civil::Date;
use multi_upload_wire::ErrorCode;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::audit::{of_new_key, of_tokens};
use super::{
    AccountRow, AccountUse, ApiKeyRow, Begun, Census, ConnectRow, CreateOutcome, DataKeyRow,
    EditOutcome, EventRow, GoneMedia, Held, KeptTime, KeyUse, MediaRow, Millis, NewAudit,
    NewUpload, Owner, Rest, Retime, SlotOutcome, SlotRow, Store, StoreResult, TargetChange,
    TargetRow, UploadEdit, UploadFilter, UploadRow, WriteLimit,
};
use crate::audit::{Actor, current};
use db::{Db, again};
use listen::{Ears, Told};
use tls::Tls;
use trouble::{Res, closed};
use writer::{Work, Writer};

/// Stores new uploads.
struct Creates(Db);

impl Work for Creates {
    type Item = (Actor, NewUpload);
    type Outcome = CreateOutcome;

    async fn run(&self, items: &[&(Actor, NewUpload)]) -> Res<(Vec<CreateOutcome>, Option<Told>)> {
        create::create(&self.0, items).await
    }
}

/// Moves targets.
struct Changes(Db);

impl Work for Changes {
    type Item = (Actor, TargetChange);
    type Outcome = Option<TargetRow>;

    async fn run(
        &self,
        items: &[&(Actor, TargetChange)],
    ) -> Res<(Vec<Option<TargetRow>>, Option<Told>)> {
        change::change(&self.0, items).await
    }
}

/// The store in PostgreSQL.
///
/// Closed by [`Store::close`]; when it is dropped instead, accepted changes are still written, but nobody waits for them.
pub struct PgStore {
    db: Db,
    ears: Ears,
    creates: Writer<Creates>,
    changes: Writer<Changes>,
    stop: CancellationToken,
    listener: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for PgStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgStore").finish_non_exhaustive()
    }
}

impl Drop for PgStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl PgStore {
    /// Connects by a URL like `postgres://user:password@host:5432/database?sslmode=require`, and brings the schema up to
    /// date. `sslmode` is `disable`, `prefer` (the default: encrypted where the server can, without a proof of who it is) or
    /// `require` (encrypted, and the certificate must be valid for the host; `verify-full` means the same here).
    ///
    /// # Errors
    /// When the URL cannot be read, the database cannot be reached, is older than PostgreSQL 15, or was written by a newer version
    /// of this program. No error holds the password.
    pub async fn connect(url: &str) -> StoreResult<Self> {
        let config = url::config(url)?;
        let tls = Tls::new(config.get_ssl_mode());
        let db = Db::new(config.clone(), tls.clone())?;
        migrate::migrate(&db).await?;
        let last = {
            let client = db.client().await?;
            uploads::last_change(&client).await?
        };
        let ears = Ears::new(last);
        let stop = CancellationToken::new();
        let listener = tokio::spawn(listen::listen(
            config,
            tls,
            db.clone(),
            ears.clone(),
            stop.clone(),
        ));
        Ok(Self {
            creates: Writer::start(Creates(db.clone()), ears.clone()),
            changes: Writer::start(Changes(db.clone()), ears.clone()),
            db,
            ears,
            stop,
            listener: std::sync::Mutex::new(Some(listener)),
        })
    }

    /// The last committed `change_seq`; changes after each commit of any node that raised it.
    #[must_use]
    pub fn changes_watch(&self) -> watch::Receiver<u64> {
        self.ears.changes()
    }

    /// Told when something may be due sooner than was known, by any node. For one waiter: a signal that comes while nobody
    /// waits is kept for the next.
    #[must_use]
    pub fn wakes(&self) -> Arc<Notify> {
        self.ears.wakes()
    }

    /// The database's time: the same for all nodes, however their own clocks go.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn now(&self) -> StoreResult<Millis> {
        let client = self.db.client().await?;
        let now = db::row(
            &client,
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
            &[],
        )
        .await?;
        now.map(|row| row.get(0)).ok_or_else(closed)
    }

    fn tell(&self, told: Option<Told>) {
        if let Some(told) = told {
            self.ears.hear(told);
        }
    }
}

#[async_trait]
impl Store for PgStore {
    async fn create_uploads(&self, uploads: Vec<NewUpload>) -> StoreResult<Vec<CreateOutcome>> {
        create::check(&uploads)?;
        let by = current();
        self.creates
            .run(uploads.into_iter().map(|new| (by.clone(), new)).collect())
            .await
    }

    async fn answered(
        &self,
        owner: &Owner,
        key: &str,
        now: Millis,
    ) -> StoreResult<Option<(Vec<u8>, String)>> {
        let client = self.db.client().await?;
        Ok(uploads::answered(&client, owner, key, now).await?)
    }

    async fn begin_request(
        &self,
        owner: &Owner,
        key: &str,
        body_hash: Vec<u8>,
        now: Millis,
    ) -> StoreResult<Option<KeyUse>> {
        let client = self.db.client().await?;
        Ok(uploads::begin_request(&client, owner, key, &body_hash, now).await?)
    }

    async fn end_request(
        &self,
        owner: &Owner,
        key: &str,
        answer: Option<String>,
    ) -> StoreResult<()> {
        let client = self.db.client().await?;
        Ok(uploads::end_request(&client, owner, key, answer.as_deref()).await?)
    }

    async fn upload(&self, owner: &Owner, id: &str) -> StoreResult<Option<UploadRow>> {
        let client = self.db.client().await?;
        Ok(uploads::get(&client, owner, id).await?)
    }

    async fn uploads(
        &self,
        owner: &Owner,
        filter: &UploadFilter,
        before: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<UploadRow>> {
        let client = self.db.client().await?;
        Ok(uploads::list(&client, owner, filter, before, limit).await?)
    }

    async fn changes(&self, owner: &Owner, since: u64, limit: u32) -> StoreResult<Vec<UploadRow>> {
        let client = self.db.client().await?;
        Ok(uploads::changes(&client, owner, since, limit).await?)
    }

    async fn last_change(&self) -> StoreResult<u64> {
        let client = self.db.client().await?;
        Ok(uploads::last_change(&client).await?)
    }

    async fn edit_upload(&self, owner: &Owner, edit: UploadEdit) -> StoreResult<EditOutcome> {
        if edit.row.owner != *owner {
            return Ok(EditOutcome::Stale);
        }
        let (outcome, told) = again(|| edit::edit(&self.db, &edit)).await?;
        self.tell(told);
        Ok(outcome)
    }

    async fn events(&self, owner: &Owner, upload_id: &str) -> StoreResult<Vec<EventRow>> {
        let client = self.db.client().await?;
        Ok(events::list(&client, owner, upload_id).await?)
    }

    async fn open_targets_after(
        &self,
        owner: &Owner,
        account_id: &str,
        after: Millis,
    ) -> StoreResult<u64> {
        let client = self.db.client().await?;
        Ok(targets::open_after(&client, owner, account_id, after).await?)
    }

    async fn next_timer(&self) -> StoreResult<Option<Millis>> {
        let client = self.db.client().await?;
        Ok(claim::next_timer(&client).await?)
    }

    async fn claim(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
        limits: Arc<BTreeMap<String, WriteLimit>>,
    ) -> StoreResult<Vec<TargetRow>> {
        let (claimed, told) =
            again(|| claim::claim(&self.db, now, lease_until, limit, &limits)).await?;
        self.tell(told);
        Ok(claimed)
    }

    async fn claim_looks(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>> {
        Ok(again(|| claim::claim_looks(&self.db, now, lease_until, limit)).await?)
    }

    async fn claim_sentinels(
        &self,
        now: Millis,
        lease_until: Millis,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>> {
        Ok(again(|| claim::claim_sentinels(&self.db, now, lease_until, limit)).await?)
    }

    async fn hold_account(
        &self,
        owner: &Owner,
        account_id: &str,
        until: Millis,
        why: ErrorCode,
    ) -> StoreResult<()> {
        Ok(again(|| targets::hold(&self.db, owner, account_id, until, why)).await?)
    }

    async fn rests(
        &self,
        owner: &Owner,
        account_ids: Vec<String>,
        now: Millis,
    ) -> StoreResult<Vec<Rest>> {
        let client = self.db.client().await?;
        Ok(targets::rests(&client, owner, &account_ids, now).await?)
    }

    async fn late(
        &self,
        now: Millis,
        due_after: Option<Millis>,
        limit: u32,
    ) -> StoreResult<Vec<TargetRow>> {
        let client = self.db.client().await?;
        Ok(targets::late(&client, now, due_after, limit).await?)
    }

    async fn next_late(&self, due_after: Option<Millis>) -> StoreResult<Option<Millis>> {
        let client = self.db.client().await?;
        Ok(targets::next_late(&client, due_after).await?)
    }

    async fn is_in_doubt(
        &self,
        owner: &Owner,
        account_id: &str,
        fingerprint: &str,
    ) -> StoreResult<bool> {
        let client = self.db.client().await?;
        Ok(targets::is_in_doubt(&client, owner, account_id, fingerprint).await?)
    }

    async fn account_use(
        &self,
        owner: &Owner,
        account_id: &str,
        limit: WriteLimit,
        now: Millis,
    ) -> StoreResult<AccountUse> {
        let client = self.db.client().await?;
        Ok(claim::used(&client, owner, account_id, limit, now).await?)
    }

    async fn target(
        &self,
        owner: &Owner,
        upload_id: &str,
        id: &str,
    ) -> StoreResult<Option<TargetRow>> {
        let client = self.db.client().await?;
        Ok(targets::get(&client, owner, upload_id, id).await?)
    }

    async fn baseline(
        &self,
        owner: &Owner,
        target_id: &str,
        number: u32,
    ) -> StoreResult<Option<Vec<u8>>> {
        let client = self.db.client().await?;
        Ok(targets::baseline(&client, owner, target_id, number).await?)
    }

    async fn known_remote_ids(
        &self,
        owner: &Owner,
        account_id: &str,
        ids: Vec<String>,
    ) -> StoreResult<Vec<String>> {
        let client = self.db.client().await?;
        Ok(targets::known_remote_ids(&client, owner, account_id, &ids).await?)
    }

    async fn expired(&self, now: Millis, limit: u32) -> StoreResult<Vec<TargetRow>> {
        let client = self.db.client().await?;
        Ok(claim::expired(&client, now, limit).await?)
    }

    async fn extend_leases(&self, held: Vec<Held>, until: Millis) -> StoreResult<Vec<String>> {
        Ok(again(|| leases::extend(&self.db, &held, until)).await?)
    }

    /// Does nothing: no node owns this database alone, so the holder of a lease may be alive. The leases of a dead one end by
    /// themselves.
    async fn expire_leases(&self, _now: Millis) -> StoreResult<u64> {
        Ok(0)
    }

    async fn change_target(&self, change: TargetChange) -> StoreResult<Option<TargetRow>> {
        let mine = vec![(current(), change)];
        Ok(self.changes.run(mine).await?.pop().flatten())
    }

    async fn change_targets(
        &self,
        changes: Vec<TargetChange>,
    ) -> StoreResult<Vec<Option<TargetRow>>> {
        let by = current();
        self.changes
            .run(changes.into_iter().map(|one| (by.clone(), one)).collect())
            .await
    }

    async fn put_slot(&self, row: SlotRow, is_new: bool) -> StoreResult<SlotOutcome> {
        let client = self.db.client().await?;
        Ok(slots::put(&client, &row, is_new).await?)
    }

    async fn slots(&self, owner: &Owner) -> StoreResult<Vec<SlotRow>> {
        let client = self.db.client().await?;
        Ok(slots::list(&client, owner).await?)
    }

    async fn delete_slot(&self, owner: &Owner, id: &str) -> StoreResult<bool> {
        let client = self.db.client().await?;
        Ok(slots::delete(&client, owner, id).await?)
    }

    async fn taken_slots(
        &self,
        owner: &Owner,
        account_id: &str,
        from: Date,
    ) -> StoreResult<Vec<(String, Date)>> {
        let client = self.db.client().await?;
        Ok(wall_times::taken(&client, owner, account_id, from).await?)
    }

    async fn kept_times(&self, now: Millis, after: i64, limit: u32) -> StoreResult<Vec<KeptTime>> {
        let client = self.db.client().await?;
        Ok(wall_times::kept(&client, now, after, limit).await?)
    }

    async fn retime(&self, retime: Retime) -> StoreResult<bool> {
        let told = again(|| wall_times::retime(&self.db, &retime)).await?;
        self.tell(told);
        Ok(told.is_some())
    }

    async fn put_account(&self, row: AccountRow) -> StoreResult<()> {
        Ok(transaction!(self.db, |tx| {
            accounts::put(tx, &row).await?;
            let new = NewAudit::at_once(
                &row.owner,
                "account.connected",
                &row.id,
                "connected by OAuth",
            );
            audit::note(tx, &current(), &new.at(row.connected_at)).await?;
            let (kind, at) = ("account.connected", row.connected_at);
            webhooks::account_changed(tx, kind, &row.owner, &row.id, at).await?
        })?)
    }

    async fn account(&self, owner: &Owner, id: &str) -> StoreResult<Option<AccountRow>> {
        let client = self.db.client().await?;
        Ok(accounts::get(&client, owner, id).await?)
    }

    async fn accounts(&self, owner: &Owner) -> StoreResult<Vec<AccountRow>> {
        let client = self.db.client().await?;
        Ok(accounts::list(&client, owner).await?)
    }

    async fn begin_renewal(
        &self,
        owner: &Owner,
        account_id: &str,
        now: Millis,
        until: Millis,
    ) -> StoreResult<bool> {
        let client = self.db.client().await?;
        Ok(accounts::begin_renewal(&client, owner, account_id, now, until).await?)
    }

    async fn end_renewal(&self, owner: &Owner, account_id: &str) -> StoreResult<()> {
        let client = self.db.client().await?;
        Ok(accounts::end_renewal(&client, owner, account_id).await?)
    }

    async fn save_tokens(&self, row: AccountRow, expect: u64) -> StoreResult<bool> {
        let at = current().at();
        Ok(transaction!(self.db, |tx| {
            let saved = accounts::save_tokens(tx, &row, expect).await?;
            if saved {
                audit::note(tx, &current(), &of_tokens(&row, at)).await?;
            }
            if saved && !row.usable {
                let kind = "account.disconnected";
                webhooks::account_changed(tx, kind, &row.owner, &row.id, at).await?;
            }
            saved
        })?)
    }

    async fn delete_account(&self, owner: &Owner, id: &str) -> StoreResult<bool> {
        let at = current().at();
        Ok(transaction!(self.db, |tx| {
            // While it can still be shown.
            webhooks::account_changed(tx, "account.disconnected", owner, id, at).await?;
            let gone = accounts::delete(tx, owner, id).await?;
            if gone {
                let new =
                    NewAudit::at_once(owner, "account.disconnected", id, "its tokens were deleted");
                audit::note(tx, &current(), &new.at(at)).await?;
            }
            gone
        })?)
    }

    async fn create_connect(&self, row: ConnectRow) -> StoreResult<()> {
        Ok(transaction!(self.db, |tx| {
            accounts::create_connect(tx, &row).await?;
            let what = format!("began to connect an account of {}", row.platform);
            let new = NewAudit::at_once(&row.owner, "connection.begun", &row.id, &what);
            audit::note(tx, &current(), &new.at(row.created_at)).await?
        })?)
    }

    async fn take_connect(
        &self,
        state_hash: &[u8],
        now: Millis,
    ) -> StoreResult<Option<ConnectRow>> {
        let client = self.db.client().await?;
        Ok(accounts::take_connect(&client, state_hash, now).await?)
    }

    async fn finish_connect(&self, row: ConnectRow) -> StoreResult<()> {
        let client = self.db.client().await?;
        Ok(accounts::finish_connect(&client, &row).await?)
    }

    async fn connect(&self, owner: &Owner, id: &str) -> StoreResult<Option<ConnectRow>> {
        let client = self.db.client().await?;
        Ok(accounts::get_connect(&client, owner, id).await?)
    }

    async fn create_api_key(&self, row: ApiKeyRow) -> StoreResult<()> {
        Ok(transaction!(self.db, |tx| {
            keys::create(tx, &row).await?;
            audit::note(tx, &current(), &of_new_key(&row)).await?
        })?)
    }

    async fn api_key(&self, id: &str) -> StoreResult<Option<ApiKeyRow>> {
        let client = self.db.client().await?;
        Ok(keys::get(&client, id).await?)
    }

    async fn api_keys(&self, team: &str) -> StoreResult<Vec<ApiKeyRow>> {
        let client = self.db.client().await?;
        Ok(keys::list(&client, team).await?)
    }

    async fn revoke_api_key(&self, team: &str, id: &str, now: Millis) -> StoreResult<bool> {
        Ok(transaction!(self.db, |tx| {
            let revoked = keys::revoke(tx, team, id, now).await?;
            if revoked && let Some(row) = keys::get(tx, id).await? {
                let new = NewAudit::at_once(&row.owner, "api_key.revoked", id, "valid no more");
                audit::note(tx, &current(), &new.at(now)).await?;
            }
            revoked
        })?)
    }

    async fn data_keys(&self, team: &str) -> StoreResult<Vec<DataKeyRow>> {
        let client = self.db.client().await?;
        Ok(keys::data_keys(&client, team).await?)
    }

    async fn add_data_key(&self, row: DataKeyRow) -> StoreResult<bool> {
        let client = self.db.client().await?;
        Ok(keys::add_data_key(&client, &row).await?)
    }

    async fn note(&self, name: &str) -> StoreResult<Option<String>> {
        let client = self.db.client().await?;
        Ok(keys::note(&client, name).await?)
    }

    async fn put_notes(&self, notes: Vec<(&'static str, String)>) -> StoreResult<()> {
        let client = self.db.client().await?;
        Ok(keys::put_notes(&client, &notes).await?)
    }

    async fn beat(&self, now: Millis, adopt: bool) -> StoreResult<Millis> {
        Ok(again(|| place::beat(&self.db, now, adopt)).await?)
    }

    async fn is_copy(&self) -> StoreResult<bool> {
        let client = self.db.client().await?;
        Ok(place::is_copy(&client).await?)
    }

    async fn begin_media(&self, row: MediaRow, allowance: Option<u64>) -> StoreResult<Begun> {
        Ok(again(|| media::begin(&self.db, &row, allowance)).await?)
    }

    async fn advance_media(&self, row: MediaRow, from: u64) -> StoreResult<bool> {
        let client = self.db.client().await?;
        Ok(media::advance(&client, &row, from).await?)
    }

    async fn finish_media(&self, row: MediaRow) -> StoreResult<Option<MediaRow>> {
        Ok(again(|| media::finish(&self.db, &row)).await?)
    }

    async fn media(&self, owner: &Owner, id: &str) -> StoreResult<Option<MediaRow>> {
        let client = self.db.client().await?;
        Ok(media::get(&client, owner, id).await?)
    }

    async fn media_bytes(&self, owner: &Owner) -> StoreResult<u64> {
        let client = self.db.client().await?;
        Ok(media::bytes(&client, owner).await?)
    }

    async fn delete_media(&self, owner: &Owner, id: &str) -> StoreResult<Option<GoneMedia>> {
        Ok(again(|| media::delete(&self.db, owner, id)).await?)
    }

    async fn expire_media(
        &self,
        now: Millis,
        keep: Millis,
        limit: u32,
    ) -> StoreResult<Vec<GoneMedia>> {
        Ok(again(|| media::expire(&self.db, now, keep, limit)).await?)
    }

    async fn census(&self, now: Millis) -> StoreResult<Census> {
        let client = self.db.client().await?;
        Ok(census::census(&client, now).await?)
    }

    async fn forget(&self, before: Millis) -> StoreResult<u64> {
        let client = self.db.client().await?;
        wall_times::forget(&client, before).await?;
        Ok(media::forget(&client, before).await?)
    }

    async fn close(&self) -> StoreResult<()> {
        self.creates.close().await;
        self.changes.close().await;
        self.stop.cancel();
        let listener = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(listener) = listener {
            // It ended by a fault, then; there is nothing left to stop.
            let _ = listener.await;
        }
        self.db.close();
        Ok(())
    }
}
