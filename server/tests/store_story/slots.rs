//! Posting slots: each occurrence goes to one target, whoever asks at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::civil::{Date, date};
use multi_upload_server::store::{
    CreateOutcome, EditOutcome, KeptTime, NewUpload, NextSlot, Occurrence, Phase, Retime,
    SlotOutcome, SlotRow, Store, StoreResult, UploadEdit, UploadRow, WallTime, When, WriteLimit,
};

use multi_upload_wire::ErrorCode;

use crate::rows::{
    DAY, Extra as _, attempt, change, claim, event, home, moved, stored, strangers, upload,
};

/// The n-th day that slots offer.
fn day(n: i64) -> Date {
    date(2026, 12, 1) + jiff::Span::new().days(n)
}

/// When the occurrence of that day is.
fn time(n: i64) -> i64 {
    n * DAY + 50_000
}

/// A slot that occurs on each of the first days.
fn offers(slot: &str, days: i64) -> Arc<[Occurrence]> {
    (0..days)
        .map(|n| Occurrence {
            slot_id: Arc::from(slot),
            local: day(n).at(9, 0, 0, 0),
            zone: Arc::from("Europe/Paris"),
            at: time(n),
        })
        .collect()
}

fn answer(row: &UploadRow) -> StoreResult<String> {
    Ok(format!("{} at {:?}", row.id, row.scheduled_at))
}

fn wish(offers: Vec<Arc<[Occurrence]>>) -> When {
    When::NextSlot(NextSlot {
        offers,
        late_ms: 100,
        rules: "2026a".to_owned(),
        answer,
    })
}

/// The n-th upload, for the next slot of each (account, slot) that occurs on so many days.
fn queued(n: u32, accounts: &[(&str, &str)], days: i64) -> NewUpload {
    let lanes: Vec<_> = accounts
        .iter()
        .map(|(account, _)| (*account, "b1"))
        .collect();
    let mut new = upload(n, 1, &lanes);
    new.when = wish(
        accounts
            .iter()
            .map(|(_, slot)| offers(slot, days))
            .collect(),
    );
    new
}

const ONE: [(&str, &str); 1] = [("pinterest:1", "slot_1")];

async fn outcome(store: &dyn Store, new: NewUpload) -> CreateOutcome {
    store.create_uploads(vec![new]).await.unwrap().remove(0)
}

async fn taken(store: &dyn Store, account: &str) -> BTreeSet<(String, Date)> {
    let rows = store.taken_slots(&home(), account, day(0)).await.unwrap();
    let count = rows.len();
    let set: BTreeSet<_> = rows.into_iter().collect();
    assert_eq!(set.len(), count);
    set
}

fn days_of(set: &BTreeSet<(String, Date)>) -> Vec<Date> {
    set.iter().map(|(_, day)| *day).collect()
}

