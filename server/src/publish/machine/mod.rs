//! The publishing machine: what a target becomes, given what happened.
//!
//! Pure: time and randomness are arguments, nothing is read or sent. The runner stores the move
//! and performs what follows from the new phase.
//!
//! [`sending`] is the way from a claim to the network's answer; [`doubt`] is what follows when the
//! answer does not prove what happened.

mod doubt;
mod restored;
mod rests;
mod sending;
#[cfg(test)]
pub(super) mod tests;
mod waits;

use multi_upload_platforms::{CommitAnswer, FailureClass, Pause, PlatformError, RemotePost};
use multi_upload_wire::{ErrorCode, ErrorInfo, TargetRef};
use serde_json::{Map, Value, json};

use crate::state::App;
use crate::store::{AttemptChange, Millis, NewEvent, Phase, Rest, TargetChange, TargetRow};

pub(crate) use doubt::{MATCH_SKEW_MS, waits_for_its_like};
pub(crate) use restored::is_from_before_a_restore;
pub(crate) use rests::reason;
pub(crate) use sending::SEND_WINDOW_MS;

/// How long an account rests after a spam block. The networks give no number; reports speak of hours.
const SPAM_REST_MS: Millis = 4 * 3_600_000;

/// When a target that was ready is tried again after it was not safe to send it.
const HELD_WAIT_MS: Millis = 5_000;

/// What the machine goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// How long after arming an attempt may still take effect, or stay invisible.
    pub(crate) quiet_ms: Millis,
    /// When the database was found to be restored or copied, the last time.
    pub(crate) restored_at: Option<Millis>,
}

impl Rules {
    pub(crate) fn of(app: &App) -> Self {
        let quiet = app.config.quiet_period.as_millis();
        Self {
            quiet_ms: Millis::try_from(quiet).unwrap_or(Millis::MAX / 4),
            restored_at: app.restored_at.get(),
        }
    }
}

/// What happened to a target.
#[derive(Debug, Clone)]
pub(crate) enum Happened {
    /// A worker took it, in time or late.
    Taken,
    /// Something before the commit failed: token, prepare or open. Nothing was sent.
    SetBack(PlatformError),
    /// It is not safe to send now.
    Held(Box<ErrorInfo>),
    /// A step of *prepare* was taken: keep what it gave.
    Stepped(Value),
    /// The network works on something that was uploaded. Nothing was sent; again after the pause.
    Paused(Pause),
    /// Everything is ready: store the intent.
    Ready {
        /// What a repeated *prepare* needs.
        prepared: Option<Value>,
        /// Hashed ids of the posts that exist, if they are known.
        baseline: Option<Vec<u8>>,
    },
    /// The network answered the commit request, or did not.
    Answered(CommitAnswer),
    /// It waits, and its time has passed; its account may rest.
    Late(Option<Rest>),
    /// Somebody looked for it.
    Looked(Seen),
    /// The holder's lease ended: it died, or hangs.
    LeaseEnded,
    /// A person connected its account again.
    Reconnected,
    /// The database was restored or copied: what it says may have been overtaken.
    Restored,
}

/// What a look for a target saw.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// Posts like it that are new: not in the baseline, not of another target, not older than the attempt.
    /// Oldest first.
    New(Vec<RemotePost>),
    /// None. It proves something only if the list was complete and shows a post that must be there.
    Nothing {
        /// Whether it proves something.
        conclusive: bool,
        /// When the look began.
        begun_at: Millis,
    },
    /// The look failed.
    Failed(PlatformError),
}

