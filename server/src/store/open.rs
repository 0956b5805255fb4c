//! Opens the database that the settings name.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::postgres::PgStore;
use super::sqlite::SqliteStore;
use super::{Store, StoreResult};
use crate::config::Database;

/// An open store, and how it tells of changes.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// Highest change number that is stored, by any engine.
    pub(crate) changes: watch::Receiver<u64>,
    /// Told when another engine stored something that may be due sooner.
    pub(crate) wakes: Option<Arc<Notify>>,
    /// Whose time counts, where several engines share it.
    pub(crate) shared: Option<Arc<PgStore>>,
}

/// Opens for an engine.
pub(crate) async fn open(database: &Database, data: &Path) -> StoreResult<Opened> {
    match database {
        Database::Folder => {
            let store = SqliteStore::open(&data.join(FILE))?;
            Ok(Opened {
                changes: store.changes_watch(),
                wakes: None,
                shared: None,
                store: Arc::new(store),
            })
        }
        Database::Postgres(url) => {
            let store = Arc::new(PgStore::connect(url).await?);
            Ok(Opened {
                changes: store.changes_watch(),
                wakes: Some(store.wakes()),
                shared: Some(Arc::clone(&store)),
                store,
            })
        }
    }
}

/// Opens beside a running engine.
pub(crate) async fn open_beside(database: &Database, data: &Path) -> StoreResult<Arc<dyn Store>> {
    Ok(match database {
        Database::Folder => Arc::new(SqliteStore::open_shared(&data.join(FILE))?),
        Database::Postgres(url) => Arc::new(PgStore::connect(url).await?),
    })
}

/// Name of the database file in a data folder.
pub(crate) const FILE: &str = "multi-upload.db";
