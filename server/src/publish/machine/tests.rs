//! The moves of the machine, one by one.

use std::time::Duration;

use multi_upload_platforms::Content;
use multi_upload_wire::{Mode, Outcome};

use super::sending::SEND_WINDOW_MS;
use super::*;
use crate::store::{Attempt, Owner};
use multi_upload_wire::ErrorCode;

const NOW: Millis = 1_780_000_000_000;

const QUIET: Millis = 900_000;

const RULES: Rules = Rules {
    quiet_ms: QUIET,
    restored_at: None,
};

pub(in crate::publish) fn target(phase: Phase) -> TargetRow {
    TargetRow {
        id: "tg_1".to_owned(),
        upload_id: "up_1".to_owned(),
        owner: Owner {
            team: "team_default".to_owned(),
            mode: Mode::Test,
        },
        account_id: "pinterest:1".to_owned(),
        platform: "pinterest".to_owned(),
        phase,
        fence: 7,
        due_at: NOW,
        scheduled_at: NOW,
        send_until: NOW + 86_400_000,
        lease_until: Some(NOW + 180_000),
        attempts: u32::from(matches!(phase, Phase::Armed | Phase::Reconciling)),
        setbacks: 0,
        content: Content::default(),
        fingerprint: "f".to_owned(),
        // Without a baseline, so that every doubt goes to a person: what follows with one is in `doubt_tests`.
        attempt: (phase == Phase::Armed).then_some(Attempt {
            armed_at: NOW,
            has_baseline: false,
            since: None,
            doubt: None,
        }),
        prepared: None,
        remote_id: None,
        remote_url: None,
        published_at: None,
        error: None,
        sentinel_at: None,
    }
}

fn error(class: FailureClass, code: ErrorCode) -> PlatformError {
    PlatformError::new(class, ErrorInfo::new(code, "the network said so"))
}

fn after(phase: Phase, happened: Happened) -> TargetChange {
    step(&target(phase), happened, NOW, 1.0, RULES).expect("a move")
}

#[test]
fn the_sunny_way_arms_before_it_publishes() {
    assert!(
        step(&target(Phase::Claimed), Happened::Taken, NOW, 1.0, RULES).is_none(),
        "in time: go on"
    );
    let armed = after(
        Phase::Claimed,
        Happened::Ready {
            prepared: None,
            baseline: Some(vec![0; 8]),
        },
    );
    assert_eq!(armed.row.phase, Phase::Armed);
    assert_eq!(armed.row.attempts, 1);
    assert_eq!(
        armed.attempt,
        Some(AttemptChange::Open {
            number: 1,
            deadline: NOW + SEND_WINDOW_MS,
            baseline: Some(vec![0; 8])
        })
    );
    assert_eq!(
        armed.row.lease_until,
        Some(NOW + 180_000),
        "the worker keeps its lease while it sends"
    );
    let answer = CommitAnswer::Applied {
        remote_id: "9".to_owned(),
        remote_url: "https://p/9".to_owned(),
    };
    let published =
        step(&armed.row, Happened::Answered(answer), NOW + 5, 1.0, RULES).expect("a move");
    assert_eq!(published.row.phase, Phase::Published);
    assert_eq!(published.row.remote_id.as_deref(), Some("9"));
    assert_eq!(published.row.published_at, Some(NOW + 5));
    assert_eq!(
        published.attempt,
        Some(AttemptChange::Close {
            number: 1,
            outcome: "applied"
        })
    );
}

#[test]
fn every_move_names_the_phase_and_fence_it_saw() {
    for (phase, happened) in [
        (Phase::Claimed, Happened::LeaseEnded),
        (
            Phase::Claimed,
            Happened::Ready {
                prepared: None,
                baseline: Some(vec![0; 8]),
            },
        ),
        (Phase::Armed, Happened::LeaseEnded),
    ] {
        let change = after(phase, happened);
        assert_eq!((change.expect_phase, change.expect_fence), (phase, 7));
    }
}

