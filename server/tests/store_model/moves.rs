//! Changes as the machine makes them from each phase, and any others.

use multi_upload_server::store::{AttemptChange, Millis, Phase, TargetChange, TargetRow};

use crate::model::Model;
use crate::rows;
use crate::steps::{Intent, Knows};

/// How long a lease is.
pub(crate) const LEASE: Millis = 1_000;

fn id(remote: u8) -> String {
    format!("70{remote}")
}

/// A move to that phase, which knows everything.
pub(crate) fn to(row: &TargetRow, phase: Phase, now: Millis, wait: Millis) -> TargetChange {
    let mut change = rows::change(row, phase, now);
    change.row.due_at = now + wait;
    change.row.lease_until = matches!(phase, Phase::Claimed | Phase::Armed).then_some(now + LEASE);
    change
}

fn open(row: &TargetRow, now: Millis, baseline: bool) -> AttemptChange {
    AttemptChange::Open {
        number: row.attempts + 1,
        deadline: now + 5_000,
        baseline: baseline.then(|| vec![row.attempts as u8; 16]),
    }
}

/// What the machine would do next, one of several ways.
pub(crate) fn natural(
    model: &Model,
    row: &TargetRow,
    (choice, remote): (u8, u8),
    now: Millis,
    wait: Millis,
) -> TargetChange {
    let close = |outcome| {
        Some(AttemptChange::Close {
            number: row.attempts,
            outcome,
        })
    };
    let published = |outcome| {
        let mut change = to(row, Phase::Published, now, wait);
        change.row.remote_id = Some(id(remote));
        change.row.published_at = Some(now);
        change.row.sentinel_at = (choice % 2 == 0).then_some(now + 2 * wait);
        change.attempt = close(outcome);
        change
    };
    let with = |phase, outcome| {
        let mut change = to(row, phase, now, wait);
        change.attempt = close(outcome);
        change
    };
    match (row.phase, choice % 5) {
        (Phase::Claimed, 0) => to(row, Phase::Waiting, now, wait),
        (Phase::Claimed, _) => {
            let mut change = to(row, Phase::Armed, now, wait);
            change.row.attempts += 1;
            change.attempt = Some(open(row, now, choice % 2 == 0));
            change
        }
        (Phase::Armed, 0) => with(Phase::Waiting, "not_sent"),
        (Phase::Armed, 1) => with(Phase::Failed, "rejected"),
        (Phase::Armed, 2) => published("applied"),
        (Phase::Armed, _) => {
            let mut change = with(Phase::Reconciling, "unknown");
            change.row.attempt = Some(rows::attempt(now));
            change
        }
        (Phase::Reconciling, 0) => to(row, Phase::Reconciling, now, wait),
        (Phase::Reconciling, 1) => published("applied"),
        (Phase::Reconciling, 2) => to(row, Phase::NeedsReview, now, wait),
        (Phase::Reconciling, _) => {
            let mut change = to(row, Phase::Waiting, now, wait);
            change.row.attempt = None;
            change
        }
        (Phase::NeedsReview, 0) => published("applied"),
        (Phase::NeedsReview, 1) => to(row, Phase::Failed, now, wait),
        (Phase::NeedsReview | Phase::Failed | Phase::Missed | Phase::Canceled, _) => {
            to(row, Phase::Scheduled, now, wait)
        }
        (Phase::Published, 0) => {
            let mut change = to(row, Phase::Published, now, wait);
            change.row.sentinel_at = None;
            change
        }
        (Phase::Published, _) => to(row, Phase::Failed, now, wait),
        (Phase::Draft | Phase::Scheduled | Phase::Waiting, _) => {
            // Late: its time is over while something else of the board is under way, or it is not.
            let phase = match model.may_go(row) {
                true => Phase::Missed,
                false => Phase::Canceled,
            };
            to(row, phase, now, wait)
        }
    }
}

/// Whatever it is.
pub(crate) fn any(
    row: &TargetRow,
    phase: Phase,
    (remote, attempt, knows): (Option<u8>, Intent, Knows),
    now: Millis,
    wait: Millis,
) -> TargetChange {
    let mut change = to(row, phase, now, wait);
    change.row.remote_id = remote.map(id).or(change.row.remote_id);
    change.attempt = match attempt {
        // A success is not sent again, whoever asks.
        Intent::Open { .. } if row.phase == Phase::Published => None,
        Intent::Nothing => None,
        Intent::Open { again, baseline } => {
            if !again {
                change.row.attempts += 1;
            }
            Some(match again {
                true => AttemptChange::Open {
                    number: row.attempts,
                    deadline: now,
                    baseline: None,
                },
                false => open(row, now, baseline),
            })
        }
        Intent::Close { proven } => Some(AttemptChange::Close {
            number: row.attempts,
            outcome: if proven { "applied" } else { "unknown" },
        }),
    };
    match knows {
        Knows::Everything => {}
        Knows::OldFence => change.expect_fence = row.fence.wrapping_sub(1).min(1 << 40),
        Knows::OldPhase => {
            let at = Phase::ALL.iter().position(|phase| *phase == row.phase);
            change.expect_phase = Phase::ALL[(at.unwrap_or(0) + 1) % Phase::ALL.len()];
        }
    }
    change
}
