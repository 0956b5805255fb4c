//! What is peculiar to PostgreSQL: several nodes on one database, and connections that break.

mod cluster;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use multi_upload_server::store::postgres::PgStore;
use multi_upload_server::store::{CreateOutcome, Phase, Store, StoreError, UploadFilter};
use tokio::time::timeout;

pub(crate) use cluster::Place;

use crate::rows::{change, claim, home, media, moved, stored, upload};
use crate::slots;

/// Longer than any of this takes.
const LONG: Duration = Duration::from_secs(120);

const LANE: [(&str, &str); 1] = [("pinterest:1", "b1")];

/// Takes targets until all nodes together have `all`; gives those of this node.
async fn take_all(node: &PgStore, taken: &AtomicUsize, all: usize) -> Vec<String> {
    let mut mine = Vec::new();
    while taken.load(Ordering::SeqCst) < all {
        let claimed = claim(node, 1_000, 9_000, 7).await;
        taken.fetch_add(claimed.len(), Ordering::SeqCst);
        mine.extend(claimed.into_iter().map(|row| row.id));
    }
    mine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_take_every_target_once() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (one, two) = join(place.open(), place.open()).await;
    let many = (0..500)
        .map(|n| {
            let account = format!("pinterest:{}", n % 10);
            upload(n, 100, &[(account.as_str(), &format!("b{n}"))])
        })
        .collect();
    one.create_uploads(many).await.unwrap();
    let taken = AtomicUsize::new(0);
    let both = join(take_all(&one, &taken, 500), take_all(&two, &taken, 500));
    let (mine, theirs) = timeout(LONG, both).await.unwrap();
    assert!(
        !mine.is_empty() && !theirs.is_empty(),
        "{} and {}",
        mine.len(),
        theirs.len()
    );
    assert_eq!(mine.len() + theirs.len(), 500);
    let different: BTreeSet<_> = mine.iter().chain(&theirs).collect();
    assert_eq!(different.len(), 500, "no target twice");
    assert!(claim(&two, 1_000, 9_000, 10).await.is_empty());
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_no_slot() {
    let Some(place) = Place::new().await else {
        return;
    };
    let nodes: [Arc<dyn Store>; 2] = [Arc::new(place.open().await), Arc::new(place.open().await)];
    timeout(LONG, slots::share_no_slot(&nodes, 40))
        .await
        .unwrap();
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_take_every_look_once() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (one, two) = join(place.open(), place.open()).await;
    let many = (0..60)
        .map(|n| upload(n, 100, &[("pinterest:1", &format!("b{n}"))]))
        .collect();
    one.create_uploads(many).await.unwrap();
    let doubts = claim(&one, 100, 1_000, 100)
        .await
        .iter()
        .map(|row| {
            let mut doubt = change(row, Phase::Reconciling, 200);
            doubt.row.due_at = 500;
            doubt.row.lease_until = None;
            doubt
        })
        .collect();
    let doubts = one.change_targets(doubts).await.unwrap();
    assert!(doubts.iter().all(Option::is_some));
    let taken = AtomicUsize::new(0);
    let look = async |node: &PgStore| {
        let mut mine = Vec::new();
        while taken.load(Ordering::SeqCst) < 60 {
            let looks = node.claim_looks(500, 900, 3).await.unwrap();
            taken.fetch_add(looks.len(), Ordering::SeqCst);
            mine.extend(looks.into_iter().map(|row| (row.id, row.fence)));
        }
        mine
    };
    let (mine, theirs) = timeout(LONG, join(look(&one), look(&two))).await.unwrap();
    let different: BTreeSet<_> = mine.iter().chain(&theirs).collect();
    assert_eq!((mine.len() + theirs.len(), different.len()), (60, 60));
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_with_the_same_knowledge_one_is_faster() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (one, two) = join(place.open(), place.open()).await;
    for n in 0..20 {
        let board = format!("b{n}");
        let row = stored(&one, upload(n, 100, &[("pinterest:1", &board)])).await;
        let (mine, theirs) = join(
            one.change_target(change(&row.targets[0], Phase::Canceled, 200)),
            two.change_target(change(&row.targets[0], Phase::Missed, 200)),
        )
        .await;
        let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
        assert!(mine.is_some() != theirs.is_some(), "{mine:?} {theirs:?}");
        assert_eq!(one.events(&home(), &row.id).await.unwrap().len(), 2);
    }
    place.end().await;
}

/// Writers on two nodes, and a reader that never goes back: it must meet every change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_change_feed_never_passes_what_is_not_committed_yet() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (one, two) = join(place.open(), place.open()).await;
    let written = AtomicUsize::new(0);
    let write = async |node: &PgStore, first: u32| {
        for n in first..first + 60 {
            let account = format!("pinterest:{first}");
            let board = format!("b{n}");
            stored(node, upload(n, 100, &[(account.as_str(), &board)])).await;
            written.fetch_add(1, Ordering::SeqCst);
        }
    };
    let read = async {
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let is_over = written.load(Ordering::SeqCst) == 240;
            let rows = two.changes(&home(), cursor, 5).await.unwrap();
            if is_over && rows.is_empty() {
                return seen;
            }
            for row in rows {
                assert!(row.change_seq > cursor);
                cursor = row.change_seq;
                seen.insert(row.id);
            }
        }
    };
    let writers = join(
        join(write(&one, 0), write(&one, 1_000)),
        join(write(&two, 2_000), write(&two, 3_000)),
    );
    let (_, seen) = timeout(LONG, join(writers, read)).await.unwrap();
    assert_eq!(seen.len(), 240);
    place.end().await;
}

