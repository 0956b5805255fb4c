//! The one thread that writes.
//!
//! A commit costs one sync of the disk, however many rows it holds. So the thread takes what waits (it never waits for
//! more), runs every piece of work in a savepoint of one transaction, commits once, and only then answers
//! all of them. A piece that fails is rolled back alone; a commit that fails fails them all.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::codec::{from_db, to_db};
use crate::audit::{self, Actor};
use crate::store::{StoreError, StoreResult};

/// Pieces of work in one transaction, at most.
const GROUP: usize = 256;

/// Pieces of work that may wait; more callers wait for room.
const QUEUE: usize = 1024;

/// What work sees: the connection inside the transaction, and the counters.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Connection,
    change_seq: Cell<u64>,
    event_seq: Cell<u64>,
    by: RefCell<Actor>,
}

impl Tx<'_> {
    /// Who asked for the work that is under way.
    pub(super) fn by(&self) -> Actor {
        self.by.borrow().clone()
    }

    /// The next position in the change feed. Unused ones leave gaps, which readers do not mind.
    pub(super) fn next_change(&self) -> i64 {
        self.change_seq.set(self.change_seq.get() + 1);
        to_db(self.change_seq.get())
    }

    /// The next number of an event.
    pub(super) fn next_event(&self) -> i64 {
        self.event_seq.set(self.event_seq.get() + 1);
        to_db(self.event_seq.get())
    }
}

/// Tells the caller, once the fate of the transaction is known.
type Answer = Box<dyn FnOnce(StoreResult<()>) + Send>;

/// One piece of work: with a transaction it runs, without one it only says so to its caller. Gives its own failure.
type Work = Box<dyn FnOnce(StoreResult<&Tx<'_>>) -> (Option<StoreError>, Answer) + Send>;

enum Message {
    Work(Work),
    Close,
}

/// The caller's side.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
    changes: watch::Receiver<u64>,
}

impl Writer {
    /// Starts the thread on a connection that has its settings.
    pub(super) fn start(conn: Connection) -> StoreResult<Self> {
        let last: i64 = conn.query_row("SELECT change_seq FROM counters", [], |row| row.get(0))?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (changed, changes) = watch::channel(from_db(last));
        let commits = Arc::new(AtomicU64::new(0));
        let side = WriterThread {
            conn,
            waiting,
            changed,
            commits: Arc::clone(&commits),
        };
        let thread = std::thread::Builder::new()
            .name("multi-upload-store".to_owned())
            .spawn(move || side.run())
            .map_err(|error| {
                StoreError::Failed(format!("the store's thread did not start: {error}"))
            })?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
            commits,
            changes,
        })
    }

    /// Runs `work` in a transaction and answers when it is on disk. Goes on when the caller stops waiting.
    pub(super) async fn run<T, F>(&self, work: F) -> StoreResult<T>
    where
        F: FnOnce(&Tx<'_>) -> StoreResult<T> + Send + 'static,
        T: Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let by = audit::current();
        let work: Work = Box::new(move |tx| {
            let result = tx.and_then(|tx| {
                *tx.by.borrow_mut() = by;
                work(tx)
            });
            let failure = result.as_ref().err().cloned();
            let answer: Answer = Box::new(move |commit| {
                // The caller may have stopped waiting.
                let _ = tell.send(result.and_then(|value| commit.map(|()| value)));
            });
            (failure, answer)
        });
        self.queue
            .send(Message::Work(work))
            .await
            .map_err(|_| closed())?;
        told.await.map_err(|_| {
            StoreError::Failed("the store stopped in the middle of this change".to_owned())
        })?
    }

    /// How many transactions were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// The last committed position of the change feed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Does what was accepted, then ends the thread and closes its connection.
    pub(super) async fn close(&self) -> StoreResult<()> {
        // An error means that it is closed already.
        let _ = self.queue.send(Message::Close).await;
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        let Some(thread) = thread else { return Ok(()) };
        tokio::task::spawn_blocking(move || thread.join())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| StoreError::Failed("the store's thread ended by a fault".to_owned()))
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".to_owned())
}

struct WriterThread {
    conn: Connection,
    waiting: mpsc::Receiver<Message>,
    changed: watch::Sender<u64>,
    commits: Arc<AtomicU64>,
}

