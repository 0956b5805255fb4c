//! A store between an engine and its store. It can wait for every answer on the spot, so that a simulated time does not run on
//! while SQLite works; and it can lose words: the request, or the answer to a transaction that was committed.
//!
//! Included by each test that needs it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use async_trait::async_trait;
use jiff::civil::Date;
use multi_upload_wire::ErrorCode;

use multi_upload_server::store::{
    AccountRow, AccountUse, ApiKeyRow, AuditFilter, AuditHead, AuditRow, AuditStore, Begun, Census,
    ChainKey, ConnectRow, CreateOutcome, DataKeyRow, DeliveryRow, EditOutcome, EventRow, GoneMedia,
    Held, KeptTime, KeyUse, LaneResult, MediaRow, Millis, NewMessage, NewUpload, Owner, Rest,
    Retime, SlotOutcome, SlotRow, Store, StoreError, StoreResult, TargetChange, TargetRow,
    UploadEdit, UploadFilter, UploadRow, WebhookRow, WebhookStore, WriteLimit,
};

/// What becomes of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done and answered.
    Answered,
    /// It is done, and its caller hears that the connection was lost.
    AnswerLost,
    /// It is not done.
    RequestLost,
}

/// Stands in for the calls that move targets: a rule that is switched off.
#[async_trait]
pub(crate) trait Moves: Send + Sync {
    /// The move, or what becomes of it.
    async fn change(
        &self,
        store: &dyn Store,
        change: TargetChange,
    ) -> StoreResult<Option<TargetRow>>;
}

/// See the module.
pub(crate) struct Between {
    pub(crate) inner: Arc<dyn Store>,
    /// Whether each call blocks its thread until it is answered.
    pub(crate) waits: bool,
    /// Asked before each write, by its name.
    pub(crate) fate: Box<dyn Fn(&str) -> Fate + Send + Sync>,
    /// Where moves do not go to the store as they are.
    pub(crate) moves: Option<Box<dyn Moves>>,
}

impl Between {
    async fn read<T>(
        &self,
        _name: &str,
        work: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        if !self.waits {
            return work.await;
        }
        // Its caller may be left before the call and after it.
        tokio::task::yield_now().await;
        let answer = wait(work);
        tokio::task::yield_now().await;
        answer
    }

    async fn moved(&self, change: TargetChange) -> StoreResult<Option<TargetRow>> {
        match &self.moves {
            Some(moves) => moves.change(self.inner.as_ref(), change).await,
            None => self.inner.change_target(change).await,
        }
    }

    async fn all_moved(&self, changes: Vec<TargetChange>) -> StoreResult<Vec<Option<TargetRow>>> {
        if self.moves.is_none() {
            return self.inner.change_targets(changes).await;
        }
        let mut rows = Vec::new();
        for change in changes {
            rows.push(self.moved(change).await?);
        }
        Ok(rows)
    }

    async fn write<T>(
        &self,
        name: &str,
        work: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        let fate = (self.fate)(name);
        if fate == Fate::RequestLost {
            return Err(lost());
        }
        let answer = self.read(name, work).await;
        if fate == Fate::AnswerLost {
            answer.and_then(|_| Err(lost()))
        } else {
            answer
        }
    }
}

fn lost() -> StoreError {
    StoreError::Failed("the connection to the database was lost".to_owned())
}

