//! Delivers what is due: sleeps until then, takes the lanes that can go on, and sends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue};
use multi_upload_core::webhook::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP, sign};
use multi_upload_wire::ErrorInfo;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::decide::{Answer, after_attempt, after_verdicts};
use super::message_of_webhook;
use crate::state::App;
use crate::store::{DeliveryRow, LaneResult, Millis, StoreResult, WebhookRow};

/// Lanes that are worked on at once. A dead receiver fills one, for as long as an attempt takes.
const LANES: usize = 256;
/// Lanes taken in one transaction.
const CLAIM: usize = 64;
/// Deliveries sent at once in a lane that works; one after a failure.
const TOGETHER: u32 = 8;
/// Time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(15);
/// How long a lane belongs to its worker. One round takes at most an attempt.
const LEASE_MS: Millis = 60_000;
/// Rounds before a lane goes back to the end of the queue; within the lease.
const ROUNDS: u32 = 100;
/// The lease of a lane is not stretched: another round begins only if it surely ends within it.
const ROUND_MS: Millis = 40_000;
/// The net below every wake, and how often what stands behind nothing is freed.
const LONGEST_SLEEP_MS: Millis = 30_000;
/// After trouble with the database.
const TROUBLE_MS: Millis = 1_000;
/// What attempts under way get when the service stops. Those cut off are sent again.
const GRACE: Duration = Duration::from_secs(2);

/// Tells the deliverer that something was queued that no change of an upload announces.
#[derive(Clone, Default)]
pub(crate) struct Mail(Arc<Notify>);

impl Mail {
    /// Looks at the outbox again.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

/// Delivers until it is stopped.
pub(crate) struct Deliverer {
    stop: CancellationToken,
    /// Cuts off what is still under way.
    abandon: CancellationToken,
    tasks: TaskTracker,
}

impl Deliverer {
    /// Starts on the current runtime.
    pub(crate) fn start(app: App) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let abandon = CancellationToken::new();
        let round = Round {
            app,
            lanes: Arc::new(Semaphore::new(LANES)),
            stop: stop.clone(),
            abandon: abandon.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(round.run());
        Self {
            stop,
            abandon,
            tasks,
        }
    }

    /// Begins nothing more, and gives the attempts under way two seconds.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            self.abandon.cancel();
            self.tasks.wait().await;
        }
    }
}

struct Round {
    app: App,
    lanes: Arc<Semaphore>,
    stop: CancellationToken,
    abandon: CancellationToken,
    tasks: TaskTracker,
}

impl Round {
    async fn run(self) {
        let mut changes = self.app.changes.clone();
        let mut freed_at = self.app.clock.now();
        while !self.stop.is_cancelled() {
            let now = self.app.clock.now();
            if now - freed_at >= LONGEST_SLEEP_MS {
                freed_at = now;
                if let Err(error) = self.app.store.free_deliveries(now).await {
                    tracing::warn!(%error, "waiting webhooks could not be looked through");
                }
            }
            let sleep = match self.once(now).await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::error!(%error, "due webhooks cannot be read; trying again");
                    TROUBLE_MS
                }
            };
            let pause = Duration::from_millis(u64::try_from(sleep).unwrap_or(0));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.app.mail.0.notified() => {}
                changed = changes.changed() => if changed.is_err() {
                    return;
                },
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// One look. The answer is how long to sleep.
    async fn once(&self, now: Millis) -> StoreResult<Millis> {
        let store = &self.app.store;
        loop {
            // Reading first: most changes are of no interest to any endpoint, and taking a lane is a transaction.
            let Some(next) = store.next_delivery().await? else {
                return Ok(LONGEST_SLEEP_MS);
            };
            if next > now {
                return Ok((next - now).min(LONGEST_SLEEP_MS));
            }
            let room = self.lanes.available_permits().min(CLAIM);
            if room == 0 {
                // A lane that ends wakes us.
                return Ok(LONGEST_SLEEP_MS);
            }
            let limit = u32::try_from(room).unwrap_or(1);
            let claimed = store.claim_lanes(now, now + LEASE_MS, limit).await?;
            if claimed.is_empty() {
                return Ok(TROUBLE_MS);
            }
            for webhook in claimed {
                let Ok(permit) = Arc::clone(&self.lanes).try_acquire_owned() else {
                    // Not reached: no more is claimed than there are permits. The lease would end it.
                    continue;
                };
                let (app, stop) = (self.app.clone(), self.stop.clone());
                let abandon = self.abandon.clone();
                self.tasks.spawn(async move {
                    let lane = Lane {
                        app: &app,
                        stop: &stop,
                    };
                    tokio::select! {
                        () = lane.work(webhook) => {}
                        () = abandon.cancelled() => {}
                    }
                    drop(permit);
                    app.mail.wake();
                });
            }
        }
    }
}

