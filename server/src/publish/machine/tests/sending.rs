//! From a claim to the network's answer, and waits.

use std::time::Duration;

use super::*;
use crate::publish::machine::sending::SEND_WINDOW_MS;

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
#[test]
fn limits_and_spam_blocks_hold_the_account() {
    let limit = error(FailureClass::RateLimited, ErrorCode::PlatformRateLimited);
    assert_eq!(
        hold(&Happened::SetBack(limit.clone())),
        Some((60_000, ErrorCode::PlatformRateLimited))
    );
    assert_eq!(
        hold(&Happened::Answered(CommitAnswer::Throttled(limit))),
        Some((60_000, ErrorCode::PlatformRateLimited))
    );
    let spam = error(FailureClass::SpamBlocked, ErrorCode::PlatformSpamBlock);
    assert_eq!(
        hold(&Happened::Answered(CommitAnswer::Unknown(spam))),
        Some((4 * 3_600_000, ErrorCode::PlatformSpamBlock))
    );
    let down = error(FailureClass::Unavailable, ErrorCode::PlatformUnavailable);
    assert_eq!(hold(&Happened::SetBack(down)), None);
    assert_eq!(hold(&Happened::Taken), None);
}

#[test]
fn what_waits_beyond_its_late_rule_is_missed_and_says_what_it_waited_for() {
    let rest = Rest {
        account_id: "pinterest:1".to_owned(),
        until: NOW + 9_000_000,
        why: Some("PLATFORM_SPAM_BLOCK".to_owned()),
    };
    for phase in [Phase::Scheduled, Phase::Waiting] {
        let mut row = target(phase);
        row.send_until = NOW;
        let late = |at| step(&row, Happened::Late(Some(rest.clone())), at, 1.0, RULES);
        assert!(late(NOW).is_none(), "not yet");
        let change = late(NOW + 1).expect("a move");
        assert_eq!(change.row.phase, Phase::Missed);
        let detail = change.row.error.expect("a reason").detail;
        assert!(detail.contains("for spam"), "{detail}");
    }
    for phase in [Phase::Claimed, Phase::Armed, Phase::Reconciling] {
        let mut row = target(phase);
        row.send_until = NOW;
        assert!(
            step(&row, Happened::Late(None), NOW + 1, 1.0, RULES).is_none(),
            "{phase:?}"
        );
    }
}

#[test]
fn what_is_not_safe_to_send_waits_and_loses_nothing() {
    let why = ErrorInfo::new(ErrorCode::ClockUnsafe, "the clock jumped");
    let change = after(Phase::Claimed, Happened::Held(Box::new(why)));
    assert_eq!(
        (change.row.phase, change.row.setbacks, change.row.attempts),
        (Phase::Waiting, 0, 0)
    );
    assert!(change.row.due_at > NOW);
    assert_eq!(change.row.error.expect("a reason").code, "CLOCK_UNSAFE");
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
