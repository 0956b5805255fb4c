//! Takes one claimed target as far as it goes, storing every move before the next one.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use multi_upload_platforms::{
    CommitAnswer, FailureClass, Pause, Platform, PlatformError, Preparation, Steps, Workshop,
};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::baselines::{Baselines, looks_spent};
use super::looks::{Ids, evaluate, since, surplus};
use super::machine::{Happened, Rules, SEND_WINDOW_MS, Seen, hold, step, waits_for_its_like};
use crate::state::App;
use crate::store::{Millis, Phase, TargetRow};

/// What a worker needs.
pub(crate) struct Worker<'a> {
    pub(crate) app: &'a App,
    pub(crate) baselines: &'a Baselines,
    /// Ends it before the commit request, never after its intent was stored.
    pub(crate) stop: &'a CancellationToken,
}

/// All that the commit needs.
struct Ready {
    token: crate::accounts::AccessToken,
    prepared: multi_upload_platforms::Prepared,
    connection: multi_upload_platforms::Connection,
    baseline: Option<Ids>,
}

/// How far a target came before its intent is stored.
enum Readiness {
    Ready(Box<Ready>),
    /// The network works on something that was uploaded.
    Paused(Pause),
}

/// Keeps the steps of *prepare* in the target's row.
struct StepsOf<'a, 'w> {
    worker: &'a Worker<'w>,
    target: Mutex<TargetRow>,
}

impl StepsOf<'_, '_> {
    fn target(&self) -> TargetRow {
        self.lock().clone()
    }

