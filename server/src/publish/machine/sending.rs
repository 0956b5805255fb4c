//! From a claim to the network's answer.

use multi_upload_platforms::{CommitAnswer, FailureClass, Pause, PlatformError};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::{Value, json};

use super::{Mover, time, waits};
use crate::store::{Attempt, AttemptChange, Millis, Phase, TargetChange};

/// If the first byte of a commit request has not left this long after its intent row was stored, it
/// must not leave any more.
pub(crate) const SEND_WINDOW_MS: Millis = 5_000;

/// Setbacks before anything was sent (token, prepare, open) after which a target fails.
const MAX_SETBACKS: u32 = 12;

/// How often a target whose account must be connected again looks whether it was.
const RECONNECT_WAIT_MS: Millis = 60_000;

impl Mover<'_> {
    pub(super) fn missed(&self) -> TargetChange {
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

    pub(super) fn released(&self) -> TargetChange {
        let mut row = self.end(Phase::Waiting);
        // What was due before a restore keeps that time: it must not be sent unseen.
        if !self.is_from_before_a_restore() {
            row.due_at = self.now;
        }
        self.change(
            row,
            "target.released",
            "the worker stopped before anything was sent; again now",
            json!({}),
        )
    }

    pub(super) fn reconnected(&self) -> Option<TargetChange> {
        let waits_for_it = self
            .target
            .error
            .as_ref()
            .is_some_and(|error| error.is(ErrorCode::AccountReconnectRequired));
        let mut row = self.target.clone();
        // What is due already keeps its place.
        row.due_at = row.due_at.min(self.now);
        waits_for_it.then(|| {
            self.change(
                row,
                "target.released",
                "the account was connected again; again now",
                json!({}),
            )
        })
    }

    pub(super) fn set_back(&self, error: PlatformError) -> TargetChange {
        let info = (*error.info).clone();
        match error.class {
            FailureClass::Rejected | FailureClass::NotFound => self.failed(info),
            FailureClass::ReconnectRequired => self.wait(RECONNECT_WAIT_MS, info, false),
            FailureClass::AppNotAllowed => self.failed(info),
            FailureClass::RateLimited | FailureClass::SpamBlocked => {
                self.wait(waits::limit(&error), info, false)
            }
            _ if self.target.setbacks + 1 >= MAX_SETBACKS => {
                let mut info = info;
                info.exhausted = true;
                info.attempts = Some(MAX_SETBACKS);
                self.failed(info)
            }
            _ => self.wait(
                waits::backoff(self.target.setbacks, self.random),
                info,
                true,
            ),
        }
    }

    pub(super) fn stepped(&self, state: Value) -> TargetChange {
        let mut row = self.target.clone();
        row.prepared = Some(state);
        self.change(
            row,
            "target.prepared",
            "a step of the upload to the network is done",
            json!({}),
        )
    }

    /// Nothing went wrong, so it counts as no setback.
    pub(super) fn paused(&self, pause: Pause) -> TargetChange {
        let wait = Millis::try_from(pause.wait.as_millis()).unwrap_or(Millis::MAX / 4);
        let info = ErrorInfo::new(ErrorCode::MediaProcessing, pause.reason);
        let mut change = self.wait(wait, info, false);
        change.row.prepared = Some(pause.state);
        change
    }

    pub(super) fn arm(&self, prepared: Option<Value>, baseline: Option<Vec<u8>>) -> TargetChange {
        let number = self.target.attempts + 1;
        let deadline = self.now + SEND_WINDOW_MS;
        let mut row = self.target.clone();
        row.phase = Phase::Armed;
        row.attempts = number;
        row.prepared = prepared;
        row.error = None;
        row.attempt = Some(Attempt {
            armed_at: self.now,
            has_baseline: baseline.is_some(),
            since: None,
            doubt: None,
        });
        let mut change = self.change(
            row,
            "target.armed",
            "the intent to send is stored",
            json!({"attempt": number}),
        );
        change.attempt = Some(AttemptChange::Open {
            number,
            deadline,
            baseline,
        });
        change
    }

    /// The network confirmed it, now or by a late word.
    pub(super) fn applied(&self, remote_id: String, remote_url: String) -> TargetChange {
        let mut row = self.end(Phase::Published);
        row.published_at = Some(self.now);
        row.error = None;
        row.sentinel_at = self.sentinel();
        let data = json!({"remote_id": remote_id, "remote_url": remote_url});
        row.remote_id = Some(remote_id);
        row.remote_url = Some(remote_url);
        let mut change = self.change(row, "target.published", "the network confirmed it", data);
        change.attempt = self.close("applied");
        change
    }

    pub(super) fn answered(&self, answer: CommitAnswer) -> TargetChange {
        let (mut change, outcome) = match answer {
            CommitAnswer::Applied {
                remote_id,
                remote_url,
            } => return self.applied(remote_id, remote_url),
            CommitAnswer::NotSent(error) => (self.set_back(error), "not_sent"),
            CommitAnswer::Rejected(error) => (self.rejected(&error), "rejected"),
            CommitAnswer::Throttled(error) => (
                self.wait(waits::limit(&error), (*error.info).clone(), false),
                "throttled",
            ),
            CommitAnswer::TokenExpired(error) => (self.token_expired(error), "token_expired"),
            CommitAnswer::AppliedIdUnknown(error) => (
                self.doubtful(
                    &error.info,
                    "the network accepted it, but its answer carries no usable id",
                    true,
                ),
                "unknown",
            ),
            CommitAnswer::Unknown(error) => (
                self.doubtful(
                    &error.info,
                    "the network's answer does not tell whether it exists",
                    false,
                ),
                "unknown",
            ),
        };
        change.attempt = self.close(outcome);
        change
    }

    /// A refusal before anything happened. Some are about the account or the app, not the content.
    fn rejected(&self, error: &PlatformError) -> TargetChange {
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
}
