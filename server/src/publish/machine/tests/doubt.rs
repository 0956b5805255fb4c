//! Looks after an unclear answer, and for second posts.

use multi_upload_wire::Outcome;

use super::*;

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
    let mut first = in_doubt();
    while first.phase == Phase::Reconciling {
        let at = first.due_at;
        first = look(&first, nothing(true, at), at).row;
    }
    assert!(first.sentinel_at.is_some(), "a second attempt follows");
    let row = TargetRow {
        attempts: 2,
        sentinel_at: first.sentinel_at,
        ..in_doubt()
    };
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
fn attempts_that_had_no_effect_for_certain_are_not_watched() {
    let mut row = target(Phase::Armed);
    row.attempts = 3;
    let proof = Happened::Answered(CommitAnswer::Applied {
        remote_id: "9".to_owned(),
        remote_url: "https://p/9".to_owned(),
    });
    let published = step(&row, proof, NOW, 1.0, RULES).expect("a move");
    assert_eq!(published.row.sentinel_at, None);
}

#[test]
fn a_look_for_a_second_post_waits_for_its_like_but_not_for_ever() {
    let day = 86_400_000;
    let mut row = target(Phase::Published);
    row.published_at = Some(NOW);
    assert!(waits_for_its_like(&row, NOW));
    assert!(waits_for_its_like(&row, NOW + 2 * day));
    assert!(!waits_for_its_like(&row, NOW + 2 * day + 1));
}
