//! Lanes: the row of each (account, board) that says when its queue can go on.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::turns;
use crate::store::{Millis, StoreResult, TargetRow};

/// An account, of whatever team: teams that connected the same one share its lanes, since they share its boards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) mode: &'static str,
    pub(super) id: String,
}

/// A board of an account; an empty board where the network has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) account: Account,
    pub(super) board: String,
}

impl Lane {
    pub(super) fn of(target: &TargetRow) -> Self {
        Self {
            account: Account {
                mode: target.owner.mode.as_str(),
                id: target.account_id.clone(),
            },
            board: target.content.board_id.clone().unwrap_or_default(),
        }
    }
}

/// The first of a lane that may go on.
pub(super) struct Head {
    pub(super) n: i64,
    pub(super) due_at: Millis,
    pub(super) platform: String,
}

/// Targets at the front of a queue that are looked at, at most. When a look could not tell any of them from one that is in
/// doubt, the lane waits until that doubt is over: a bound on the cost, met by pins without texts only.
const FRONT: u32 = 1_000;

const QUEUE: &str = "SELECT n, due_at, platform, fingerprint FROM targets \
     WHERE mode = ?1 AND account_id = ?2 AND board = ?3 AND phase IN (1, 5) ORDER BY due_at, n LIMIT ?4";

const IN_DOUBT: &str = "SELECT EXISTS (SELECT 1 FROM targets WHERE mode = ?1 AND account_id = ?2 AND fingerprint = ?3 \
     AND phase IN (2, 3, 4))";

const BUSY: &str = "SELECT EXISTS (SELECT 1 FROM targets WHERE mode = ?1 AND account_id = ?2 AND board = ?3 AND phase IN (2, 3))";

/// The first in the queue of a lane whose like is not under way or in doubt.
pub(super) fn head(conn: &Connection, lane: &Lane) -> StoreResult<Option<Head>> {
    let account = &lane.account;
    let mut queue = conn.prepare_cached(QUEUE)?;
    let mut in_doubt = conn.prepare_cached(IN_DOUBT)?;
    let mut rows = queue.query(params![account.mode, account.id, lane.board, FRONT])?;
    let mut passed = HashSet::new();
    while let Some(row) = rows.next()? {
        let fingerprint: String = row.get(3)?;
        if passed.contains(&fingerprint) {
            continue;
        }
        if in_doubt.query_row(params![account.mode, account.id, fingerprint], |found| {
            found.get(0)
        })? {
            passed.insert(fingerprint);
            continue;
        }
        return Ok(Some(Head {
            n: row.get(0)?,
            due_at: row.get(1)?,
            platform: row.get(2)?,
        }));
    }
    Ok(None)
}

/// A target that waits was added: cheaper than [`refresh`]. An addition can only bring the head forward; if its like is in doubt,
/// the claim finds that out.
pub(super) fn joined(conn: &Connection, lane: &Lane, due_at: Millis) -> StoreResult<()> {
    let account = &lane.account;
    let free: Option<bool> = conn
        .prepare_cached(
            "INSERT INTO lanes (mode, account_id, board, head_due, busy) VALUES (?1, ?2, ?3, ?4, 0) \
             ON CONFLICT DO UPDATE SET head_due = excluded.head_due \
             WHERE head_due IS NULL OR head_due > excluded.head_due RETURNING busy = 0",
        )?
        .query_row(params![account.mode, account.id, lane.board, due_at], |row| row.get(0))
        .optional()?;
    match free {
        Some(true) => turns::brought_forward(conn, account, due_at),
        _ => Ok(()),
    }
}

/// Looks at the lane's targets again, after any of them changed.
pub(super) fn refresh(conn: &Connection, lane: &Lane) -> StoreResult<()> {
    look_again(conn, lane)?;
    turns::refresh(conn, &lane.account)
}

/// The same, for who refreshes the turn of the account later.
pub(super) fn look_again(conn: &Connection, lane: &Lane) -> StoreResult<()> {
    let account = &lane.account;
    let busy: bool = conn
        .prepare_cached(BUSY)?
        .query_row(params![account.mode, account.id, lane.board], |row| {
            row.get(0)
        })?;
    // Who comes next is asked when the lane is free again.
    let head_due = match busy {
        true => None,
        false => head(conn, lane)?.map(|head| head.due_at),
    };
    conn.prepare_cached(
        "INSERT INTO lanes (mode, account_id, board, head_due, busy) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO UPDATE SET head_due = excluded.head_due, busy = excluded.busy",
    )?
    .execute(params![
        account.mode,
        account.id,
        lane.board,
        head_due,
        busy
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;
    use super::*;

    #[test]
    fn looking_at_a_lane_costs_the_same_in_a_long_queue() {
        assert_index(QUEUE, &["targets_queue"]);
        assert_index(IN_DOUBT, &["CONSTANT ROW", "targets_alone"]);
        assert_index(BUSY, &["CONSTANT ROW", "targets_under_way"]);
    }
}
