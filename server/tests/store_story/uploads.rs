//! Uploads: creating, repeat protection, reading, listing, editing, the change feed.

use std::sync::Arc;

use multi_upload_server::store::{
    CreateOutcome, EditOutcome, NewUpload, Owner, Phase, Store, UploadEdit, UploadFilter,
    UploadRow, When,
};
use multi_upload_wire::{ErrorCode, ErrorInfo, UploadStatus};
use serde_json::json;

use crate::rows::{
    DAY, Extra as _, attempt, change, claim, event, home, moved, owner, stored, strangers, upload,
};

pub(crate) async fn an_upload_is_read_as_it_was_stored(store: Arc<dyn Store>) {
    let mut new = upload(1, 5_000, &[("pinterest:1", "b1"), ("pinterest:2", "b2")]);
    new.row.external_id = Some("mine".to_owned());
    let target = &mut new.row.targets[1];
    target.setbacks = 2;
    target.attempts = 3;
    target.fence = 7;
    target.prepared = Some(json!({"media_id": "9"}));
    target.error = Some(ErrorInfo::new(ErrorCode::PlatformUnavailable, "away"));
    target.remote_url = Some("https://example.com/pin".to_owned());
    target.attempt = Some(attempt(900));
    target.sentinel_at = Some(8_000);
    let mut expected = new.row.clone();

    let row = stored(&*store, new).await;
    assert!(row.change_seq > 0);
    expected.change_seq = row.change_seq;
    expected.status = UploadStatus::Scheduled;
    assert_eq!(row, expected, "the answer is the row");
    let read = store.upload(&home(), "up_00000001").await.unwrap();
    assert_eq!(read.as_ref(), Some(&expected), "and so is what is read");
    assert_eq!(store.upload(&home(), "up_00000002").await.unwrap(), None);

    let events = store.events(&home(), "up_00000001").await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, "upload.scheduled");
    assert_eq!(events[0].data["attempt"], json!(1));

    let draft = upload(2, 5_000, &[("pinterest:1", "b1")]).in_phase(Phase::Draft);
    assert_eq!(stored(&*store, draft).await.status, UploadStatus::Draft);
}

pub(crate) async fn many_uploads_are_stored_in_one_call(store: Arc<dyn Store>) {
    let many: Vec<_> = (0..300)
        .map(|n| upload(n, 5_000, &[("pinterest:1", "b1")]))
        .collect();
    let outcomes = store.create_uploads(many).await.unwrap();
    assert_eq!(outcomes.len(), 300);
    for (n, outcome) in outcomes.iter().enumerate() {
        let CreateOutcome::Stored(row) = outcome else {
            panic!("row {n}: {outcome:?}");
        };
        assert_eq!(row.id, format!("up_{n:08}"), "in the order asked for");
    }
    assert!(store.create_uploads(Vec::new()).await.unwrap().is_empty());
}

pub(crate) async fn a_call_that_fails_stores_nothing(store: Arc<dyn Store>) {
    stored(&*store, upload(2, 5_000, &[("pinterest:1", "b1")])).await;
    let before = store.last_change().await.unwrap();
    let again = (1..=3)
        .map(|n| upload(n, 5_000, &[("pinterest:1", "b1")]))
        .collect();
    assert!(
        store.create_uploads(again).await.is_err(),
        "the second id exists"
    );
    assert_eq!(store.upload(&home(), "up_00000001").await.unwrap(), None);
    assert_eq!(store.upload(&home(), "up_00000003").await.unwrap(), None);
    assert_eq!(store.last_change().await.unwrap(), before);
    // The store goes on.
    stored(&*store, upload(4, 5_000, &[("pinterest:1", "b1")])).await;
}

