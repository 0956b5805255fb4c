//! Sleeps until something is due, then hands it to workers. No polling.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::baselines::Baselines;
use super::in_flight::{InFlight, LEASE_MS};
use super::machine::{Happened, Rules, step};
use super::runner::Worker;
use crate::state::App;
use crate::store::{Millis, StoreResult, TargetRow, WriteLimit};

/// When another may look for a second post after a worker that died. Longer than a look can take, since it is not extended.
const SENTINEL_MS: Millis = 180_000;

/// Largest number taken in one transaction.
const CLAIM_BATCH: usize = 100;

/// The clock may be set while the timer sleeps; look at it this often.
const LONGEST_SLEEP_MS: Millis = 60_000;

/// When due targets wait for a lane that another worker holds, its end wakes us; this is the net below.
const BUSY_LANE_SLEEP_MS: Millis = 1_000;

/// How often a clock that cannot be believed is asked again.
const HELD_SLEEP_MS: Millis = 1_000;

/// Time that armed sends get at shutdown.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(35);

/// Wakes the dispatcher: something was stored that may be due sooner than it sleeps.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Looks at the due times again.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

/// Runs due targets until it is stopped.
pub(crate) struct Dispatcher {
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Ends the extension of leases, after the last worker.
    ended: CancellationToken,
}

impl Dispatcher {
    /// Starts on the current runtime.
    pub(crate) fn start(app: App) -> Self {
        let round = Round::new(app);
        let (stop, tasks) = (round.stop.clone(), round.tasks.clone());
        let ended = CancellationToken::new();
        tokio::spawn(
            round
                .in_flight
                .clone()
                .keep(round.app.clone(), ended.clone()),
        );
        tasks.spawn(round.run());
        Self { stop, tasks, ended }
    }

    /// Stops claiming at once; what is armed is finished, the rest released. Waits at most
    /// [`SHUTDOWN_GRACE`]; true if all ended.
    pub(crate) async fn stop(&self) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let all = tokio::time::timeout(SHUTDOWN_GRACE, self.tasks.wait()).await;
        self.ended.cancel();
        all.is_ok()
    }
}

/// What one process knows while it publishes.
pub(super) struct Round {
    pub(super) app: App,
    permits: Arc<Semaphore>,
    in_flight: InFlight,
    pub(super) baselines: Arc<Baselines>,
    limits: Arc<BTreeMap<String, WriteLimit>>,
    pub(super) stop: CancellationToken,
    tasks: TaskTracker,
}

impl Round {
    pub(super) fn new(app: App) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(app.config.workers.max(1))),
            in_flight: InFlight::default(),
            baselines: Arc::default(),
            limits: Arc::new(app.platforms.write_limits()),
            app,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    async fn run(self) {
        while !self.stop.is_cancelled() {
            let sleep = match self.once().await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::error!(%error, "due uploads cannot be read; trying again");
                    self.app.safety.store_failed(&error);
                    Some(BUSY_LANE_SLEEP_MS)
                }
            };
            let Some(ms) = sleep else { continue };
            let pause = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.app.wake.0.notified() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// One look. The answer is how long to sleep; `None` means look again at once.
    async fn once(&self) -> StoreResult<Option<Millis>> {
        if self.app.safety.clock_trouble().is_some() {
            // Nothing is due, late, over or lost by a clock that cannot be believed.
            return Ok(Some(HELD_SLEEP_MS));
        }
        let now = self.app.clock.now();
        if self.app.safety.store_is_in_question() {
            let probe = vec![("probe", now.to_string())];
            self.app.store.put_notes(probe).await?;
            self.app.safety.store_works();
        }
        self.end_dead_leases(now).await?;
        self.end_late(now).await?;
        let room = self.permits.available_permits().min(CLAIM_BATCH);
        if room == 0 {
            return Ok(Some(LONGEST_SLEEP_MS));
        }
        let claimed = self.claim(now, room).await?;
        let count = claimed.len();
        for target in claimed {
            self.spawn(target);
        }
        if count == room {
            return Ok(None);
        }
        let timers = [
            self.app.store.next_timer().await?,
            self.app.store.next_late(self.app.restored_at.get()).await?,
        ];
        let Some(next) = timers.into_iter().flatten().min() else {
            return Ok(Some(LONGEST_SLEEP_MS));
        };
        let sleep = next - self.app.clock.now();
        Ok(Some(if sleep > 0 {
            sleep.min(LONGEST_SLEEP_MS)
        } else if count > 0 {
            0
        } else {
            BUSY_LANE_SLEEP_MS
        }))
    }

    /// Looks for targets in doubt come first: they end waits that have begun, and there are few.
    pub(super) async fn claim(&self, now: Millis, room: usize) -> StoreResult<Vec<TargetRow>> {
        let store = &self.app.store;
        let lease = now + LEASE_MS;
        let left = |taken: usize| u32::try_from(room - taken).unwrap_or(0);
        let mut claimed = store.claim_looks(now, lease, left(0)).await?;
        if self.app.safety.trouble().is_none() {
            claimed.extend(
                store
                    .claim(now, lease, left(claimed.len()), Arc::clone(&self.limits))
                    .await?,
            );
        }
        claimed.extend(
            store
                .claim_sentinels(now, now + SENTINEL_MS, left(claimed.len()))
                .await?,
        );
        Ok(claimed)
    }

    fn spawn(&self, target: TargetRow) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            // Not reached: no more is claimed than there are permits. The lease would end it.
            return;
        };
        let guard = self.in_flight.enter(&target);
        let (app, stop, baselines) = (
            self.app.clone(),
            self.stop.clone(),
            Arc::clone(&self.baselines),
        );
        self.tasks.spawn(async move {
            Worker {
                app: &app,
                baselines: &baselines,
                stop: &stop,
            }
            .work(target)
            .await;
            drop(guard);
            drop(permit);
            app.wake.wake();
        });
    }

    /// What waits although its time has passed is missed now, whatever it waits for. What was due before a restore is proven
    /// absent first.
    pub(super) async fn end_late(&self, now: Millis) -> StoreResult<()> {
        let app = &self.app;
        let late = app.store.late(now, app.restored_at.get(), 1_000).await?;
        let mut changes = Vec::with_capacity(late.len());
        for target in &late {
            let ids = vec![target.account_id.clone()];
            let rest = match target.error {
                None => app.store.rests(&target.owner, ids, now).await?.pop(),
                // It says itself what it waits for.
                Some(_) => None,
            };
            let happened = Happened::Late(rest);
            let rules = Rules::of(app);
            changes.extend(step(target, happened, now, app.config.chance.next(), rules));
        }
        if !changes.is_empty() {
            app.store.change_targets(changes).await?;
        }
        Ok(())
    }

    /// A lease that ended belongs to a worker that died, here or in an earlier process.
    pub(super) async fn end_dead_leases(&self, now: Millis) -> StoreResult<()> {
        let rules = Rules::of(&self.app);
        let expired = self.app.store.expired(now, 1_000).await?;
        let changes: Vec<_> = expired
            .iter()
            .filter(|target| !self.in_flight.contains(&target.id))
            .filter_map(|target| {
                step(
                    target,
                    Happened::LeaseEnded,
                    now,
                    self.app.config.chance.next(),
                    rules,
                )
            })
            .collect();
        if !changes.is_empty() {
            tracing::warn!(count = changes.len(), "targets without a living worker");
            self.app.metrics.publishing().leases_ended(changes.len());
            self.app.store.change_targets(changes).await?;
        }
        Ok(())
    }
}