/// The same without luck: another node has its place and is about to commit.
#[tokio::test]
async fn a_later_place_in_the_feed_waits_for_an_earlier_one() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = Arc::new(place.open().await);
    let other = place.client().await;
    other
        .batch_execute("BEGIN; UPDATE counters SET change_seq = change_seq + 1")
        .await
        .unwrap();
    let later = tokio::spawn({
        let store = Arc::clone(&store);
        async move { stored(&*store, upload(1, 100, &LANE)).await }
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    timeout(LONG, async { while place.sql(waiting).await != "1" {} })
        .await
        .expect("it waits for the row of the counter");
    assert!(!later.is_finished());
    assert!(store.changes(&home(), 0, 10).await.unwrap().is_empty());
    assert_eq!(store.last_change().await.unwrap(), 0);
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(later.await.unwrap().change_seq, 2);
    place.end().await;
}

#[tokio::test]
async fn nodes_that_start_at_once_make_one_schema() {
    let Some(place) = Place::new().await else {
        return;
    };
    let nodes = join_all((0..3).map(|_| place.open())).await;
    stored(&nodes[0], upload(1, 100, &LANE)).await;
    for node in &nodes {
        assert!(node.upload(&home(), "up_00000001").await.unwrap().is_some());
    }
    place.end().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let Some(place) = Place::new().await else {
        return;
    };
    place.open().await.close().await.unwrap();
    place
        .sql("INSERT INTO schema_version (version) VALUES (999)")
        .await;
    let refused = PgStore::connect(place.url()).await.unwrap_err().to_string();
    assert!(
        refused.contains("schema 999") && refused.contains("newer"),
        "{refused}"
    );
    place.end().await;
}

#[tokio::test]
async fn a_node_hears_of_the_changes_of_others() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (one, two) = join(place.open(), place.open()).await;
    let mut watch = two.changes_watch();
    assert_eq!(*watch.borrow_and_update(), 0);
    let wakes = two.wakes();
    let row = stored(&one, upload(1, 100, &LANE)).await;
    timeout(LONG, watch.changed()).await.unwrap().unwrap();
    assert_eq!(*watch.borrow_and_update(), row.change_seq);
    timeout(LONG, wakes.notified()).await.unwrap();
    let changes = two.changes(&home(), 0, 10).await.unwrap();
    assert_eq!(changes, [row]);
    // Its own changes are known at once, without a way round the database.
    let mut mine = one.changes_watch();
    mine.mark_unchanged();
    moved(&one, &changes[0].targets[0], Phase::Canceled, 200).await;
    assert!(mine.has_changed().unwrap());
    place.end().await;
}

#[tokio::test]
async fn leases_of_others_are_left_alone() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (one, two) = join(place.open(), place.open()).await;
    stored(&one, upload(1, 100, &LANE)).await;
    let claimed = claim(&one, 100, 3_000, 1).await;
    assert_eq!(two.expire_leases(500).await.unwrap(), 0);
    assert!(two.expired(500, 10).await.unwrap().is_empty());
    assert_eq!(two.expired(3_000, 10).await.unwrap(), claimed);
    place.end().await;
}

#[tokio::test]
async fn a_failure_does_not_take_its_neighbours() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.open().await;
    stored(&store, upload(50, 100, &LANE)).await;
    let calls = (0..100).map(|n| store.create_uploads(vec![upload(n, 100, &LANE)]));
    for (n, result) in join_all(calls).await.iter().enumerate() {
        assert_eq!(result.is_err(), n == 50, "row {n}");
    }
    let all = store
        .uploads(&home(), &UploadFilter::default(), None, 1_000)
        .await
        .unwrap();
    assert_eq!(all.len(), 100);
    place.end().await;
}

#[tokio::test]
async fn callers_that_wait_together_share_a_transaction() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.open().await;
    stored(&store, upload(1_000, 100, &LANE)).await;
    let rows = join_all((0..100).map(|n| store.create_uploads(vec![upload(n, 100, &LANE)]))).await;
    assert!(rows.iter().all(Result::is_ok));
    let count = place
        .sql("SELECT count(DISTINCT xmin::text) FROM uploads WHERE id < 'up_00001000'")
        .await;
    let transactions: u32 = count.parse().unwrap();
    assert!(
        transactions <= 3,
        "100 rows took {transactions} transactions"
    );
    place.end().await;
}