pub(crate) async fn a_repeated_key_gives_the_first_answer(store: Arc<dyn Store>) {
    let new = |n: u32| upload(n, 5_000, &[("pinterest:1", "b1")]);
    let create = async |new: NewUpload| store.create_uploads(vec![new]).await.unwrap().remove(0);

    assert!(matches!(
        create(new(1).keyed("k", 1)).await,
        CreateOutcome::Stored(_)
    ));
    let replay = CreateOutcome::Replayed("{\"id\":\"up_00000001\"}".to_owned());
    assert_eq!(create(new(2).keyed("k", 1)).await, replay);
    assert_eq!(
        create(new(3).keyed("k", 2)).await,
        CreateOutcome::KeyMismatch
    );
    assert_eq!(store.upload(&home(), "up_00000002").await.unwrap(), None);
    assert_eq!(store.upload(&home(), "up_00000003").await.unwrap(), None);

    let answered = store.answered(&home(), "k", 2_000).await.unwrap();
    assert_eq!(
        answered,
        Some((vec![1; 32], "{\"id\":\"up_00000001\"}".to_owned()))
    );
    assert_eq!(store.answered(&home(), "other", 2_000).await.unwrap(), None);
    for stranger in strangers() {
        assert_eq!(store.answered(&stranger, "k", 2_000).await.unwrap(), None);
    }

    // The key of another owner is another key.
    for (n, stranger) in strangers().iter().enumerate() {
        let theirs = new(10 + n as u32).keyed("k", 2).of(stranger);
        assert!(matches!(create(theirs).await, CreateOutcome::Stored(_)));
    }

    // Within one call too, and the other rows are stored.
    let batch = vec![
        new(20).keyed("a", 1),
        new(21).keyed("a", 1),
        new(22).keyed("k", 9),
        new(23).keyed("b", 1),
    ];
    let outcomes = store.create_uploads(batch).await.unwrap();
    assert!(matches!(outcomes[0], CreateOutcome::Stored(_)));
    assert_eq!(
        outcomes[1],
        CreateOutcome::Replayed("{\"id\":\"up_00000020\"}".to_owned())
    );
    assert_eq!(outcomes[2], CreateOutcome::KeyMismatch);
    assert!(matches!(outcomes[3], CreateOutcome::Stored(_)));
    assert_eq!(store.upload(&home(), "up_00000021").await.unwrap(), None);
}

pub(crate) async fn a_key_lives_for_seven_days(store: Arc<dyn Store>) {
    let new = |n: u32, at| {
        upload(n, 5_000, &[("pinterest:1", "b1")])
            .made_at(at)
            .keyed("k", 1)
    };
    let create = async |new: NewUpload| store.create_uploads(vec![new]).await.unwrap().remove(0);
    assert!(matches!(
        create(new(1, 1_000)).await,
        CreateOutcome::Stored(_)
    ));
    let last_moment = 1_000 + 7 * DAY - 1;
    assert!(matches!(
        create(new(2, last_moment)).await,
        CreateOutcome::Replayed(_)
    ));
    assert!(
        store
            .answered(&home(), "k", last_moment)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        store.answered(&home(), "k", last_moment + 1).await.unwrap(),
        None
    );
    assert!(matches!(
        create(new(3, last_moment + 1)).await,
        CreateOutcome::Stored(_)
    ));
    // Its new life begins there.
    let replay = CreateOutcome::Replayed("{\"id\":\"up_00000003\"}".to_owned());
    assert_eq!(create(new(4, last_moment + DAY)).await, replay);
}

pub(crate) async fn nobody_sees_uploads_of_another_owner(store: Arc<dyn Store>) {
    let row = stored(&*store, upload(1, 5_000, &[("pinterest:1", "b1")])).await;
    for stranger in strangers() {
        assert_eq!(store.upload(&stranger, &row.id).await.unwrap(), None);
        assert!(store.events(&stranger, &row.id).await.unwrap().is_empty());
        assert!(store.changes(&stranger, 0, 10).await.unwrap().is_empty());
        let all = store
            .uploads(&stranger, &UploadFilter::default(), None, 10)
            .await
            .unwrap();
        assert!(all.is_empty());
        assert_eq!(
            store
                .open_targets_after(&stranger, "pinterest:1", 0)
                .await
                .unwrap(),
            0
        );

        let mut edit = edit_of(&row, 2_000);
        assert_eq!(
            store
                .edit_upload(&stranger, edit.clone())
                .await
                .unwrap()
                .edited(),
            None
        );
        edit.row.owner = stranger.clone();
        assert_eq!(
            store.edit_upload(&stranger, edit).await.unwrap(),
            EditOutcome::Stale
        );
        let mut theirs = change(&row.targets[0], Phase::Canceled, 2_000);
        theirs.row.owner = stranger;
        assert_eq!(store.change_target(theirs).await.unwrap(), None);
    }
    assert_eq!(store.upload(&home(), &row.id).await.unwrap(), Some(row));
}

