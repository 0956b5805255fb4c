//! Posting slots.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::{damaged, is_taken};
use crate::store::{Owner, SlotOutcome, SlotRow, StoreResult};

pub(super) fn put(conn: &Connection, row: &SlotRow, is_new: bool) -> StoreResult<SlotOutcome> {
    let sql = if is_new {
        "INSERT INTO slots (team, mode, id, account_id, weekdays, minute, timezone, enabled, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    } else {
        "UPDATE slots SET account_id = ?4, weekdays = ?5, minute = ?6, timezone = ?7, enabled = ?8, created_at = ?9 \
         WHERE team = ?1 AND mode = ?2 AND id = ?3"
    };
    let stored = conn.prepare_cached(sql)?.execute(params![
        row.owner.team,
        row.owner.mode.as_str(),
        row.id,
        row.account_id,
        row.weekdays,
        row.minute,
        row.timezone,
        row.enabled,
        row.created_at,
    ]);
    match stored {
        Ok(0) => Ok(SlotOutcome::Gone),
        Ok(_) => Ok(SlotOutcome::Stored),
        Err(error) if is_taken(&error) => twin(conn, row),
        Err(error) => Err(error.into()),
    }
}

fn twin(conn: &Connection, row: &SlotRow) -> StoreResult<SlotOutcome> {
    let id: Option<String> = conn
        .prepare_cached(
            "SELECT id FROM slots WHERE team = ?1 AND mode = ?2 AND account_id = ?3 AND minute = ?4 AND timezone = ?5 \
             AND weekdays = ?6",
        )?
        .query_row(
            params![
                row.owner.team,
                row.owner.mode.as_str(),
                row.account_id,
                row.minute,
                row.timezone,
                row.weekdays
            ],
            |found| found.get(0),
        )
        .optional()?;
    id.map(SlotOutcome::Twin).ok_or_else(|| damaged("slot"))
}

pub(super) fn list(conn: &Connection, owner: &Owner) -> StoreResult<Vec<SlotRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, account_id, weekdays, minute, timezone, enabled, created_at FROM slots \
         WHERE team = ?1 AND mode = ?2 ORDER BY account_id, minute, id",
    )?;
    let found = statement.query_map(params![owner.team, owner.mode.as_str()], |row| {
        Ok(SlotRow {
            id: row.get(0)?,
            owner: owner.clone(),
            account_id: row.get(1)?,
            weekdays: row.get(2)?,
            minute: row.get(3)?,
            timezone: row.get(4)?,
            enabled: row.get(5)?,
            created_at: row.get(6)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn delete(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<bool> {
    let gone = conn
        .prepare_cached("DELETE FROM slots WHERE team = ?1 AND mode = ?2 AND id = ?3")?
        .execute(params![owner.team, owner.mode.as_str(), id])?;
    Ok(gone == 1)
}
