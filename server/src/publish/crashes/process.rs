//! A process: one future, polled by hand, and what may befall it.

use std::pin::Pin;
use std::task::Poll;

use futures_util::future::join_all;
use multi_upload_server::store::{Millis, StoreResult};

use super::super::dispatcher::Round;
use super::super::runner::Worker;
use super::between::Fate;

/// More rounds than any schedule within the bounds needs.
const ROUNDS: u32 = 5_000;

/// What befalls a process. Polls and writes are counted from its start.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    /// It is left at this poll, and the next one begins so much later.
    Dies { poll: u64, pause: Millis },
    /// It stops at this poll, another takes over, and so much later it goes on beside that one.
    Freezes { poll: u64, lasts: Millis },
    /// Of this write it hears that the connection was lost.
    LosesWord { write: u64, fate: Fate },
}

/// How far a process came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// Nothing is left to do.
    ToTheEnd,
    /// To the time that it was given.
    ToItsTime,
    /// It turns in circles.
    Nowhere,
}

/// Polls by hand; at `last` polls the future is left where it stands.
pub(super) async fn poll_until<F: Future>(
    mut life: Pin<&mut F>,
    last: Option<u64>,
) -> Option<F::Output> {
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        polls += 1;
        match life.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if Some(polls) == last => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A process from its start until nothing is left to do, or until a time; the clock goes from timer to timer. Only one
/// that has the database alone knows that every lease is a dead one's.
pub(super) async fn live(round: &Round, is_alone: bool, until: Option<Millis>) -> Came {
    let clock = &round.app.clock;
    if is_alone {
        // Like an engine that is started until it comes up.
        while round.app.store.expire_leases(clock.now()).await.is_err() {
            clock.set(clock.now() + 1_000);
        }
    }
    for _ in 0..ROUNDS {
        if until.is_some_and(|until| clock.now() >= until) {
            return Came::ToItsTime;
        }
        match once(round).await {
            Ok(Next::Again) => {}
            Ok(Next::At(next)) => {
                let next = until.map_or(next, |until| next.min(until));
                clock.set(next.max(clock.now() + 1));
            }
            Ok(Next::Never) => return Came::ToTheEnd,
            // The dispatcher tells the log, and tries again.
            Err(_) => clock.set(clock.now() + 1_000),
        }
    }
    Came::Nowhere
}

enum Next {
    Again,
    At(Millis),
    Never,
}

async fn once(round: &Round) -> StoreResult<Next> {
    let now = round.app.clock.now();
    round.end_dead_leases(now).await?;
    let claimed = round.claim(now, 16).await?;
    if claimed.is_empty() {
        return Ok(round
            .app
            .store
            .next_timer()
            .await?
            .map_or(Next::Never, Next::At));
    }
    let worker = Worker {
        app: &round.app,
        baselines: &round.baselines,
        stop: &round.stop,
    };
    join_all(claimed.into_iter().map(|target| worker.work(target))).await;
    Ok(Next::Again)
}
