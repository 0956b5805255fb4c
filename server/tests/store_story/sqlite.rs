//! What is peculiar to SQLite: the file, group commit, and that an acknowledged row survives a kill.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use multi_upload_server::store::sqlite::SqliteStore;
use multi_upload_server::store::{CreateOutcome, Phase, Store, UploadFilter};

use crate::rows::{account, change, claim, home, moved, stored, upload};

/// A folder that goes away with the test.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("multi-upload.db")
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).unwrap()
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.open())
    }
}

const LANE: [(&str, &str); 1] = [("pinterest:1", "b1")];

#[tokio::test]
async fn a_closed_database_opens_again_with_everything() {
    let place = Place::new();
    let store = place.open();
    let row = stored(&store, upload(1, 100, &LANE)).await;
    store.put_account(account("pinterest:1")).await.unwrap();
    let claimed = claim(&store, 100, 1_000, 1).await;
    let before = store.upload(&home(), &row.id).await.unwrap();
    store.close().await.unwrap();
    let wal = place.path().with_extension("db-wal");
    assert!(!wal.exists(), "a clean end leaves one file");

    let store = place.open();
    assert_eq!(store.upload(&home(), &row.id).await.unwrap(), before);
    assert_eq!(store.expired(1_000, 10).await.unwrap(), claimed);
    assert!(
        store
            .account(&home(), "pinterest:1")
            .await
            .unwrap()
            .is_some()
    );
    // Counting goes on where it stopped.
    let last = before.unwrap().change_seq;
    assert_eq!(*store.changes_watch().borrow(), last);
    assert!(stored(&store, upload(2, 100, &LANE)).await.change_seq > last);
}

