//! Publishing: the queue, claims, leases, and moves of targets.

use std::sync::Arc;

use multi_upload_server::store::{AttemptChange, Held, Phase, Store, TargetRow};
use multi_upload_wire::{ErrorCode, ErrorInfo, Mode, UploadStatus};
use serde_json::json;

use crate::rows::{
    Extra as _, change, claim, home, ids, moved, owner, stored, strangers, upload, wakes_by,
};

pub(crate) async fn due_targets_are_claimed_oldest_first(store: Arc<dyn Store>) {
    assert_eq!(store.next_timer().await.unwrap(), None);
    for (n, due) in [(1, 300), (2, 100), (3, 200), (4, 400)] {
        stored(
            &*store,
            upload(n, due, &[("pinterest:1", &format!("b{n}"))]),
        )
        .await;
    }
    assert_eq!(store.next_timer().await.unwrap(), Some(100));
    assert!(claim(&*store, 99, 1_000, 10).await.is_empty());
    let first = claim(&*store, 300, 1_000, 2).await;
    assert_eq!(ids(&first), [2, 3], "at most as many as asked for");
    for row in &first {
        assert_eq!(
            (row.phase, row.fence, row.lease_until),
            (Phase::Claimed, 1, Some(1_000))
        );
        assert_eq!(row.owner, home());
    }
    assert_eq!(ids(&claim(&*store, 300, 1_000, 10).await), [1]);
    assert!(claim(&*store, 300, 1_000, 10).await.is_empty(), "each once");
    assert_eq!(store.next_timer().await.unwrap(), Some(400));

    let row = store.upload(&home(), "up_00000002").await.unwrap().unwrap();
    assert_eq!(row.status, UploadStatus::Publishing);
    assert_eq!((row.version, row.updated_at), (2, 300));
    assert_eq!(row.targets[0], first[0]);
}

pub(crate) async fn a_board_of_an_account_has_one_target_under_way(store: Arc<dyn Store>) {
    // Three on one board, one on another board, the same board of another account, and the same account in test mode.
    for n in 1..=3 {
        stored(
            &*store,
            upload(n, 100 + i64::from(n), &[("pinterest:1", "b1")]),
        )
        .await;
    }
    stored(&*store, upload(4, 500, &[("pinterest:1", "b2")])).await;
    stored(&*store, upload(5, 500, &[("pinterest:2", "b1")])).await;
    let test = owner("team_a", Mode::Test);
    stored(&*store, upload(6, 500, &[("pinterest:1", "b1")]).of(&test)).await;
    // Another team with the same account shares its boards.
    let neighbour = owner("team_b", Mode::Live);
    stored(
        &*store,
        upload(7, 500, &[("pinterest:1", "b1")]).of(&neighbour),
    )
    .await;

    let claimed = claim(&*store, 1_000, 2_000, 10).await;
    let mut found = ids(&claimed);
    found.sort_unstable();
    assert_eq!(found, [1, 4, 5, 6]);
    assert_eq!(
        store.next_timer().await.unwrap(),
        Some(2_000),
        "a busy board is no reason to wake"
    );
    stored(&*store, upload(8, 600, &[("pinterest:1", "b1")])).await;
    assert_eq!(store.next_timer().await.unwrap(), Some(2_000));

    // Every phase under way keeps the board busy; an end or a wait frees it.
    let first = claimed
        .into_iter()
        .find(|row| row.upload_id == "up_00000001")
        .unwrap();
    let armed = moved(&*store, &first, Phase::Armed, 1_001).await;
    assert!(claim(&*store, 1_001, 2_000, 10).await.is_empty());
    moved(&*store, &armed, Phase::Published, 1_003).await;
    assert!(wakes_by(&*store, 1_003).await);
    let second = claim(&*store, 1_004, 2_000, 10).await;
    assert_eq!(ids(&second), [2]);
    let mut wait = change(&second[0], Phase::Waiting, 1_005);
    wait.row.due_at = 5_000;
    assert!(store.change_target(wait).await.unwrap().is_some());
    assert_eq!(ids(&claim(&*store, 1_006, 2_000, 10).await), [3]);
}