/// Blocks this thread until it is done.
fn wait<F: Future>(work: F) -> F::Output {
    struct Parked(Thread);
    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    // The task around it has a budget, which is not renewed while it waits here.
    let mut work = pin!(tokio::task::unconstrained(work));
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

macro_rules! through {
    ($which:ident { $($own:tt)* } $($kind:ident $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {
        #[async_trait]
        impl $which for Between {
            $(async fn $name(&self, $($argument: $type),*) -> StoreResult<$output> {
                self.$kind(stringify!($name), self.inner.$name($($argument),*)).await
            })+

            $($own)*
        }
    };
}

through! {
    Store {
        async fn change_target(&self, change: TargetChange) -> StoreResult<Option<TargetRow>> {
            self.write("change_target", self.moved(change)).await
        }

        async fn change_targets(
            &self,
            changes: Vec<TargetChange>,
        ) -> StoreResult<Vec<Option<TargetRow>>> {
            self.write("change_targets", self.all_moved(changes)).await
        }
    }
    write create_uploads(uploads: Vec<NewUpload>) -> Vec<CreateOutcome>;
    read answered(owner: &Owner, key: &str, now: Millis) -> Option<(Vec<u8>, String)>;
    read upload(owner: &Owner, id: &str) -> Option<UploadRow>;
    read uploads(owner: &Owner, filter: &UploadFilter, before: Option<&str>, limit: u32) -> Vec<UploadRow>;
    read changes(owner: &Owner, since: u64, limit: u32) -> Vec<UploadRow>;
    read last_change() -> u64;
    write edit_upload(owner: &Owner, edit: UploadEdit) -> EditOutcome;
    read events(owner: &Owner, upload_id: &str) -> Vec<EventRow>;
    read open_targets_after(owner: &Owner, account_id: &str, after: Millis) -> u64;
    read next_timer() -> Option<Millis>;
    write claim(now: Millis, lease_until: Millis, limit: u32, limits: Arc<BTreeMap<String, WriteLimit>>) -> Vec<TargetRow>;
    write claim_looks(now: Millis, lease_until: Millis, limit: u32) -> Vec<TargetRow>;
    write claim_sentinels(now: Millis, lease_until: Millis, limit: u32) -> Vec<TargetRow>;
    write begin_request(owner: &Owner, key: &str, body_hash: Vec<u8>, now: Millis) -> Option<KeyUse>;
    write end_request(owner: &Owner, key: &str, answer: Option<String>) -> ();
    write hold_account(owner: &Owner, account_id: &str, until: Millis, why: ErrorCode) -> ();
    read rests(owner: &Owner, account_ids: Vec<String>, now: Millis) -> Vec<Rest>;
    read late(now: Millis, due_after: Option<Millis>, limit: u32) -> Vec<TargetRow>;
    read next_late(due_after: Option<Millis>) -> Option<Millis>;
    read is_in_doubt(owner: &Owner, account_id: &str, fingerprint: &str) -> bool;
    write beat(now: Millis, adopt: bool) -> Millis;
    read is_copy() -> bool;
    read account_use(owner: &Owner, account_id: &str, limit: WriteLimit, now: Millis) -> AccountUse;
    write put_slot(row: SlotRow, is_new: bool) -> SlotOutcome;
    read slots(owner: &Owner) -> Vec<SlotRow>;
    write delete_slot(owner: &Owner, id: &str) -> bool;
    read taken_slots(owner: &Owner, account_id: &str, from: Date) -> Vec<(String, Date)>;
    read kept_times(now: Millis, after: i64, limit: u32) -> Vec<KeptTime>;
    write retime(retime: Retime) -> bool;
    read target(owner: &Owner, upload_id: &str, id: &str) -> Option<TargetRow>;
    read baseline(owner: &Owner, target_id: &str, number: u32) -> Option<Vec<u8>>;
    read known_remote_ids(owner: &Owner, account_id: &str, ids: Vec<String>) -> Vec<String>;
    read expired(now: Millis, limit: u32) -> Vec<TargetRow>;
    write extend_leases(held: Vec<Held>, until: Millis) -> Vec<String>;
    write expire_leases(now: Millis) -> u64;
    write put_account(row: AccountRow) -> ();
    read account(owner: &Owner, id: &str) -> Option<AccountRow>;
    read accounts(owner: &Owner) -> Vec<AccountRow>;
    write begin_renewal(owner: &Owner, account_id: &str, now: Millis, until: Millis) -> bool;
    write end_renewal(owner: &Owner, account_id: &str) -> ();
    write save_tokens(row: AccountRow, expect: u64) -> bool;
    write delete_account(owner: &Owner, id: &str) -> bool;
    write create_connect(row: ConnectRow) -> ();
    write take_connect(state_hash: &[u8], now: Millis) -> Option<ConnectRow>;
    write finish_connect(row: ConnectRow) -> ();
    read connect(owner: &Owner, id: &str) -> Option<ConnectRow>;
    write create_api_key(row: ApiKeyRow) -> ();
    read api_key(id: &str) -> Option<ApiKeyRow>;
    read api_keys(team: &str) -> Vec<ApiKeyRow>;
    write revoke_api_key(team: &str, id: &str, now: Millis) -> bool;
    read data_keys(team: &str) -> Vec<DataKeyRow>;
    write add_data_key(row: DataKeyRow) -> bool;
    read note(name: &str) -> Option<String>;
    write put_notes(notes: Vec<(&'static str, String)>) -> ();
    write begin_media(row: MediaRow, allowance: Option<u64>) -> Begun;
    write advance_media(row: MediaRow, from: u64) -> bool;
    write finish_media(row: MediaRow) -> Option<MediaRow>;
    read media(owner: &Owner, id: &str) -> Option<MediaRow>;
    read media_bytes(owner: &Owner) -> u64;
    write delete_media(owner: &Owner, id: &str) -> Option<GoneMedia>;
    write expire_media(now: Millis, keep: Millis, limit: u32) -> Vec<GoneMedia>;
    write forget(before: Millis) -> u64;
    read census(now: Millis) -> Census;
    read close() -> ();
}

through! {
    WebhookStore {}
    write create_webhook(row: WebhookRow) -> ();
    write update_webhook(row: WebhookRow) -> bool;
    write delete_webhook(owner: &Owner, id: &str) -> bool;
    read webhook(owner: &Owner, id: &str) -> Option<WebhookRow>;
    read webhooks(owner: &Owner) -> Vec<WebhookRow>;
    write queue_message(message: NewMessage, only: Option<String>) -> u64;
    read deliveries(owner: &Owner, webhook_id: &str, before: Option<&str>, limit: u32) -> Vec<DeliveryRow>;
    write redeliver(owner: &Owner, webhook_id: &str, delivery_id: &str, now: Millis) -> Option<DeliveryRow>;
    read next_delivery() -> Option<Millis>;
    write claim_lanes(now: Millis, lease_until: Millis, limit: u32) -> Vec<WebhookRow>;
    read due_deliveries(webhook: &WebhookRow, now: Millis, limit: u32) -> Vec<DeliveryRow>;
    write finish_lane(result: LaneResult) -> bool;
    write free_deliveries(now: Millis) -> u64;
    write expire_lanes() -> ();
    write forget_deliveries(before: Millis) -> u64;
}

through! {
    AuditStore {}
    read audit(owner: &Owner, filter: &AuditFilter, before: Option<u64>, limit: u32) -> Vec<AuditRow>;
    write seal_audit(key: ChainKey, limit: u32) -> Vec<AuditHead>;
    read audit_chain(team: &str, after: u64, limit: u32) -> Vec<AuditRow>;
    read audit_heads() -> Vec<AuditHead>;
    read audit_unsealed(team: &str) -> u64;
}