fn ids(rows: &[UploadRow]) -> Vec<u32> {
    rows.iter()
        .map(|row| row.id[3..].parse().unwrap())
        .collect()
}

pub(crate) async fn uploads_are_listed_newest_first_in_pages(store: Arc<dyn Store>) {
    for n in [2, 1, 5, 3, 4] {
        stored(&*store, upload(n, 5_000, &[("pinterest:1", "b1")])).await;
    }
    stored(
        &*store,
        upload(9, 5_000, &[("pinterest:1", "b1")]).of(&strangers()[1]),
    )
    .await;
    let all = UploadFilter::default();
    let first = store.uploads(&home(), &all, None, 2).await.unwrap();
    assert_eq!(ids(&first), [5, 4]);
    let second = store
        .uploads(&home(), &all, Some(&first[1].id), 2)
        .await
        .unwrap();
    assert_eq!(ids(&second), [3, 2]);
    let last = store
        .uploads(&home(), &all, Some(&second[1].id), 2)
        .await
        .unwrap();
    assert_eq!(ids(&last), [1]);
    assert_eq!(last[0].targets.len(), 1);
    assert!(
        store
            .uploads(&home(), &all, None, 0)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_filter_keeps_what_it_names(store: Arc<dyn Store>) {
    for n in 1..=6 {
        let lanes: &[_] = match n {
            5 => &[("pinterest:1", "b1"), ("pinterest:2", "b1")],
            _ => &[("pinterest:1", "b1")],
        };
        let mut new = upload(n, i64::from(n) * 100, lanes);
        new.row.external_id = (n % 2 == 0).then(|| "even".to_owned());
        if n == 6 {
            new.row.targets[0].platform = "tiktok".to_owned();
        }
        if n == 4 {
            new.row.content.title = None;
            new.row.content.caption = Some("Grüße aus MÜNCHEN".to_owned());
            new.row.content.link = Some("https://shop.example/100%25".to_owned());
        }
        stored(&*store, new).await;
    }
    let canceled = store.upload(&home(), "up_00000003").await.unwrap().unwrap();
    moved(&*store, &canceled.targets[0], Phase::Canceled, 2_000).await;

    let list =
        async |filter: UploadFilter| ids(&store.uploads(&home(), &filter, None, 10).await.unwrap());
    let none = UploadFilter::default;
    let text = |q: &str| UploadFilter {
        q: Some(q.to_owned()),
        ..none()
    };
    assert_eq!(list(none()).await, [6, 5, 4, 3, 2, 1]);
    let status = vec![UploadStatus::Canceled];
    assert_eq!(list(UploadFilter { status, ..none() }).await, [3]);
    let status = vec![UploadStatus::Canceled, UploadStatus::Scheduled];
    assert_eq!(
        list(UploadFilter { status, ..none() }).await,
        [6, 5, 4, 3, 2, 1]
    );
    let account = Some("pinterest:2".to_owned());
    assert_eq!(list(UploadFilter { account, ..none() }).await, [5]);
    let platform = Some("tiktok".to_owned());
    assert_eq!(list(UploadFilter { platform, ..none() }).await, [6]);
    let external_id = Some("even".to_owned());
    assert_eq!(
        list(UploadFilter {
            external_id,
            ..none()
        })
        .await,
        [6, 4, 2]
    );
    let (from, to) = (Some(200), Some(400));
    assert_eq!(list(UploadFilter { from, to, ..none() }).await, [3, 2]);
    assert_eq!(list(text("title")).await, [6, 5, 3, 2, 1]);
    assert_eq!(list(text("münchen")).await, [4]);
    assert_eq!(list(text("100%25")).await, [4]);
    assert!(list(text("%")).await == [4], "no wildcard");
    assert!(list(text("nothing")).await.is_empty());
    let both = UploadFilter {
        external_id: Some("even".to_owned()),
        from: Some(300),
        ..text("TITLE")
    };
    assert_eq!(list(both).await, [6]);
    // The limit counts what is kept.
    let rows = store
        .uploads(&home(), &text("title 1"), None, 1)
        .await
        .unwrap();
    assert_eq!(ids(&rows), [1]);
}

pub(crate) async fn what_is_due_is_queued(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    stored(&*store, upload(2, 500, &[("pinterest:1", "b2")])).await;
    stored(&*store, upload(3, 50, &[("pinterest:2", "b3")])).await;
    let taken = claim(&*store, 60, 9_000, 1).await;
    assert_eq!(taken.len(), 1, "it is under way");
    let list = async |status: &[UploadStatus], now| {
        let filter = UploadFilter {
            status: status.to_vec(),
            now,
            ..UploadFilter::default()
        };
        let found = store.uploads(&home(), &filter, None, 10).await.unwrap();
        ids(&found)
    };
    use UploadStatus::{Publishing, Queued, Scheduled};
    assert!(list(&[Queued], 99).await.is_empty());
    assert_eq!(list(&[Scheduled], 99).await, [2, 1]);
    assert_eq!(list(&[Queued], 100).await, [1]);
    assert_eq!(list(&[Scheduled], 100).await, [2]);
    assert_eq!(list(&[Scheduled, Queued], 100).await, [2, 1]);
    assert_eq!(list(&[Queued, Publishing], 100).await, [3, 1]);
    assert_eq!(list(&[Publishing], 100).await, [3]);
}

pub(crate) async fn the_change_feed_gives_each_upload_once_in_order(store: Arc<dyn Store>) {
    assert_eq!(store.last_change().await.unwrap(), 0);
    let mut rows = Vec::new();
    for n in 1..=3 {
        rows.push(
            stored(
                &*store,
                upload(n, 5_000, &[("pinterest:1", &format!("b{n}"))]),
            )
            .await,
        );
    }
    stored(
        &*store,
        upload(8, 5_000, &[("pinterest:1", "b8")]).of(&strangers()[0]),
    )
    .await;
    let seen = store.changes(&home(), 0, 10).await.unwrap();
    assert_eq!(ids(&seen), [1, 2, 3]);
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].change_seq < pair[1].change_seq)
    );
    let cursor = seen[2].change_seq;
    assert!(store.changes(&home(), cursor, 10).await.unwrap().is_empty());

    moved(&*store, &rows[0].targets[0], Phase::Canceled, 2_000).await;
    let newer = store.changes(&home(), cursor, 10).await.unwrap();
    assert_eq!(ids(&newer), [1]);
    assert_eq!(newer[0].status, UploadStatus::Canceled);
    assert_eq!(newer[0].change_seq, store.last_change().await.unwrap());
    // The changed one moved to the end, and is there once.
    let all = store.changes(&home(), 0, 10).await.unwrap();
    assert_eq!(ids(&all), [2, 3, 1]);
    assert_eq!(ids(&store.changes(&home(), 0, 2).await.unwrap()), [2, 3]);
}

