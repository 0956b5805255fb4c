//! Posting slots over HTTP: `next_slot` in every request that can hold it, and what is left of an account's limits.

use jiff::civil::date;
use multi_upload_platforms::{Content, ContentMedia};
use multi_upload_server::store::sqlite::SqliteStore;
use multi_upload_server::store::{
    NewEvent, NewUpload, Owner, Phase, Store as _, TargetRow, UploadRow, WallTime, When,
};
use multi_upload_server::{Clock, Config, DEFAULT_TEAM, Engine};
use multi_upload_wire::{CreateUpload, Mode, UploadStatus};
use serde_json::{Map, Value, json};

use crate::support::{
    IMAGE, NOW, Service, assert_problem, connected, faults, id, immediate, pairs, status, still,
    with,
};

/// 09:30 in Paris on Wednesdays and Fridays. The clock stands on Tuesday, 2026-11-24.
fn morning(account: &str) -> Value {
    json!({"account": account, "weekdays": ["fri", "wed"], "time": "09:30", "timezone": "Europe/Paris"})
}

/// Its occurrences.
const MORNINGS: [&str; 4] = [
    "2026-11-25T08:30:00Z",
    "2026-11-27T08:30:00Z",
    "2026-12-02T08:30:00Z",
    "2026-12-04T08:30:00Z",
];

fn queued(account: &str, board: &str, title: &str) -> Value {
    json!({
        "accounts": [account], "image_url": IMAGE, "title": title, "board_id": board,
        "schedule": "next_slot"
    })
}

/// A service with a slot: account, board and the slot's id.
async fn with_slot() -> (Service, String, String, String) {
    let (service, account, board) = still().await;
    let reply = service.post("/v1/slots", &morning(&account)).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let slot = id(&reply);
    (service, account, board, slot)
}

#[tokio::test]
async fn a_slot_is_made_changed_listed_and_removed() {
    let (service, account, _, slot) = with_slot().await;
    let expected = json!({
        "id": slot, "account": account, "weekdays": ["wed", "fri"], "time": "09:30",
        "timezone": "Europe/Paris", "enabled": true, "created_at": "2026-11-24T12:00:00Z",
        "next_free_at": MORNINGS[0], "taken": 0, "days_filled": 0
    });
    let list = service.get(&format!("/v1/slots?account={account}")).await;
    assert_eq!(list.json, json!({"items": [expected], "next_cursor": null}));
    let none = service.get("/v1/slots?account=pinterest:1").await;
    assert_eq!(none.json["items"], json!([]));

    // Twice the same is one.
    let twin = service.post("/v1/slots", &morning(&account)).await;
    assert_eq!((twin.status.as_u16(), id(&twin)), (200, slot.clone()));
    let evening = with(&morning(&account), "time", json!("18:00"));
    let other = id(&service.post("/v1/slots", &evening).await);
    let same = service
        .patch(&format!("/v1/slots/{other}"), &json!({"time": "09:30"}))
        .await;
    assert_problem(&same, 409, "STATE_CONFLICT");
    assert!(same.json["detail"].as_str().unwrap().contains(&slot));
    assert_eq!(
        service.delete(&format!("/v1/slots/{other}")).await.status,
        204
    );

    let path = format!("/v1/slots/{slot}");
    let change = json!({"time": "17:05", "weekdays": ["sun"], "timezone": "Asia/Tokyo"});
    let changed = service.patch(&path, &change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json["next_free_at"], "2026-11-29T08:05:00Z");
    let off = service.patch(&path, &json!({"enabled": false})).await;
    assert_eq!(off.json["time"], "17:05", "absent fields stay");
    assert_eq!(off.json["next_free_at"], Value::Null);

    assert_eq!(service.delete(&path).await.status, 204);
    assert_problem(&service.delete(&path).await, 404, "NOT_FOUND");
    assert_problem(&service.patch(&path, &json!({})).await, 404, "NOT_FOUND");
    service.stop().await;
}