    fn into_target(self) -> TargetRow {
        self.target
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, TargetRow> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Steps for StepsOf<'_, '_> {
    async fn keep(&self, state: &Value) -> Result<(), PlatformError> {
        let before = self.target();
        // First here: what follows, a release for one, must not write back what was before.
        self.lock().prepared = Some(state.clone());
        match self
            .worker
            .advance(before, Happened::Stepped(state.clone()))
            .await
        {
            Some(row) => {
                *self.lock() = row;
                Ok(())
            }
            None => Err(PlatformError::new(
                FailureClass::Unavailable,
                ErrorInfo::new(
                    ErrorCode::StorageFailed,
                    "a step of the upload to the network could not be stored",
                ),
            )),
        }
    }
}

impl Worker<'_> {
    /// Works on a target that was claimed: to be sent, to be looked for, or to be watched.
    pub(crate) async fn work(&self, target: TargetRow) {
        match target.phase {
            Phase::Claimed => self.publish(target).await,
            Phase::Reconciling => self.look_for(target).await,
            Phase::Published => self.look_for(target).await,
            phase => {
                tracing::error!(target_id = %target.id, ?phase, "nothing can be done in this phase")
            }
        }
    }

    async fn publish(&self, target: TargetRow) {
        let taken = self.advance(target, Happened::Taken).await;
        let Some(target) = taken.filter(|target| target.phase == Phase::Claimed) else {
            return;
        };
        let platform = match self.app.platforms.get(&target.platform) {
            Ok(platform) => platform.clone(),
            Err(info) => {
                let error = PlatformError::new(FailureClass::Rejected, info);
                self.advance(target, Happened::SetBack(error)).await;
                return;
            }
        };
        let steps = StepsOf {
            worker: self,
            target: Mutex::new(target),
        };
        let ready = tokio::select! {
            ready = self.get_ready(platform.as_ref(), &steps) => Some(ready),
            () = self.stop.cancelled() => None,
        };
        // With what its steps left in it.
        let target = steps.into_target();
        match ready {
            Some(Ok(Readiness::Ready(ready))) => {
                self.send(platform.as_ref(), target, *ready).await;
            }
            Some(Ok(Readiness::Paused(pause))) => {
                self.advance(target, Happened::Paused(pause)).await;
            }
            Some(Err(error)) => {
                self.advance(target, Happened::SetBack(error)).await;
            }
            None => {
                self.advance(target, Happened::LeaseEnded).await;
            }
        }
    }

    async fn get_ready(
        &self,
        platform: &dyn Platform,
        steps: &StepsOf<'_, '_>,
    ) -> Result<Readiness, PlatformError> {
        let target = steps.target();
        let token = self
            .app
            .accounts
            .token(&target.owner, &target.account_id)
            .await?;
        let workshop = Workshop {
            media: &self.app.media.source(&target.owner),
            steps,
            state: target.prepared.as_ref(),
        };
        let preparation = platform
            .prepare(token.secret(), &target.content, workshop)
            .await;
        let prepared = match preparation {
            Ok(Preparation::Ready(prepared)) => prepared,
            Ok(Preparation::Later(pause)) => return Ok(Readiness::Paused(pause)),
            Err(error) => {
                if error.class == FailureClass::TokenExpired {
                    self.app
                        .accounts
                        .token_refused(&target.owner, &target.account_id, &token);
                }
                return Err(error);
            }
        };
        let baseline = self.baseline(platform, token.secret(), &target).await;
        let connection = platform.open().await?;
        Ok(Readiness::Ready(Box::new(Ready {
            token,
            prepared,
            connection,
            baseline,
        })))
    }

    /// The posts that exist before it is sent. Without them it is sent all the same, and an unclear
    /// answer then goes to a person.
    async fn baseline(
        &self,
        platform: &dyn Platform,
        token: &str,
        target: &TargetRow,
    ) -> Option<Ids> {
        let now = self.app.clock.now();
        if let Some(known) = self.baselines.get(target, now) {
            return Some(known);
        }
        if !self
            .baselines
            .may_look(target, platform.limits().looks, now)
        {
            return None;
        }
        match platform.look(token, &target.content).await {
            Ok(look) if look.complete => {
                self.baselines.spend(target, look.requests, now);
                let ids = Ids::of(&look);
                self.baselines.put(target, ids.clone(), now);
                Some(ids)
            }
            Ok(look) => {
                self.baselines.spend(target, look.requests, now);
                None
            }
            Err(error) => {
                tracing::debug!(%error, target_id = %target.id, "no baseline");
                None
            }
        }
    }

    async fn send(&self, platform: &dyn Platform, target: TargetRow, ready: Ready) {
        let Ready {
            token,
            prepared,
            connection,
            baseline,
        } = ready;
        // Measured from before the intent is stored: stricter than the rule, and safe when the process
        // is frozen anywhere between here and the first byte.
        let begun = self.app.clock.stopwatch();
        if let Some(trouble) = self.app.safety.trouble() {
            self.advance(target, Happened::Held(Box::new(trouble)))
                .await;
            return;
        }
        let happened = Happened::Ready {
            prepared: prepared.state.clone(),
            baseline: baseline.map(|ids| ids.to_bytes()),
        };
        let armed = self.advance(target, happened).await;
        // Without an intent row nothing is sent, whatever else the move was.
        let Some(target) = armed.filter(|target| target.phase == Phase::Armed) else {
            return;
        };
        let window = Duration::from_millis(SEND_WINDOW_MS.unsigned_abs());
        let answer = if begun.elapsed() > window {
            CommitAnswer::NotSent(PlatformError::new(
                FailureClass::NotSent,
                ErrorInfo::new(
                    ErrorCode::Overloaded,
                    "the machine was too slow to send in time; nothing was sent",
                ),
            ))
        } else {
            self.app.metrics.publishing().sent();
            platform.commit(connection, token.secret(), &prepared).await
        };
        match &answer {
            CommitAnswer::TokenExpired(_) => {
                self.app
                    .accounts
                    .token_refused(&target.owner, &target.account_id, &token);
            }
            CommitAnswer::Applied { remote_id, .. } => self.baselines.add(&target, remote_id),
            _ => {}
        }
        self.advance(target, Happened::Answered(answer)).await;
    }

    async fn look_for(&self, target: TargetRow) {
        let seen = match self.see(&target).await {
            Ok(Some(seen)) => seen,
            // The look for a second post comes again when this claim is over.
            Ok(None) => return,
            Err(error) => Seen::Failed(error),
        };
        if let Seen::New(posts) = &seen {
            for post in posts {
                self.baselines.add(&target, &post.id);
            }
        }
        self.advance(target, Happened::Looked(seen)).await;
    }

    /// Whether what a look for a second post sees may be the post of another target.
    async fn is_ambiguous(&self, target: &TargetRow) -> Result<bool, PlatformError> {
        if target.phase != Phase::Published || !waits_for_its_like(target, self.app.clock.now()) {
            return Ok(false);
        }
        let store = &self.app.store;
        store
            .is_in_doubt(&target.owner, &target.account_id, &target.fingerprint)
            .await
            .map_err(|error| unavailable(error.into()))
    }

    /// `None` when nothing can be said now.
    async fn see(&self, target: &TargetRow) -> Result<Option<Seen>, PlatformError> {
        if self.is_ambiguous(target).await? {
            return Ok(None);
        }
        let platform = self
            .app
            .platforms
            .get(&target.platform)
            .map_err(unavailable)?;
        let begun_at = self.app.clock.now();
        if !self
            .baselines
            .may_look(target, platform.limits().looks, begun_at)
        {
            return Err(looks_spent());
        }
        let token = self
            .app
            .accounts
            .token(&target.owner, &target.account_id)
            .await?;
        let look = match platform.look(token.secret(), &target.content).await {
            Err(error) if error.class == FailureClass::TokenExpired => {
                self.app
                    .accounts
                    .token_refused(&target.owner, &target.account_id, &token);
                return Err(error);
            }
            look => look?,
        };
        self.baselines.spend(target, look.requests, begun_at);
        // Asked again, and before the ids: one that was begun and ended meanwhile is found among those.
        if self.is_ambiguous(target).await? {
            return Ok(None);
        }
        let store = &self.app.store;
        let ids = look.posts.iter().map(|post| post.id.clone()).collect();
        let ours = store
            .known_remote_ids(&target.owner, &target.account_id, ids)
            .await
            .map_err(|e| unavailable(e.into()))?;
        let before = store
            .baseline(&target.owner, &target.id, target.attempts)
            .await
            .map_err(|error| unavailable(error.into()))?;
        let mut before = before
            .map(|bytes| Ids::from_bytes(&bytes))
            .unwrap_or_default();
        if let Some(since) = target.attempt.as_ref().and_then(|attempt| attempt.since) {
            before.add_older(&look, since);
        }
        let ours: HashSet<String> = ours.into_iter().collect();
        let seen = evaluate(&look, &before, &ours, since(target), begun_at);
        Ok(Some(if target.phase == Phase::Published {
            surplus(seen)
        } else {
            seen
        }))
    }

    /// Holds the target's account.
    async fn rest(&self, target: &TargetRow, wait: Millis, why: ErrorCode) {
        let until = self.app.clock.now() + wait;
        let held = self
            .app
            .store
            .hold_account(&target.owner, &target.account_id, until, why)
            .await;
        if let Err(error) = held {
            tracing::error!(%error, account = %target.account_id, "the account could not be held");
        }
    }

    /// Stores the move for what happened; the target as it is now, or `None` when this worker has no
    /// more say in it.
    async fn advance(&self, target: TargetRow, happened: Happened) -> Option<TargetRow> {
        let app = self.app;
        let must_be_stored = matches!(happened, Happened::Answered(_));
        let is_proof = matches!(happened, Happened::Answered(CommitAnswer::Applied { .. }));
        if let Some((wait, why)) = hold(&happened) {
            self.rest(&target, wait, why).await;
        }
        let rules = Rules::of(app);
        let mut target = target;
        let mut pause = Duration::from_millis(100);
        loop {
            let Some(change) = step(
                &target,
                happened.clone(),
                app.clock.now(),
                app.config.chance.next(),
                rules,
            ) else {
                return Some(target);
            };
            let stored = app.store.change_target(change.clone()).await;
            if let Err(error) = &stored {
                app.safety.store_failed(error);
            }
            match stored {
                Ok(Some(row)) => {
                    app.metrics.publishing().moved(&change);
                    tracing::info!(target_id = %row.id, account = %row.account_id, phase = ?row.phase, "{}", change.event.detail);
                    return (!row.phase.is_terminal()).then_some(row);
                }
                // A proof counts whoever holds the target by now: judge it anew on what it has become.
                Ok(None) if is_proof => match app
                    .store
                    .target(&target.owner, &target.upload_id, &target.id)
                    .await
                {
                    Ok(Some(row)) if (row.phase, row.fence) != (target.phase, target.fence) => {
                        target = row
                    }
                    _ => {
                        tracing::error!(target_id = %target.id, "a proof of success could not be stored");
                        return None;
                    }
                },
                Ok(None) => {
                    app.metrics.publishing().refused();
                    tracing::warn!(target_id = %target.id, "another holder has moved this target on");
                    return None;
                }
                // An answer from the network exists only here: keep it until the store takes it.
                Err(error) if must_be_stored => {
                    tracing::error!(%error, target_id = %target.id, "the network's answer could not be stored; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(error) => {
                    tracing::error!(%error, target_id = %target.id, "the move could not be stored; the lease ends it");
                    return None;
                }
            }
        }
    }
}

fn unavailable(info: ErrorInfo) -> PlatformError {
    PlatformError::new(FailureClass::Unavailable, info)
}