fn edit_of(row: &UploadRow, at: i64) -> UploadEdit {
    let mut row = row.clone();
    row.content.title = Some("Better".to_owned());
    row.scheduled_at = Some(9_000);
    row.timezone = None;
    row.external_id = Some("edited".to_owned());
    for target in &mut row.targets {
        target.content.title = Some("Better".to_owned());
        target.content.board_id = Some("b9".to_owned());
        target.fingerprint = "better".to_owned();
        target.due_at = 9_000;
        target.scheduled_at = 9_000;
        target.send_until = 10_000;
        target.prepared = None;
    }
    UploadEdit {
        expect_version: row.version,
        row,
        when: When::Kept,
        event: event("upload.updated", at),
    }
}

pub(crate) async fn an_edit_replaces_content_and_times(store: Arc<dyn Store>) {
    let row = stored(
        &*store,
        upload(1, 5_000, &[("pinterest:1", "b1"), ("pinterest:2", "b2")]),
    )
    .await;
    let edit = edit_of(&row, 2_000);
    let edited = store
        .edit_upload(&home(), edit.clone())
        .await
        .unwrap()
        .edited()
        .unwrap();
    assert_eq!(edited.version, 2);
    assert_eq!(edited.updated_at, 2_000);
    assert!(edited.change_seq > row.change_seq);
    let expected = UploadRow {
        version: 2,
        updated_at: 2_000,
        change_seq: edited.change_seq,
        ..edit.row.clone()
    };
    assert_eq!(edited, expected);
    assert_eq!(
        store.upload(&home(), &row.id).await.unwrap(),
        Some(edited.clone())
    );
    let kinds: Vec<_> = store
        .events(&home(), &row.id)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["upload.scheduled", "upload.updated"]);

    // The old version edits nothing any more.
    assert_eq!(
        store.edit_upload(&home(), edit).await.unwrap(),
        EditOutcome::Stale
    );
    assert_eq!(store.upload(&home(), &row.id).await.unwrap(), Some(edited));
    // The queue follows: nothing at the old time, both at the new one.
    assert_eq!(store.next_timer().await.unwrap(), Some(9_000));
    assert!(claim(&*store, 8_999, 20_000, 10).await.is_empty());
    assert_eq!(claim(&*store, 9_000, 20_000, 10).await.len(), 2);
}

