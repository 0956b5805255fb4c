//! The pool of connections, and short forms for statements.

use std::time::Duration;

use deadpool_postgres::{
    GenericClient, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
    Transaction,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};

use super::tls::Tls;
use super::trouble::Res;
use crate::store::{StoreError, StoreResult};

/// Connections of one node. PostgreSQL allows 100 by default, for all nodes together.
const CONNECTIONS: usize = 16;

/// How long a caller waits for a free connection, or for a new one to be made.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a transaction that was rolled back for the sake of another is run.
const RUNS: u32 = 5;

/// What every connection is told first.
///
/// - An answer means that the change survives a power loss, whatever the database's default is (a stronger one stays).
/// - A node that dies or is frozen in the middle of a transaction must not keep its locks for long: every other one waits for them.
///   Between two statements there are milliseconds.
/// - Every statement is short: compiling one would take longer than running it.
const SESSION: &str = "SELECT set_config('synchronous_commit', 'on', false) \
       WHERE current_setting('synchronous_commit') IN ('off', 'local'); \
     SET idle_in_transaction_session_timeout = 5000; \
     SET jit = off; \
     SET client_min_messages = warning";

/// Parameters of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection pool.
#[derive(Clone)]
pub(super) struct Db {
    pool: Pool,
}

impl Db {
    pub(super) fn new(config: tokio_postgres::Config, tls: Tls) -> StoreResult<Self> {
        let manager = Manager::from_config(
            config,
            tls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(async move {
                    client
                        .batch_execute(SESSION)
                        .await
                        .map_err(HookError::Backend)
                })
            }))
            .build()
            .map_err(|error| StoreError::Failed(format!("the pool of connections: {error}")))?;
        Ok(Self { pool })
    }

    pub(super) async fn client(&self) -> Res<Object> {
        Ok(self.pool.get().await?)
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// Begins a transaction in which every statement sees what was committed before it.
pub(super) async fn begin(client: &mut Object) -> Res<Transaction<'_>> {
    Ok(client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await?)
}

/// Runs a whole transaction again when another one was preferred to it.
pub(super) async fn again<T, F: Future<Output = Res<T>>>(once: impl Fn() -> F) -> Res<T> {
    for _ in 1..RUNS {
        match once().await {
            Err(trouble) if trouble.may_run_again() => {}
            done => return done,
        }
    }
    once().await
}

pub(super) async fn rows<C: GenericClient>(
    client: &C,
    sql: &str,
    values: Values<'_>,
) -> Res<Vec<Row>> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, values).await?)
}

pub(super) async fn row<C: GenericClient>(
    client: &C,
    sql: &str,
    values: Values<'_>,
) -> Res<Option<Row>> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, values).await?)
}

/// Gives the number of rows that changed.
pub(super) async fn execute<C: GenericClient>(
    client: &C,
    sql: &str,
    values: Values<'_>,
) -> Res<u64> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}