/// One lane, while it is ours.
struct Lane<'a> {
    app: &'a App,
    stop: &'a CancellationToken,
}

impl Lane<'_> {
    async fn work(&self, mut webhook: WebhookRow) {
        let begun = self.app.clock.now();
        for round in 1..=ROUNDS {
            let last = round == ROUNDS
                || self.stop.is_cancelled()
                || self.app.clock.now() - begun > ROUND_MS;
            match self.round(webhook, last).await {
                Ok(Some(next)) => webhook = next,
                Ok(None) => return,
                Err(error) => {
                    // The lease ends by itself; whatever was sent is sent again.
                    tracing::error!(%error, "what became of webhooks could not be stored");
                    return;
                }
            }
        }
    }

    /// Sends what is due and stores what became of it. Gives the endpoint while there is more to do.
    async fn round(
        &self,
        webhook: WebhookRow,
        last: bool,
    ) -> Result<Option<WebhookRow>, ErrorInfo> {
        let store = &self.app.store;
        let together = if webhook.failures == 0 { TOGETHER } else { 1 };
        let mut due = store
            .due_deliveries(&webhook, self.app.clock.now(), together)
            .await?;
        // One that was asked for again may stand beside a newer one.
        let mut subjects = std::collections::HashSet::new();
        due.retain(|one| subjects.insert(one.subject.clone()));
        let secrets = self.secrets(&webhook).await;
        let answers = match &secrets {
            Ok(secrets) => join_all(due.iter().map(|one| self.send(&webhook, secrets, one))).await,
            Err(error) => due
                .iter()
                .map(|_| Answer::Nothing(error.detail.clone()))
                .collect(),
        };
        let now = self.app.clock.now();
        let (deliveries, verdicts): (Vec<_>, Vec<_>) = due
            .iter()
            .zip(&answers)
            .map(|(one, answer)| after_attempt(one, answer, now, rand::random()))
            .unzip();
        let (after, disable) = after_verdicts(&webhook, &verdicts, now);
        let more = !last
            && disable.is_none()
            && !due.is_empty()
            && after.paused_until.is_none_or(|until| until <= now);
        let kept = store
            .finish_lane(LaneResult {
                webhook: after.clone(),
                disable: disable.clone(),
                deliveries,
                release: !more,
                at: now,
            })
            .await?;
        if let Some(why) = disable.filter(|_| kept) {
            tracing::warn!(webhook = %after.id, why, "a webhook endpoint was switched off");
            let told = WebhookRow {
                enabled: false,
                disabled_reason: Some(why),
                ..after.clone()
            };
            let message = message_of_webhook("webhook.disabled", &told, now);
            store.queue_message(message, None).await?;
        }
        Ok(Some(after).filter(|_| more && kept))
    }

    /// What it is signed with: the secret, and for a while after a rotation the one before.
    async fn secrets(&self, webhook: &WebhookRow) -> Result<Vec<String>, ErrorInfo> {
        let vault = &self.app.vault;
        let mut secrets = vec![
            vault
                .unseal(
                    &webhook.owner,
                    &webhook.id,
                    "secret",
                    &webhook.secret_sealed,
                )
                .await?,
        ];
        let now = self.app.clock.now();
        if let Some(sealed) = &webhook.previous_sealed
            && webhook.previous_until.is_some_and(|until| until > now)
        {
            secrets.push(
                vault
                    .unseal(&webhook.owner, &webhook.id, "previous", sealed)
                    .await?,
            );
        }
        Ok(secrets)
    }

    async fn send(&self, webhook: &WebhookRow, secrets: &[String], one: &DeliveryRow) -> Answer {
        match self.post(webhook, secrets, one).await {
            Ok(answer) => answer,
            Err(error) => Answer::Nothing(error.detail),
        }
    }

    async fn post(
        &self,
        webhook: &WebhookRow,
        secrets: &[String],
        one: &DeliveryRow,
    ) -> Result<Answer, ErrorInfo> {
        let url = self.app.gate.parse(&webhook.url)?;
        let timestamp = self.app.clock.now() / 1_000;
        let signatures = secrets
            .iter()
            .map(|secret| sign(secret, &one.message_id, timestamp, one.body.as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(multi_upload_core::Error::into_info)?;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            (WEBHOOK_ID, &one.message_id),
            (WEBHOOK_TIMESTAMP, &timestamp.to_string()),
            (WEBHOOK_SIGNATURE, &signatures.join(" ")),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        let body = Bytes::from(one.body.clone());
        let posted = self.app.gate.post(&url, headers, body, ATTEMPT).await?;
        Ok(Answer::Status {
            status: posted.status,
            retry_after: posted
                .retry_after
                .map(|wait| Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX)),
            excerpt: posted.excerpt,
        })
    }
}