#[test]
fn whatever_is_unclear_after_arming_is_never_sent_again_by_itself() {
    let unclear = [
        Happened::Answered(CommitAnswer::Unknown(error(
            FailureClass::Unavailable,
            ErrorCode::PlatformUnavailable,
        ))),
        Happened::Answered(CommitAnswer::AppliedIdUnknown(error(
            FailureClass::BadAnswer,
            ErrorCode::PlatformBadResponse,
        ))),
        Happened::LeaseEnded,
    ];
    for happened in unclear {
        let change = after(Phase::Armed, happened);
        assert_eq!(change.row.phase, Phase::NeedsReview);
        let error = change.row.error.expect("evidence");
        assert_eq!(error.code, "OUTCOME_UNKNOWN");
        assert_eq!(error.target.expect("target").attempt, 1);
        assert_eq!(
            change.attempt,
            Some(AttemptChange::Close {
                number: 1,
                outcome: "unknown"
            })
        );
    }
}

#[test]
fn a_lease_that_ended_before_arming_is_simply_done_again() {
    let change = after(Phase::Claimed, Happened::LeaseEnded);
    assert_eq!(change.row.phase, Phase::Waiting);
    assert_eq!(change.row.due_at, NOW);
    assert_eq!(change.row.setbacks, 0);
}

#[test]
fn a_limit_never_fails_a_target() {
    let mut row = target(Phase::Armed);
    for round in 0..1_000 {
        let mut limit = error(FailureClass::RateLimited, ErrorCode::PlatformRateLimited);
        limit.retry_after = Some(Duration::from_secs(30));
        let change = step(
            &row,
            Happened::Answered(CommitAnswer::Throttled(limit)),
            NOW,
            1.0,
            RULES,
        )
        .expect("a move");
        assert_eq!(change.row.phase, Phase::Waiting, "round {round}");
        assert_eq!(change.row.due_at, NOW + 30_000);
        row = TargetRow {
            phase: Phase::Armed,
            ..change.row
        };
    }
}

#[test]
fn refusals_end_the_target_with_the_networks_words() {
    let refused = error(FailureClass::Rejected, ErrorCode::PlatformRejected);
    let change = after(
        Phase::Armed,
        Happened::Answered(CommitAnswer::Rejected(refused)),
    );
    assert_eq!(change.row.phase, Phase::Failed);
    assert_eq!(change.row.error.expect("reason").code, "PLATFORM_REJECTED");
}

#[test]
fn an_account_that_must_be_connected_again_keeps_its_targets() {
    for happened in [
        Happened::SetBack(error(
            FailureClass::ReconnectRequired,
            ErrorCode::AccountReconnectRequired,
        )),
        Happened::SetBack(error(
            FailureClass::RateLimited,
            ErrorCode::PlatformRateLimited,
        )),
    ] {
        let change = after(Phase::Claimed, happened);
        assert_eq!(change.row.phase, Phase::Waiting);
        assert_eq!(
            change.row.setbacks, 0,
            "not counted: no number of them fails the target"
        );
    }
}

#[test]
fn setbacks_wait_longer_each_time_and_end_after_twelve() {
    let mut row = target(Phase::Claimed);
    let mut waits = Vec::new();
    loop {
        let down = error(FailureClass::Unavailable, ErrorCode::PlatformUnavailable);
        let change = step(&row, Happened::SetBack(down), NOW, 1.0, RULES).expect("a move");
        if change.row.phase == Phase::Failed {
            let error = change.row.error.expect("reason");
            assert!(error.exhausted);
            assert_eq!(error.attempts, Some(12));
            break;
        }
        waits.push(change.row.due_at - NOW);
        row = TargetRow {
            phase: Phase::Claimed,
            ..change.row
        };
    }
    assert_eq!(waits.len(), 11);
    assert!(waits.is_sorted());
    assert_eq!((waits[0], waits[10]), (2_000, 300_000));
}

