//! After the database was restored or copied: what it takes for due may have been sent since.
//!
//! Nothing that was due by then is sent before looks have proven that it does not exist. It is decided when a target
//! is taken, by its due time alone, so it holds for those that had to queue behind their like, and over every restart.

use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::json;

use super::{Mover, time};
use crate::store::{Attempt, Millis, TargetChange, TargetRow};

/// What was due longer ago than this is not sent any more, whatever its own late rule says.
const LATE_MS: Millis = 3_600_000;

/// Whether a target was due when the database was found to be restored: it may have been sent since the backup.
pub(crate) fn is_from_before_a_restore(target: &TargetRow, restored_at: Option<Millis>) -> bool {
    restored_at.is_some_and(|at| target.due_at <= at)
}

impl Mover<'_> {
    /// Whether it was due when the database was found to be restored. What was proven absent since is due later.
    pub(super) fn is_from_before_a_restore(&self) -> bool {
        is_from_before_a_restore(self.target, self.rules.restored_at)
    }

    /// It may have been sent in the time that the database does not know of.
    pub(super) fn doubt_restored(&self) -> TargetChange {
        let mut target = self.target.clone();
        let restored_at = self.rules.restored_at.unwrap_or(self.now);
        if restored_at - target.due_at > LATE_MS {
            target.send_until = target.send_until.min(restored_at);
        }
        target.attempt = Some(Attempt {
            armed_at: self.now,
            has_baseline: true,
            since: Some(target.scheduled_at),
            doubt: None,
        });
        let cause = ErrorInfo::new(
            ErrorCode::OutcomeUnknown,
            "the database was restored or copied, so it may have been published since",
        );
        let mover = Mover {
            target: &target,
            ..*self
        };
        mover.doubtful(&cause, &cause.detail, false)
    }

    /// It was due once and waits for another try, which may have been made: due by the restore, so that it is doubted.
    pub(super) fn check_now(&self) -> Option<TargetChange> {
        let mut row = self.target.clone();
        row.due_at = row.due_at.min(self.now);
        (row.due_at != self.target.due_at).then(|| {
            self.change(
                row,
                "target.released",
                "the database was restored or copied; checked now",
                json!({}),
            )
        })
    }

    /// A later attempt may have been made: what was seen so far proves nothing.
    pub(super) fn look_anew(&self) -> Option<TargetChange> {
        let mut row = self.target.clone();
        let doubt = row.attempt.as_mut()?.doubt.as_mut()?;
        doubt.quiet_until = doubt.quiet_until.max(self.now + self.rules.quiet_ms);
        (doubt.looks, doubt.clear, doubt.useless) = (0, 0, 0);
        let data = json!({"quiet_until": time(doubt.quiet_until)});
        row.lease_until = None;
        row.due_at = self.now;
        Some(self.change(
            row,
            "target.looked",
            "the database was restored or copied; looking anew",
            data,
        ))
    }
}
