//! After the database was restored or copied.

use super::*;

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
fn what_was_due_before_a_restore_is_not_missed_before_it_is_proven_absent() {
    let mut late = target(Phase::Scheduled);
    late.send_until = NOW - 1;
    let missed = |due_at| {
        let row = TargetRow {
            due_at,
            ..late.clone()
        };
        after_a_restore(&row, Happened::Late(None), NOW + 1)
    };
    assert!(missed(NOW).is_none());
    assert!(missed(NOW + 1).is_some());
}
