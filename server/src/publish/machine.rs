//! The publishing machine: what a target becomes, given what happened.
//!
//! Pure: time and randomness are arguments, nothing is read or sent. The runner stores the move
//! and performs what follows from the new phase.

use multi_upload_platforms::{CommitAnswer, FailureClass, PlatformError};
use multi_upload_wire::{ErrorCode, ErrorInfo, TargetRef};
use serde_json::{Map, Value, json};

use crate::store::{AttemptChange, Millis, NewEvent, Phase, TargetChange, TargetRow};

/// If the first byte of a commit request has not left this long after its intent row was stored, it
/// must not leave any more.
pub(crate) const SEND_WINDOW_MS: Millis = 5_000;

/// Setbacks before anything was sent (token, prepare, open) after which a target fails.
const MAX_SETBACKS: u32 = 12;

/// First wait after a setback, doubled each time.
const SETBACK_BASE_MS: f64 = 2_000.0;

/// Longest wait after a setback.
const SETBACK_CAP_MS: f64 = 300_000.0;

/// How often a target whose account must be connected again looks whether it was.
const RECONNECT_WAIT_MS: Millis = 60_000;

/// Wait after a limit whose end the network does not tell.
const LIMIT_WAIT_MS: Millis = 60_000;

/// What happened to a target.
#[derive(Debug, Clone)]
pub(crate) enum Happened {
    /// A worker took it, in time or late.
    Taken,
    /// Something before the commit failed: token, prepare or open. Nothing was sent.
    SetBack(PlatformError),
    /// Everything is ready: store the intent.
    Ready {
        /// What a repeated *prepare* needs.
        prepared: Option<Value>,
    },
    /// The network answered the commit request, or did not.
    Answered(CommitAnswer),
    /// The holder's lease ended: it died, or hangs.
    LeaseEnded,
    /// A person connected its account again.
    Reconnected,
}

/// The move for what happened, or `None` where the target goes on as it is.
pub(crate) fn step(
    target: &TargetRow,
    happened: Happened,
    now: Millis,
    random: f64,
) -> Option<TargetChange> {
    let mover = Mover {
        target,
        now,
        random,
    };
    match (target.phase, happened) {
        (Phase::Claimed, Happened::Taken) => (now > target.send_until).then(|| mover.missed()),
        (Phase::Claimed, Happened::SetBack(error)) => Some(mover.set_back(error)),
        (Phase::Claimed, Happened::Ready { prepared }) => Some(mover.arm(prepared)),
        // Claimed means that no intent row was stored, so nothing was sent: simply again.
        (Phase::Claimed, Happened::LeaseEnded) => Some(mover.released()),
        (Phase::Armed, Happened::Answered(answer)) => Some(mover.answered(answer)),
        (Phase::Armed | Phase::Reconciling, Happened::LeaseEnded) => Some(mover.lost()),
        (Phase::Waiting, Happened::Reconnected) => mover.reconnected(),
        // Anything else is a late word about a target that has moved on; fences make it harmless.
        _ => None,
    }
}

struct Mover<'a> {
    target: &'a TargetRow,
    now: Millis,
    random: f64,
}

