//! Access tokens: unsealed for one use, renewed by one caller at a time, stored before first use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use multi_upload_platforms::{FailureClass, PlatformError, TokenSet};
use multi_upload_wire::{ErrorCode, ErrorInfo};

use super::Accounts;
use crate::store::{AccountRow, Millis, Owner, StoreResult};
use crate::webhooks::message_of_account;

/// A token with less life than this is renewed before use.
const RENEW_BEFORE_USE_MS: Millis = 10 * 60_000;

/// A token with less life than this is renewed by the daily round.
const RENEW_AHEAD_MS: Millis = 7 * 24 * 3_600_000;

/// An engine that has not finished a renewal after this time is dead.
const RENEWAL_MS: Millis = 90_000;

/// How often to look whether another engine has finished.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// An access token for one use.
pub(crate) struct AccessToken {
    secret: String,
    version: u64,
}

impl AccessToken {
    /// The token itself.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

/// Who renews which account, and which tokens the network has refused.
#[derive(Default)]
pub(super) struct Refreshes {
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    refused: Mutex<HashMap<String, u64>>,
}

impl Refreshes {
    fn lock_of(&self, row: &AccountRow) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(super::key(&row.owner, &row.id)).or_default())
    }

    fn is_refused(&self, row: &AccountRow) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(&super::key(&row.owner, &row.id)) == Some(&row.token_version)
    }
}

