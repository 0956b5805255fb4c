//! Telling all nodes of changes, and hearing of those that others made.
//!
//! A transaction that changes something notifies the channel; PostgreSQL hands that out after the commit, so whoever hears of a
//! change can read it. A connection of its own listens. While it is away, and as a net below it, the counter is read
//! every few seconds.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Transaction;
use futures_util::StreamExt as _;
use futures_util::stream::poll_fn;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use super::db::{Db, execute};
use super::tls::Tls;
use super::trouble::Res;
use super::uploads;
use crate::store::StoreError;

/// The channel, within the database.
const CHANNEL: &str = "multi_upload";

/// How often the counter is read, and a lost connection made again.
const POLL: Duration = Duration::from_secs(5);

/// What a transaction tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// The last place in the change feed that it took.
    pub(super) change: Option<u64>,
    /// Something may be due sooner than a node expects.
    pub(super) wake: bool,
}

impl Told {
    fn to_text(self) -> String {
        format!("{} {}", self.change.unwrap_or(0), u8::from(self.wake))
    }

    /// What is not understood, as from a newer version, wakes.
    fn from_text(text: &str) -> Self {
        let (change, wake) = text.split_once(' ').unwrap_or((text, "1"));
        Self {
            change: change.parse().ok().filter(|change| *change > 0),
            wake: wake != "0",
        }
    }
}

/// Tells everybody, once this transaction is committed.
pub(super) async fn tell(tx: &Transaction<'_>, told: Told) -> Res<()> {
    execute(tx, "SELECT pg_notify($1, $2)", &[&CHANNEL, &told.to_text()]).await?;
    Ok(())
}

/// Where those who wait in this process are told.
#[derive(Clone)]
pub(super) struct Ears {
    changes: watch::Sender<u64>,
    wakes: Arc<Notify>,
}

impl Ears {
    pub(super) fn new(last: u64) -> Self {
        Self {
            changes: watch::Sender::new(last),
            wakes: Arc::new(Notify::new()),
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn wakes(&self) -> Arc<Notify> {
        Arc::clone(&self.wakes)
    }

    /// Something was committed, here or by another node.
    pub(super) fn hear(&self, told: Told) {
        if let Some(change) = told.change {
            self.changes.send_if_modified(|last| {
                let newer = change > *last;
                *last = change.max(*last);
                newer
            });
        }
        if told.wake {
            self.wakes.notify_one();
        }
    }
}

/// Listens until `stop`. Gives nothing back: trouble is told to the log, and tried again.
pub(super) async fn listen(
    config: tokio_postgres::Config,
    tls: Tls,
    db: Db,
    ears: Ears,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = connected(&config, &tls, &ears) => {}
        () = poll(&db, &ears) => {}
    }
}

/// Keeps a listening connection.
async fn connected(config: &tokio_postgres::Config, tls: &Tls, ears: &Ears) {
    let mut every = interval(POLL);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(trouble) = hear_all(config, tls, ears).await {
            let error = StoreError::from(trouble);
            tracing::warn!(%error, "the connection that listens for changes ended; a new one is made, and until then \
                changes of other nodes are seen within {} s", POLL.as_secs());
        }
    }
}

async fn hear_all(config: &tokio_postgres::Config, tls: &Tls, ears: &Ears) -> Res<()> {
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let mut messages = poll_fn(move |cx| connection.poll_message(cx)).boxed();
    let sql = format!("LISTEN {CHANNEL}");
    let listening = client.batch_execute(&sql);
    tokio::pin!(listening);
    let mut is_listening = false;
    loop {
        tokio::select! {
            done = &mut listening, if !is_listening => {
                done?;
                is_listening = true;
                // What happened before is found by looking.
                ears.hear(Told { change: None, wake: true });
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) if told.channel() == CHANNEL => {
                    ears.hear(Told::from_text(told.payload()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(StoreError::Failed("PostgreSQL closed the connection".to_owned()).into()),
            },
        }
    }
}

/// Looks from time to time, whatever was heard.
async fn poll(db: &Db, ears: &Ears) {
    let mut every = interval(POLL);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let last = match db.client().await {
            Ok(client) => uploads::last_change(&client).await,
            Err(trouble) => Err(trouble),
        };
        match last {
            Ok(last) => ears.hear(Told {
                change: Some(last),
                wake: true,
            }),
            Err(trouble) => {
                let error = StoreError::from(trouble);
                tracing::debug!(%error, "the counter of changes could not be read");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        for told in [
            Told {
                change: Some(7),
                wake: false,
            },
            Told {
                change: None,
                wake: true,
            },
        ] {
            assert_eq!(Told::from_text(&told.to_text()), told);
        }
        let strange = Told {
            change: None,
            wake: true,
        };
        assert_eq!(Told::from_text("what is this?"), strange);
        assert_eq!(Told::from_text(""), strange);
    }

    #[tokio::test]
    async fn an_older_place_is_no_change_and_a_wake_is_kept() {
        let ears = Ears::new(5);
        let mut changes = ears.changes();
        ears.hear(Told {
            change: Some(4),
            wake: true,
        });
        assert!(!changes.has_changed().unwrap());
        ears.hear(Told {
            change: Some(6),
            wake: false,
        });
        assert_eq!(*changes.borrow_and_update(), 6);
        ears.wakes().notified().await;
    }
}
