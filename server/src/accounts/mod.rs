//! Connected accounts: consent, tokens, boards.

mod boards;
mod connect;
mod redirect;
mod tokens;

use std::sync::Arc;

use multi_upload_platforms::PlatformError;
use multi_upload_wire::{Account, AccountStatus, ErrorCode, ErrorInfo};
use tokio_util::task::TaskTracker;

pub(crate) use boards::BoardsArgs;
pub(crate) use connect::CallbackQuery;
pub(crate) use tokens::AccessToken;

use crate::clock::{Clock, rfc3339};
use crate::config::Redirect;
use crate::publish::Wake;
use crate::state::Platforms;
use crate::store::{AccountRow, Millis, Owner, Store};
use crate::vault::Vault;

/// A connection that ends within this time is shown as `expiring`.
const EXPIRING_MS: Millis = 7 * 24 * 3_600_000;

/// The accounts of all teams.
#[derive(Clone)]
pub(crate) struct Accounts(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    vault: Vault,
    platforms: Platforms,
    clock: Clock,
    public_url: String,
    redirect: redirect::Listener,
    refreshes: tokens::Refreshes,
    boards: boards::Cache,
    wake: Wake,
    /// Work that must end even when its caller has gone.
    tasks: TaskTracker,
}

/// What accounts are built from.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Vault,
    pub(crate) platforms: Platforms,
    pub(crate) clock: Clock,
    pub(crate) public_url: String,
    pub(crate) redirect: Redirect,
    pub(crate) wake: Wake,
}

impl Accounts {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            store: parts.store,
            vault: parts.vault,
            platforms: parts.platforms,
            clock: parts.clock,
            public_url: parts.public_url,
            redirect: redirect::Listener::new(parts.redirect),
            refreshes: tokens::Refreshes::default(),
            boards: boards::Cache::default(),
            wake: parts.wake,
            tasks: TaskTracker::new(),
        }))
    }

    /// Waits until nothing is half done: tokens that the network has changed are stored.
    pub(crate) async fn settle(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// All accounts of the owner.
    pub(crate) async fn list(&self, owner: &Owner) -> Result<Vec<Account>, ErrorInfo> {
        let mut accounts = Vec::new();
        for row in self.0.store.accounts(owner).await? {
            accounts.push(self.public(&row).await?);
        }
        Ok(accounts)
    }

    /// One account.
    pub(crate) async fn get(&self, owner: &Owner, id: &str) -> Result<Account, ErrorInfo> {
        let row = self.row(owner, id).await?;
        self.public(&row).await
    }

    /// Forgets an account and its tokens.
    pub(crate) async fn disconnect(&self, owner: &Owner, id: &str) -> Result<(), ErrorInfo> {
        let id = full_id(id);
        if self.0.store.delete_account(owner, &id).await? {
            self.0.boards.forget(&key(owner, &id));
            Ok(())
        } else {
            Err(unknown_account(&id))
        }
    }

    async fn row(&self, owner: &Owner, id: &str) -> Result<AccountRow, ErrorInfo> {
        let id = full_id(id);
        self.0
            .store
            .account(owner, &id)
            .await?
            .ok_or_else(|| unknown_account(&id))
    }

    async fn public(&self, row: &AccountRow) -> Result<Account, ErrorInfo> {
        let now = self.0.clock.now();
        let uploads_due_after = match row.refresh_expires_at {
            Some(end) => {
                self.0
                    .store
                    .open_targets_after(&row.owner, &row.id, end)
                    .await?
            }
            None => 0,
        };
        Ok(public(row, uploads_due_after, now))
    }
}

/// An account as callers see it.
pub(crate) fn public(row: &AccountRow, uploads_due_after: u64, now: Millis) -> Account {
    Account {
        id: row.id.clone(),
        platform: row.platform.clone(),
        name: row.name.clone(),
        status: match row.refresh_expires_at {
            _ if !row.usable => AccountStatus::ReconnectRequired,
            Some(end) if end - now < EXPIRING_MS => AccountStatus::Expiring,
            _ => AccountStatus::Active,
        },
        mode: row.owner.mode,
        scopes: row.scopes.clone(),
        reconnect_before: row.refresh_expires_at.map(rfc3339),
        uploads_due_after,
        connected_at: rfc3339(row.connected_at),
    }
}

/// `549…` in a path means the Pinterest account of that number.
fn full_id(id: &str) -> String {
    if id.contains(':') {
        id.to_owned()
    } else {
        format!("pinterest:{id}")
    }
}

/// Names an account of an owner in the tables that are kept in memory.
fn key(owner: &Owner, id: &str) -> String {
    format!("{}/{}/{id}", owner.team, owner.mode.as_str())
}

fn unknown_account(id: &str) -> ErrorInfo {
    ErrorInfo::new(ErrorCode::NotFound, format!("there is no account {id:?}"))
        .with_remedy("`GET /v1/accounts` lists the connected accounts; connect one with `POST /v1/accounts/connect`.")
}

/// For answers to callers: the error object, with the wait the network asks for.
fn to_info(error: PlatformError) -> ErrorInfo {
    let mut info = *error.info;
    if let Some(wait) = error.retry_after {
        info.retry_after_ms = u64::try_from(wait.as_millis()).ok();
    }
    info
}
