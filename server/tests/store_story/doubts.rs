//! Targets in doubt: what they keep others from, the looks for them, and what a look needs.

use std::sync::Arc;

use multi_upload_server::store::{
    AttemptChange, Census, Owner, Phase, Store, TargetChange, TargetRow,
};

use crate::rows::{
    Extra as _, account, attempt, change, claim, home, ids, moved, stored, strangers, upload,
    wakes_by,
};

const LANE: [(&str, &str); 1] = [("pinterest:1", "b1")];

/// Stores a due target, and takes it until it is armed.
async fn armed(store: &dyn Store, n: u32, like: &str) -> TargetRow {
    stored(store, upload(n, 100, &LANE).like(like)).await;
    let claimed = claim(store, 100, 1_000, 1).await.remove(0);
    moved(store, &claimed, Phase::Armed, 100).await
}

/// The same until it is in doubt, with a look at `due`.
async fn doubtful(store: &dyn Store, n: u32, like: &str, due: i64) -> TargetRow {
    let armed = armed(store, n, like).await;
    let mut doubt = change(&armed, Phase::Reconciling, 110);
    doubt.row.due_at = due;
    doubt.row.attempt = Some(attempt(100));
    let expected = doubt.row.clone();
    let row = store.change_target(doubt).await.unwrap().unwrap();
    assert_eq!(row, expected);
    row
}

pub(crate) async fn a_doubt_blocks_its_like_and_no_other_pin_of_the_board(store: Arc<dyn Store>) {
    let doubt = doubtful(&*store, 1, "same", 5_000).await;
    stored(&*store, upload(2, 200, &LANE).like("same")).await;
    stored(&*store, upload(3, 300, &LANE).like("same")).await;
    stored(&*store, upload(4, 400, &LANE).like("other")).await;
    assert_eq!(ids(&claim(&*store, 1_000, 9_000, 10).await), [4]);
    let all = store.upload(&home(), "up_00000004").await.unwrap().unwrap();
    moved(&*store, &all.targets[0], Phase::Published, 1_001).await;
    assert!(claim(&*store, 1_002, 9_000, 10).await.is_empty());
    assert_eq!(
        store.next_timer().await.unwrap(),
        Some(5_000),
        "the look, and no wait for what cannot go"
    );
    // One that comes later finds the same, and so does one that becomes the same.
    stored(&*store, upload(5, 500, &LANE).like("same")).await;
    assert!(claim(&*store, 1_003, 9_000, 10).await.is_empty());
    assert_eq!(store.next_timer().await.unwrap(), Some(5_000));
    let mut enter = change(
        &store
            .upload(&home(), "up_00000005")
            .await
            .unwrap()
            .unwrap()
            .targets[0],
        Phase::Reconciling,
        1_004,
    );
    assert_eq!(store.change_target(enter.clone()).await.unwrap(), None);
    enter.row.phase = Phase::Armed;
    assert_eq!(store.change_target(enter).await.unwrap(), None);

    // When the doubt is over they go, one after the other.
    moved(&*store, &doubt, Phase::Published, 1_005).await;
    assert!(wakes_by(&*store, 1_005).await);
    let next = claim(&*store, 1_005, 9_000, 10).await;
    assert_eq!(ids(&next), [2]);
    moved(&*store, &next[0], Phase::NeedsReview, 1_006).await;
    assert_eq!(ids(&claim(&*store, 1_006, 9_000, 10).await), [3]);
}

pub(crate) async fn a_look_is_taken_when_it_is_due(store: Arc<dyn Store>) {
    let later = doubtful(&*store, 1, "one", 3_000).await;
    let first = doubtful(&*store, 2, "two", 2_000).await;
    let looks = async |now, limit| store.claim_looks(now, now + 500, limit).await.unwrap();
    assert_eq!(store.next_timer().await.unwrap(), Some(2_000));
    assert!(looks(1_999, 10).await.is_empty());
    assert!(
        store.expired(9_000, 10).await.unwrap().is_empty(),
        "no lease, so none that ended"
    );
    let taken = looks(2_000, 10).await;
    let mut expected = first.clone();
    expected.fence += 1;
    expected.lease_until = Some(2_500);
    assert_eq!(taken, [expected]);
    assert!(looks(2_000, 10).await.is_empty(), "once");
    assert_eq!(
        store.next_timer().await.unwrap(),
        Some(2_500),
        "the end of its lease"
    );

    // Who looked before finds another fence; who looks now plans the next look and gives the lease back.
    let old = change(&first, Phase::Published, 2_100);
    assert_eq!(store.change_target(old).await.unwrap(), None);
    let mut again = change(&taken[0], Phase::Reconciling, 2_200);
    again.row.due_at = 4_000;
    let again = store.change_target(again).await.unwrap().unwrap();
    assert_eq!(again.lease_until, None);
    assert_eq!(
        ids(&looks(9_000, 1).await),
        [1],
        "the longest due first, as many as asked for"
    );
    assert_eq!(ids(&looks(9_000, 10).await), [2]);

    // Whoever died with a look is found by the end of the lease.
    let dead = store.expired(9_500, 10).await.unwrap();
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().any(|row| row.id == later.id));
}