#[tokio::test]
async fn a_key_sees_the_slots_of_its_accounts() {
    let (mut service, account, _, slot) = with_slot().await;
    let limits =
        json!({"accounts": ["pinterest:1"], "scopes": ["accounts:read", "accounts:write"]});
    let key = service.post("/v1/api-keys", &limits).await;
    service.key = key.json["key"].as_str().unwrap().to_owned();
    assert_eq!(service.get("/v1/slots").await.json["items"], json!([]));
    let path = format!("/v1/slots/{slot}");
    assert_problem(&service.delete(&path).await, 404, "NOT_FOUND");
    let refused = service.post("/v1/slots", &morning(&account)).await;
    assert_problem(&refused, 403, "ACCOUNT_NOT_ALLOWED");
    service.stop().await;
}

#[tokio::test]
async fn every_fault_of_a_slot_is_named_and_nothing_stored() {
    let (service, account, _) = still().await;
    let all = json!({
        "account": "pinterest:404", "weekdays": [], "time": "25:00", "timezone": "Europe/Pariss"
    });
    let reply = service.post("/v1/slots", &all).await;
    assert_problem(&reply, 422, "VALIDATION_FAILED");
    assert_eq!(
        faults(&reply),
        pairs(&[
            ("/account", "unknown"),
            ("/weekdays", "required"),
            ("/time", "invalid"),
            ("/timezone", "invalid")
        ])
    );
    for (name, value) in [
        ("weekdays", json!(["monday"])),
        ("weekdays", json!("mon")),
        ("time", json!("9:30")),
        ("time", json!(930)),
        ("timezone", json!("+01:00")),
        ("enabled", json!("yes")),
        ("minute", json!(5)),
    ] {
        let reply = service
            .post("/v1/slots", &with(&morning(&account), name, value))
            .await;
        assert_problem(&reply, 422, "VALIDATION_FAILED");
    }
    assert_eq!(service.get("/v1/slots").await.json["items"], json!([]));
    service.stop().await;
}

#[tokio::test]
async fn uploads_fill_the_slots_in_order() {
    let (service, account, board, slot) = with_slot().await;
    let first = service
        .post("/v1/uploads", &queued(&account, &board, "one"))
        .await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert_eq!(status(&first.json), ("scheduled", "scheduled"));
    assert_eq!(first.json["scheduled_at"], MORNINGS[0]);
    assert_eq!(first.json["targets"][0]["scheduled_at"], MORNINGS[0]);
    let read = service.get(&format!("/v1/uploads/{}", id(&first))).await;
    assert_eq!(read.json, first.json, "the answer is what is stored");

    // A check tells the next, and takes nothing.
    for _ in 0..2 {
        let check = service
            .post("/v1/uploads/validate", &queued(&account, &board, "check"))
            .await;
        assert_eq!(check.json["valid"], true, "{}", check.text);
        assert_eq!(check.json["scheduled_at"], MORNINGS[1]);
        assert_eq!(check.json["targets"][0]["scheduled_at"], MORNINGS[1]);
    }
    let rows = [
        queued(&account, &board, "two"),
        queued(&account, &board, "three"),
    ];
    let batch = service
        .post("/v1/uploads/batch", &json!({"uploads": rows}))
        .await;
    for (index, at) in MORNINGS[1..3].iter().enumerate() {
        let upload = &batch.json["results"][index]["upload"];
        assert_eq!(upload["scheduled_at"], *at, "{}", batch.text);
    }
    let events = service
        .get(&format!("/v1/uploads/{}/events", id(&first)))
        .await;
    let taken = &events.json["items"][1];
    assert_eq!(taken["kind"], "target.slot_taken");
    assert_eq!(taken["data"]["slot"], slot.as_str());
    assert_eq!(taken["data"]["local"], "2026-11-25T09:30:00");

    let list = service.get("/v1/slots").await;
    let filled = &list.json["items"][0];
    assert_eq!(filled["taken"], 3);
    assert_eq!(filled["next_free_at"], MORNINGS[3]);
    assert_eq!(filled["days_filled"], 9);
    let limits = service.get(&format!("/v1/accounts/{account}/limits")).await;
    assert_eq!(
        limits.json["slots"],
        json!({"count": 1, "taken": 3, "next_free_at": MORNINGS[3], "days_filled": 9})
    );
    // What has waited keeps its time when the slot goes.
    service.delete(&format!("/v1/slots/{slot}")).await;
    let read = service.get(&format!("/v1/uploads/{}", id(&first))).await;
    assert_eq!(read.json["scheduled_at"], MORNINGS[0]);
    service.stop().await;
}

