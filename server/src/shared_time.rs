//! Engines that share a database go by its clock: their leases would mean nothing by clocks that differ.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::postgres::PgStore;
use crate::store::{Millis, StoreResult};

/// How often it is measured.
const EVERY: Duration = Duration::from_secs(60);

/// An answer that took longer says too little about the time.
const LONGEST: Duration = Duration::from_secs(2);

/// A machine that is this far off should have its clock put right.
const WORTH_A_WORD_MS: Millis = 5_000;

/// Measures once and sets the clock.
pub(crate) async fn measure(store: &PgStore, clock: &Clock) -> StoreResult<()> {
    let (machine, begun) = (Timestamp::now().as_millisecond(), Instant::now());
    let database = store.now().await?;
    let took = begun.elapsed();
    if took > LONGEST {
        tracing::warn!(?took, "the database took too long to tell its time");
        return Ok(());
    }
    let half = Millis::try_from(took.as_millis() / 2).unwrap_or_default();
    let ahead = database - machine - half;
    if ahead.abs() > WORTH_A_WORD_MS {
        tracing::warn!(
            ahead_ms = ahead,
            "the database's clock and this machine's differ; the database's is used. Check the time synchronisation of both"
        );
    }
    clock.follow(ahead);
    Ok(())
}

/// Measures again and again until it is stopped.
pub(crate) async fn keep(store: Arc<PgStore>, clock: Clock, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = measure(&store, &clock).await {
            tracing::warn!(%error, "the database's time cannot be read; going on with what was measured before");
        }
    }
}
