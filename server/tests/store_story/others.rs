//! Accounts, connections, keys, files, forgetting, closing.

use std::sync::Arc;

use multi_upload_server::store::{DataKeyRow, KeyUse, Owner, Store};
use multi_upload_wire::{ErrorCode, ErrorInfo};

use crate::rows::{
    DAY, Extra as _, account, api_key, connection, home, media, stored, strangers, upload,
};

pub(crate) async fn accounts_are_kept_for_their_owner(store: Arc<dyn Store>) {
    assert_eq!(store.account(&home(), "pinterest:1").await.unwrap(), None);
    for id in ["pinterest:2", "pinterest:1"] {
        store.put_account(account(id)).await.unwrap();
    }
    assert_eq!(
        store.account(&home(), "pinterest:1").await.unwrap(),
        Some(account("pinterest:1"))
    );
    let all = store.accounts(&home()).await.unwrap();
    assert_eq!(all, [account("pinterest:1"), account("pinterest:2")]);
    for stranger in strangers() {
        assert_eq!(store.account(&stranger, "pinterest:1").await.unwrap(), None);
        assert!(store.accounts(&stranger).await.unwrap().is_empty());
        assert!(
            !store
                .delete_account(&stranger, "pinterest:1")
                .await
                .unwrap()
        );
        let mut theirs = account("pinterest:1");
        theirs.owner = stranger;
        assert!(!store.save_tokens(theirs, 1).await.unwrap());
    }
    assert!(store.delete_account(&home(), "pinterest:1").await.unwrap());
    assert!(!store.delete_account(&home(), "pinterest:1").await.unwrap());
    assert_eq!(store.account(&home(), "pinterest:1").await.unwrap(), None);
}

pub(crate) async fn one_engine_renews_at_a_time(store: Arc<dyn Store>) {
    let id = "pinterest:1";
    store.put_account(account(id)).await.unwrap();
    let begin = async |now, until| store.begin_renewal(&home(), id, now, until).await.unwrap();
    assert!(begin(0, 100).await);
    assert!(!begin(50, 150).await, "another is at it");
    assert!(begin(100, 200).await, "its time is over: it is dead");
    assert!(store.save_tokens(account(id), 1).await.unwrap());
    assert!(begin(110, 210).await, "new tokens give the right back");
    store.end_renewal(&home(), id).await.unwrap();
    assert!(begin(120, 220).await);
    store.put_account(account(id)).await.unwrap();
    assert!(begin(130, 230).await, "and so does a new connection");
    for stranger in strangers() {
        assert!(!store.begin_renewal(&stranger, id, 500, 600).await.unwrap());
    }
}

