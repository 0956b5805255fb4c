//! Connections that read, each used by one caller at a time on a blocking thread. In WAL mode they see the last commit and
//! never wait for the writer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open;
use crate::store::{StoreError, StoreResult};

#[derive(Clone)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    count: u32,
}

impl Readers {
    pub(super) fn open(path: &Path, count: u32) -> StoreResult<Self> {
        let free = (0..count)
            .map(|_| open::reader(path))
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(Self {
            free: Arc::new(Mutex::new(free)),
            permits: Arc::new(Semaphore::new(count as usize)),
            count,
        })
    }

    /// Runs `work` on one snapshot of the database.
    pub(super) async fn run<T, F>(&self, work: F) -> StoreResult<T>
    where
        F: FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
        T: Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let free = Arc::clone(&self.free);
        tokio::task::spawn_blocking(move || {
            let lease = Lease::take(free)?;
            let snapshot = lease.conn()?.unchecked_transaction()?;
            let result = work(&snapshot);
            drop(snapshot);
            drop(lease);
            drop(permit);
            result
        })
        .await
        .map_err(|_| StoreError::Failed("a read of the store did not finish".to_owned()))?
    }

    /// Waits for reads under way and closes the connections; later reads fail.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(self.count).await {
            self.permits.close();
            all.forget();
            lock(&self.free).clear();
        }
    }
}

/// A connection that goes back when dropped, so that a panic does not lose it.
struct Lease {
    conn: Option<Connection>,
    home: Arc<Mutex<Vec<Connection>>>,
}

impl Lease {
    fn take(home: Arc<Mutex<Vec<Connection>>>) -> StoreResult<Self> {
        let conn = lock(&home).pop().ok_or_else(closed)?;
        Ok(Self {
            conn: Some(conn),
            home,
        })
    }

    fn conn(&self) -> StoreResult<&Connection> {
        self.conn.as_ref().ok_or_else(closed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            lock(&self.home).push(conn);
        }
    }
}

fn lock(free: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".to_owned())
}