#[tokio::test]
async fn connections_that_break_are_made_again() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (one, two) = join(place.open(), place.open()).await;
    stored(&one, upload(1, 100, &LANE)).await;
    let mut watch = two.changes_watch();
    place
        .sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
              WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    // The first calls may meet a dead connection; none of them may do half of its work.
    let mut n = 2;
    let row = timeout(LONG, async {
        loop {
            n += 1;
            if let Ok(mut outcomes) = one.create_uploads(vec![upload(n, 100, &LANE)]).await
                && let CreateOutcome::Stored(row) = outcomes.remove(0)
            {
                return row;
            }
        }
    })
    .await
    .unwrap();
    let heard = watch.wait_for(|seq| *seq >= row.change_seq);
    timeout(LONG, heard).await.unwrap().unwrap();
    place.end().await;
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.open().await;
    place
        .sql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
              $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$",
        )
        .await;
    for table in ["media", "uploads"] {
        place
            .sql(&format!(
                "CREATE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION full_disk()"
            ))
            .await;
    }
    let full = store.begin_media(media("md_1"), None).await.unwrap_err();
    assert!(matches!(full, StoreError::Full), "{full}");
    let full = store.create_uploads(vec![upload(1, 100, &LANE)]).await;
    assert!(matches!(full, Err(StoreError::Full)));
    place.sql("DROP TRIGGER full_disk ON uploads").await;
    stored(&store, upload(1, 100, &LANE)).await;
    place.end().await;
}

#[tokio::test]
async fn an_error_names_its_code_and_no_password() {
    let away = "postgres://me:hunter2@127.0.0.1:1/uploads?sslmode=disable";
    let error = PgStore::connect(away).await.unwrap_err().to_string();
    assert!(
        error.contains("PostgreSQL") && !error.contains("hunter2"),
        "{error}"
    );

    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.open().await;
    place.sql("DROP TABLE media").await;
    let error = store
        .begin_media(media("md_1"), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("42P01"), "{error}");
    place.end().await;
}

#[tokio::test]
async fn the_time_is_that_of_the_database() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store = place.open().await;
    let before = store.now().await.unwrap();
    let theirs: i64 = place
        .sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        .await
        .parse()
        .unwrap();
    let after = store.now().await.unwrap();
    assert!(
        before <= theirs && theirs <= after,
        "{before} {theirs} {after}"
    );
    place.end().await;
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_new_start() {
    let Some(place) = Place::new().await else {
        return;
    };
    let store: Arc<dyn Store> = place.store().await;
    let row = stored(&*store, upload(1, 100, &LANE)).await;
    let claimed = claim(&*store, 100, 1_000, 1).await;
    let before = store.upload(&home(), &row.id).await.unwrap();
    store.close().await.unwrap();
    let store = place.open().await;
    assert_eq!(store.upload(&home(), &row.id).await.unwrap(), before);
    assert_eq!(store.expired(1_000, 10).await.unwrap(), claimed);
    let last = before.unwrap().change_seq;
    assert_eq!(*store.changes_watch().borrow(), last);
    assert!(stored(&store, upload(2, 100, &LANE)).await.change_seq > last);
    place.end().await;
}

#[tokio::test]
async fn a_database_that_was_restored_knows_it() {
    let (Some(place), Some(other)) = (Place::new().await, Place::new().await) else {
        return;
    };
    let store = place.open().await;
    stored(&store, upload(1, 100, &LANE)).await;
    store.beat(1_000, false).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump").display().to_string();
    place.program("pg_dump", &["-Fc", "-f", &dump]).await;
    assert!(!store.is_copy().await.unwrap(), "nothing has changed here");

    // In another database: at its first use, and for every engine, until one has adopted it.
    other.program("pg_restore", &[&dump, "-d", ""]).await;
    let (one, two) = join(other.open(), other.open()).await;
    assert!(one.is_copy().await.unwrap() && two.is_copy().await.unwrap());
    assert_eq!(two.beat(2_000, false).await.unwrap(), 2_000);
    assert!(one.is_copy().await.unwrap(), "a heartbeat does not hide it");
    one.beat(2_000, true).await.unwrap();
    assert!(!two.is_copy().await.unwrap());

    // In the same one, tables and all, and the rows alone.
    store.beat(3_000, false).await.unwrap();
    place
        .program("pg_restore", &[&dump, "--clean", "-d", ""])
        .await;
    assert!(store.is_copy().await.unwrap());
    store.beat(4_000, true).await.unwrap();
    place.program("pg_dump", &["-Fc", "-f", &dump]).await;
    place.sql("TRUNCATE notes").await;
    let rows = ["--data-only", "-t", "notes", "-d", ""];
    place
        .program("pg_restore", &[&[dump.as_str()], &rows[..]].concat())
        .await;
    assert!(store.is_copy().await.unwrap());
    other.end().await;
    place.end().await;
}