impl Accounts {
    /// A token that should work, renewed where needed.
    pub(crate) async fn token(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<AccessToken, PlatformError> {
        let row = self.usable_row(owner, id).await?;
        if !self.needs_renewal(&row, RENEW_BEFORE_USE_MS) {
            return self.unseal(&row).await;
        }
        self.renew_if_due(row, RENEW_BEFORE_USE_MS).await
    }

    /// The network refused this token: the next [`Accounts::token`] renews it.
    pub(crate) fn token_refused(&self, owner: &Owner, account: &str, token: &AccessToken) {
        let mut refused = self
            .0
            .refreshes
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        refused.insert(super::key(owner, account), token.version);
    }

    /// Renews the tokens that end within a week, so that a quiet account is not lost.
    pub(crate) async fn renew_ahead(&self, owner: &Owner) {
        let accounts = match self.0.store.accounts(owner).await {
            Ok(accounts) => accounts,
            Err(error) => {
                tracing::error!(%error, "accounts cannot be read");
                return;
            }
        };
        for row in accounts
            .into_iter()
            .filter(|row| row.usable && self.needs_renewal(row, RENEW_AHEAD_MS))
        {
            let id = row.id.clone();
            if let Err(error) = self.renew_if_due(row, RENEW_AHEAD_MS).await {
                tracing::warn!(account = %id, code = %error.info.code, "the token could not be renewed yet");
            }
        }
    }

    /// Tells the endpoints of webhooks, once for each connection, that it ends within a week.
    pub(crate) async fn tell_of_expiring(&self, owner: &Owner) {
        let now = self.0.clock.now();
        let told = async {
            for row in self.0.store.accounts(owner).await? {
                let Some(end) = row.refresh_expires_at.filter(|_| row.usable) else {
                    continue;
                };
                if end - now >= super::EXPIRING_MS {
                    continue;
                }
                let due_after = self
                    .0
                    .store
                    .open_targets_after(&row.owner, &row.id, end)
                    .await?;
                let mut message = message_of_account("account.expiring", &row, due_after, now);
                // The same for every node and every hour: it is stored once.
                message.id = format!("msg_expiring_{}_{end}", row.id.replace(':', "_"));
                self.0.store.queue_message(message, None).await?;
            }
            StoreResult::Ok(())
        };
        if let Err(error) = told.await {
            tracing::warn!(%error, "webhooks could not be told of accounts that expire");
        }
    }

    /// Calls the network with a token; if it is refused, once more with a new one.
    pub(super) async fn with_token<T, F, Fut>(
        &self,
        owner: &Owner,
        id: &str,
        call: F,
    ) -> Result<T, ErrorInfo>
    where
        // Not an `AsyncFn`: its future could not be said to be `Send`, and handlers' futures must be.
        F: Fn(String) -> Fut + Send,
        Fut: Future<Output = Result<T, PlatformError>> + Send,
    {
        let token = self.token(owner, id).await.map_err(super::to_info)?;
        match call(token.secret().to_owned()).await {
            Err(error) if error.class == FailureClass::TokenExpired => {
                self.token_refused(owner, id, &token);
                let token = self.token(owner, id).await.map_err(super::to_info)?;
                call(token.secret().to_owned())
                    .await
                    .map_err(super::to_info)
            }
            other => other.map_err(super::to_info),
        }
    }

    fn needs_renewal(&self, row: &AccountRow, ahead: Millis) -> bool {
        row.refresh_sealed.is_some()
            && (row.access_expires_at - self.0.clock.now() < ahead
                || self.0.refreshes.is_refused(row))
    }

    async fn usable_row(&self, owner: &Owner, id: &str) -> Result<AccountRow, PlatformError> {
        let row = self.row(owner, id).await.map_err(|info| {
            PlatformError::new(FailureClass::ReconnectRequired, reconnect(id, &info.detail))
        })?;
        if row.usable {
            Ok(row)
        } else {
            Err(PlatformError::new(
                FailureClass::ReconnectRequired,
                reconnect(id, "the network no longer accepts its tokens"),
            ))
        }
    }

    async fn unseal(&self, row: &AccountRow) -> Result<AccessToken, PlatformError> {
        let secret = self
            .0
            .vault
            .unseal(&row.owner, &row.id, "access", &row.access_sealed)
            .await
            .map_err(|info| PlatformError::new(FailureClass::Unavailable, info))?;
        Ok(AccessToken {
            secret,
            version: row.token_version,
        })
    }

    /// One caller renews, the others wait for it and use what it stored.
    ///
    /// The work is a task of its own: a caller that goes away in the middle must not take with it the
    /// only copy of a refresh token that the network has already changed.
    async fn renew_if_due(
        &self,
        row: AccountRow,
        ahead: Millis,
    ) -> Result<AccessToken, PlatformError> {
        let accounts = self.clone();
        let renewal = self.0.tasks.spawn(async move {
            let lock = accounts.0.refreshes.lock_of(&row);
            let _held = lock.lock().await;
            // Another engine on the same database may be at it: its new tokens will do.
            loop {
                let row = accounts.usable_row(&row.owner, &row.id).await?;
                if !accounts.needs_renewal(&row, ahead) {
                    return accounts.unseal(&row).await;
                }
                if accounts.may_renew(&row).await? {
                    // It may have finished between our look and our right: then the old refresh token is dead.
                    let now = accounts.usable_row(&row.owner, &row.id).await;
                    let row = match now {
                        Ok(row) if accounts.needs_renewal(&row, ahead) => {
                            accounts.renew(row).await?
                        }
                        settled => {
                            accounts.end_renewal(&row).await;
                            settled?
                        }
                    };
                    return accounts.unseal(&row).await;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        });
        renewal.await.unwrap_or_else(|_| {
            Err(PlatformError::new(
                FailureClass::Unavailable,
                ErrorInfo::new(
                    ErrorCode::Internal,
                    "renewing the token stopped unexpectedly",
                ),
            ))
        })
    }

    async fn may_renew(&self, row: &AccountRow) -> Result<bool, PlatformError> {
        let now = self.0.clock.now();
        let begun = self
            .0
            .store
            .begin_renewal(&row.owner, &row.id, now, now + RENEWAL_MS)
            .await;
        begun.map_err(|error| PlatformError::new(FailureClass::Unavailable, error.into()))
    }

    async fn end_renewal(&self, row: &AccountRow) {
        if let Err(error) = self.0.store.end_renewal(&row.owner, &row.id).await {
            tracing::error!(%error, account = %row.id, "the right to renew could not be given back");
        }
    }

    /// Asks the network for new tokens and stores them. The caller holds the account's lock.
    async fn renew(&self, mut row: AccountRow) -> Result<AccountRow, PlatformError> {
        let inner = &self.0;
        let unavailable = |info| PlatformError::new(FailureClass::Unavailable, info);
        let platform = inner.platforms.get(&row.platform).map_err(unavailable)?;
        let sealed = row.refresh_sealed.clone().unwrap_or_default();
        let refresh = inner
            .vault
            .unseal(&row.owner, &row.id, "refresh", &sealed)
            .await
            .map_err(unavailable)?;
        let expect = row.token_version;
        match platform.refresh(&refresh).await {
            Ok(tokens) => {
                self.put_tokens(&mut row, &tokens)
                    .await
                    .map_err(unavailable)?;
                let saved = inner.store.save_tokens(row.clone(), expect).await;
                match saved.map_err(|error| unavailable(error.into()))? {
                    true => row.token_version = expect + 1,
                    // Connected again in between: those tokens are newer.
                    false => return self.usable_row(&row.owner.clone(), &row.id.clone()).await,
                }
                tracing::info!(account = %row.id, "tokens renewed");
                Ok(row)
            }
            Err(error) => {
                self.end_renewal(&row).await;
                if error.class == FailureClass::ReconnectRequired {
                    row.usable = false;
                    let id = row.id.clone();
                    if let Err(error) = inner.store.save_tokens(row, expect).await {
                        tracing::error!(%error, account = %id, "the account's state could not be stored");
                    }
                }
                Err(error)
            }
        }
    }

    /// Seals tokens into a row.
    pub(super) async fn put_tokens(
        &self,
        row: &mut AccountRow,
        tokens: &TokenSet,
    ) -> Result<(), ErrorInfo> {
        let (vault, now) = (&self.0.vault, self.0.clock.now());
        row.access_sealed = vault
            .seal(&row.owner, &row.id, "access", &tokens.access_token)
            .await?;
        if let Some(refresh) = &tokens.refresh_token {
            row.refresh_sealed = Some(vault.seal(&row.owner, &row.id, "refresh", refresh).await?);
        }
        row.access_expires_at = now + millis(tokens.expires_in);
        if let Some(life) = tokens.refresh_expires_in {
            row.refresh_expires_at = Some(now + millis(life));
        }
        if !tokens.scopes.is_empty() {
            row.scopes.clone_from(&tokens.scopes);
        }
        row.usable = true;
        Ok(())
    }
}

fn reconnect(id: &str, why: &str) -> ErrorInfo {
    ErrorInfo::new(
        ErrorCode::AccountReconnectRequired,
        format!("account {id}: {why}"),
    )
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 4)
}
