//! When the answer does not prove what happened: look until it is certain, and never send before.
//!
//! An attempt armed at *t* can take effect, or stay invisible, until *t* + quiet period. So a
//! complete and controlled look that begins later and shows nothing new proves that it never will;
//! three of them guard against stale lists. Only then is there a next attempt.

use multi_upload_platforms::RemotePost;
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde_json::json;

use super::{Mover, Seen, time, waits};
use crate::store::{Doubt, Millis, Phase, TargetChange, TargetRow};

/// A post that claims to be this much older than its attempt may still be it: clocks differ.
pub(crate) const MATCH_SKEW_MS: Millis = 120_000;

/// Conclusive looks that together prove that an attempt had no effect.
const CLEAR_LOOKS: u32 = 3;

/// Looks after the quiet period that may fail to tell, before a person is asked.
const USELESS_LOOKS: u32 = 20;

/// Unclear attempts of one target, before a person is asked.
const UNCLEAR_ATTEMPTS: u32 = 5;

/// How long lists may be out of reach after the quiet period, before a person is asked.
const BLIND_MS: Millis = 24 * 3_600_000;

impl Mover<'_> {
    /// The attempt may have taken effect.
    pub(super) fn doubtful(&self, cause: &ErrorInfo, why: &str, exists: bool) -> TargetChange {
        let can_look = self
            .target
            .attempt
            .as_ref()
            .filter(|attempt| attempt.has_baseline);
        let Some(attempt) = can_look else {
            return self.needs_review(
                cause,
                &format!("{why}, and the pins before it are not known"),
            );
        };
        // Whoever worked on before a restore may have armed once more.
        let last = attempt
            .armed_at
            .max(self.rules.restored_at.unwrap_or(Millis::MIN));
        let quiet_until = last.saturating_add(self.rules.quiet_ms);
        let mut attempt = attempt.clone();
        attempt.doubt = Some(Doubt {
            quiet_until,
            exists,
            looks: 0,
            clear: 0,
            useless: 0,
            cause: Box::new(cause.clone()),
        });
        let mut row = self.target.clone();
        row.phase = Phase::Reconciling;
        row.lease_until = None;
        row.due_at = waits::next_look(attempt.armed_at, quiet_until, 0, self.now);
        let looking = cause.clone().with_remedy(
            "Nothing to do: the service looks for it and sends again only what is proven absent.",
        );
        row.error = Some(self.about(looking));
        row.attempt = Some(attempt);
        let data = json!({"attempt": self.target.attempts, "cause": cause.code, "quiet_until": time(quiet_until)});
        self.change(
            row,
            "target.reconciling",
            &format!("{why}; looking for it"),
            data,
        )
    }

    /// The worker died with the request under way.
    pub(super) fn lost(&self) -> TargetChange {
        let info = ErrorInfo::new(
            ErrorCode::OutcomeUnknown,
            "the worker stopped while the request was under way",
        );
        let mut change = self.doubtful(
            &info,
            "the worker stopped while the request was under way",
            false,
        );
        change.attempt = self.close("unknown");
        change
    }

    /// The worker died during a look: another one looks.
    pub(super) fn look_lost(&self) -> TargetChange {
        let mut row = self.target.clone();
        row.lease_until = None;
        row.due_at = self.now;
        self.change(
            row,
            "target.looked",
            "the look was interrupted; again now",
            json!({}),
        )
    }

    pub(super) fn looked(&self, seen: Seen) -> TargetChange {
        match seen {
            Seen::New(posts) => self.found(posts),
            Seen::Nothing {
                conclusive,
                begun_at,
            } => self.not_found(conclusive, begun_at),
            Seen::Failed(error) => self.look_failed(&error.info),
        }
    }

    /// The oldest is ours; more than one should not be.
    fn found(&self, posts: Vec<RemotePost>) -> TargetChange {
        let surplus: Vec<String> = posts.iter().skip(1).map(|post| post.url.clone()).collect();
        let Some(post) = posts.into_iter().next() else {
            return self.not_found(false, self.now);
        };
        let mut change = self.applied(post.id, post.url);
        "found on the board".clone_into(&mut change.event.detail);
        if !surplus.is_empty() {
            change.row.error = Some(self.duplicate(&surplus));
            change
                .event
                .data
                .insert("surplus".to_owned(), json!(surplus));
        }
        change
    }

    fn not_found(&self, conclusive: bool, begun_at: Millis) -> TargetChange {
        let Some((attempt, doubt)) = self.doubt() else {
            return self.needs_review(
                &unknown("the attempt's evidence is missing"),
                "the evidence is missing",
            );
        };
        let mut doubt = doubt.clone();
        doubt.looks += 1;
        let quiet = begun_at >= doubt.quiet_until;
        doubt.clear += u32::from(quiet && conclusive);
        doubt.useless += u32::from(quiet && !conclusive);
        if doubt.clear >= CLEAR_LOOKS && !doubt.exists {
            return self.proven_absent(&doubt);
        }
        // The network said it exists, yet the lists do not show it: only a person can find out.
        if doubt.clear >= CLEAR_LOOKS || doubt.useless >= USELESS_LOOKS {
            return self.needs_review(
                &doubt.cause,
                "it could not be found, and its absence could not be proven",
            );
        }
        let armed_at = attempt.armed_at;
        let detail = if conclusive {
            "not there yet"
        } else {
            "the list does not tell"
        };
        self.look_again(doubt, armed_at, detail)
    }

    fn look_failed(&self, error: &ErrorInfo) -> TargetChange {
        let Some((attempt, doubt)) = self.doubt() else {
            return self.needs_review(error, "the evidence is missing");
        };
        if self.now > doubt.quiet_until + BLIND_MS {
            return self.needs_review(&doubt.cause, "the board could not be read for a day");
        }
        let mut doubt = doubt.clone();
        doubt.looks += 1;
        let (looks, armed_at) = (doubt.looks, attempt.armed_at);
        let mut change = self.look_again(
            doubt,
            armed_at,
            &format!("the board cannot be read: {}", error.detail),
        );
        // A network in trouble is not helped by looks at full pace.
        change.row.due_at = change
            .row
            .due_at
            .max(self.now + waits::backoff(looks, self.random));
        change
    }

    fn look_again(&self, doubt: Doubt, armed_at: Millis, detail: &str) -> TargetChange {
        let mut row = self.target.clone();
        row.lease_until = None;
        row.due_at = waits::next_look(armed_at, doubt.quiet_until, doubt.looks, self.now);
        let data = json!({"looks": doubt.looks, "clear": doubt.clear, "next": time(row.due_at)});
        if let Some(attempt) = &mut row.attempt {
            attempt.doubt = Some(doubt);
        }
        self.change(row, "target.looked", detail, data)
    }

    /// The attempt never took effect and never will: a next one cannot make a second post.
    fn proven_absent(&self, doubt: &Doubt) -> TargetChange {
        if self.target.attempts >= UNCLEAR_ATTEMPTS {
            return self.needs_review(&doubt.cause, "several attempts had no effect");
        }
        if self.now > self.target.send_until {
            let mut change = self.missed();
            change.attempt = self.close("absent");
            return change;
        }
        let mut row = self.end(Phase::Waiting);
        row.due_at = self.now;
        row.sentinel_at = Some(self.now);
        // No question is open any more; what caused it stays the reason for a wait that may follow.
        let mut reason = ErrorInfo::new(ErrorCode::PlatformUnavailable, doubt.cause.detail.clone());
        reason.platform.clone_from(&doubt.cause.platform);
        row.error = Some(self.about(reason));
        let data =
            json!({"attempt": self.target.attempts, "looks": doubt.looks, "clear": doubt.clear});
        let mut change = self.change(
            row,
            "target.absent",
            if self.target.attempts == 0 {
                "proven absent; sending it"
            } else {
                "proven absent; sending it again"
            },
            data,
        );
        change.attempt = self.close("absent");
        change
    }

    pub(super) fn needs_review(&self, cause: &ErrorInfo, why: &str) -> TargetChange {
        let mut error = unknown(&format!(
            "attempt {}: {why} ({})",
            self.target.attempts, cause.detail
        ));
        error.platform.clone_from(&cause.platform);
        let mut row = self.end(Phase::NeedsReview);
        row.error = Some(self.about(error));
        self.change(
            row,
            "target.needs_review",
            why,
            json!({"attempt": self.target.attempts, "cause": cause.code}),
        )
    }

    /// After an attempt whose outcome had been unclear a second post would be our fault: look for one for a day.
    pub(super) fn sentinel(&self) -> Option<Millis> {
        self.target
            .sentinel_at
            .and_then(|_| waits::next_sentinel(self.now, self.now))
    }

    pub(super) fn sentinel_looked(&self, seen: Seen) -> TargetChange {
        let mut row = self.target.clone();
        let published_at = row.published_at.unwrap_or(self.now);
        row.sentinel_at = waits::next_sentinel(published_at, self.now);
        match seen {
            Seen::New(posts) => {
                let surplus: Vec<String> = posts.into_iter().map(|post| post.url).collect();
                row.error = Some(self.duplicate(&surplus));
                row.sentinel_at = None;
                self.change(
                    row,
                    "target.duplicate_suspected",
                    "there is more than one",
                    json!({"surplus": surplus}),
                )
            }
            Seen::Nothing { .. } => {
                self.change(row, "target.looked", "there is only one", json!({}))
            }
            Seen::Failed(error) => self.change(row, "target.looked", &error.info.detail, json!({})),
        }
    }

    fn duplicate(&self, surplus: &[String]) -> ErrorInfo {
        self.about(ErrorInfo::new(
            ErrorCode::DuplicateSuspected,
            format!(
                "the board shows another post like it: {}",
                surplus.join(", ")
            ),
        ))
    }

    fn doubt(&self) -> Option<(&crate::store::Attempt, &Doubt)> {
        let attempt = self.target.attempt.as_ref()?;
        Some((attempt, attempt.doubt.as_ref()?))
    }
}

/// Whether a look for a second post has to wait while one that it could not tell apart is under way, in doubt or in review, since
/// what it sees may be that one's. Not for ever: a person may leave a review open.
pub(crate) fn waits_for_its_like(target: &TargetRow, now: Millis) -> bool {
    let published_at = target.published_at.unwrap_or(now);
    now <= published_at.saturating_add(2 * waits::LAST_SENTINEL_MS)
}

fn unknown(detail: &str) -> ErrorInfo {
    ErrorInfo::new(ErrorCode::OutcomeUnknown, detail)
}