pub(crate) async fn nothing_enters_a_busy_board_by_a_change(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    let other = stored(&*store, upload(2, 100, &[("pinterest:1", "b1")])).await;
    let claimed = claim(&*store, 100, 1_000, 10).await;
    assert_eq!(ids(&claimed), [1]);
    let enter = change(&other.targets[0], Phase::Armed, 200);
    assert_eq!(store.change_target(enter.clone()).await.unwrap(), None);
    assert_eq!(
        store.upload(&home(), &other.id).await.unwrap(),
        Some(other.clone())
    );
    moved(&*store, &claimed[0], Phase::Failed, 300).await;
    assert!(store.change_target(enter).await.unwrap().is_some());
}

pub(crate) async fn a_wait_ends_at_its_time(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    let claimed = claim(&*store, 100, 1_000, 10).await.remove(0);
    let mut wait = change(&claimed, Phase::Waiting, 150);
    wait.row.due_at = 700;
    wait.row.setbacks = 1;
    wait.row.error = Some(ErrorInfo::new(ErrorCode::PlatformRateLimited, "slow down"));
    let waiting = store.change_target(wait).await.unwrap().unwrap();
    assert_eq!(
        (waiting.phase, waiting.lease_until, waiting.setbacks),
        (Phase::Waiting, None, 1)
    );
    assert_eq!(store.next_timer().await.unwrap(), Some(700));
    assert!(claim(&*store, 699, 2_000, 10).await.is_empty());
    let again = claim(&*store, 700, 2_000, 10).await.remove(0);
    assert_eq!((again.phase, again.fence), (Phase::Claimed, 2));
    assert_eq!(again.scheduled_at, 100, "what the user wanted stays");
    assert!(again.error.is_some());
}

pub(crate) async fn a_change_compares_phase_and_fence(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    let claimed = claim(&*store, 100, 1_000, 10).await.remove(0);

    let mut old_phase = change(&claimed, Phase::Armed, 200);
    old_phase.expect_phase = Phase::Scheduled;
    let mut old_fence = change(&claimed, Phase::Armed, 200);
    old_fence.expect_fence = 0;
    let mut unknown = change(&claimed, Phase::Armed, 200);
    unknown.row.id = "tg_unknown".to_owned();
    let mut elsewhere = change(&claimed, Phase::Armed, 200);
    elsewhere.row.upload_id = "up_unknown".to_owned();
    let before = store.upload(&home(), "up_00000001").await.unwrap();
    for refused in [old_phase, old_fence, unknown, elsewhere] {
        assert_eq!(store.change_target(refused).await.unwrap(), None);
    }
    assert_eq!(store.upload(&home(), "up_00000001").await.unwrap(), before);
    assert_eq!(store.events(&home(), "up_00000001").await.unwrap().len(), 1);

    // Of two with the same knowledge one is faster.
    let race = (0..8).map(|_| store.change_target(change(&claimed, Phase::Armed, 200)));
    let results = futures_util::future::join_all(race).await;
    assert_eq!(
        results
            .into_iter()
            .filter(|result| result.as_ref().unwrap().is_some())
            .count(),
        1
    );
}

