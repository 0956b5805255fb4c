//! Who gets a turn: held accounts, write limits, and fairness between accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use multi_upload_server::store::{AttemptChange, Owner, Phase, Rest, Store, TargetRow, WriteLimit};
use multi_upload_wire::ErrorCode;

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
            .hold_account(
                &home(),
                "pinterest:1",
                until,
                ErrorCode::PlatformRateLimited,
            )
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

    // A longer hold replaces it, a shorter one does not cut it short.
    hold(3_000).await;
    assert!(claim(&*store, 2_000, 9_000, 10).await.is_empty());
    assert_eq!(store.next_timer().await.unwrap(), Some(3_000));
    for shorter in [2_500, 3_000, 0] {
        hold(shorter).await;
        assert_eq!(store.next_timer().await.unwrap(), Some(3_000));
    }
    assert!(claim(&*store, 2_999, 9_000, 10).await.is_empty());
    assert_eq!(claim(&*store, 3_000, 9_000, 10).await.len(), 2);
}

pub(crate) async fn a_rest_is_told_with_its_end_and_reason(store: Arc<dyn Store>) {
    let [test, neighbour, _] = strangers();
    let ids = || ["pinterest:1", "pinterest:2", "pinterest:3"].map(str::to_owned);
    let rests = async |owner: &Owner, now| {
        let mut rests = store.rests(owner, ids().to_vec(), now).await.unwrap();
        rests.sort_by(|a, b| a.account_id.cmp(&b.account_id));
        rests
    };
    let rest = |account: &str, until, why: Option<ErrorCode>| Rest {
        account_id: account.to_owned(),
        until,
        why: why.map(|why| why.as_str().to_owned()),
    };
    assert_eq!(rests(&home(), 1_000).await, []);
    for (until, why) in [
        (5_000, ErrorCode::PlatformSpamBlock),
        (2_000, ErrorCode::PlatformRateLimited),
    ] {
        store
            .hold_account(&home(), "pinterest:1", until, why)
            .await
            .unwrap();
    }
    let held = rest("pinterest:1", 5_000, Some(ErrorCode::PlatformSpamBlock));
    assert_eq!(rests(&home(), 1_000).await, vec![held.clone()]);
    assert_eq!(rests(&neighbour, 4_999).await, vec![held.clone()], "shared");
    assert_eq!(rests(&test, 1_000).await, []);
    assert_eq!(rests(&home(), 5_000).await, []);

    // A write limit that is used up is a rest too.
    boards(&*store, "pinterest:2", 0..3).await;
    for row in limited(&*store, 1_000, 2).await {
        publish(&*store, &row, 1_000).await;
    }
    assert!(limited(&*store, 1_001, 2).await.is_empty());
    let used_up = rest("pinterest:2", 2_000, None);
    assert_eq!(rests(&home(), 1_500).await, [held, used_up]);
}

pub(crate) async fn what_waits_beyond_its_late_rule_is_found(store: Arc<dyn Store>) {
    assert_eq!(store.next_late(None).await.unwrap(), None);
    for (n, due) in [(1, 100), (2, 300), (3, 200)] {
        let mut new = upload(n, due, &[("pinterest:1", &format!("b{n}"))]);
        new.row.targets[0].send_until = due + 50;
        stored(&*store, new).await;
    }
    let mut draft = upload(4, 10, &[("pinterest:1", "b4")]).in_phase(Phase::Draft);
    draft.row.targets[0].send_until = 20;
    stored(&*store, draft).await;
    store
        .hold_account(
            &home(),
            "pinterest:1",
            9_000,
            ErrorCode::PlatformRateLimited,
        )
        .await
        .unwrap();
    let late = async |now, due_after, limit| {
        let found = store.late(now, due_after, limit).await.unwrap();
        crate::rows::ids(&found)
    };
    assert_eq!(store.next_late(None).await.unwrap(), Some(151));
    assert!(late(150, None, 10).await.is_empty());
    assert_eq!(late(151, None, 10).await, [1]);
    assert_eq!(late(1_000, None, 10).await, [1, 3, 2]);
    assert_eq!(late(1_000, None, 2).await, [1, 3]);
    // What was due before a restore is left alone.
    assert_eq!(late(1_000, Some(200), 10).await, [2]);
    assert_eq!(store.next_late(Some(200)).await.unwrap(), Some(351));

    let row = store.late(1_000, None, 1).await.unwrap().remove(0);
    crate::rows::moved(&*store, &row, Phase::Missed, 1_000).await;
    assert_eq!(late(1_000, None, 10).await, [3, 2]);
    assert_eq!(store.next_late(None).await.unwrap(), Some(251));
}

pub(crate) async fn a_hold_does_not_bring_anything_forward(store: Arc<dyn Store>) {
    store
        .hold_account(
            &home(),
            "pinterest:1",
            2_000,
            ErrorCode::PlatformRateLimited,
        )
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
