//! Where the stores of the sequences are: fresh for each one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use multi_upload_server::store::Store;
use multi_upload_server::store::postgres::PgStore;
use multi_upload_server::store::sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::cluster;

const FILE: &str = "multi-upload.db";

pub(crate) enum Place {
    Sqlite,
    Postgres(Box<cluster::Place>),
}

/// One empty database.
pub(crate) enum Database {
    Sqlite {
        folder: TempDir,
        /// Opened once there is a file.
        beside: OnceLock<Mutex<Connection>>,
    },
    Postgres {
        url: String,
        beside: Client,
    },
}

impl Place {
    /// `None` where there is no PostgreSQL.
    pub(crate) async fn postgres() -> Option<Self> {
        let place = cluster::Place::new().await?;
        // With its tables: the sequences empty them.
        place.open().await.close().await.unwrap();
        Some(Self::Postgres(Box::new(place)))
    }

    pub(crate) async fn fresh(&self) -> Database {
        match self {
            Self::Sqlite => {
                // In memory where there is such a folder: what a sync does is tested elsewhere, and here it would take most of the time.
                let memory = PathBuf::from("/dev/shm");
                let folder = match memory.is_dir() {
                    true => tempfile::tempdir_in(memory),
                    false => tempfile::tempdir(),
                };
                Database::Sqlite {
                    folder: folder.unwrap(),
                    beside: OnceLock::new(),
                }
            }
            Self::Postgres(place) => {
                let beside = place.client().await;
                beside.batch_execute(EMPTY).await.unwrap();
                Database::Postgres {
                    url: place.url().to_owned(),
                    beside,
                }
            }
        }
    }

    pub(crate) async fn end(self) {
        if let Self::Postgres(place) = self {
            place.end().await;
        }
    }
}

/// Everything but what the migration itself put there.
const EMPTY: &str = "DO $$ DECLARE name text; BEGIN \
     FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() \
       AND tablename IN ('uploads', 'targets', 'attempts', 'events', 'idempotency', 'pace', 'lanes') LOOP \
       EXECUTE 'TRUNCATE ' || quote_ident(name) || ' CASCADE'; END LOOP; \
     UPDATE counters SET change_seq = 0; END $$";

impl Database {
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite { folder, .. } => {
                Arc::new(SqliteStore::open(&folder.path().join(FILE)).unwrap())
            }
            Self::Postgres { url, .. } => Arc::new(PgStore::connect(url).await.unwrap()),
        }
    }

    /// The first column of the first row, read beside the store.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Sqlite { folder, beside } => {
                let path = folder.path().join(FILE);
                let open = || Mutex::new(Connection::open(path).unwrap());
                let beside = beside.get_or_init(open).lock().unwrap();
                let mut statement = beside.prepare_cached(sql).unwrap();
                statement.query_row([], |row| row.get(0)).unwrap()
            }
            Self::Postgres { beside, .. } => {
                let found = beside.simple_query(sql).await.unwrap();
                let row = found.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0),
                    _ => None,
                });
                row.unwrap().parse().unwrap()
            }
        }
    }
}