pub(crate) async fn a_second_post_is_looked_for_at_its_time(store: Arc<dyn Store>) {
    let row = armed(&*store, 1, "one").await;
    let mut done = change(&row, Phase::Published, 200);
    done.row.sentinel_at = Some(2_000);
    let done = store.change_target(done).await.unwrap().unwrap();
    stored(&*store, upload(2, 9_000, &LANE)).await;
    let seq = store.last_change().await.unwrap();
    let sentinels = async |now| store.claim_sentinels(now, now + 500, 10).await.unwrap();
    assert_eq!(store.next_timer().await.unwrap(), Some(2_000));
    assert!(sentinels(1_999).await.is_empty());
    let taken = sentinels(2_000).await;
    let expected = TargetRow {
        sentinel_at: Some(2_500),
        ..done
    };
    assert_eq!(taken, [expected]);
    assert!(sentinels(2_000).await.is_empty(), "once");
    assert_eq!(
        store.last_change().await.unwrap(),
        seq,
        "nothing that anybody sees has changed"
    );
    assert_eq!(store.next_timer().await.unwrap(), Some(2_500));
    let again = sentinels(2_500).await;
    assert_eq!(ids(&again), [1], "the first may have died");
    let mut over = change(&again[0], Phase::Published, 2_600);
    over.row.sentinel_at = None;
    store.change_target(over).await.unwrap().unwrap();
    assert!(sentinels(90_000).await.is_empty());
    assert_eq!(store.next_timer().await.unwrap(), Some(9_000));
}

pub(crate) async fn a_baseline_is_kept_until_the_target_has_ended(store: Arc<dyn Store>) {
    let open = |row: &TargetRow, number, baseline| TargetChange {
        attempt: Some(AttemptChange::Open {
            number,
            deadline: 5_000,
            baseline,
        }),
        ..change(row, Phase::Armed, 200)
    };
    let close = |row: &TargetRow, number, to| TargetChange {
        attempt: Some(AttemptChange::Close {
            number,
            outcome: "unknown",
        }),
        ..change(row, to, 300)
    };
    let apply = async |change| store.change_target(change).await.unwrap().unwrap();
    stored(&*store, upload(1, 100, &LANE)).await;
    let row = claim(&*store, 100, 1_000, 1).await.remove(0);
    let id = row.id.clone();
    let baseline = async |number| store.baseline(&home(), &id, number).await.unwrap();

    assert_eq!(baseline(1).await, None);
    let row = apply(open(&row, 1, Some(vec![1; 8_000]))).await;
    assert_eq!(baseline(1).await, Some(vec![1; 8_000]));
    let row = apply(close(&row, 1, Phase::Reconciling)).await;
    let row = apply(open(&row, 2, Some(Vec::new()))).await;
    let row = apply(close(&row, 2, Phase::Reconciling)).await;
    let row = apply(open(&row, 3, None)).await;
    assert_eq!(baseline(1).await, Some(vec![1; 8_000]));
    assert_eq!(baseline(2).await, Some(Vec::new()), "empty is not unknown");
    assert_eq!(baseline(3).await, None);
    for stranger in strangers() {
        assert_eq!(store.baseline(&stranger, &id, 1).await.unwrap(), None);
    }
    let row = apply(close(&row, 3, Phase::NeedsReview)).await;
    assert!(baseline(1).await.is_some(), "a person has not decided yet");
    apply(change(&row, Phase::Failed, 400)).await;
    assert_eq!((baseline(1).await, baseline(2).await), (None, None));
}