#[tokio::test]
async fn a_repeated_key_answers_with_the_slot_of_the_first_time() {
    let (service, account, board, _) = with_slot().await;
    let body = queued(&account, &board, "once");
    let first = service.post_with_key("/v1/uploads", "key", &body).await;
    let again = service.post_with_key("/v1/uploads", "key", &body).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json, first.json);
    assert_eq!(again.json["scheduled_at"], MORNINGS[0]);
    service.stop().await;
}

#[tokio::test]
async fn a_freed_slot_is_taken_by_the_next() {
    let (service, account, board, _) = with_slot().await;
    let mut made = Vec::new();
    for title in ["one", "two", "three"] {
        let reply = service
            .post("/v1/uploads", &queued(&account, &board, title))
            .await;
        made.push(id(&reply));
    }
    let path = |n: usize| format!("/v1/uploads/{}", made[n]);
    // A change of the text keeps the slot.
    let titled = service.patch(&path(1), &json!({"title": "better"})).await;
    assert_eq!(titled.json["scheduled_at"], MORNINGS[1]);
    service
        .post(&format!("{}/cancel", path(0)), &json!({}))
        .await;
    // The freed one goes to whoever comes next: here an edit, which moves forward.
    let moved = service
        .patch(&path(2), &json!({"schedule": "next_slot"}))
        .await;
    assert_eq!(moved.json["scheduled_at"], MORNINGS[0], "{}", moved.text);
    // A time of its own replaces the wish for a slot, and the other way round.
    let timed = service
        .patch(&path(1), &json!({"scheduled_at": "2026-12-24T08:00:00Z"}))
        .await;
    assert_eq!(
        timed.json["scheduled_at"], "2026-12-24T08:00:00Z",
        "{}",
        timed.text
    );
    assert!(timed.json["content"].get("schedule").is_none());
    let back = service
        .patch(&path(1), &json!({"schedule": "next_slot"}))
        .await;
    assert_eq!(back.json["scheduled_at"], MORNINGS[1], "{}", back.text);
    assert!(back.json["content"].get("scheduled_at").is_none());
    // A draft has no place; it gets one when it stops being one.
    let draft = service.patch(&path(1), &json!({"draft": true})).await;
    assert_eq!(draft.json["scheduled_at"], Value::Null, "{}", draft.text);
    assert_eq!(draft.json["targets"][0]["scheduled_at"], Value::Null);
    let next = service
        .post("/v1/uploads", &queued(&account, &board, "four"))
        .await;
    assert_eq!(next.json["scheduled_at"], MORNINGS[1]);
    let released = service.patch(&path(1), &json!({"draft": false})).await;
    assert_eq!(
        released.json["scheduled_at"], MORNINGS[2],
        "{}",
        released.text
    );
    service.stop().await;
}

