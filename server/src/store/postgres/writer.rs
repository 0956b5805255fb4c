//! Merging what waits: calls that come while a transaction is under way share the next one.
//!
//! A transaction costs some round trips and a sync of the database's disk, however many rows it holds, and transactions that
//! change uploads come one after the other (their places in the change feed do). So one task takes what waits (it never
//! waits for more), runs it as one transaction, and answers everybody after the commit. When that fails, each call is run
//! by itself, so that nobody fails for another's sake.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::db::again;
use super::listen::{Ears, Told};
use super::trouble::{Res, closed};
use crate::store::{StoreError, StoreResult};

/// Items in one transaction, at most; a call that has more is run alone.
const GROUP: usize = 512;

/// Calls that may wait; more callers wait for room.
const QUEUE: usize = 1024;

/// What a group of items becomes: one outcome for each, in their order, and what to tell.
pub(super) trait Work: Send + Sync + 'static {
    /// What goes in.
    type Item: Send + Sync;
    /// What comes out.
    type Outcome: Send;

    /// One transaction for all items.
    fn run(
        &self,
        items: &[&Self::Item],
    ) -> impl Future<Output = Res<(Vec<Self::Outcome>, Option<Told>)>> + Send;
}

struct Call<W: Work> {
    items: Vec<W::Item>,
    answer: oneshot::Sender<StoreResult<Vec<W::Outcome>>>,
}

/// The callers' side.
pub(super) struct Writer<W: Work> {
    queue: mpsc::Sender<Call<W>>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    stop: Arc<tokio::sync::Notify>,
}

impl<W: Work> Writer<W> {
    pub(super) fn start(work: W, ears: Ears) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let stop = Arc::new(tokio::sync::Notify::new());
        let side = Side {
            work,
            ears,
            waiting,
            stop: Arc::clone(&stop),
        };
        Self {
            queue,
            task: tokio::sync::Mutex::new(Some(tokio::spawn(side.run()))),
            stop,
        }
    }

    /// Answers after the commit. Goes on when the caller stops waiting.
    pub(super) async fn run(&self, items: Vec<W::Item>) -> StoreResult<Vec<W::Outcome>> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, told) = oneshot::channel();
        self.queue
            .send(Call { items, answer })
            .await
            .map_err(|_| closed())?;
        told.await.map_err(|_| {
            StoreError::Failed("the store stopped in the middle of this change".to_owned())
        })?
    }

    /// Does what was accepted, and refuses what comes.
    pub(super) async fn close(&self) {
        self.stop.notify_one();
        if let Some(task) = self.task.lock().await.take() {
            // It ended by a fault, then; nobody is left to be told.
            let _ = task.await;
        }
    }
}

struct Side<W: Work> {
    work: W,
    ears: Ears,
    waiting: mpsc::Receiver<Call<W>>,
    stop: Arc<tokio::sync::Notify>,
}

impl<W: Work> Side<W> {
    async fn run(mut self) {
        let mut held = None;
        while let Some(first) = self.next(&mut held).await {
            let mut count = first.items.len();
            let mut group = vec![first];
            while count < GROUP
                && let Ok(call) = self.waiting.try_recv()
            {
                if count + call.items.len() > GROUP {
                    held = Some(call);
                    break;
                }
                count += call.items.len();
                group.push(call);
            }
            self.commit(group).await;
        }
    }

    /// The call to begin the next group with; `None` when everything is done and the writer closed.
    async fn next(&mut self, held: &mut Option<Call<W>>) -> Option<Call<W>> {
        if held.is_some() {
            return held.take();
        }
        loop {
            tokio::select! {
                call = self.waiting.recv() => return call,
                // Nothing new comes in; what was accepted is still handed out.
                () = self.stop.notified() => self.waiting.close(),
            }
        }
    }

    async fn commit(&self, group: Vec<Call<W>>) {
        let items: Vec<_> = group.iter().flat_map(|call| &call.items).collect();
        match self.transaction(&items).await {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                for call in group {
                    let mine = outcomes.by_ref().take(call.items.len()).collect();
                    // The caller may have stopped waiting.
                    let _ = call.answer.send(Ok(mine));
                }
            }
            Err(trouble) if group.len() > 1 && trouble.is_of_a_row() => {
                for call in group {
                    let items: Vec<_> = call.items.iter().collect();
                    let done = self.transaction(&items).await;
                    let _ = call.answer.send(done.map_err(StoreError::from));
                }
            }
            Err(trouble) => {
                let error = StoreError::from(trouble);
                for call in group {
                    let _ = call.answer.send(Err(error.clone()));
                }
            }
        }
    }

    async fn transaction(&self, items: &[&W::Item]) -> Res<Vec<W::Outcome>> {
        let (outcomes, told) = again(|| self.work.run(items)).await?;
        if let Some(told) = told {
            self.ears.hear(told);
        }
        Ok(outcomes)
    }
}