pub(crate) async fn an_edit_is_refused_once_a_target_is_under_way(store: Arc<dyn Store>) {
    let row = stored(
        &*store,
        upload(1, 5_000, &[("pinterest:1", "b1"), ("pinterest:2", "b2")]),
    )
    .await;
    let claimed = claim(&*store, 5_000, 20_000, 1).await.remove(0);
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    assert_eq!(now.version, 2);
    assert_eq!(
        store
            .edit_upload(&home(), edit_of(&now, 6_000))
            .await
            .unwrap(),
        EditOutcome::Stale
    );
    // Back in the queue it can be edited again.
    moved(&*store, &claimed, Phase::Waiting, 6_000).await;
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    assert!(
        store
            .edit_upload(&home(), edit_of(&now, 6_000))
            .await
            .unwrap()
            .edited()
            .is_some()
    );
    // And after its end not any more.
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    moved(&*store, &now.targets[1], Phase::Canceled, 7_000).await;
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    assert_eq!(
        store
            .edit_upload(&home(), edit_of(&now, 8_000))
            .await
            .unwrap(),
        EditOutcome::Stale
    );
}

pub(crate) async fn a_draft_is_scheduled_by_an_edit(store: Arc<dyn Store>) {
    let draft = upload(1, 5_000, &[("pinterest:1", "b1")]).in_phase(Phase::Draft);
    let row = stored(&*store, draft).await;
    assert_eq!(store.next_timer().await.unwrap(), None);
    assert!(claim(&*store, 9_999, 20_000, 10).await.is_empty());
    let mut edit = edit_of(&row, 2_000);
    edit.row.targets[0].phase = Phase::Scheduled;
    let edited = store
        .edit_upload(&home(), edit)
        .await
        .unwrap()
        .edited()
        .unwrap();
    assert_eq!(edited.status, UploadStatus::Scheduled);
    assert_eq!(store.next_timer().await.unwrap(), Some(9_000));

    let mut wrong = edit_of(&edited, 3_000);
    wrong.row.targets[0].phase = Phase::Published;
    assert!(
        store.edit_upload(&home(), wrong).await.is_err(),
        "an edit publishes nothing"
    );
    let mut wrong = edit_of(&edited, 3_000);
    wrong.row.targets[0].id = "tg_other".to_owned();
    assert!(
        store.edit_upload(&home(), wrong).await.is_err(),
        "nor adds a target"
    );
    assert_eq!(store.upload(&home(), &row.id).await.unwrap(), Some(edited));
}

pub(crate) async fn targets_due_after_a_time_are_counted(store: Arc<dyn Store>) {
    for (n, due) in [(1, 100), (2, 200), (3, 300)] {
        let board = format!("b{n}");
        stored(
            &*store,
            upload(n, due, &[("pinterest:1", &board), ("pinterest:2", "b1")]),
        )
        .await;
    }
    let other: Owner = owner("team_b", home().mode);
    stored(&*store, upload(4, 400, &[("pinterest:1", "b1")]).of(&other)).await;
    let draft = upload(5, 500, &[("pinterest:1", "b1")]).in_phase(Phase::Draft);
    stored(&*store, draft).await;
    let count = async |after| {
        store
            .open_targets_after(&home(), "pinterest:1", after)
            .await
            .unwrap()
    };
    assert_eq!(count(0).await, 3);
    assert_eq!(count(100).await, 2);
    assert_eq!(count(300).await, 0);
    let row = store.upload(&home(), "up_00000003").await.unwrap().unwrap();
    moved(&*store, &row.targets[0], Phase::Canceled, 10).await;
    assert_eq!(count(100).await, 1);
}