#[tokio::test]
async fn without_a_free_slot_the_account_and_the_remedy_are_named() {
    let (service, account, board) = still().await;
    let body = queued(&account, &board, "one");
    let path = "/v1/uploads";
    let none = service.post(path, &body).await;
    assert_problem(&none, 422, "NO_FREE_SLOT");
    assert_eq!(faults(&none), pairs(&[("/accounts/0", "no_free_slot")]));
    assert!(none.json["detail"].as_str().unwrap().contains(&account));
    assert!(
        none.json["remedy"]
            .as_str()
            .unwrap()
            .contains("POST /v1/slots")
    );
    let check = service.post("/v1/uploads/validate", &body).await;
    assert_eq!(check.json["valid"], false);

    // 52 of one day a week, then it is full.
    let weekly = with(&morning(&account), "weekdays", json!(["wed"]));
    let slot = service.post("/v1/slots", &weekly).await;
    let rows: Vec<_> = (0..53)
        .map(|n| queued(&account, &board, &format!("pin {n}")))
        .collect();
    let batch = service
        .post("/v1/uploads/batch", &json!({"uploads": rows}))
        .await;
    let results = batch.json["results"].as_array().unwrap();
    assert!(
        results[..52].iter().all(|row| row["upload"].is_object()),
        "{}",
        batch.text
    );
    assert_eq!(results[52]["error"]["code"], "NO_FREE_SLOT");
    for full in [
        service.post(path, &body).await,
        service.post_with_key(path, "full", &body).await,
    ] {
        assert_problem(&full, 422, "NO_FREE_SLOT");
        assert_eq!(faults(&full), pairs(&[("/schedule", "no_free_slot")]));
        assert!(full.json["detail"].as_str().unwrap().contains(&account));
    }
    let check = service.post("/v1/uploads/validate", &body).await;
    assert_eq!(
        check.json["errors"][0]["code"], "no_free_slot",
        "{}",
        check.text
    );
    let list = service.get("/v1/slots").await;
    assert_eq!(list.json["items"][0]["next_free_at"], Value::Null);
    assert_eq!(list.json["items"][0]["days_filled"], 364);
    // More slots help, and the key is free.
    let path = format!("/v1/slots/{}", id(&slot));
    service
        .patch(&path, &json!({"weekdays": ["wed", "sat"]}))
        .await;
    let done = service.post_with_key("/v1/uploads", "full", &body).await;
    assert_eq!(
        done.json["scheduled_at"], "2026-11-28T08:30:00Z",
        "{}",
        done.text
    );
    // A slot that is off is none.
    service.patch(&path, &json!({"enabled": false})).await;
    assert_problem(
        &service.post("/v1/uploads", &body).await,
        422,
        "NO_FREE_SLOT",
    );
    service.stop().await;
}

#[tokio::test]
async fn other_words_and_two_times_are_refused() {
    let (service, account, board, _) = with_slot().await;
    let body = queued(&account, &board, "one");
    let word = service
        .post("/v1/uploads", &with(&body, "schedule", json!("next-slot")))
        .await;
    assert_eq!(faults(&word), pairs(&[("/schedule", "invalid")]));
    let both = service
        .post(
            "/v1/uploads",
            &with(&body, "scheduled_at", json!("2026-12-01T20:00:00Z")),
        )
        .await;
    assert_eq!(faults(&both), pairs(&[("/schedule", "conflict")]));
    assert_eq!(service.stored().await, 0);
    service.stop().await;
}

#[tokio::test]
async fn what_is_left_of_the_limits_is_told() {
    let (service, account, board) = connected(Clock::system()).await;
    let path = format!("/v1/accounts/{account}/limits");
    let before = service.get(&path).await.json;
    assert_eq!(
        before["writes"],
        json!({"limit": 100, "per_seconds": 60, "used": 0, "left": 100, "renews_at": null})
    );
    assert_eq!(before["looks"], json!({"limit": 250, "per_seconds": 60}));
    assert_eq!(before["resumes_at"], Value::Null);
    assert_eq!(before["slots"]["count"], 0);
    let made = service
        .post("/v1/uploads", &immediate(&account, &board, "one"))
        .await;
    service.wait_for(&id(&made), "published").await;
    let after = service.get(&path).await.json;
    assert_eq!(after["writes"]["used"], 1, "{after}");
    assert_eq!(after["writes"]["left"], 99);
    assert!(after["writes"]["renews_at"].is_string());
    let unknown = service.get("/v1/accounts/pinterest:404/limits").await;
    assert_problem(&unknown, 404, "NOT_FOUND");
    service.stop().await;
}