pub(crate) async fn tokens_are_saved_by_whoever_read_the_newest(store: Arc<dyn Store>) {
    store.put_account(account("pinterest:1")).await.unwrap();
    let mut renewed = account("pinterest:1");
    renewed.access_sealed = vec![9; 40];
    renewed.refresh_sealed = None;
    renewed.access_expires_at = 200;
    renewed.refresh_expires_at = None;
    renewed.name = Some("not the business of a refresh".to_owned());
    assert!(store.save_tokens(renewed.clone(), 1).await.unwrap());
    let now = store
        .account(&home(), "pinterest:1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(now.token_version, 2);
    assert_eq!(now.access_sealed, vec![9; 40]);
    assert_eq!(
        (
            now.refresh_sealed,
            now.access_expires_at,
            now.refresh_expires_at
        ),
        (None, 200, None)
    );
    assert_eq!(now.name.as_deref(), Some("Garden"));

    let mut late = account("pinterest:1");
    late.access_sealed = vec![8; 40];
    assert!(
        !store.save_tokens(late, 1).await.unwrap(),
        "another was faster"
    );
    let now = store
        .account(&home(), "pinterest:1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(now.access_sealed, vec![9; 40]);

    // A new connection counts on, so that a refresh of the old tokens finds another version.
    let mut again = account("pinterest:1");
    again.connected_at = 500;
    again.usable = false;
    store.put_account(again).await.unwrap();
    let now = store
        .account(&home(), "pinterest:1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (now.token_version, now.connected_at, now.usable),
        (3, 500, false)
    );
}

pub(crate) async fn a_connection_is_taken_once(store: Arc<dyn Store>) {
    let row = connection(1, 1_000);
    store.create_connect(row.clone()).await.unwrap();
    assert_eq!(
        store.connect(&home(), "oc_1").await.unwrap(),
        Some(row.clone())
    );
    assert_eq!(
        store.take_connect(&[9; 32], 10).await.unwrap(),
        None,
        "no such state"
    );
    let race = (0..8).map(|_| store.take_connect(&[1; 32], 999));
    let taken: Vec<_> = futures_util::future::join_all(race)
        .await
        .into_iter()
        .filter_map(|result| result.unwrap())
        .collect();
    assert_eq!(taken.len(), 1);
    assert_eq!(
        (taken[0].id.as_str(), taken[0].status.as_str()),
        ("oc_1", "exchanging")
    );
    assert_eq!(
        (&taken[0].redirect_uri, &taken[0].owner),
        (&row.redirect_uri, &row.owner)
    );

    let mut done = taken[0].clone();
    done.status = "connected".to_owned();
    done.account_id = Some("pinterest:1".to_owned());
    store.finish_connect(done.clone()).await.unwrap();
    assert_eq!(
        store.connect(&home(), "oc_1").await.unwrap(),
        Some(done.clone())
    );
    let mut late = done.clone();
    late.status = "failed".to_owned();
    late.error = Some(ErrorInfo::new(ErrorCode::Internal, "late"));
    store.finish_connect(late).await.unwrap();
    assert_eq!(
        store.connect(&home(), "oc_1").await.unwrap(),
        Some(done),
        "an end stays"
    );
    for stranger in strangers() {
        assert_eq!(store.connect(&stranger, "oc_1").await.unwrap(), None);
    }
}

pub(crate) async fn a_connection_that_expired_is_not_found(store: Arc<dyn Store>) {
    store.create_connect(connection(1, 1_000)).await.unwrap();
    assert_eq!(store.take_connect(&[1; 32], 1_000).await.unwrap(), None);
    store.create_connect(connection(2, 1_000)).await.unwrap();
    let taken = store.take_connect(&[2; 32], 10).await.unwrap().unwrap();
    let mut failed = taken;
    failed.status = "failed".to_owned();
    failed.error = Some(ErrorInfo::new(ErrorCode::PlatformRejected, "denied"));
    store.finish_connect(failed.clone()).await.unwrap();
    assert_eq!(store.connect(&home(), "oc_2").await.unwrap(), Some(failed));
}

pub(crate) async fn api_keys_are_found_listed_and_revoked(store: Arc<dyn Store>) {
    let (mut first, mut second, mut theirs) =
        (api_key("key_1"), api_key("key_2"), api_key("key_3"));
    first.expires_at = Some(100);
    second.accounts = None;
    theirs.owner = strangers()[1].clone();
    for row in [&first, &second, &theirs] {
        store.create_api_key(row.clone()).await.unwrap();
    }
    assert!(
        store.create_api_key(second.clone()).await.is_err(),
        "ids are unique"
    );
    assert_eq!(store.api_key("key_3").await.unwrap(), Some(theirs));
    assert_eq!(store.api_key("key_9").await.unwrap(), None);
    assert_eq!(
        store.api_keys("team_a").await.unwrap(),
        [second.clone(), first.clone()]
    );

    assert!(
        !store.revoke_api_key("team_b", "key_2", 50).await.unwrap(),
        "of another team"
    );
    assert!(store.revoke_api_key("team_a", "key_2", 50).await.unwrap());
    assert!(!store.revoke_api_key("team_a", "key_2", 60).await.unwrap());
    let revoked = store.api_key("key_2").await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(50));
    assert!(
        !store.revoke_api_key("team_a", "key_1", 100).await.unwrap(),
        "it had expired"
    );
    assert!(!store.revoke_api_key("team_a", "key_9", 50).await.unwrap());
}

pub(crate) async fn a_data_key_is_added_once(store: Arc<dyn Store>) {
    let row = |team: &str, version, byte| DataKeyRow {
        team: team.to_owned(),
        version,
        wrapped: vec![byte; 72],
        created_at: 3,
    };
    assert!(store.data_keys("team_a").await.unwrap().is_empty());
    assert!(store.add_data_key(row("team_a", 2, 2)).await.unwrap());
    assert!(store.add_data_key(row("team_a", 1, 1)).await.unwrap());
    assert!(store.add_data_key(row("team_b", 1, 3)).await.unwrap());
    assert!(!store.add_data_key(row("team_a", 1, 9)).await.unwrap());
    assert_eq!(
        store.data_keys("team_a").await.unwrap(),
        [row("team_a", 1, 1), row("team_a", 2, 2)]
    );
}

pub(crate) async fn what_has_lost_its_use_is_forgotten(store: Arc<dyn Store>) {
    let lanes = [("pinterest:1", "b1")];
    let many = (0..2_500)
        .map(|n| {
            upload(n, DAY, &lanes)
                .made_at(i64::from(n))
                .keyed(&format!("k{n}"), 1)
        })
        .collect();
    store.create_uploads(many).await.unwrap();
    store.create_connect(connection(1, 1_000)).await.unwrap();
    store.create_connect(connection(2, 9_000)).await.unwrap();

    assert_eq!(store.forget(0).await.unwrap(), 0);
    assert_eq!(
        store.forget(2_400).await.unwrap(),
        2_401,
        "2,400 keys and a connection"
    );
    assert_eq!(store.forget(2_400).await.unwrap(), 0);
    assert_eq!(store.connect(&home(), "oc_1").await.unwrap(), None);
    assert!(store.connect(&home(), "oc_2").await.unwrap().is_some());
    // A forgotten key is free, a kept one protects, and the uploads stay.
    stored(
        &*store,
        upload(9_000, DAY, &lanes).made_at(2_500).keyed("k10", 2),
    )
    .await;
    let kept = upload(9_001, DAY, &lanes).made_at(2_500).keyed("k2450", 1);
    let outcome = store.create_uploads(vec![kept]).await.unwrap().remove(0);
    assert!(matches!(
        outcome,
        multi_upload_server::store::CreateOutcome::Replayed(_)
    ));
    assert!(
        store
            .upload(&home(), "up_00000010")
            .await
            .unwrap()
            .is_some()
    );
}

pub(crate) async fn a_closed_store_refuses(store: Arc<dyn Store>) {
    stored(&*store, upload(1, 100, &[("pinterest:1", "b1")])).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let refused = store.begin_media(media("md_1"), None).await.unwrap_err();
    assert!(refused.to_string().contains("closed"), "{refused}");
    let refused = store.upload(&home(), "up_00000001").await.unwrap_err();
    assert!(refused.to_string().contains("closed"), "{refused}");
}

pub(crate) async fn a_note_is_replaced_by_the_next(store: Arc<dyn Store>) {
    assert_eq!(store.note("epoch").await.unwrap(), None);
    let both =
        |epoch: &str, beat: &str| vec![("epoch", epoch.to_owned()), ("beat", beat.to_owned())];
    store.put_notes(both("a", "1")).await.unwrap();
    store.put_notes(both("a", "2")).await.unwrap();
    assert_eq!(store.note("epoch").await.unwrap().as_deref(), Some("a"));
    assert_eq!(store.note("beat").await.unwrap().as_deref(), Some("2"));
}

pub(crate) async fn a_request_with_a_key_is_begun_once(store: Arc<dyn Store>) {
    let [test, neighbour, _] = strangers();
    let begin = async |owner: &Owner, key: &str, body: u8, now| {
        let begun = store.begin_request(owner, key, vec![body; 32], now).await;
        begun.unwrap()
    };
    let used = |answer: Option<&str>| {
        Some(KeyUse {
            body_hash: vec![1; 32],
            answer: answer.map(ToOwned::to_owned),
            at: 1_000,
        })
    };
    assert_eq!(begin(&home(), "k", 1, 1_000).await, None);
    assert_eq!(begin(&home(), "k", 1, 1_001).await, used(None), "under way");
    assert_eq!(
        begin(&home(), "k", 2, 1_001).await,
        used(None),
        "says what for"
    );
    assert_eq!(begin(&test, "k", 1, 1_001).await, None);
    assert_eq!(begin(&neighbour, "k", 1, 1_001).await, None);
    let end = async |key: &str, answer: Option<&str>| {
        let answer = answer.map(ToOwned::to_owned);
        store.end_request(&home(), key, answer).await.unwrap();
    };
    end("k", Some("{}")).await;
    assert_eq!(begin(&home(), "k", 1, 1_002).await, used(Some("{}")));
    // What has an answer keeps it.
    end("k", None).await;
    end("k", Some("[]")).await;
    assert_eq!(begin(&home(), "k", 1, 1_002).await, used(Some("{}")));
    // Without one the key is free again.
    assert_eq!(begin(&home(), "free", 1, 1_000).await, None);
    end("free", None).await;
    assert_eq!(begin(&home(), "free", 2, 1_000).await, None);
    // And after a week.
    assert_eq!(begin(&home(), "k", 3, 1_000 + 7 * DAY).await, None);
}

pub(crate) async fn a_heartbeat_never_falls(store: Arc<dyn Store>) {
    assert!(!store.is_copy().await.unwrap(), "new");
    for (now, adopt, beat) in [(5, false, 5), (10_000, false, 10_000), (9, true, 10_000)] {
        assert_eq!(store.beat(now, adopt).await.unwrap(), beat);
        assert_eq!(store.note("beat").await.unwrap(), Some(beat.to_string()));
        assert!(!store.is_copy().await.unwrap());
    }
}