#[test]
fn a_refused_token_is_tried_at_once_with_a_new_one_then_with_waits() {
    let refused =
        || CommitAnswer::TokenExpired(error(FailureClass::TokenExpired, ErrorCode::TokenExpired));
    let first = after(Phase::Armed, Happened::Answered(refused()));
    assert_eq!(
        (first.row.phase, first.row.due_at, first.row.setbacks),
        (Phase::Waiting, NOW, 1)
    );
    let again = TargetRow {
        phase: Phase::Armed,
        ..first.row
    };
    let second = step(&again, Happened::Answered(refused()), NOW, 1.0, RULES).expect("a move");
    assert_eq!(second.row.due_at, NOW + 4_000);
}

#[test]
fn a_time_that_passed_beyond_the_late_rule_is_missed_and_says_why_it_waited() {
    let mut row = target(Phase::Claimed);
    row.error = Some(ErrorInfo::new(
        ErrorCode::PlatformUnavailable,
        "Pinterest was down",
    ));
    let change = step(&row, Happened::Taken, row.send_until + 1, 1.0, RULES).expect("a move");
    assert_eq!(change.row.phase, Phase::Missed);
    assert!(
        change
            .row
            .error
            .expect("reason")
            .detail
            .contains("Pinterest was down")
    );
}

#[test]
fn nothing_waits_beyond_its_late_rule() {
    let mut row = target(Phase::Claimed);
    row.send_until = NOW + 1_000;
    let gone = error(
        FailureClass::ReconnectRequired,
        ErrorCode::AccountReconnectRequired,
    );
    let change = step(&row, Happened::SetBack(gone), NOW, 1.0, RULES).expect("a move");
    assert_eq!(change.row.due_at, NOW + 1_001);
}

#[test]
fn late_words_about_a_target_that_has_moved_on_change_nothing() {
    for phase in Phase::ALL {
        let ready = step(
            &target(phase),
            Happened::Ready {
                prepared: None,
                baseline: Some(vec![0; 8]),
            },
            NOW,
            1.0,
            RULES,
        );
        assert_eq!(ready.is_some(), phase == Phase::Claimed, "{phase:?}");
        let answer = CommitAnswer::Unknown(error(
            FailureClass::Unavailable,
            ErrorCode::PlatformUnavailable,
        ));
        let answered = step(&target(phase), Happened::Answered(answer), NOW, 1.0, RULES);
        assert_eq!(answered.is_some(), phase == Phase::Armed, "{phase:?}");
    }
}

#[test]
fn a_new_connection_wakes_what_waited_for_it_and_nothing_else() {
    let gone = error(
        FailureClass::ReconnectRequired,
        ErrorCode::AccountReconnectRequired,
    );
    let waiting = after(Phase::Claimed, Happened::SetBack(gone)).row;
    assert!(waiting.due_at > NOW + 1_000);
    let woken = step(&waiting, Happened::Reconnected, NOW + 1_000, 1.0, RULES).expect("a move");
    assert_eq!(
        (woken.row.phase, woken.row.due_at),
        (Phase::Waiting, NOW + 1_000)
    );

    let limit = error(FailureClass::RateLimited, ErrorCode::PlatformRateLimited);
    let waiting = after(Phase::Claimed, Happened::SetBack(limit)).row;
    assert!(
        step(&waiting, Happened::Reconnected, NOW + 1_000, 1.0, RULES).is_none(),
        "a limit goes on"
    );
    assert!(
        step(
            &target(Phase::Scheduled),
            Happened::Reconnected,
            NOW,
            1.0,
            RULES
        )
        .is_none()
    );
}

/// A target whose first attempt, armed at `NOW`, is in doubt.
fn in_doubt() -> TargetRow {
    let armed = after(
        Phase::Claimed,
        Happened::Ready {
            prepared: None,
            baseline: Some(vec![0; 8]),
        },
    );
    let cut = CommitAnswer::Unknown(error(
        FailureClass::Unavailable,
        ErrorCode::PlatformUnavailable,
    ));
    step(&armed.row, Happened::Answered(cut), NOW + 100, 1.0, RULES)
        .expect("a move")
        .row
}