pub(crate) async fn a_change_writes_only_what_the_machine_owns(store: Arc<dyn Store>) {
    let row = stored(
        &*store,
        upload(1, 100, &[("pinterest:1", "b1"), ("pinterest:2", "b1")]),
    )
    .await;
    let claimed = claim(&*store, 100, 1_000, 1).await.remove(0);
    let mut published = change(&claimed, Phase::Published, 400);
    let next = &mut published.row;
    next.attempts = 1;
    next.setbacks = 3;
    next.due_at = 110;
    next.prepared = Some(json!({"media_id": "5"}));
    next.remote_id = Some("1234567890123456789".to_owned());
    next.remote_url = Some("https://www.pinterest.com/pin/1234567890123456789/".to_owned());
    next.published_at = Some(399);
    next.error = Some(ErrorInfo::new(ErrorCode::DuplicateSuspected, "twice?"));
    next.sentinel_at = Some(9_000);
    let expected = next.clone();
    next.account_id = "pinterest:9".to_owned();
    next.fingerprint = "other".to_owned();
    next.content.title = Some("other".to_owned());
    next.content.board_id = Some("other".to_owned());
    let result = store.change_target(published).await.unwrap();
    assert_eq!(result.as_ref(), Some(&expected));

    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    assert_eq!(
        now.targets.iter().find(|target| target.id == expected.id),
        Some(&expected)
    );
    assert_eq!(
        now.status,
        UploadStatus::Publishing,
        "the other target is open"
    );
    assert_eq!((now.version, now.updated_at), (3, 400));
    let last = store.events(&home(), &row.id).await.unwrap().pop().unwrap();
    assert_eq!((last.kind.as_str(), last.at), ("target.changed", 400));
    assert_eq!(last.target_id.as_ref(), Some(&expected.id));

    let other = now
        .targets
        .iter()
        .find(|target| target.id != expected.id)
        .unwrap();
    moved(&*store, other, Phase::Failed, 500).await;
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    assert_eq!(now.status, UploadStatus::Partial);
}

pub(crate) async fn a_success_is_final(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    let claimed = claim(&*store, 100, 1_000, 1).await.remove(0);
    let published = moved(&*store, &claimed, Phase::Published, 200).await;
    for phase in Phase::ALL {
        if phase != Phase::Published {
            let undo = change(&published, phase, 300);
            assert_eq!(store.change_target(undo).await.unwrap(), None, "{phase:?}");
        }
    }
    let row = store.upload(&home(), "up_00000001").await.unwrap().unwrap();
    assert_eq!((row.status, row.version), (UploadStatus::Published, 3));

    // What may still be said of it: a suspicion, and when to look again.
    let mut note = change(&published, Phase::Published, 400);
    note.row.error = Some(ErrorInfo::new(ErrorCode::DuplicateSuspected, "twice?"));
    note.row.sentinel_at = Some(900);
    let expected = note.row.clone();
    note.row.remote_id = Some("other".to_owned());
    note.row.fence = 9;
    note.row.attempts = 9;
    assert_eq!(
        store.change_target(note.clone()).await.unwrap().as_ref(),
        Some(&expected)
    );
    let row = store.upload(&home(), "up_00000001").await.unwrap().unwrap();
    assert_eq!((row.status, row.version), (UploadStatus::Published, 4));
    assert_eq!(row.targets, [expected]);
    note.expect_fence = 9;
    assert_eq!(store.change_target(note).await.unwrap(), None);
}

pub(crate) async fn other_ends_are_left_for_another_try_or_a_late_proof(store: Arc<dyn Store>) {
    for (n, end) in [(1, Phase::Failed), (2, Phase::Missed), (3, Phase::Canceled)] {
        let row = stored(&*store, upload(n, 100, &[("pinterest:1", "b1")])).await;
        let ended = moved(&*store, &row.targets[0], end, 200).await;
        for phase in [
            Phase::Draft,
            Phase::Claimed,
            Phase::Armed,
            Phase::Reconciling,
            Phase::NeedsReview,
        ] {
            let wrong = change(&ended, phase, 300);
            assert_eq!(
                store.change_target(wrong).await.unwrap(),
                None,
                "{end:?} to {phase:?}"
            );
        }
        let again = moved(&*store, &ended, Phase::Scheduled, 400).await;
        assert_eq!(again.phase, Phase::Scheduled);
        let ended = moved(&*store, &again, end, 500).await;
        moved(&*store, &ended, Phase::Published, 600).await;
    }
}