impl WriterThread {
    fn run(mut self) {
        let mut group: VecDeque<Work> = VecDeque::with_capacity(GROUP);
        loop {
            if group.is_empty() {
                match self.waiting.blocking_recv() {
                    Some(message) => self.take(message, &mut group),
                    None => break,
                }
            }
            while group.len() < GROUP {
                match self.waiting.try_recv() {
                    Ok(message) => self.take(message, &mut group),
                    Err(_) => break,
                }
            }
            self.commit(&mut group);
        }
        // The next start finds a short log. A reader in another process can hold this up; then it does it.
        let _ = self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    fn take(&mut self, message: Message, group: &mut VecDeque<Work>) {
        match message {
            Message::Work(work) => group.push_back(work),
            // Nothing new comes in; what was accepted is still handed out.
            Message::Close => self.waiting.close(),
        }
    }

    /// One transaction. Work that was not begun when it broke stays in `group` for the next.
    fn commit(&self, group: &mut VecDeque<Work>) {
        if group.is_empty() {
            return;
        }
        let tx = match self.begin() {
            Ok(tx) => tx,
            Err(error) => {
                for work in group.drain(..) {
                    let (_, answer) = work(Err(error.clone()));
                    answer(Err(error.clone()));
                }
                return;
            }
        };
        let before = (tx.change_seq.get(), tx.event_seq.get());
        let mut answers = Vec::with_capacity(group.len());
        let mut kept = false;
        let mut broken = None;
        while let Some(work) = group.pop_front() {
            let (step, answer) = self.step(&tx, work);
            answers.extend(answer);
            match step {
                Ok(keep) => kept |= keep,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        let result = match broken {
            Some(error) => Err(error),
            None if kept => self.finish(&tx, before),
            None => Err(StoreError::Failed("nothing to store".to_owned())),
        };
        if result.is_err() && !self.conn.is_autocommit() {
            // If even that fails, the next BEGIN fails and says why.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        if result.is_ok() {
            self.commits.fetch_add(1, Ordering::Relaxed);
            let seq = tx.change_seq.get();
            self.changed.send_if_modified(|last| {
                let newer = seq > *last;
                *last = seq.max(*last);
                newer
            });
        }
        for answer in answers {
            answer(result.clone());
        }
    }

    fn begin(&self) -> StoreResult<Tx<'_>> {
        self.execute("BEGIN IMMEDIATE")?;
        // Read each time: another process may have counted on.
        let counters = self
            .conn
            .prepare_cached("SELECT change_seq, event_seq FROM counters")
            .and_then(|mut statement| {
                statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            });
        match counters {
            Ok((change_seq, event_seq)) => Ok(Tx {
                conn: &self.conn,
                change_seq: Cell::new(from_db(change_seq)),
                event_seq: Cell::new(from_db(event_seq)),
                by: RefCell::default(),
            }),
            Err(error) => {
                let _ = self.conn.execute_batch("ROLLBACK");
                Err(error.into())
            }
        }
    }

    /// One piece in its savepoint: is there something to keep? `Err` when the whole transaction is lost with it.
    fn step(&self, tx: &Tx<'_>, work: Work) -> (StoreResult<bool>, Option<Answer>) {
        if let Err(error) = self.execute("SAVEPOINT piece") {
            let (_, answer) = work(Err(error.clone()));
            return (Err(error), Some(answer));
        }
        // A panic is a fault of ours; it must not end the thread that everybody needs.
        let (failure, answer) = match catch_unwind(AssertUnwindSafe(|| work(Ok(tx)))) {
            Ok((failure, answer)) => (failure, Some(answer)),
            Err(_) => (
                Some(StoreError::Failed(
                    "a change of the store panicked".to_owned(),
                )),
                None,
            ),
        };
        let settled = match failure {
            None => self.execute("RELEASE piece").map(|()| true),
            // A full disk and the like end the transaction by themselves.
            Some(error) if self.conn.is_autocommit() => Err(error),
            Some(_) => self
                .execute("ROLLBACK TO piece")
                .and_then(|()| self.execute("RELEASE piece"))
                .map(|()| false),
        };
        (settled, answer)
    }

    fn execute(&self, sql: &str) -> StoreResult<()> {
        self.conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn finish(&self, tx: &Tx<'_>, before: (u64, u64)) -> StoreResult<()> {
        let now = (tx.change_seq.get(), tx.event_seq.get());
        if now != before {
            self.conn
                .prepare_cached("UPDATE counters SET change_seq = ?1, event_seq = ?2")?
                .execute([to_db(now.0), to_db(now.1)])?;
        }
        self.execute("COMMIT")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as blocking;

    use super::*;

    /// A writer on a table of its own, beside the counters.
    fn writer() -> Writer {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE counters (change_seq INTEGER, event_seq INTEGER); INSERT INTO counters VALUES (0, 0); \
             CREATE TABLE parents (n INTEGER PRIMARY KEY); \
             CREATE TABLE rows (n INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED, \
             bytes BLOB); PRAGMA foreign_keys = ON; PRAGMA max_page_count = 40;",
        )
        .unwrap();
        Writer::start(conn).unwrap()
    }

    fn insert(tx: &Tx<'_>, n: i64) -> StoreResult<()> {
        tx.conn.execute("INSERT INTO rows (n) VALUES (?1)", [n])?;
        Ok(())
    }

    async fn rows(writer: &Writer) -> Vec<i64> {
        writer
            .run(|tx| {
                let mut statement = tx.conn.prepare("SELECT n FROM rows ORDER BY n")?;
                let rows = statement.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
            .unwrap()
    }

    /// Runs pieces of work in one transaction: the thread is held by another until all of them wait.
    async fn together(writer: &Writer, pieces: Vec<Piece>) -> Vec<StoreResult<()>> {
        let (started, holding) = blocking::channel::<()>();
        let (release, held) = blocking::channel::<()>();
        let holder = writer.run(move |_| {
            started.send(()).unwrap();
            held.recv().unwrap();
            Ok(())
        });
        tokio::pin!(holder);
        assert!(futures_util::poll!(holder.as_mut()).is_pending());
        holding.recv().unwrap();
        let mut waiting: Vec<_> = pieces
            .into_iter()
            .map(|piece| Box::pin(writer.run(piece)))
            .collect();
        for piece in &mut waiting {
            assert!(futures_util::poll!(piece.as_mut()).is_pending());
        }
        release.send(()).unwrap();
        holder.await.unwrap();
        futures_util::future::join_all(waiting).await
    }

    type Piece = Box<dyn FnOnce(&Tx<'_>) -> StoreResult<()> + Send>;

    #[tokio::test]
    async fn a_piece_that_fails_or_panics_takes_no_other_with_it() {
        let writer = writer();
        let results = together(
            &writer,
            vec![
                Box::new(|tx| insert(tx, 1)),
                Box::new(|tx| {
                    insert(tx, 2)?;
                    insert(tx, 1)
                }),
                Box::new(|tx| {
                    insert(tx, 3)?;
                    panic!("a fault in a piece of work")
                }),
                Box::new(|tx| insert(tx, 4)),
            ],
        )
        .await;
        let good: Vec<_> = results.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, false, true]);
        assert_eq!(rows(&writer).await, [1, 4]);
    }

    #[tokio::test]
    async fn a_commit_that_fails_fails_everyone_in_it() {
        let writer = writer();
        let results = together(
            &writer,
            vec![
                Box::new(|tx| insert(tx, 1)),
                // The missing parent shows at the commit.
                Box::new(|tx| {
                    tx.conn
                        .execute("INSERT INTO rows (n, parent) VALUES (2, 99)", [])?;
                    Ok(())
                }),
            ],
        )
        .await;
        assert!(results.iter().all(Result::is_err), "{results:?}");
        let before = writer.commits();
        writer.run(|tx| insert(tx, 3)).await.unwrap();
        assert_eq!(writer.commits(), before + 1);
        assert_eq!(rows(&writer).await, [3]);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_as_such_and_the_thread_goes_on() {
        let writer = writer();
        let big = |tx: &Tx<'_>| {
            tx.conn
                .execute("INSERT INTO rows (bytes) VALUES (zeroblob(1000000))", [])?;
            Ok(())
        };
        let full = writer.run(big).await.unwrap_err();
        assert!(matches!(full, StoreError::Full), "{full}");
        writer.run(|tx| insert(tx, 7)).await.unwrap();
        assert_eq!(rows(&writer).await, [7]);
    }

    #[tokio::test]
    async fn changes_are_told_after_their_commit_only() {
        let writer = writer();
        let mut changes = writer.changes();
        let failed = writer
            .run(|tx| {
                tx.next_change();
                insert(tx, 1)?;
                insert(tx, 1)
            })
            .await;
        assert!(failed.is_err());
        assert!(!changes.has_changed().unwrap());
        let seq = writer.run(|tx| Ok(tx.next_change())).await.unwrap();
        assert_eq!(to_db(*changes.borrow_and_update()), seq);
        writer.close().await.unwrap();
        assert!(writer.run(|tx| insert(tx, 2)).await.is_err());
    }
}