fn look(row: &TargetRow, seen: Seen, at: Millis) -> TargetChange {
    step(row, Happened::Looked(seen), at, 1.0, RULES).expect("a move")
}

fn nothing(conclusive: bool, begun_at: Millis) -> Seen {
    Seen::Nothing {
        conclusive,
        begun_at,
    }
}

fn post(id: &str) -> RemotePost {
    RemotePost {
        id: id.to_owned(),
        url: format!("https://p/{id}"),
        created_at: None,
        matches: true,
    }
}

#[test]
fn a_doubt_is_looked_for_and_what_is_found_is_published() {
    let row = in_doubt();
    assert_eq!((row.phase, row.lease_until), (Phase::Reconciling, None));
    assert_eq!(
        row.due_at,
        NOW + 100 + 5_000,
        "most of what exists is visible at once"
    );
    let change = look(&row, Seen::New(vec![post("9")]), NOW + 6_000);
    assert_eq!(change.row.phase, Phase::Published);
    assert_eq!(change.row.remote_id.as_deref(), Some("9"));
    assert_eq!(
        change.attempt,
        Some(AttemptChange::Close {
            number: 1,
            outcome: "applied"
        })
    );
    assert_eq!(
        change.row.sentinel_at, None,
        "one attempt cannot have made two"
    );
    assert_eq!(change.row.attempt, None);
}

#[test]
fn nothing_is_sent_again_before_three_conclusive_looks_after_the_quiet_period() {
    let mut row = in_doubt();
    let mut at = row.due_at;
    let mut after_quiet = 0;
    loop {
        let change = look(&row, nothing(true, at), at + 50);
        after_quiet += u32::from(at >= NOW + QUIET);
        if change.row.phase == Phase::Waiting {
            assert_eq!(after_quiet, 3);
            assert_eq!(
                change.attempt,
                Some(AttemptChange::Close {
                    number: 1,
                    outcome: "absent"
                })
            );
            let reason = change.row.error.expect("a reason");
            assert_eq!(reason.outcome, Outcome::None, "nobody is asked any more");
            break;
        }
        assert_eq!(
            change.row.phase,
            Phase::Reconciling,
            "after {after_quiet} looks past the quiet period"
        );
        assert!(change.row.due_at > at);
        at = change.row.due_at;
        row = change.row;
    }
}

#[test]
fn a_person_is_asked_when_attempt_after_attempt_has_no_effect() {
    for (attempts, phase) in [(4, Phase::Waiting), (5, Phase::NeedsReview)] {
        let mut row = in_doubt();
        row.attempts = attempts;
        for _ in 0..3 {
            let at = row.due_at.max(NOW + QUIET);
            row = look(&row, nothing(true, at), at).row;
        }
        assert_eq!(row.phase, phase, "after {attempts} attempts");
    }
}

#[test]
fn looks_that_cannot_tell_never_lead_to_another_attempt() {
    let mut row = in_doubt();
    for _ in 0..100 {
        let at = row.due_at.max(NOW + QUIET);
        let change = look(&row, nothing(false, at), at);
        if change.row.phase == Phase::NeedsReview {
            return;
        }
        assert_eq!(change.row.phase, Phase::Reconciling);
        row = change.row;
    }
    panic!("a person must be asked in the end");
}

#[test]
fn looks_that_began_too_early_prove_nothing_however_late_they_end() {
    let mut row = in_doubt();
    for _ in 0..50 {
        row = look(&row, nothing(true, NOW + QUIET - 1), NOW + QUIET + 60_000).row;
        assert_eq!(row.phase, Phase::Reconciling);
    }
}

#[test]
fn a_network_that_cannot_be_read_is_waited_for_a_day() {
    let mut row = in_doubt();
    let down = || {
        Seen::Failed(error(
            FailureClass::Unavailable,
            ErrorCode::PlatformUnavailable,
        ))
    };
    let mut at = NOW;
    while at < NOW + QUIET + 86_400_000 {
        let change = look(&row, down(), at);
        assert_eq!(change.row.phase, Phase::Reconciling);
        at = change.row.due_at;
        row = change.row;
    }
    assert_eq!(look(&row, down(), at + 1).row.phase, Phase::NeedsReview);
}

