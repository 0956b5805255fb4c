//! The outbox of webhooks: queued with the change, one lane for each endpoint, in order for each subject.

use std::sync::Arc;

use multi_upload_server::store::{
    DeliveryRow, DeliveryState, LaneResult, Millis, NewMessage, Owner, Phase, Store, WebhookRow,
};
use serde_json::Value;

use crate::rows::{DAY, account, change, claim, home, stored, strangers, upload};

const LANE: [(&str, &str); 1] = [("pinterest:1", "b1")];

fn webhook(id: &str, events: Option<&[&str]>) -> WebhookRow {
    WebhookRow {
        id: id.to_owned(),
        owner: home(),
        url: format!("https://example.com/{id}"),
        description: Some("for the tests".to_owned()),
        events: events.map(|events| events.iter().map(|one| (*one).to_owned()).collect()),
        secret_sealed: vec![1, 2, 3],
        previous_sealed: Some(vec![4]),
        previous_until: Some(77),
        enabled: true,
        disabled_reason: None,
        failing_since: Some(5),
        failures: 2,
        paused_until: None,
        fence: 0,
        created_at: 1_000,
    }
}

fn message(id: &str, subject: &str, at: Millis) -> NewMessage {
    NewMessage {
        id: id.to_owned(),
        owner: home(),
        kind: "upload.published".to_owned(),
        subject: subject.to_owned(),
        body: format!("{{\"id\":\"{id}\"}}"),
        at,
    }
}

async fn log(store: &Arc<dyn Store>, webhook: &str) -> Vec<DeliveryRow> {
    let mut all = store
        .deliveries(&home(), webhook, None, 1_000)
        .await
        .unwrap();
    all.reverse();
    all
}

async fn kinds(store: &Arc<dyn Store>, webhook: &str) -> Vec<String> {
    let all = log(store, webhook).await;
    all.into_iter().map(|row| row.kind).collect()
}

/// Takes the lane and gives what is due in it.
async fn take(store: &Arc<dyn Store>, now: Millis) -> Option<(WebhookRow, Vec<DeliveryRow>)> {
    let lane = store.claim_lanes(now, now + 100, 10).await.unwrap().pop()?;
    let due = store.due_deliveries(&lane, now, 10).await.unwrap();
    Some((lane, due))
}

fn ended(mut row: DeliveryRow, state: DeliveryState, at: Millis) -> DeliveryRow {
    row.state = state;
    row.due_at = None;
    row.attempts += 1;
    row.last_at = Some(at);
    row.status = Some(204);
    row.answer = Some("fine".to_owned());
    row
}

fn result(webhook: WebhookRow, deliveries: Vec<DeliveryRow>, at: Millis) -> LaneResult {
    LaneResult {
        webhook,
        disable: None,
        deliveries,
        release: true,
        at,
    }
}