pub(crate) async fn a_target_has_one_open_attempt(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    let claimed = claim(&*store, 100, 1_000, 1).await.remove(0);
    let with = |row: &TargetRow, to, attempt| {
        let mut change = change(row, to, 200);
        change.attempt = Some(attempt);
        change
    };
    let open = |number| AttemptChange::Open {
        number,
        deadline: 5_000,
        baseline: None,
    };
    let close = |number, outcome| AttemptChange::Close { number, outcome };

    let armed = store
        .change_target(with(&claimed, Phase::Armed, open(1)))
        .await
        .unwrap()
        .unwrap();
    let before = store.upload(&home(), "up_00000001").await.unwrap();
    assert!(
        store
            .change_target(with(&armed, Phase::Armed, open(2)))
            .await
            .is_err()
    );
    assert!(
        store
            .change_target(with(&armed, Phase::Armed, open(1)))
            .await
            .is_err()
    );
    assert_eq!(
        store.upload(&home(), "up_00000001").await.unwrap(),
        before,
        "nothing of it is left"
    );

    let looking = with(&armed, Phase::Reconciling, close(1, "unknown"));
    let looking = store.change_target(looking).await.unwrap().unwrap();
    let armed = store
        .change_target(with(&looking, Phase::Armed, open(2)))
        .await
        .unwrap()
        .unwrap();
    let done = with(&armed, Phase::Published, close(2, "applied"));
    assert!(store.change_target(done).await.unwrap().is_some());
}

pub(crate) async fn a_post_belongs_to_one_target(store: Arc<dyn Store>) {
    let mut rows = Vec::new();
    for n in 1..=3 {
        let account = if n == 3 { "pinterest:2" } else { "pinterest:1" };
        rows.push(stored(&*store, upload(n, 100, &[(account, &format!("b{n}"))])).await);
    }
    let publish = |n: usize| {
        let mut published = change(&rows[n].targets[0], Phase::Published, 200);
        published.row.remote_id = Some("77".to_owned());
        published
    };
    assert!(store.change_target(publish(0)).await.unwrap().is_some());
    assert_eq!(store.change_target(publish(1)).await.unwrap(), None);
    assert_eq!(
        store.upload(&home(), &rows[1].id).await.unwrap().as_ref(),
        Some(&rows[1])
    );
    // Ids of another account are others.
    assert!(store.change_target(publish(2)).await.unwrap().is_some());
}

pub(crate) async fn leases_end(store: Arc<dyn Store>) {
    for n in 1..=3 {
        stored(
            &*store,
            upload(n, 100, &[("pinterest:1", &format!("b{n}"))]),
        )
        .await;
    }
    for (n, lease) in [(1, 3_000), (2, 1_000), (3, 2_000)] {
        let claimed = claim(&*store, 100, lease, 1).await;
        assert_eq!(ids(&claimed), [n]);
    }
    assert_eq!(store.next_timer().await.unwrap(), Some(1_000));
    assert!(store.expired(999, 10).await.unwrap().is_empty());
    assert_eq!(
        ids(&store.expired(1_000, 10).await.unwrap()),
        [2],
        "the timer finds something"
    );
    assert_eq!(
        ids(&store.expired(5_000, 2).await.unwrap()),
        [2, 3],
        "oldest first"
    );

    // A change renews the lease.
    let second = store.expired(1_000, 10).await.unwrap().remove(0);
    let mut armed = change(&second, Phase::Armed, 900);
    armed.row.lease_until = Some(9_000);
    store.change_target(armed).await.unwrap().unwrap();
    assert_eq!(store.next_timer().await.unwrap(), Some(2_000));

    assert_eq!(ids(&store.expired(9_000, 10).await.unwrap()), [3, 1, 2]);
}