#[test]
fn what_the_network_says_exists_is_never_sent_again() {
    let armed = after(
        Phase::Claimed,
        Happened::Ready {
            prepared: None,
            baseline: Some(vec![0; 8]),
        },
    );
    let no_id = CommitAnswer::AppliedIdUnknown(error(
        FailureClass::BadAnswer,
        ErrorCode::PlatformBadResponse,
    ));
    let mut row = step(&armed.row, Happened::Answered(no_id), NOW, 1.0, RULES)
        .expect("a move")
        .row;
    for _ in 0..3 {
        let at = row.due_at.max(NOW + QUIET);
        row = look(&row, nothing(true, at), at).row;
    }
    assert_eq!(row.phase, Phase::NeedsReview);
}

#[test]
fn a_second_attempt_is_watched_for_a_day_and_a_second_post_reported() {
    let mut row = in_doubt();
    row.attempts = 2;
    let change = look(&row, Seen::New(vec![post("9")]), NOW + 6_000);
    assert_eq!(change.row.sentinel_at, Some(NOW + 66_000));
    let mut watched = change.row;
    let mut looks = 0;
    while let Some(at) = watched.sentinel_at {
        watched = look(&watched, nothing(true, at), at).row;
        assert_eq!(watched.phase, Phase::Published);
        looks += 1;
    }
    assert_eq!(looks, 6);
    watched.sentinel_at = Some(NOW);
    let suspected = look(&watched, Seen::New(vec![post("10")]), NOW + 7_000);
    assert_eq!(suspected.row.phase, Phase::Published);
    assert_eq!(
        suspected.row.remote_id.as_deref(),
        Some("9"),
        "the first one stays ours"
    );
    assert_eq!(
        suspected.row.error.expect("a report").code,
        "DUPLICATE_SUSPECTED"
    );
    assert_eq!(suspected.row.sentinel_at, None);
}

#[test]
fn several_new_posts_are_reported_and_the_oldest_is_ours() {
    let change = look(
        &in_doubt(),
        Seen::New(vec![post("9"), post("10")]),
        NOW + 6_000,
    );
    assert_eq!(change.row.remote_id.as_deref(), Some("9"));
    assert_eq!(
        change.row.error.expect("a report").code,
        "DUPLICATE_SUSPECTED"
    );
}

#[test]
fn a_late_proof_of_success_is_always_accepted() {
    let proof = || {
        Happened::Answered(CommitAnswer::Applied {
            remote_id: "9".to_owned(),
            remote_url: "https://p/9".to_owned(),
        })
    };
    for phase in [
        Phase::Armed,
        Phase::Reconciling,
        Phase::Waiting,
        Phase::NeedsReview,
        Phase::Failed,
        Phase::Missed,
    ] {
        assert_eq!(
            after(phase, proof()).row.phase,
            Phase::Published,
            "{phase:?}"
        );
    }
    for phase in [Phase::Published, Phase::Canceled] {
        assert!(
            step(&target(phase), proof(), NOW, 1.0, RULES).is_none(),
            "{phase:?}"
        );
    }
}

#[test]
fn a_doubt_whose_worker_died_is_looked_for_as_well() {
    let armed = after(
        Phase::Claimed,
        Happened::Ready {
            prepared: None,
            baseline: Some(vec![0; 8]),
        },
    );
    let lost = step(&armed.row, Happened::LeaseEnded, NOW + 180_000, 1.0, RULES).expect("a move");
    assert_eq!(lost.row.phase, Phase::Reconciling);
    assert_eq!(
        lost.attempt,
        Some(AttemptChange::Close {
            number: 1,
            outcome: "unknown"
        })
    );
    let mut looking = lost.row;
    looking.lease_until = Some(NOW + 400_000);
    let again = step(&looking, Happened::LeaseEnded, NOW + 400_001, 1.0, RULES).expect("a move");
    assert_eq!(
        (again.row.phase, again.row.due_at),
        (Phase::Reconciling, NOW + 400_001)
    );
}

