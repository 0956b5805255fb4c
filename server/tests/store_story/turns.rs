//! Who gets a turn: held accounts, write limits, and fairness between accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use multi_upload_server::store::{AttemptChange, Phase, Store, TargetRow, WriteLimit};

use crate::rows::{Extra as _, change, claim, home, ids, stored, strangers, upload, wakes_by};

/// Many uploads that are due at 100, each on a board of its own.
async fn boards(store: &dyn Store, account: &str, numbers: std::ops::Range<u32>) {
    let many = numbers
        .map(|n| upload(n, 100, &[(account, &format!("b{n}"))]))
        .collect();
    store.create_uploads(many).await.unwrap();
}

pub(crate) async fn nothing_is_taken_from_a_held_account(store: Arc<dyn Store>) {
    let [test, neighbour, _] = strangers();
    let hold = async |until| {
        store
            .hold_account(&home(), "pinterest:1", until)
            .await
            .unwrap();
    };
    // Before the account has anything, and while it has.
    hold(2_000).await;
    assert_eq!(store.next_timer().await.unwrap(), None);
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    stored(&*store, upload(2, 100, &[("pinterest:2", "b1")])).await;
    stored(&*store, upload(3, 100, &[("pinterest:1", "b1")]).of(&test)).await;
    stored(
        &*store,
        upload(4, 100, &[("pinterest:1", "b4")]).of(&neighbour),
    )
    .await;
    let mut others = ids(&claim(&*store, 1_000, 9_000, 10).await);
    others.sort_unstable();
    assert_eq!(others, [2, 3], "other accounts, and the same in test mode");
    assert_eq!(store.next_timer().await.unwrap(), Some(2_000));
    assert!(claim(&*store, 1_999, 9_000, 10).await.is_empty());

    // A later hold replaces it, shorter or longer.
    hold(3_000).await;
    assert!(claim(&*store, 2_000, 9_000, 10).await.is_empty());
    assert_eq!(store.next_timer().await.unwrap(), Some(3_000));
    hold(2_500).await;
    assert_eq!(store.next_timer().await.unwrap(), Some(2_500));
    assert_eq!(claim(&*store, 2_500, 9_000, 1).await.len(), 1);
    hold(0).await;
    assert!(wakes_by(&*store, 2_500).await);
    assert_eq!(claim(&*store, 2_500, 9_000, 10).await.len(), 1);
}

pub(crate) async fn a_hold_does_not_bring_anything_forward(store: Arc<dyn Store>) {
    store
        .hold_account(&home(), "pinterest:1", 2_000)
        .await
        .unwrap();
    stored(&*store, upload(1, 5_000, &[("pinterest:1", "b1")])).await;
    assert_eq!(store.next_timer().await.unwrap(), Some(5_000));
    assert!(claim(&*store, 2_000, 9_000, 10).await.is_empty());
    assert_eq!(ids(&claim(&*store, 5_000, 9_000, 10).await), [1]);
}

/// Claims with at most `count` posts in any 1,000 ms on Pinterest.
async fn limited(store: &dyn Store, now: i64, count: u32) -> Vec<TargetRow> {
    limited_to(store, now, count, 10).await
}

async fn limited_to(store: &dyn Store, now: i64, count: u32, limit: u32) -> Vec<TargetRow> {
    let write_limit = WriteLimit {
        count,
        per_ms: 1_000,
    };
    let limits = BTreeMap::from([("pinterest".to_owned(), write_limit)]);
    store
        .claim(now, now + 10_000, limit, Arc::new(limits))
        .await
        .unwrap()
}

/// Arms a target and publishes it at once.
async fn publish(store: &dyn Store, row: &TargetRow, at: i64) {
    let mut open = change(row, Phase::Armed, at);
    open.attempt = Some(AttemptChange::Open {
        number: 1,
        deadline: at + 5_000,
        baseline: None,
    });
    let armed = store.change_target(open).await.unwrap().unwrap();
    let mut done = change(&armed, Phase::Published, at);
    done.attempt = Some(AttemptChange::Close {
        number: 1,
        outcome: "applied",
    });
    store.change_target(done).await.unwrap().unwrap();
}