pub(crate) async fn a_living_holder_keeps_its_lease(store: Arc<dyn Store>) {
    for n in 1..=4 {
        let board = format!("b{n}");
        stored(&*store, upload(n, 100, &[("pinterest:1", &board)])).await;
    }
    let rows = claim(&*store, 100, 1_000, 4).await;
    let held = |row: &TargetRow| Held {
        owner: row.owner.clone(),
        upload_id: row.upload_id.clone(),
        target_id: row.id.clone(),
        fence: row.fence,
    };
    let mut armed = change(&rows[1], Phase::Armed, 200);
    armed.row.lease_until = Some(1_000);
    let armed = store.change_target(armed).await.unwrap().unwrap();
    moved(&*store, &rows[2], Phase::Published, 200).await;
    let before = store.last_change().await.unwrap();

    // Of six only the first two: the third has ended, the others are not this holder's.
    let mut all: Vec<_> = rows[..3].iter().map(held).collect();
    let older = Held {
        fence: rows[3].fence - 1,
        ..held(&rows[3])
    };
    let unknown = Held {
        upload_id: "up_00000999".to_owned(),
        ..held(&rows[3])
    };
    let [_, stranger, _] = strangers();
    let strange = Held {
        owner: stranger,
        ..held(&rows[3])
    };
    all.extend([older, unknown, strange]);
    let lost = store.extend_leases(all, 5_000).await.unwrap();
    let last = rows[3].id.clone();
    assert_eq!(lost, [rows[2].id.clone(), last.clone(), last.clone(), last]);
    assert_eq!(ids(&store.expired(4_999, 10).await.unwrap()), [4]);
    assert_eq!(store.expired(5_000, 10).await.unwrap().len(), 3);
    // Nobody is told.
    assert_eq!(store.last_change().await.unwrap(), before);

    // Neither a late extension nor a change by a worker that knows only its first lease takes away from it.
    assert!(
        store
            .extend_leases(vec![held(&armed)], 2_000)
            .await
            .unwrap()
            .is_empty()
    );
    let mut late = change(&rows[0], Phase::Armed, 300);
    late.row.lease_until = Some(1_000);
    let late = store.change_target(late).await.unwrap().unwrap();
    assert_eq!(late.lease_until, Some(5_000));
    assert_eq!(ids(&store.expired(4_999, 10).await.unwrap()), [4]);

    // One in doubt has a lease only during a look.
    let doubt = moved(&*store, &late, Phase::Reconciling, 400).await;
    let lost = store.extend_leases(vec![held(&doubt)], 9_000).await;
    assert_eq!(lost.unwrap(), std::slice::from_ref(&doubt.id));
    let look = store.claim_looks(9_000, 10_000, 10).await.unwrap();
    assert_eq!(look.len(), 1);
    let lost = store.extend_leases(vec![held(&look[0])], 20_000).await;
    assert!(lost.unwrap().is_empty());
    assert!(!ids(&store.expired(19_999, 10).await.unwrap()).contains(&1));
}

/// Not of a store that nodes share: another's lease may be one of a living holder.
pub(crate) async fn a_sole_owner_ends_every_lease(store: Arc<dyn Store>) {
    for n in 1..=2 {
        let board = format!("b{n}");
        stored(&*store, upload(n, 100, &[("pinterest:1", &board)])).await;
    }
    let claimed = claim(&*store, 100, 3_000, 2).await;
    let mut armed = change(&claimed[0], Phase::Armed, 200);
    armed.row.lease_until = Some(9_000);
    store.change_target(armed).await.unwrap().unwrap();
    assert_eq!(store.expire_leases(500).await.unwrap(), 2);
    let expired = store.expired(500, 10).await.unwrap();
    assert_eq!(expired.len(), 2);
    assert!(expired.iter().any(|row| row.phase == Phase::Armed));
    assert_eq!(store.expire_leases(500).await.unwrap(), 0);
}

pub(crate) async fn a_target_under_way_without_a_lease_is_found_at_once(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    let claimed = claim(&*store, 100, 1_000, 1).await.remove(0);
    let mut armed = change(&claimed, Phase::Armed, 200);
    armed.row.lease_until = None;
    store.change_target(armed).await.unwrap().unwrap();
    assert_eq!(ids(&store.expired(200, 10).await.unwrap()), [1]);
}

pub(crate) async fn several_changes_stand_each_for_itself(store: Arc<dyn Store>) {
    let row = stored(
        &*store,
        upload(1, 100, &[("pinterest:1", "b1"), ("pinterest:2", "b1")]),
    )
    .await;
    let mut late = change(&row.targets[0], Phase::Canceled, 200);
    late.expect_fence = 5;
    let good = change(&row.targets[1], Phase::Canceled, 200);
    let results = store.change_targets(vec![late, good]).await.unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0], None);
    assert_eq!(
        results[1].as_ref().map(|target| target.phase),
        Some(Phase::Canceled)
    );
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    assert_eq!(now.targets[0].phase, Phase::Scheduled);
    assert_eq!(now.targets[1].phase, Phase::Canceled);
}