#[test]
fn a_time_that_passed_during_a_doubt_is_missed_once_absence_is_proven() {
    let mut row = in_doubt();
    row.send_until = NOW + 1_000;
    for _ in 0..3 {
        let at = row.due_at.max(NOW + QUIET);
        row = look(&row, nothing(true, at), at).row;
    }
    assert_eq!(row.phase, Phase::Missed);
}

#[test]
fn limits_and_spam_blocks_hold_the_account() {
    let limit = error(FailureClass::RateLimited, ErrorCode::PlatformRateLimited);
    assert_eq!(hold(&Happened::SetBack(limit.clone())), Some(60_000));
    assert_eq!(
        hold(&Happened::Answered(CommitAnswer::Throttled(limit))),
        Some(60_000)
    );
    let spam = error(FailureClass::SpamBlocked, ErrorCode::PlatformSpamBlock);
    assert_eq!(
        hold(&Happened::Answered(CommitAnswer::Unknown(spam))),
        Some(4 * 3_600_000)
    );
    let down = error(FailureClass::Unavailable, ErrorCode::PlatformUnavailable);
    assert_eq!(hold(&Happened::SetBack(down)), None);
    assert_eq!(hold(&Happened::Taken), None);
}

const RESTORED: Rules = Rules {
    quiet_ms: QUIET,
    restored_at: Some(NOW),
};

fn after_a_restore(target: &TargetRow, happened: Happened, now: Millis) -> Option<TargetChange> {
    step(target, happened, now, 1.0, RESTORED)
}

fn clear_look(begun_at: Millis) -> Happened {
    Happened::Looked(Seen::Nothing {
        conclusive: true,
        begun_at,
    })
}

#[test]
fn what_was_due_before_a_restore_is_looked_for_before_it_is_sent() {
    let mut due = target(Phase::Claimed);
    due.due_at = NOW - 60_000;
    due.scheduled_at = NOW - 60_000;
    let doubted = after_a_restore(&due, Happened::Taken, NOW + 50).expect("a move");
    assert_eq!(doubted.row.phase, Phase::Reconciling);
    assert_eq!(doubted.row.lease_until, None);
    assert_eq!(doubted.attempt, None, "nothing was armed");
    let attempt = doubted.row.attempt.clone().expect("what a look goes by");
    assert_eq!(
        attempt.since,
        Some(NOW - 60_000),
        "it may have been sent since then"
    );
    assert_eq!(
        attempt.doubt.expect("a doubt").quiet_until,
        NOW + 50 + QUIET
    );

    // Three looks after the quiet period, then it is sent, and not doubted again.
    let mut row = doubted.row;
    let after = NOW + 51 + QUIET;
    for _ in 0..2 {
        row = after_a_restore(&row, clear_look(after), after)
            .expect("a move")
            .row;
        assert_eq!(row.phase, Phase::Reconciling);
    }
    let absent = after_a_restore(&row, clear_look(after), after).expect("a move");
    assert_eq!(
        (absent.row.phase, absent.row.due_at),
        (Phase::Waiting, after)
    );
    let mut again = absent.row;
    again.phase = Phase::Claimed;
    assert!(
        after_a_restore(&again, Happened::Taken, after).is_none(),
        "go on"
    );
}

#[test]
fn after_a_restore_the_late_rule_is_an_hour() {
    for (late, phase) in [(3_600_000, Phase::Waiting), (3_600_001, Phase::Missed)] {
        let mut due = target(Phase::Claimed);
        due.due_at = NOW - late;
        due.scheduled_at = NOW - late;
        let mut row = after_a_restore(&due, Happened::Taken, NOW)
            .expect("a move")
            .row;
        assert_eq!(
            row.phase,
            Phase::Reconciling,
            "missed only once it is proven absent"
        );
        let after = NOW + QUIET;
        for _ in 0..3 {
            row = after_a_restore(&row, clear_look(after), after)
                .expect("a move")
                .row;
        }
        assert_eq!(row.phase, phase);
    }
}