pub(crate) async fn next_slots_are_filled_in_order(store: Arc<dyn Store>) {
    let first = stored(&*store, queued(1, &ONE, 5)).await;
    assert_eq!(first.scheduled_at, Some(time(0)));
    let target = &first.targets[0];
    assert_eq!(
        (target.due_at, target.scheduled_at, target.send_until),
        (time(0), time(0), time(0) + 100)
    );
    assert_eq!(
        store.upload(&home(), &first.id).await.unwrap().as_ref(),
        Some(&first)
    );
    // Several in one call go on from there, each with its own.
    let many = (2..=4).map(|n| queued(n, &ONE, 5)).collect();
    let times: Vec<_> = store
        .create_uploads(many)
        .await
        .unwrap()
        .into_iter()
        .map(|outcome| match outcome {
            CreateOutcome::Stored(row) => row.scheduled_at,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(times, [Some(time(1)), Some(time(2)), Some(time(3))]);
    // Another account, and another owner's, have slots of their own.
    let other = stored(&*store, queued(5, &[("pinterest:2", "slot_1")], 5)).await;
    assert_eq!(other.scheduled_at, Some(time(0)));
    let foreign = queued(6, &ONE, 5).of(&strangers()[0]);
    let foreign = stored(&*store, foreign).await;
    assert_eq!(foreign.scheduled_at, Some(time(0)));
    assert_eq!(
        days_of(&taken(&*store, "pinterest:1").await),
        [day(0), day(1), day(2), day(3)]
    );
    let kinds: Vec<_> = store
        .events(&home(), &first.id)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["upload.scheduled", "target.slot_taken"]);
    // They are claimed at their times.
    assert!(claim(&*store, time(0) - 1, time(9), 10).await.is_empty());
    let due: BTreeSet<_> = claim(&*store, time(0), time(9), 10)
        .await
        .into_iter()
        .map(|target| target.upload_id)
        .collect();
    assert!(due.contains(&first.id), "{due:?}");
}

pub(crate) async fn targets_have_times_of_their_own(store: Arc<dyn Store>) {
    stored(&*store, queued(1, &ONE, 5)).await;
    let both = [("pinterest:1", "slot_1"), ("pinterest:2", "slot_2")];
    let row = stored(&*store, queued(2, &both, 5)).await;
    assert_eq!(row.targets[0].scheduled_at, time(1));
    assert_eq!(row.targets[1].scheduled_at, time(0));
    assert_eq!(row.scheduled_at, Some(time(0)), "the earliest");
}

pub(crate) async fn without_a_free_slot_nothing_is_stored(store: Arc<dyn Store>) {
    stored(&*store, queued(1, &[("pinterest:2", "slot_2")], 1)).await;
    let both = [("pinterest:1", "slot_1"), ("pinterest:2", "slot_2")];
    let full = queued(2, &both, 1).keyed("k", 1);
    let mixed = vec![full.clone(), queued(3, &ONE, 2), full];
    let outcomes = store.create_uploads(mixed).await.unwrap();
    let refused = CreateOutcome::NoFreeSlot("pinterest:2".to_owned());
    assert_eq!(outcomes[0], refused);
    assert!(matches!(outcomes[2], CreateOutcome::NoFreeSlot(_)));
    // The first account's occurrence was not taken by what was refused.
    let CreateOutcome::Stored(row) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(row.scheduled_at, Some(time(0)));
    assert_eq!(store.upload(&home(), "up_00000002").await.unwrap(), None);
    // The key is free.
    let row = stored(&*store, queued(4, &both, 9).keyed("k", 2)).await;
    assert_eq!(row.targets[0].scheduled_at, time(1));
    // Alone it is refused too, and an account without slots is full.
    let none = outcome(&*store, queued(5, &[("pinterest:3", "slot_3")], 0)).await;
    assert_eq!(none, CreateOutcome::NoFreeSlot("pinterest:3".to_owned()));
}

pub(crate) async fn a_repeated_key_gives_the_slot_of_the_first(store: Arc<dyn Store>) {
    let again = || queued(1, &ONE, 5).keyed("k", 1);
    // Twice in one call, then again.
    let outcomes = store.create_uploads(vec![again(), again()]).await.unwrap();
    let CreateOutcome::Stored(row) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    let expected = CreateOutcome::Replayed(answer(row).unwrap());
    assert_eq!(outcomes[1], expected);
    assert_eq!(outcome(&*store, again()).await, expected);
    assert_eq!(days_of(&taken(&*store, "pinterest:1").await), [day(0)]);
    let other = queued(2, &ONE, 5).keyed("k", 2);
    assert_eq!(outcome(&*store, other).await, CreateOutcome::KeyMismatch);
}

pub(crate) async fn many_callers_share_no_slot(store: Arc<dyn Store>) {
    share_no_slot(&[Arc::clone(&store), store], 40).await;
}

/// Callers of one database, through these stores in turn.
pub(crate) async fn share_no_slot(stores: &[Arc<dyn Store>], callers: u32) {
    let calls = (0..callers).map(|n| {
        let store = &stores[n as usize % stores.len()];
        outcome(&**store, queued(n, &ONE, 60))
    });
    let mut times: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(|outcome| match outcome {
            CreateOutcome::Stored(row) => row.scheduled_at.unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    times.sort_unstable();
    let expected: Vec<_> = (0..i64::from(callers)).map(time).collect();
    assert_eq!(times, expected, "each its own, without holes");
}

fn edit(row: &UploadRow, when: When, phase: Phase) -> UploadEdit {
    let mut row = row.clone();
    for target in &mut row.targets {
        target.phase = phase;
    }
    UploadEdit {
        expect_version: row.version,
        when,
        event: event("upload.updated", 2_000),
        row,
    }
}

async fn edited(store: &dyn Store, edit: UploadEdit) -> UploadRow {
    match store.edit_upload(&home(), edit).await.unwrap() {
        EditOutcome::Edited(row) => *row,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn what_is_given_up_is_free_again(store: Arc<dyn Store>) {
    let mut rows = Vec::new();
    for n in 0..4 {
        rows.push(stored(&*store, queued(n, &ONE, 9)).await);
    }
    // A change that keeps the time keeps the slot.
    let kept = edited(&*store, edit(&rows[3], When::Kept, Phase::Scheduled)).await;
    assert_eq!(taken(&*store, "pinterest:1").await.len(), 4);
    assert_eq!(kept.scheduled_at, Some(time(3)));
    // Canceled, set to a time, made a draft.
    moved(&*store, &rows[0].targets[0], Phase::Canceled, 2_000).await;
    edited(&*store, edit(&rows[1], When::Instant, Phase::Scheduled)).await;
    edited(&*store, edit(&rows[2], When::Instant, Phase::Draft)).await;
    assert_eq!(days_of(&taken(&*store, "pinterest:1").await), [day(3)]);
    // The next ones take them, in order.
    for n in 0..3 {
        let row = stored(&*store, queued(10 + n, &ONE, 9)).await;
        assert_eq!(row.scheduled_at, Some(time(i64::from(n))));
    }
    // A stale edit frees nothing.
    let stale = edit(&rows[3], When::Instant, Phase::Scheduled);
    let outcome = store.edit_upload(&home(), stale).await.unwrap();
    assert_eq!(outcome, EditOutcome::Stale);
    assert_eq!(taken(&*store, "pinterest:1").await.len(), 4);
}

pub(crate) async fn an_edit_takes_the_next_slot(store: Arc<dyn Store>) {
    let first = stored(&*store, queued(1, &ONE, 3)).await;
    let second = stored(&*store, queued(2, &ONE, 3)).await;
    // Its own counts as free: it does not move back.
    let to_next =
        |row: &UploadRow, days| edit(row, wish(vec![offers("slot_1", days)]), Phase::Scheduled);
    let second = edited(&*store, to_next(&second, 3)).await;
    assert_eq!(second.scheduled_at, Some(time(1)));
    // It moves forward when something was freed.
    moved(&*store, &first.targets[0], Phase::Canceled, 2_000).await;
    let second = edited(&*store, to_next(&second, 3)).await;
    assert_eq!(second.scheduled_at, Some(time(0)));
    assert_eq!(second.targets[0].send_until, time(0) + 100);
    assert_eq!(days_of(&taken(&*store, "pinterest:1").await), [day(0)]);
    assert!(
        claim(&*store, time(0) - 1, time(9), 10).await.is_empty(),
        "the queue follows"
    );
    // A fixed time becomes a slot; where there is none, nothing changes.
    let fixed = stored(&*store, upload(3, 7_000, &[("pinterest:1", "b1")])).await;
    let full = store
        .edit_upload(&home(), to_next(&fixed, 1))
        .await
        .unwrap();
    assert_eq!(full, EditOutcome::NoFreeSlot("pinterest:1".to_owned()));
    assert_eq!(
        store.upload(&home(), &fixed.id).await.unwrap().as_ref(),
        Some(&fixed)
    );
    let fixed = edited(&*store, to_next(&fixed, 3)).await;
    assert_eq!(fixed.scheduled_at, Some(time(1)));
}

fn wall() -> WallTime {
    WallTime {
        local: date(2026, 12, 1).at(20, 0, 0, 0),
        zone: "Europe/Paris".to_owned(),
        rules: "2026a".to_owned(),
    }
}

async fn kept(store: &dyn Store, now: i64) -> Vec<KeptTime> {
    let first = store.kept_times(now, 0, 1).await.unwrap();
    let Some(last) = first.last() else {
        return first;
    };
    let rest = store.kept_times(now, last.number, 100).await.unwrap();
    first.into_iter().chain(rest).collect()
}

pub(crate) async fn a_wall_time_is_kept_and_can_move(store: Arc<dyn Store>) {
    let both = [("pinterest:1", "b1"), ("pinterest:2", "b2")];
    let mut new = upload(1, 5_000, &both);
    new.when = When::Wall(wall());
    let row = stored(&*store, new).await;
    // One that was given as an instant is none.
    stored(&*store, upload(2, 5_000, &[("pinterest:8", "b1")])).await;
    let times = kept(&*store, 1_000).await;
    let ids: Vec<_> = times.iter().map(|time| &*time.target_id).collect();
    assert_eq!(ids, [&*row.targets[0].id, &*row.targets[1].id]);
    assert!(
        times
            .iter()
            .all(|time| time.wall == wall() && time.at == 5_000)
    );
    assert_eq!(kept(&*store, 5_000).await, [], "its time has come");

    let move_to = |number, from, to| Retime {
        number,
        from,
        to,
        rules: "2026b".to_owned(),
        event: event("target.rezoned", 3_000),
    };
    let number = times[1].number;
    assert!(!store.retime(move_to(number, 4_999, 8_600)).await.unwrap());
    assert!(store.retime(move_to(number, 5_000, 8_600)).await.unwrap());
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    assert_eq!(now.version, 2);
    assert_eq!(now.scheduled_at, Some(5_000), "the other target's");
    let target = &now.targets[1];
    assert_eq!(
        (target.due_at, target.scheduled_at, target.send_until),
        (8_600, 8_600, 8_600 + DAY)
    );
    let moved_time = kept(&*store, 1_000).await.remove(1);
    assert_eq!((moved_time.at, &*moved_time.wall.rules), (8_600, "2026b"));
    let events = store.events(&home(), &row.id).await.unwrap();
    assert_eq!(events.last().unwrap().kind, "target.rezoned");
    // The queue follows.
    assert_eq!(claim(&*store, 5_000, 9_000, 10).await.len(), 2);
    assert_eq!(claim(&*store, 8_600, 9_000, 10).await[0].id, target.id);
    // What is under way does not move.
    assert!(!store.retime(move_to(number, 8_600, 9_600)).await.unwrap());

    // An edit to an instant forgets the wall time, one to a wall time keeps that.
    let mut new = upload(3, 6_000, &[("pinterest:3", "b1")]);
    new.when = When::Wall(wall());
    let row = stored(&*store, new).await;
    let row = edited(&*store, edit(&row, When::Instant, Phase::Scheduled)).await;
    let of_it = |times: Vec<KeptTime>| {
        times
            .into_iter()
            .filter(|time| time.target_id == row.targets[0].id)
            .count()
    };
    assert_eq!(of_it(kept(&*store, 1_000).await), 0);
    edited(&*store, edit(&row, When::Wall(wall()), Phase::Scheduled)).await;
    assert_eq!(of_it(kept(&*store, 1_000).await), 1);
    // What has passed is forgotten.
    store.forget(6_001).await.unwrap();
    assert_eq!(of_it(kept(&*store, 1_000).await), 0);
}

fn slot(id: &str) -> SlotRow {
    SlotRow {
        id: id.to_owned(),
        owner: home(),
        account_id: "pinterest:1".to_owned(),
        weekdays: 0b1_0101,
        minute: 570,
        timezone: "Europe/Paris".to_owned(),
        enabled: true,
        created_at: 5,
    }
}

pub(crate) async fn slots_are_kept_for_their_owner(store: Arc<dyn Store>) {
    let put = |row: SlotRow, is_new| {
        let store = Arc::clone(&store);
        async move { store.put_slot(row, is_new).await.unwrap() }
    };
    assert_eq!(put(slot("slot_1"), true).await, SlotOutcome::Stored);
    // The same once more is a twin, whoever asks; another owner's is not.
    let twin = SlotOutcome::Twin("slot_1".to_owned());
    assert_eq!(put(slot("slot_2"), true).await, twin);
    for stranger in strangers() {
        let mut row = slot("slot_1");
        row.owner = stranger.clone();
        assert_eq!(put(row.clone(), true).await, SlotOutcome::Stored);
        assert_eq!(store.slots(&stranger).await.unwrap(), [row]);
    }
    let mut early = slot("slot_3");
    early.minute = 0;
    early.enabled = false;
    assert_eq!(put(early.clone(), true).await, SlotOutcome::Stored);
    assert_eq!(
        store.slots(&home()).await.unwrap(),
        [early.clone(), slot("slot_1")]
    );

    let mut later = early.clone();
    later.minute = 1_439;
    later.weekdays = 0b111_1111;
    assert_eq!(put(later.clone(), false).await, SlotOutcome::Stored);
    assert_eq!(
        put(later.clone(), false).await,
        SlotOutcome::Stored,
        "again"
    );
    assert_eq!(put(slot("slot_3"), false).await, twin);
    assert_eq!(put(slot("slot_9"), false).await, SlotOutcome::Gone);
    assert_eq!(store.slots(&home()).await.unwrap(), [slot("slot_1"), later]);

    assert!(store.delete_slot(&home(), "slot_1").await.unwrap());
    assert!(!store.delete_slot(&home(), "slot_1").await.unwrap());
    let left = store.slots(&strangers()[0]).await.unwrap();
    assert_eq!(left.len(), 1, "another's stays");
}

pub(crate) async fn what_is_used_of_a_limit_is_told(store: Arc<dyn Store>) {
    let limit = WriteLimit {
        count: 3,
        per_ms: 1_000,
    };
    let used = |now| {
        let store = Arc::clone(&store);
        async move {
            let owner = home();
            let used = store.account_use(&owner, "pinterest:1", limit, now);
            used.await.unwrap()
        }
    };
    assert_eq!(used(1).await, Default::default());
    for n in 0..3 {
        let board = format!("b{n}");
        stored(&*store, upload(n, 100, &[("pinterest:1", &board)])).await;
    }
    let claimed = claim(&*store, 100, 9_000, 3).await;
    for (row, at) in claimed.iter().zip([200, 300]) {
        let mut armed = change(row, Phase::Armed, at);
        armed.row.attempt = Some(attempt(at));
        armed.attempt = Some(multi_upload_server::store::AttemptChange::Open {
            number: 1,
            deadline: at + 1,
            baseline: None,
        });
        store.change_target(armed).await.unwrap().unwrap();
    }
    let now = used(400).await;
    assert_eq!(
        (now.armed, now.claimed, now.held_until),
        (vec![300, 200], 1, None)
    );
    assert_eq!(used(1_250).await.armed, [300]);
    store
        .hold_account(
            &home(),
            "pinterest:1",
            2_000,
            ErrorCode::PlatformRateLimited,
        )
        .await
        .unwrap();
    assert_eq!(used(1_999).await.held_until, Some(2_000));
    assert_eq!(used(2_000).await.held_until, None);
    let [test, ..] = strangers();
    let other = store.account_use(&test, "pinterest:1", limit, 400);
    assert_eq!(other.await.unwrap(), Default::default(), "another mode");
}