pub(crate) async fn a_write_limit_holds_over_claims(store: Arc<dyn Store>) {
    boards(&*store, "pinterest:1", 0..10).await;
    let first = limited(&*store, 1_000, 3).await;
    assert_eq!(first.len(), 3, "not more in one claim");
    assert!(limited(&*store, 1_010, 3).await.is_empty(), "nor in two");
    assert!(
        store.next_timer().await.unwrap() > Some(1_010),
        "nothing to wake for"
    );
    for (row, at) in first.iter().zip([1_100, 1_200, 1_300]) {
        publish(&*store, row, at).await;
    }
    assert!(limited(&*store, 1_400, 3).await.is_empty());
    // The span of the first has to pass, then that of the second.
    let mut now = 1_400;
    let mut left = Vec::new();
    while left.len() < 2 {
        now = store.next_timer().await.unwrap().unwrap().max(now + 1);
        assert!(now <= 2_200);
        for row in limited(&*store, now, 3).await {
            left.push((now, row));
        }
    }
    assert_eq!(
        left.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [2_100, 2_200]
    );

    // What is not sent after all makes room.
    assert!(limited(&*store, 2_250, 3).await.is_empty());
    let mut wait = change(&left[0].1, Phase::Waiting, 2_250);
    wait.row.due_at = 90_000;
    store.change_target(wait).await.unwrap().unwrap();
    assert!(wakes_by(&*store, 2_250).await);
    assert_eq!(limited(&*store, 2_250, 3).await.len(), 1);
}

pub(crate) async fn a_write_limit_is_of_an_account_on_its_platform(store: Arc<dyn Store>) {
    boards(&*store, "pinterest:1", 0..3).await;
    boards(&*store, "pinterest:2", 10..13).await;
    let [test, neighbour, _] = strangers();
    for (n, owner) in [(20, &test), (21, &test), (22, &neighbour)] {
        let new = upload(n, 50, &[("pinterest:1", &format!("b{n}"))]).of(owner);
        stored(&*store, new).await;
    }
    for n in 30..33 {
        let mut new = upload(n, 100, &[("tiktok:1", &format!("b{n}"))]);
        new.row.targets[0].platform = "tiktok".to_owned();
        stored(&*store, new).await;
    }
    let mut taken = ids(&limited(&*store, 1_000, 1).await);
    taken.sort_unstable();
    assert_eq!(
        taken,
        [10, 20, 22, 30, 31, 32],
        "teams share the limit of an account"
    );

    // Those without room do not hide another for long, however few are asked for.
    stored(&*store, upload(40, 2_500, &[("pinterest:9", "b1")])).await;
    let mut taken = Vec::new();
    for _ in 0..9 {
        assert!(taken.len() == 1 || wakes_by(&*store, 2_600).await);
        taken.extend(ids(&limited_to(&*store, 2_600, 1, 1).await));
    }
    assert_eq!(taken, [40]);
}

pub(crate) async fn accounts_take_turns(store: Arc<dyn Store>) {
    boards(&*store, "pinterest:1", 0..200).await;
    stored(&*store, upload(500, 900, &[("pinterest:2", "b1")])).await;
    let taken = ids(&claim(&*store, 1_000, 9_000, 10).await);
    assert_eq!(taken.len(), 10);
    assert!(taken.contains(&500), "{taken:?}");
    // Whoever was served comes after those that were not, however little is taken.
    stored(&*store, upload(501, 1_500, &[("pinterest:2", "b2")])).await;
    stored(&*store, upload(502, 1_500, &[("pinterest:3", "b1")])).await;
    let mut taken = Vec::new();
    for now in 2_000..2_003 {
        taken.extend(ids(&claim(&*store, now, 9_000, 1).await));
    }
    assert!(taken.contains(&501) && taken.contains(&502), "{taken:?}");
    // And the rest goes on.
    assert_eq!(claim(&*store, 3_000, 9_000, 500).await.len(), 190);
    assert!(claim(&*store, 3_000, 9_000, 500).await.is_empty());
}

pub(crate) async fn a_clock_that_went_back_keeps_nobody_waiting(store: Arc<dyn Store>) {
    boards(&*store, "pinterest:1", 0..4).await;
    assert_eq!(claim(&*store, 1_000_000, 2_000_000, 1).await.len(), 1);
    assert_eq!(claim(&*store, 1_000, 9_000, 1).await.len(), 1);
    assert_eq!(claim(&*store, 1_000, 9_000, 10).await.len(), 2);

    // Its attempts and what they left for the write limit do not count either.
    boards(&*store, "pinterest:2", 10..13).await;
    let ahead = limited(&*store, 1_000_000, 1).await;
    publish(&*store, &ahead[0], 1_000_000).await;
    assert!(limited(&*store, 1_000_001, 1).await.is_empty());
    assert_eq!(limited(&*store, 5_000, 1).await.len(), 1);
    assert!(limited(&*store, 5_001, 1).await.is_empty());
}