impl Mover<'_> {
    fn missed(&self) -> TargetChange {
        let late_s = (self.now - self.target.scheduled_at) / 1000;
        let mut error = ErrorInfo::new(
            ErrorCode::ScheduleInPast,
            format!(
                "it was due {} and could not be sent in time: {late_s} s late",
                time(self.target.scheduled_at)
            ),
        )
        .with_remedy(
            "Create the upload again, with `late.send_within` longer if a late post is welcome.",
        );
        // What kept it waiting is the reason a reader wants.
        if let Some(reason) = &self.target.error {
            error.detail = format!("{}; last reason: {}", error.detail, reason.detail);
        }
        let mut row = self.end(Phase::Missed);
        row.error = Some(self.about(error));
        self.change(
            row,
            "target.missed",
            "its time passed beyond the late rule",
            json!({"late_s": late_s}),
        )
    }

    fn released(&self) -> TargetChange {
        let mut row = self.end(Phase::Waiting);
        row.due_at = self.now;
        self.change(
            row,
            "target.released",
            "the worker stopped before anything was sent; again now",
            json!({}),
        )
    }

    fn reconnected(&self) -> Option<TargetChange> {
        let waits_for_it = self
            .target
            .error
            .as_ref()
            .is_some_and(|error| error.is(ErrorCode::AccountReconnectRequired));
        let mut row = self.target.clone();
        row.due_at = self.now;
        waits_for_it.then(|| {
            self.change(
                row,
                "target.released",
                "the account was connected again; again now",
                json!({}),
            )
        })
    }

    fn set_back(&self, error: PlatformError) -> TargetChange {
        let info = (*error.info).clone();
        match error.class {
            FailureClass::Rejected | FailureClass::NotFound => self.failed(info),
            FailureClass::ReconnectRequired => self.wait(RECONNECT_WAIT_MS, info, false),
            FailureClass::AppNotAllowed => self.failed(info),
            FailureClass::RateLimited | FailureClass::SpamBlocked => {
                self.wait(limit_wait(&error), info, false)
            }
            _ if self.target.setbacks + 1 >= MAX_SETBACKS => {
                let mut info = info;
                info.exhausted = true;
                info.attempts = Some(MAX_SETBACKS);
                self.failed(info)
            }
            _ => self.wait(backoff(self.target.setbacks, self.random), info, true),
        }
    }

    fn arm(&self, prepared: Option<Value>) -> TargetChange {
        let number = self.target.attempts + 1;
        let deadline = self.now + SEND_WINDOW_MS;
        let mut row = self.target.clone();
        row.phase = Phase::Armed;
        row.attempts = number;
        row.prepared = prepared;
        row.error = None;
        let mut change = self.change(
            row,
            "target.armed",
            "the intent to send is stored",
            json!({"attempt": number}),
        );
        change.attempt = Some(AttemptChange::Open { number, deadline });
        change
    }

    fn answered(&self, answer: CommitAnswer) -> TargetChange {
        let (mut change, outcome) = match answer {
            CommitAnswer::Applied {
                remote_id,
                remote_url,
            } => {
                let mut row = self.end(Phase::Published);
                row.published_at = Some(self.now);
                row.error = None;
                let data = json!({"remote_id": remote_id, "remote_url": remote_url});
                row.remote_id = Some(remote_id);
                row.remote_url = Some(remote_url);
                (
                    self.change(row, "target.published", "the network confirmed it", data),
                    "applied",
                )
            }
            CommitAnswer::NotSent(error) => (self.set_back(error), "not_sent"),
            CommitAnswer::Rejected(error) => (self.set_back_rejected(&error), "rejected"),
            CommitAnswer::Throttled(error) => (
                self.wait(limit_wait(&error), (*error.info).clone(), false),
                "throttled",
            ),
            CommitAnswer::TokenExpired(error) => (self.token_expired(error), "token_expired"),
            CommitAnswer::AppliedIdUnknown(error) => (
                self.needs_review(
                    &error.info,
                    "the network accepted it, but its answer carries no usable id",
                ),
                "unknown",
            ),
            CommitAnswer::Unknown(error) => (
                self.needs_review(
                    &error.info,
                    "the network's answer does not tell whether it exists",
                ),
                "unknown",
            ),
        };
        change.attempt = Some(AttemptChange::Close {
            number: self.target.attempts,
            outcome,
        });
        change
    }

    /// A refusal before anything happened. Some are about the account or the app, not the content.
    fn set_back_rejected(&self, error: &PlatformError) -> TargetChange {
        match error.class {
            FailureClass::ReconnectRequired => {
                self.wait(RECONNECT_WAIT_MS, (*error.info).clone(), false)
            }
            _ => self.failed((*error.info).clone()),
        }
    }

    /// The token was refused before anything happened: at once again with a new one, then like any setback.
    fn token_expired(&self, error: PlatformError) -> TargetChange {
        if self.target.setbacks == 0 {
            self.wait(0, *error.info, true)
        } else {
            self.set_back(error)
        }
    }

    fn lost(&self) -> TargetChange {
        let info = ErrorInfo::new(
            ErrorCode::OutcomeUnknown,
            "the worker stopped while the request was under way",
        );
        let mut change =
            self.needs_review(&info, "the worker stopped while the request was under way");
        change.attempt = Some(AttemptChange::Close {
            number: self.target.attempts,
            outcome: "unknown",
        });
        change
    }

    fn needs_review(&self, cause: &ErrorInfo, why: &str) -> TargetChange {
        let mut error = ErrorInfo::new(
            ErrorCode::OutcomeUnknown,
            format!("attempt {}: {why} ({})", self.target.attempts, cause.detail),
        );
        error.platform = cause.platform.clone();
        let mut row = self.end(Phase::NeedsReview);
        row.error = Some(self.about(error));
        self.change(
            row,
            "target.needs_review",
            why,
            json!({"attempt": self.target.attempts, "cause": cause.code}),
        )
    }

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

    /// The row without a lease, in a phase.
    fn end(&self, phase: Phase) -> TargetRow {
        let mut row = self.target.clone();
        row.phase = phase;
        row.lease_until = None;
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

/// Full jitter, but never less than a quarter, so that a herd spreads and nobody hammers.
fn backoff(setbacks: u32, random: f64) -> Millis {
    let ceiling =
        (SETBACK_BASE_MS * f64::from(2_u32.saturating_pow(setbacks.min(16)))).min(SETBACK_CAP_MS);
    #[expect(clippy::cast_possible_truncation, reason = "at most 300,000")]
    let wait = (ceiling * random.clamp(0.25, 1.0)) as Millis;
    wait
}

fn limit_wait(error: &PlatformError) -> Millis {
    error.retry_after.map_or(LIMIT_WAIT_MS, |wait| {
        Millis::try_from(wait.as_millis()).unwrap_or(LIMIT_WAIT_MS)
    })
}

fn time(at: Millis) -> String {
    crate::clock::rfc3339(at)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