#[test]
fn what_becomes_due_after_a_restore_is_sent_as_ever() {
    let mut due = target(Phase::Claimed);
    due.due_at = NOW + 1;
    assert!(after_a_restore(&due, Happened::Taken, NOW + 1).is_none());
}

#[test]
fn a_restore_reaches_what_waits_or_is_in_doubt() {
    let mut waiting = target(Phase::Waiting);
    waiting.due_at = NOW + 3_600_000;
    let change = after_a_restore(&waiting, Happened::Restored, NOW).expect("a move");
    assert_eq!((change.row.phase, change.row.due_at), (Phase::Waiting, NOW));

    let mut armed = target(Phase::Armed);
    armed.attempt = Some(Attempt {
        armed_at: NOW - 2 * QUIET,
        has_baseline: true,
        since: None,
        doubt: None,
    });
    let lost = after_a_restore(&armed, Happened::LeaseEnded, NOW)
        .expect("a move")
        .row;
    let quiet_until = |row: &TargetRow| {
        let doubt = row
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.doubt.clone());
        doubt.expect("a doubt").quiet_until
    };
    assert_eq!(
        quiet_until(&lost),
        NOW + QUIET,
        "it may have been armed once more"
    );

    let mut looked = lost.clone();
    if let Some(doubt) = looked
        .attempt
        .as_mut()
        .and_then(|attempt| attempt.doubt.as_mut())
    {
        (doubt.quiet_until, doubt.clear) = (NOW - 5, 2);
    }
    let anew = after_a_restore(&looked, Happened::Restored, NOW)
        .expect("a move")
        .row;
    assert_eq!(quiet_until(&anew), NOW + QUIET);
    assert_eq!(
        anew.attempt
            .and_then(|attempt| attempt.doubt)
            .map(|doubt| doubt.clear),
        Some(0)
    );

    let mut claimed = target(Phase::Claimed);
    claimed.due_at = NOW - 1;
    let released = after_a_restore(&claimed, Happened::LeaseEnded, NOW + 9).expect("a move");
    assert_eq!(released.row.due_at, NOW - 1, "still to be doubted");
}

#[test]
fn a_step_of_prepare_is_kept_and_the_claim_with_it() {
    let change = after(Phase::Claimed, Happened::Stepped(json!({"media": 1})));
    assert_eq!(change.row.phase, Phase::Claimed);
    assert_eq!(change.row.lease_until, Some(NOW + 180_000));
    assert_eq!(change.row.prepared, Some(json!({"media": 1})));
    for phase in [Phase::Armed, Phase::Waiting, Phase::Failed] {
        let late = Happened::Stepped(json!({"media": 1}));
        assert!(step(&target(phase), late, NOW, 1.0, RULES).is_none());
    }
}

#[test]
fn while_the_network_processes_a_video_the_target_waits_and_nothing_counts_against_it() {
    let pause = |wait| {
        Happened::Paused(Pause {
            state: json!({"media": 1}),
            wait: Duration::from_secs(wait),
            reason: "it is processed".to_owned(),
        })
    };
    let row = after(Phase::Claimed, pause(8)).row;
    assert_eq!((row.phase, row.due_at), (Phase::Waiting, NOW + 8_000));
    assert_eq!((row.setbacks, row.lease_until), (0, None));
    assert_eq!(row.prepared, Some(json!({"media": 1})));
    let error = row.error.expect("a reason");
    assert!(error.is(ErrorCode::MediaProcessing));
    assert_eq!(error.detail, "it is processed");
    let row = after(Phase::Claimed, pause(200_000)).row;
    assert_eq!(row.due_at, NOW + 86_400_001, "woken up to be missed");
}
