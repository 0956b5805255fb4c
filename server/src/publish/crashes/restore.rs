//! A database that goes back in time, under processes that have it open.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// What is in the database now, in a file beside it.
pub(super) fn copy(file: &Path) -> PathBuf {
    let copy = file.with_extension("copy");
    // There may be one of an earlier schedule.
    let _ = std::fs::remove_file(&copy);
    crate::store::sqlite::copy(file, &copy).unwrap();
    copy
}

/// Every table is again what it was.
pub(super) fn put_back(file: &Path, copy: &Path) {
    let mut conn = Connection::open(file).unwrap();
    conn.execute_batch("PRAGMA foreign_keys=OFF").unwrap();
    conn.busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    conn.execute("ATTACH ?1 AS old", [copy.to_string_lossy()])
        .unwrap();
    let tx = conn.transaction().unwrap();
    let tables: Vec<String> = tx
        .prepare(
            "SELECT name FROM old.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for table in tables {
        tx.execute_batch(&format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM old.{table};"
        ))
        .unwrap();
    }
    tx.commit().unwrap();
}