/// The move for what happened, or `None` where the target goes on as it is.
pub(crate) fn step(
    target: &TargetRow,
    happened: Happened,
    now: Millis,
    random: f64,
    rules: Rules,
) -> Option<TargetChange> {
    let mover = Mover {
        target,
        now,
        random,
        rules,
    };
    match (target.phase, happened) {
        (Phase::Claimed, Happened::Taken) if mover.is_from_before_a_restore() => {
            Some(mover.doubt_restored())
        }
        (Phase::Claimed, Happened::Taken) => (now > target.send_until).then(|| mover.missed()),
        (Phase::Scheduled | Phase::Waiting, Happened::Late(rest)) => {
            let is_over = now > target.send_until && !mover.is_from_before_a_restore();
            is_over.then(|| mover.missed_at_rest(rest.as_ref()))
        }
        (Phase::Claimed, Happened::SetBack(error)) => Some(mover.set_back(error)),
        (Phase::Claimed, Happened::Held(why)) => Some(mover.wait(HELD_WAIT_MS, *why, false)),
        (Phase::Claimed, Happened::Stepped(state)) => Some(mover.stepped(state)),
        (Phase::Claimed, Happened::Paused(pause)) => Some(mover.paused(pause)),
        (Phase::Claimed, Happened::Ready { prepared, baseline }) => {
            Some(mover.arm(prepared, baseline))
        }
        // Claimed means that no intent row was stored, so nothing was sent: simply again.
        (Phase::Claimed, Happened::LeaseEnded) => Some(mover.released()),
        // A proof of success is welcome whenever it comes: success is final, and the network knows best.
        (
            phase,
            Happened::Answered(CommitAnswer::Applied {
                remote_id,
                remote_url,
            }),
        ) => (!phase.is_terminal() || matches!(phase, Phase::Failed | Phase::Missed))
            .then(|| mover.applied(remote_id, remote_url)),
        (Phase::Armed, Happened::Answered(answer)) => Some(mover.answered(answer)),
        (Phase::Armed, Happened::LeaseEnded) => Some(mover.lost()),
        (Phase::Reconciling, Happened::LeaseEnded) => Some(mover.look_lost()),
        (Phase::Reconciling, Happened::Looked(seen)) => Some(mover.looked(seen)),
        (Phase::Published, Happened::Looked(seen)) => Some(mover.sentinel_looked(seen)),
        (Phase::Waiting, Happened::Reconnected) => mover.reconnected(),
        (Phase::Waiting, Happened::Restored) => mover.check_now(),
        (Phase::Reconciling, Happened::Restored) => mover.look_anew(),
        // Anything else is a late word about a target that has moved on; fences make it harmless.
        _ => None,
    }
}

/// How long the whole account must rest after what happened: a limit or a spam block is about the account,
/// not about one target.
pub(crate) fn hold(happened: &Happened) -> Option<(Millis, ErrorCode)> {
    let error = match happened {
        Happened::SetBack(error)
        | Happened::Looked(Seen::Failed(error))
        | Happened::Answered(
            CommitAnswer::Throttled(error)
            | CommitAnswer::Unknown(error)
            | CommitAnswer::Rejected(error),
        ) => error,
        _ => return None,
    };
    match error.class {
        FailureClass::RateLimited => Some((waits::limit(error), ErrorCode::PlatformRateLimited)),
        FailureClass::SpamBlocked => {
            let wait = waits::limit(error).max(SPAM_REST_MS);
            Some((wait, ErrorCode::PlatformSpamBlock))
        }
        _ => None,
    }
}

struct Mover<'a> {
    target: &'a TargetRow,
    now: Millis,
    random: f64,
    rules: Rules,
}

impl Mover<'_> {
    fn failed(&self, error: ErrorInfo) -> TargetChange {
        let detail = error.detail.clone();
        let code = error.code.clone();
        let mut row = self.end(Phase::Failed);
        row.error = Some(self.about(error));
        self.change(row, "target.failed", &detail, json!({"code": code}))
    }

    fn wait(&self, wait: Millis, error: ErrorInfo, counts: bool) -> TargetChange {
        let mut row = self.end(Phase::Waiting);
        // Beyond the late rule there is nothing to wait for: wake up to be missed.
        row.due_at = (self.now + wait).min(self.target.send_until.max(self.now) + 1);
        row.setbacks = self.target.setbacks + u32::from(counts);
        let detail = error.detail.clone();
        let data = json!({"code": error.code, "until": time(row.due_at)});
        row.error = Some(self.about(error));
        self.change(row, "target.waiting", &detail, data)
    }

    /// The row without a lease and without an open attempt, in a phase.
    fn end(&self, phase: Phase) -> TargetRow {
        let mut row = self.target.clone();
        row.phase = phase;
        row.lease_until = None;
        row.attempt = None;
        row
    }

    fn about(&self, mut error: ErrorInfo) -> ErrorInfo {
        error.target = Some(TargetRef {
            id: self.target.id.clone(),
            account: self.target.account_id.clone(),
            attempt: self.target.attempts,
        });
        error
    }

    fn close(&self, outcome: &'static str) -> Option<AttemptChange> {
        (self.target.attempts > 0).then_some(AttemptChange::Close {
            number: self.target.attempts,
            outcome,
        })
    }

    fn change(
        &self,
        row: TargetRow,
        kind: &'static str,
        detail: &str,
        data: Value,
    ) -> TargetChange {
        TargetChange {
            expect_phase: self.target.phase,
            expect_fence: self.target.fence,
            attempt: None,
            event: NewEvent {
                kind,
                target_id: Some(self.target.id.clone()),
                detail: detail.to_owned(),
                data: match data {
                    Value::Object(map) => map,
                    _ => Map::new(),
                },
                at: self.now,
            },
            at: self.now,
            row,
        }
    }
}

fn time(at: Millis) -> String {
    crate::clock::rfc3339(at)
}
