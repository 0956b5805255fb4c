//! Follows the writers and seals what they wrote, within a second where it hears of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multi_upload_wire::ErrorInfo;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::checkpoints::{AuditKeys, Checkpoints};
use crate::clock::Clock;
use crate::store::{AuditHead, Millis, Store};
use crate::vault::MasterKey;

/// Rows sealed in one transaction.
const PORTION: u32 = 1_000;
/// How long it lets rows gather.
const GATHER: Duration = Duration::from_millis(500);
/// The net below every wake: what the machine did to accounts announces itself to nobody.
const LONGEST: Duration = Duration::from_secs(5);
/// Checkpoints are at least so far apart; one more at the end.
const CHECKPOINT_MS: Millis = 10_000;

/// Seals until it is stopped.
pub(crate) struct Sealer {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What a sealer works with.
struct Work {
    store: Arc<dyn Store>,
    keys: AuditKeys,
    file: Checkpoints,
    clock: Clock,
    /// Ends that no checkpoint holds yet.
    open: Vec<AuditHead>,
    checked_at: Millis,
}

impl Sealer {
    /// Starts on the current runtime.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        master: &MasterKey,
        data: &Path,
        clock: Clock,
        changes: watch::Receiver<u64>,
        news: Arc<Notify>,
    ) -> Result<Self, ErrorInfo> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let work = Work {
            store,
            keys: AuditKeys::of(master)?,
            file: Checkpoints::in_folder(data),
            clock,
            open: Vec::new(),
            checked_at: 0,
        };
        tasks.spawn(work.run(changes, news, stop.clone()));
        tasks.close();
        Ok(Self { stop, tasks })
    }

    /// Seals what there is, writes a checkpoint, and ends.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Work {
    async fn run(
        mut self,
        mut changes: watch::Receiver<u64>,
        news: Arc<Notify>,
        stop: CancellationToken,
    ) {
        loop {
            let stopping = stop.is_cancelled();
            self.seal(stopping).await;
            if stopping {
                return;
            }
            tokio::select! {
                // Whoever wrote an upload is followed by others.
                _ = changes.changed() => {}
                () = news.notified() => {}
                () = tokio::time::sleep(LONGEST) => {}
                () = stop.cancelled() => {}
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn seal(&mut self, last: bool) {
        loop {
            match self
                .store
                .seal_audit(self.keys.chain.clone(), PORTION)
                .await
            {
                Ok(heads) if heads.is_empty() => break,
                Ok(heads) => {
                    for head in heads {
                        self.open.retain(|open| open.team != head.team);
                        self.open.push(head);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the log of who did what could not be sealed; trying again");
                    break;
                }
            }
        }
        let now = self.clock.now();
        let due = last || now - self.checked_at >= CHECKPOINT_MS || now < self.checked_at;
        if self.open.is_empty() || !due {
            return;
        }
        match self.file.add(&self.keys, &self.open, now) {
            Ok(()) => {
                self.open.clear();
                self.checked_at = now;
            }
            Err(error) => {
                tracing::error!(%error, "the audit checkpoint could not be written; trying again")
            }
        }
    }
}