/// Holds the database's write lock as another process would, until it is committed.
fn hold(place: &Place) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(place.path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

#[tokio::test]
async fn callers_that_wait_together_share_a_commit() {
    let place = Place::new();
    let store = place.open();
    let before = store.commits();
    let holder = hold(&place);
    let mut callers: Vec<_> = (0..100)
        .map(|n| Box::pin(stored(&store, upload(n, 100, &LANE))))
        .collect();
    for caller in &mut callers {
        assert!(futures_util::poll!(caller.as_mut()).is_pending());
    }
    holder.execute_batch("COMMIT").unwrap();
    let rows = futures_util::future::join_all(callers).await;
    // Those the thread had taken when the lock stopped it, and all others.
    let commits = store.commits() - before;
    assert!(
        (1..=2).contains(&commits),
        "100 rows took {commits} commits"
    );

    let mut seqs: Vec<_> = rows.iter().map(|row| row.change_seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 100, "each has its own place in the change feed");
}

#[tokio::test]
async fn a_failure_does_not_take_its_neighbours() {
    let place = Place::new();
    let store = Arc::new(place.open());
    stored(&*store, upload(50, 100, &LANE)).await;
    let callers = (0..100).map(|n| {
        let store = Arc::clone(&store);
        async move { store.create_uploads(vec![upload(n, 100, &LANE)]).await }
    });
    let results = futures_util::future::join_all(callers).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), n == 50, "row {n}");
    }
    let all = store
        .uploads(&home(), &UploadFilter::default(), None, 1_000)
        .await
        .unwrap();
    assert_eq!(all.len(), 100);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_stop_the_change() {
    let place = Place::new();
    let store = place.open();
    let mut changes = store.changes_watch();
    let holder = hold(&place);
    {
        let caller = store.create_uploads(vec![upload(1, 100, &LANE)]);
        tokio::pin!(caller);
        // Polled once: the change is in the queue.
        assert!(futures_util::poll!(caller.as_mut()).is_pending());
    }
    holder.execute_batch("COMMIT").unwrap();
    changes.changed().await.unwrap();
    assert!(
        store
            .upload(&home(), "up_00000001")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn the_watch_tells_of_changes_that_can_be_read() {
    let place = Place::new();
    let store = place.open();
    let mut watch = store.changes_watch();
    assert_eq!(*watch.borrow_and_update(), 0);
    let row = stored(&store, upload(1, 100, &LANE)).await;
    watch.changed().await.unwrap();
    assert_eq!(*watch.borrow_and_update(), row.change_seq);
    moved(&store, &row.targets[0], Phase::Canceled, 200).await;
    watch.changed().await.unwrap();
    let seq = *watch.borrow_and_update();
    let changes = store.changes(&home(), row.change_seq, 10).await.unwrap();
    assert_eq!(changes[0].change_seq, seq);
    // What changes no upload is no change.
    store.put_account(account("pinterest:1")).await.unwrap();
    let lost = change(&row.targets[0], Phase::Claimed, 300);
    assert_eq!(store.change_target(lost).await.unwrap(), None);
    assert!(!watch.has_changed().unwrap());
}

#[tokio::test]
async fn a_second_process_can_use_the_database_of_a_running_service() {
    let place = Place::new();
    let service = place.open();
    stored(&service, upload(1, 100, &LANE)).await;
    let command = SqliteStore::open_shared(&place.path()).unwrap();
    command
        .create_api_key(crate::rows::api_key("key_1"))
        .await
        .unwrap();
    assert!(service.api_key("key_1").await.unwrap().is_some());
    let here = stored(&service, upload(2, 100, &LANE)).await;
    let there = stored(&command, upload(3, 100, &LANE)).await;
    let again = stored(&service, upload(4, 100, &LANE)).await;
    assert!(here.change_seq < there.change_seq && there.change_seq < again.change_seq);
    command.close().await.unwrap();
    assert!(
        service
            .upload(&home(), "up_00000003")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let place = Place::new();
    place.open().close().await.unwrap();
    let raw = rusqlite::Connection::open(place.path()).unwrap();
    raw.execute("INSERT INTO schema_version (version) VALUES (999)", [])
        .unwrap();
    drop(raw);
    let refused = SqliteStore::open(&place.path()).unwrap_err().to_string();
    assert!(
        refused.contains("schema 999") && refused.contains("newer"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    let text = "not a database, but long enough to be looked at as one\n".repeat(100);
    std::fs::write(place.path(), &text).unwrap();
    assert!(SqliteStore::open(&place.path()).is_err());
    assert_eq!(std::fs::read_to_string(place.path()).unwrap(), text);
    let nowhere = place.path().join("deeper").join("multi-upload.db");
    assert!(
        SqliteStore::open(&nowhere)
            .unwrap_err()
            .to_string()
            .contains("deeper")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_readable_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    std::fs::write(place.path(), "").unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = place.open();
    stored(&store, upload(1, 100, &LANE)).await;
    let files: Vec<_> = std::fs::read_dir(place.0.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(files.len() >= 2, "the database and its log");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

/// Set for the child that is killed: the database it writes to.
const VICTIM: &str = "STORE_STORY_VICTIM";

/// Not a test of its own: the child of the test below writes until it is killed, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let Some(path) = std::env::var_os(VICTIM) else {
        return;
    };
    let store = Arc::new(SqliteStore::open(&PathBuf::from(path)).unwrap());
    let callers = (0..8_u32).map(|caller| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0.. {
                let n = caller + 8 * n;
                let mut row = stored(
                    &*store,
                    upload(n, 100, &[("pinterest:1", &format!("b{n}"))]),
                )
                .await;
                row.targets[0] = moved(&*store, &row.targets[0], Phase::Canceled, 200).await;
                // One write for a line, so that lines of callers do not mix.
                eprint!("{}", format_args!("acknowledged {}\n", row.id));
            }
        })
    });
    futures_util::future::join_all(callers).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::victim", "--nocapture"])
        .env(VICTIM, place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut acknowledged = Vec::new();
    for line in lines.by_ref() {
        acknowledged.extend(line.strip_prefix("acknowledged ").map(ToOwned::to_owned));
        if acknowledged.len() == 200 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died counts too; only a last line without its end may be half.
    acknowledged.extend(
        lines
            .filter_map(|line| line.strip_prefix("acknowledged ").map(ToOwned::to_owned))
            .filter(|id| id.len() == "up_00000000".len()),
    );
    assert!(
        acknowledged.len() >= 200,
        "the child wrote {}",
        acknowledged.len()
    );

    let store = place.open();
    for id in &acknowledged {
        let row = store.upload(&home(), id).await.unwrap();
        let row = row.unwrap_or_else(|| panic!("{id} was acknowledged and is gone"));
        assert_eq!(row.targets[0].phase, Phase::Canceled, "{id}");
        assert_eq!(store.events(&home(), id).await.unwrap().len(), 2, "{id}");
    }
    // And the database goes on.
    let next = store
        .create_uploads(vec![upload(90_000_000, 100, &LANE)])
        .await
        .unwrap();
    assert!(matches!(next[0], CreateOutcome::Stored(_)));
}