pub(crate) async fn a_target_is_read_by_who_holds_it(store: Arc<dyn Store>) {
    let row = stored(
        &*store,
        upload(1, 100, &[("pinterest:1", "b1"), ("pinterest:2", "b1")]),
    )
    .await;
    stored(&*store, upload(2, 100, &LANE)).await;
    let find = async |upload: &str, id: &str| store.target(&home(), upload, id).await.unwrap();
    for target in &row.targets {
        assert_eq!(find(&row.id, &target.id).await.as_ref(), Some(target));
    }
    assert_eq!(find(&row.id, "tg_other").await, None);
    assert_eq!(find("up_00000002", &row.targets[0].id).await, None);
    assert_eq!(find("up_other", &row.targets[0].id).await, None);
    for stranger in strangers() {
        let theirs = store.target(&stranger, &row.id, &row.targets[0].id);
        assert_eq!(theirs.await.unwrap(), None);
    }
}

pub(crate) async fn posts_of_our_own_are_known(store: Arc<dyn Store>) {
    let [test, neighbour, _] = strangers();
    for (n, account, owner) in [
        (1, "pinterest:1", &home()),
        (2, "pinterest:2", &home()),
        (3, "pinterest:1", &test),
        (4, "pinterest:1", &neighbour),
    ] {
        let board = format!("b{n}");
        let row = stored(&*store, upload(n, 100, &[(account, &board)]).of(owner)).await;
        let mut done = change(&row.targets[0], Phase::Published, 200);
        done.row.remote_id = Some(format!("7{n}"));
        assert!(store.change_target(done).await.unwrap().is_some());
    }
    let known = async |ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut known = store
            .known_remote_ids(&home(), "pinterest:1", ids)
            .await
            .unwrap();
        known.sort_unstable();
        known
    };
    assert_eq!(
        known(&["75", "74", "73", "72", "71"]).await,
        ["71", "74"],
        "of this account and mode, whoever's team"
    );
    assert!(known(&[]).await.is_empty());
}

pub(crate) async fn one_of_a_kind_is_in_doubt_until_its_outcome_is_known(store: Arc<dyn Store>) {
    let [test, neighbour, _] = strangers();
    let is_in_doubt = async |owner: &Owner, like: &str| {
        let found = store.is_in_doubt(owner, "pinterest:1", like).await;
        found.unwrap()
    };
    stored(&*store, upload(1, 100, &LANE).like("same")).await;
    assert!(!is_in_doubt(&home(), "same").await, "it only waits");
    let mut row = claim(&*store, 100, 1_000, 1).await.remove(0);
    for phase in [Phase::Armed, Phase::Reconciling, Phase::NeedsReview] {
        assert!(is_in_doubt(&home(), "same").await, "before {phase:?}");
        row = moved(&*store, &row, phase, 100).await;
    }
    assert!(is_in_doubt(&home(), "same").await, "in review");
    assert!(is_in_doubt(&neighbour, "same").await, "shared");
    assert!(!is_in_doubt(&test, "same").await);
    assert!(!is_in_doubt(&home(), "other").await);
    moved(&*store, &row, Phase::Failed, 200).await;
    assert!(!is_in_doubt(&home(), "same").await);
}

pub(crate) async fn what_stands_is_counted(store: Arc<dyn Store>) {
    assert_eq!(store.census(1_000).await.unwrap(), Census::default());
    doubtful(&*store, 1, "one", 5_000).await;
    let lost = armed(&*store, 2, "two").await;
    moved(&*store, &lost, Phase::NeedsReview, 120).await;
    armed(&*store, 3, "three").await;
    stored(&*store, upload(4, 300, &[("pinterest:2", "b1")])).await;
    stored(&*store, upload(5, 9_000, &[("pinterest:3", "b1")])).await;
    let mut cut_off = account("pinterest:9");
    cut_off.usable = false;
    store.put_account(cut_off).await.unwrap();
    let census = store.census(2_000).await.unwrap();
    assert_eq!(
        census,
        Census {
            waiting: 2,
            due: 1,
            under_way: 1,
            in_doubt: 1,
            needs_review: 1,
            accounts_unusable: 1,
            oldest_due: Some(300),
            oldest_lease: Some(2_000),
            attempts_open_twice: 0,
        }
    );
}