pub(crate) async fn endpoints_are_kept_for_their_owner(store: Arc<dyn Store>) {
    for id in ["wh_1", "wh_2"] {
        store
            .create_webhook(webhook(id, Some(&["upload.failed"])))
            .await
            .unwrap();
    }
    let found = store.webhook(&home(), "wh_1").await.unwrap();
    assert_eq!(found, Some(webhook("wh_1", Some(&["upload.failed"]))));
    let all = store.webhooks(&home()).await.unwrap();
    let ids: Vec<_> = all.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["wh_2", "wh_1"]);
    let mut new = webhook("wh_1", None);
    new.url = "https://example.com/other".to_owned();
    new.enabled = false;
    new.disabled_reason = Some("asked for".to_owned());
    new.secret_sealed = vec![9];
    new.previous_sealed = None;
    new.previous_until = None;
    new.failing_since = None;
    new.failures = 0;
    new.paused_until = Some(8);
    assert!(store.update_webhook(new.clone()).await.unwrap());
    assert_eq!(
        store.webhook(&home(), "wh_1").await.unwrap(),
        Some(new.clone())
    );
    store
        .queue_message(message("msg_1", "up_1", 10), Some("wh_2".to_owned()))
        .await
        .unwrap();
    let delivery = log(&store, "wh_2").await.remove(0).id;
    for stranger in strangers() {
        assert_eq!(store.webhook(&stranger, "wh_1").await.unwrap(), None);
        assert!(store.webhooks(&stranger).await.unwrap().is_empty());
        assert!(!store.delete_webhook(&stranger, "wh_1").await.unwrap());
        assert!(
            store
                .deliveries(&stranger, "wh_2", None, 10)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            store
                .redeliver(&stranger, "wh_2", &delivery, 1)
                .await
                .unwrap(),
            None
        );
        let mut theirs = new.clone();
        theirs.owner = stranger.clone();
        assert!(!store.update_webhook(theirs).await.unwrap());
        let theirs = NewMessage {
            owner: stranger,
            ..message("msg_2", "up_1", 10)
        };
        assert_eq!(store.queue_message(theirs.clone(), None).await.unwrap(), 0);
        assert_eq!(
            store
                .queue_message(theirs, Some("wh_2".to_owned()))
                .await
                .unwrap(),
            0
        );
    }
    assert!(store.delete_webhook(&home(), "wh_2").await.unwrap());
    assert!(!store.delete_webhook(&home(), "wh_2").await.unwrap());
    assert!(
        store
            .deliveries(&home(), "wh_2", None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_change_is_queued_with_its_event_for_those_who_want_it(store: Arc<dyn Store>) {
    store.create_webhook(webhook("wh_all", None)).await.unwrap();
    store
        .create_webhook(webhook(
            "wh_some",
            Some(&["upload.partial", "target.failed"]),
        ))
        .await
        .unwrap();
    let mut off = webhook("wh_off", None);
    off.enabled = false;
    store.create_webhook(off).await.unwrap();
    let mut elsewhere = webhook("wh_else", None);
    elsewhere.owner = strangers()[0].clone();
    store.create_webhook(elsewhere).await.unwrap();

    let row = stored(
        store.as_ref(),
        upload(1, 100, &[("pinterest:1", "b1"), ("pinterest:2", "b2")]),
    )
    .await;
    let claimed = claim(store.as_ref(), 100, 9_000, 10).await;
    assert_eq!(claimed.len(), 2);
    for (target, end) in claimed.iter().zip([Phase::Published, Phase::Failed]) {
        assert!(
            store
                .change_target(change(target, end, 200))
                .await
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(
        kinds(&store, "wh_all").await,
        [
            "upload.scheduled",
            "target.published",
            "target.failed",
            "upload.partial"
        ]
    );
    assert_eq!(
        kinds(&store, "wh_some").await,
        ["target.failed", "upload.partial"]
    );
    assert!(log(&store, "wh_off").await.is_empty());
    let stranger: Owner = strangers()[0].clone();
    assert!(
        store
            .deliveries(&stranger, "wh_else", None, 10)
            .await
            .unwrap()
            .is_empty()
    );

    let all = log(&store, "wh_all").await;
    let some = log(&store, "wh_some").await;
    assert_eq!(
        all[3].message_id, some[1].message_id,
        "one message for all endpoints"
    );
    assert_ne!(all[3].id, some[1].id);
    let last: Value = serde_json::from_str(&all[3].body).unwrap();
    assert_eq!(last["type"], "upload.partial");
    let now = store.upload(&home(), &row.id).await.unwrap().unwrap();
    let shown = &last["data"]["upload"];
    assert_eq!(shown["id"], row.id.as_str());
    assert_eq!(shown["status"], "partial");
    assert_eq!(shown["version"], now.version, "as the change left it");
    let failed: Value = serde_json::from_str(&all[2].body).unwrap();
    assert_eq!(failed["data"]["target"]["id"], claimed[1].id.as_str());
    assert_eq!(failed["data"]["target"]["status"], "failed");
    assert_eq!(failed["data"]["upload"]["id"], row.id.as_str());

    // A move that did not happen is told to nobody.
    assert!(
        store
            .change_target(change(&claimed[0], Phase::Failed, 300))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(log(&store, "wh_all").await.len(), 4);
}

pub(crate) async fn several_changes_at_once_are_told_in_order(store: Arc<dyn Store>) {
    store.create_webhook(webhook("wh_1", None)).await.unwrap();
    stored(
        store.as_ref(),
        upload(1, 100, &[("pinterest:1", "b1"), ("pinterest:2", "b2")]),
    )
    .await;
    let claimed = claim(store.as_ref(), 100, 9_000, 10).await;
    let moves = claimed
        .iter()
        .map(|target| change(target, Phase::Failed, 200))
        .collect();
    store.change_targets(moves).await.unwrap();
    let told = kinds(&store, "wh_1").await;
    assert_eq!(
        told,
        [
            "upload.scheduled",
            "target.failed",
            "target.failed",
            "upload.failed"
        ]
    );
}

pub(crate) async fn accounts_are_told_of(store: Arc<dyn Store>) {
    store.create_webhook(webhook("wh_1", None)).await.unwrap();
    store.put_account(account("pinterest:1")).await.unwrap();
    let mut row = account("pinterest:1");
    assert!(
        store.save_tokens(row.clone(), 1).await.unwrap(),
        "renewed: told to nobody"
    );
    row.usable = false;
    assert!(
        !store.save_tokens(row.clone(), 1).await.unwrap(),
        "refused: told to nobody"
    );
    assert!(store.save_tokens(row, 2).await.unwrap());
    assert!(store.delete_account(&home(), "pinterest:1").await.unwrap());
    assert!(!store.delete_account(&home(), "pinterest:1").await.unwrap());
    let told = log(&store, "wh_1").await;
    let kinds: Vec<_> = told.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "account.connected",
            "account.disconnected",
            "account.disconnected"
        ]
    );
    let body: Value = serde_json::from_str(&told[1].body).unwrap();
    assert_eq!(body["data"]["account"]["id"], "pinterest:1");
    assert_eq!(body["data"]["account"]["status"], "reconnect_required");
    assert!(!told.iter().any(|row| row.body.contains("sealed")));
}

pub(crate) async fn deliveries_of_a_subject_go_in_order(store: Arc<dyn Store>) {
    store.create_webhook(webhook("wh_1", None)).await.unwrap();
    assert_eq!(store.next_delivery().await.unwrap(), None);
    for (n, subject) in ["up_a", "up_a", "up_b", "up_a"].iter().enumerate() {
        let queued =
            store.queue_message(message(&format!("msg_{n}"), subject, 10 + n as i64), None);
        assert_eq!(queued.await.unwrap(), 1);
    }
    // One with the same id is stored once.
    assert_eq!(
        store
            .queue_message(message("msg_0", "up_a", 50), None)
            .await
            .unwrap(),
        0
    );
    assert_eq!(store.next_delivery().await.unwrap(), Some(10));
    let (lane, due) = take(&store, 100).await.unwrap();
    let ids = |due: &[DeliveryRow]| {
        due.iter()
            .map(|row| row.message_id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&due), ["msg_0", "msg_2"]);

    // The first waits for its next attempt, and those behind it with it.
    let mut waiting = due[0].clone();
    waiting.due_at = Some(500);
    waiting.attempts = 1;
    let arrived = ended(due[1].clone(), DeliveryState::Delivered, 100);
    assert!(
        store
            .finish_lane(result(lane, vec![waiting, arrived], 100))
            .await
            .unwrap()
    );
    assert_eq!(store.next_delivery().await.unwrap(), Some(500));
    assert!(take(&store, 499).await.is_none());
    for (round, expected) in ["msg_0", "msg_1", "msg_3"].iter().enumerate() {
        let now = 500 + round as i64;
        let (lane, mut due) = take(&store, now).await.unwrap();
        assert_eq!(ids(&due), [*expected]);
        let state = if round == 1 {
            DeliveryState::Failed
        } else {
            DeliveryState::Delivered
        };
        let end = ended(due.remove(0), state, now);
        assert!(
            store
                .finish_lane(result(lane, vec![end], now))
                .await
                .unwrap()
        );
    }
    assert_eq!(store.next_delivery().await.unwrap(), None);
    let log = log(&store, "wh_1").await;
    assert_eq!(log[1].state, DeliveryState::Failed);
    assert_eq!(
        (log[3].status, log[3].answer.as_deref(), log[3].last_at),
        (Some(204), Some("fine"), Some(502))
    );
    let again = store
        .redeliver(&home(), "wh_1", &log[1].id, 600)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (again.state, again.due_at, again.attempts),
        (DeliveryState::Pending, Some(600), 0)
    );
    assert_eq!(again.message_id, "msg_1");
    assert_eq!(store.next_delivery().await.unwrap(), Some(600));
    assert_eq!(
        store
            .redeliver(&home(), "wh_1", "dl_none", 600)
            .await
            .unwrap(),
        None
    );
}

pub(crate) async fn a_lane_has_one_holder(store: Arc<dyn Store>) {
    store.create_webhook(webhook("wh_1", None)).await.unwrap();
    store
        .queue_message(message("msg_1", "up_a", 10), None)
        .await
        .unwrap();
    let (first, due) = take(&store, 100).await.unwrap();
    assert_eq!(first.fence, 1);
    assert!(take(&store, 199).await.is_none(), "held");
    assert_eq!(store.next_delivery().await.unwrap(), Some(200));
    let (second, again) = take(&store, 200).await.unwrap();
    assert_eq!(
        (second.fence, &again),
        (2, &due),
        "its lease ended: another sends the same again"
    );
    let end = ended(due[0].clone(), DeliveryState::Delivered, 210);
    assert!(
        !store
            .finish_lane(result(first, vec![end.clone()], 210))
            .await
            .unwrap(),
        "too late"
    );
    assert_eq!(log(&store, "wh_1").await[0].state, DeliveryState::Pending);

    let mut paused = second.clone();
    paused.failing_since = Some(210);
    paused.failures = 3;
    paused.paused_until = Some(700);
    let kept = LaneResult {
        release: false,
        ..result(paused.clone(), vec![end], 210)
    };
    assert!(store.finish_lane(kept).await.unwrap());
    let now = store.webhook(&home(), "wh_1").await.unwrap().unwrap();
    assert_eq!(
        (now.failing_since, now.failures, now.paused_until),
        (Some(210), 3, Some(700))
    );
    store
        .queue_message(message("msg_2", "up_a", 220), None)
        .await
        .unwrap();
    assert_eq!(store.next_delivery().await.unwrap(), Some(700));
    assert!(take(&store, 699).await.is_none(), "it pauses");
    let (lane, _) = take(&store, 700).await.unwrap();
    let off = LaneResult {
        disable: Some("it is gone".to_owned()),
        ..result(lane, Vec::new(), 710)
    };
    assert!(store.finish_lane(off).await.unwrap());
    let now = store.webhook(&home(), "wh_1").await.unwrap().unwrap();
    assert_eq!(
        (now.enabled, now.disabled_reason.as_deref()),
        (false, Some("it is gone"))
    );
    assert!(take(&store, 9_000).await.is_none());
    assert_eq!(store.next_delivery().await.unwrap(), None);
    assert_eq!(
        store
            .queue_message(message("msg_3", "up_b", 900), None)
            .await
            .unwrap(),
        0
    );
}

pub(crate) async fn what_was_delivered_is_forgotten_in_time(store: Arc<dyn Store>) {
    store.create_webhook(webhook("wh_1", None)).await.unwrap();
    for (id, at) in [("msg_1", 10), ("msg_2", 20), ("msg_3", DAY)] {
        store
            .queue_message(message(id, id, at), None)
            .await
            .unwrap();
    }
    let (lane, due) = take(&store, DAY).await.unwrap();
    assert_eq!(due.len(), 3);
    let ends = [0, 2].map(|n| ended(due[n].clone(), DeliveryState::Delivered, DAY));
    assert!(
        store
            .finish_lane(result(lane, ends.to_vec(), DAY))
            .await
            .unwrap()
    );
    assert_eq!(store.forget_deliveries(DAY).await.unwrap(), 1);
    let left: Vec<_> = log(&store, "wh_1")
        .await
        .into_iter()
        .map(|row| row.message_id)
        .collect();
    assert_eq!(left, ["msg_2", "msg_3"], "one is pending, one is new");
    // The message of the forgotten one is gone too: its id is free.
    assert_eq!(
        store
            .queue_message(message("msg_1", "x", 30), None)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        store
            .queue_message(message("msg_2", "x", 30), None)
            .await
            .unwrap(),
        0
    );
}

pub(crate) async fn a_new_upload_of_each_kind_is_told_as_it_is(store: Arc<dyn Store>) {
    store.create_webhook(webhook("wh_1", None)).await.unwrap();
    let mut draft = upload(1, 100, &LANE);
    draft.row.targets[0].phase = Phase::Draft;
    let row = stored(store.as_ref(), draft).await;
    assert!(log(&store, "wh_1").await.is_empty());
    let mut edited = row.clone();
    edited.targets[0].phase = Phase::Scheduled;
    let edit = multi_upload_server::store::UploadEdit {
        expect_version: row.version,
        row: edited,
        when: multi_upload_server::store::When::Instant,
        event: crate::rows::event("upload.updated", 300),
    };
    assert!(
        store
            .edit_upload(&home(), edit)
            .await
            .unwrap()
            .edited()
            .is_some()
    );
    assert_eq!(kinds(&store, "wh_1").await, ["upload.scheduled"]);
}
