//! Who did what: written with the change, sealed afterwards, in a chain for each team.

use std::sync::Arc;

use multi_upload_server::store::{AuditFilter, AuditRow, ChainKey, Phase, Store};

use crate::rows::{Extra as _, account, api_key, change, home, stored, strangers, upload};

const LANE: [(&str, &str); 1] = [("pinterest:1", "b1")];

async fn log(store: &Arc<dyn Store>, filter: AuditFilter) -> Vec<AuditRow> {
    let mut rows = store.audit(&home(), &filter, None, 1_000).await.unwrap();
    rows.reverse();
    rows
}

fn said(rows: &[AuditRow]) -> Vec<(&str, &str)> {
    rows.iter()
        .map(|row| (row.action.as_str(), row.object.as_str()))
        .collect()
}

pub(crate) async fn every_change_is_written_down(store: Arc<dyn Store>) {
    let row = stored(store.as_ref(), upload(1, 100, &LANE)).await;
    let canceled = change(&row.targets[0], Phase::Canceled, 200);
    assert!(
        store
            .change_target(canceled.clone())
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store.change_target(canceled).await.unwrap().is_none(),
        "it did not happen"
    );
    store.put_account(account("pinterest:1")).await.unwrap();
    assert!(store.save_tokens(account("pinterest:1"), 1).await.unwrap());
    assert!(!store.save_tokens(account("pinterest:1"), 1).await.unwrap());
    assert!(store.delete_account(&home(), "pinterest:1").await.unwrap());
    assert!(!store.delete_account(&home(), "pinterest:1").await.unwrap());
    store.create_api_key(api_key("key_1")).await.unwrap();
    assert!(store.revoke_api_key("team_a", "key_1", 9).await.unwrap());
    assert!(!store.revoke_api_key("team_a", "key_1", 9).await.unwrap());
    let rows = log(&store, AuditFilter::default()).await;
    assert_eq!(
        said(&rows),
        [
            ("upload.scheduled", "up_00000001"),
            ("target.changed", "up_00000001"),
            ("account.connected", "pinterest:1"),
            ("account.tokens_renewed", "pinterest:1"),
            ("account.disconnected", "pinterest:1"),
            ("api_key.created", "key_1"),
            ("api_key.revoked", "key_1"),
        ]
    );
    assert_eq!(rows[1].target.as_deref(), Some(row.targets[0].id.as_str()));
    assert_eq!((rows[1].at, rows[1].actor.as_str()), (200, "machine"));
    assert!(
        rows[5].detail.contains("uploads:write"),
        "{}",
        rows[5].detail
    );
    for stranger in strangers() {
        let theirs = store
            .audit(&stranger, &AuditFilter::default(), None, 10)
            .await
            .unwrap();
        assert!(theirs.is_empty());
    }
    let filter = |edit: fn(&mut AuditFilter)| {
        let mut filter = AuditFilter::default();
        edit(&mut filter);
        filter
    };
    for (filter, count) in [
        (filter(|f| f.action = Some("api_key".to_owned())), 2),
        (filter(|f| f.action = Some("api_key.created".to_owned())), 1),
        (filter(|f| f.action = Some("api".to_owned())), 0),
        (filter(|f| f.object = Some("pinterest:1".to_owned())), 3),
        (filter(|f| f.from = Some(200)), 4),
        (filter(|f| f.to = Some(10)), 2),
        (filter(|f| f.actor_id = Some("key_9".to_owned())), 0),
    ] {
        let found = store.audit(&home(), &filter, None, 100).await.unwrap();
        // Times that no caller gave are the machine's, long after these.
        assert_eq!(found.len(), count, "{filter:?}: {:?}", said(&found));
    }
    let page = store
        .audit(&home(), &AuditFilter::default(), Some(rows[2].seq), 1)
        .await
        .unwrap();
    assert_eq!(
        page[0].action, "target.changed",
        "older than that, newest first"
    );
}

pub(crate) async fn rows_are_sealed_in_a_chain_for_each_team(store: Arc<dyn Store>) {
    let key = ChainKey::new([9; 32]);
    assert!(store.seal_audit(key.clone(), 10).await.unwrap().is_empty());
    for n in 0..5 {
        stored(store.as_ref(), upload(n, 100, &LANE)).await;
        stored(
            store.as_ref(),
            upload(n + 50, 100, &LANE).of(&strangers()[1]),
        )
        .await;
    }
    assert_eq!(store.audit_unsealed("team_a").await.unwrap(), 5);
    let mut rounds = 0;
    let mut heads = Vec::new();
    loop {
        let some = store.seal_audit(key.clone(), 4).await.unwrap();
        if some.is_empty() {
            break;
        }
        rounds += 1;
        heads = some;
    }
    assert_eq!(rounds, 3);
    assert!(heads.iter().all(|head| head.place == 5), "{heads:?}");
    assert_eq!(store.audit_heads().await.unwrap().len(), 2);
    assert_eq!(store.audit_unsealed("team_a").await.unwrap(), 0);
    for team in ["team_a", "team_b"] {
        let first = store.audit_chain(team, 0, 2).await.unwrap();
        let rest = store.audit_chain(team, 2, 100).await.unwrap();
        let rows: Vec<_> = first.into_iter().chain(rest).collect();
        let mut before = Vec::new();
        for (place, row) in (1..).zip(&rows) {
            assert_eq!(row.place, Some(place));
            let hash = key.link(&before, row, place);
            assert_eq!(row.hash.as_ref(), Some(&hash));
            before = hash;
        }
        assert_eq!(rows.len(), 5);
        let noted = store.audit_heads().await.unwrap();
        let noted = noted.iter().find(|head| head.team == team).unwrap();
        assert_eq!((noted.place, &noted.hash), (5, &before));
    }
}
