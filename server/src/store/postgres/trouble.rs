//! What went wrong, and whether the same transaction may simply be run again.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// Trouble with the database inside this folder.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    error: StoreError,
    again: bool,
    of_a_row: bool,
}

/// Result inside this folder.
pub(super) type Res<T> = Result<T, Trouble>;

impl Trouble {
    /// True when the database works, and refused what was asked for: other rows may be fine.
    pub(super) const fn is_of_a_row(&self) -> bool {
        self.of_a_row
    }

    /// True when the transaction was rolled back for the sake of another one, so that it may work the next time.
    pub(super) const fn may_run_again(&self) -> bool {
        self.again
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self {
            error,
            again: false,
            of_a_row: true,
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        trouble.error
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let code = error.code();
        Self {
            again: code.is_some_and(|code| {
                *code == SqlState::T_R_SERIALIZATION_FAILURE
                    || *code == SqlState::T_R_DEADLOCK_DETECTED
            }),
            of_a_row: code.is_some_and(|code| *code != SqlState::DISK_FULL),
            error: describe(&error),
        }
    }
}

impl From<PoolError> for Trouble {
    fn from(error: PoolError) -> Self {
        let error = match error {
            PoolError::Backend(error) => return error.into(),
            PoolError::Closed => closed(),
            PoolError::Timeout(_) => StoreError::Failed(
                "no connection to PostgreSQL became free in time. Is the database reachable, and does it allow enough \
                 connections (max_connections)?"
                    .to_owned(),
            ),
            other => StoreError::Failed(format!("PostgreSQL: {other}")),
        };
        Self {
            error,
            again: false,
            of_a_row: false,
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Failed("the store is closed".to_owned())
}

/// The server's own words and its code; of a connection that broke, the chain of causes. Neither holds the password, and
/// the values of a row, which the server gives as detail, are left out.
fn describe(error: &tokio_postgres::Error) -> StoreError {
    if let Some(told) = error.as_db_error() {
        return match *told.code() {
            SqlState::DISK_FULL => StoreError::Full,
            _ => StoreError::Failed(format!(
                "PostgreSQL: {} (SQLSTATE {})",
                told.message(),
                told.code().code()
            )),
        };
    }
    let mut text = format!("PostgreSQL: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    StoreError::Failed(text)
}