/// An upload whose time was understood by other rules: an hour too early.
fn understood_otherwise(owner: &Owner) -> NewUpload {
    let at = NOW + 7 * 86_400_000;
    let target = TargetRow {
        id: "tg_1".to_owned(),
        upload_id: "up_1".to_owned(),
        owner: owner.clone(),
        account_id: "pinterest:1".to_owned(),
        platform: "pinterest".to_owned(),
        phase: Phase::Scheduled,
        fence: 0,
        due_at: at,
        scheduled_at: at,
        send_until: at + 1_000,
        lease_until: None,
        attempts: 0,
        setbacks: 0,
        content: Content {
            board_id: Some("1".to_owned()),
            media: ContentMedia::ImageUrl {
                url: IMAGE.to_owned(),
            },
            ..Content::default()
        },
        fingerprint: "f".to_owned(),
        attempt: None,
        prepared: None,
        remote_id: None,
        remote_url: None,
        published_at: None,
        error: None,
        sentinel_at: None,
    };
    NewUpload {
        row: UploadRow {
            id: "up_1".to_owned(),
            owner: owner.clone(),
            status: UploadStatus::Scheduled,
            content: CreateUpload::default(),
            scheduled_at: Some(at),
            timezone: Some("Europe/Paris".to_owned()),
            external_id: None,
            version: 1,
            change_seq: 0,
            created_at: NOW,
            updated_at: NOW,
            targets: vec![target],
        },
        events: vec![NewEvent {
            kind: "upload.scheduled",
            target_id: None,
            detail: "scheduled".to_owned(),
            data: Map::new(),
            at: NOW,
        }],
        idempotency: None,
        when: When::Wall(WallTime {
            // 13:00 UTC in truth, one hour after the time above.
            local: date(2026, 12, 1).at(14, 0, 0, 0),
            zone: "Europe/Paris".to_owned(),
            rules: "1999a".to_owned(),
        }),
    }
}

#[tokio::test]
async fn new_rules_of_a_zone_move_what_is_scheduled() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut config = Config::new(folder.path());
        config.mode = Mode::Test;
        config.clock = Clock::fixed(NOW);
        Engine::start(config)
    };
    start().await.unwrap().shutdown().await;
    let owner = Owner {
        team: DEFAULT_TEAM.to_owned(),
        mode: Mode::Test,
    };
    let open = || SqliteStore::open(&folder.path().join("multi-upload.db")).unwrap();
    let store = open();
    store
        .create_uploads(vec![understood_otherwise(&owner)])
        .await
        .unwrap();
    let noted = store.note("zone_rules").await.unwrap().unwrap();
    store.close().await.unwrap();

    // The same rules as before: nothing is looked at.
    start().await.unwrap().shutdown().await;
    let store = open();
    let row = store.upload(&owner, "up_1").await.unwrap().unwrap();
    assert_eq!(row.scheduled_at, Some(NOW + 7 * 86_400_000));
    store
        .put_notes(vec![("zone_rules", "1999a".to_owned())])
        .await
        .unwrap();
    store.close().await.unwrap();

    start().await.unwrap().shutdown().await;
    let store = open();
    let row = store.upload(&owner, "up_1").await.unwrap().unwrap();
    let right = NOW + 7 * 86_400_000 + 3_600_000;
    assert_eq!(row.scheduled_at, Some(right));
    let target = &row.targets[0];
    assert_eq!((target.due_at, target.send_until), (right, right + 1_000));
    let events = store.events(&owner, "up_1").await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(last.kind, "target.rezoned");
    assert_eq!(last.data["from"], "2026-12-01T12:00:00Z");
    assert_eq!(last.data["to"], "2026-12-01T13:00:00Z");
    assert_eq!(last.data["rules_before"], "1999a");
    assert_eq!(store.note("zone_rules").await.unwrap(), Some(noted));
    store.close().await.unwrap();
}
