//! The targets that workers of this process hold, and the extension of their leases.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::state::App;
use crate::store::{Held, Millis, Phase, TargetRow};

/// How long a target belongs to its worker without a sign of life.
pub(super) const LEASE_MS: Millis = 30_000;

/// How often living workers' leases are extended: twice in vain, and the third still comes in time.
const EXTEND_EVERY: Duration = Duration::from_secs(10);

/// The targets that workers of this process hold.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<String, Option<Held>>>>);

impl InFlight {
    pub(super) fn enter(&self, target: &TargetRow) -> InFlightGuard {
        // One that is published has no lease, only a time for the next look.
        let held = (target.phase != Phase::Published).then(|| Held {
            owner: target.owner.clone(),
            upload_id: target.upload_id.clone(),
            target_id: target.id.clone(),
            fence: target.fence,
        });
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(target.id.clone(), held);
        InFlightGuard {
            all: self.clone(),
            id: target.id.clone(),
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(id)
    }

    fn held(&self) -> Vec<Held> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flatten().cloned().collect()
    }

    /// Extends the leases until it is stopped, which must be after the last worker has ended.
    pub(super) async fn keep(self, app: App, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EXTEND_EVERY) => {}
                () = stop.cancelled() => return,
            }
            let held = self.held();
            if held.is_empty() {
                continue;
            }
            match app
                .store
                .extend_leases(held, app.clock.now() + LEASE_MS)
                .await
            {
                Ok(lost) => {
                    // Nothing to be done: the fence lets its worker change nothing more. Most have just ended.
                    for id in lost.iter().filter(|id| self.contains(id)) {
                        tracing::warn!(target_id = %id, "this target's lease is lost; its worker changes nothing more");
                    }
                }
                Err(error) => tracing::error!(%error, "leases could not be extended; trying again"),
            }
        }
    }
}

/// Leaves the set when the worker ends, by panic too.
pub(super) struct InFlightGuard {
    all: InFlight,
    id: String,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.all
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}
