//! Lanes: the row of each (account, board) that says when its queue can go on.

use rusqlite::{Connection, params};

use crate::store::{Millis, StoreResult, TargetRow};

/// A board of an account; an empty board where the network has none. Teams that connected the same
/// account share its lanes, since they share its boards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) mode: &'static str,
    pub(super) account_id: String,
    pub(super) board: String,
}

impl Lane {
    pub(super) fn of(target: &TargetRow) -> Self {
        Self {
            mode: target.owner.mode.as_str(),
            account_id: target.account_id.clone(),
            board: target.content.board_id.clone().unwrap_or_default(),
        }
    }
}

/// A target that waits was added: cheaper than [`refresh`], and right because an addition can only bring the head forward.
pub(super) fn joined(conn: &Connection, lane: &Lane, due_at: Millis) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT INTO lanes (mode, account_id, board, head_due, busy) VALUES (?1, ?2, ?3, ?4, 0) \
         ON CONFLICT DO UPDATE SET head_due = excluded.head_due WHERE head_due IS NULL OR head_due > excluded.head_due",
    )?
    .execute(params![lane.mode, lane.account_id, lane.board, due_at])?;
    Ok(())
}

const REFRESH: &str = "INSERT INTO lanes (mode, account_id, board, head_due, busy) VALUES (?1, ?2, ?3, \
       (SELECT due_at FROM targets WHERE mode = ?1 AND account_id = ?2 AND board = ?3 AND phase IN (1, 5) \
        ORDER BY due_at LIMIT 1), \
       EXISTS (SELECT 1 FROM targets WHERE mode = ?1 AND account_id = ?2 AND board = ?3 AND phase IN (2, 3, 4))) \
     ON CONFLICT DO UPDATE SET head_due = excluded.head_due, busy = excluded.busy";

/// Looks at the lane's targets again, after any of them changed.
pub(super) fn refresh(conn: &Connection, lane: &Lane) -> StoreResult<()> {
    conn.prepare_cached(REFRESH)?
        .execute(params![lane.mode, lane.account_id, lane.board])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;
    use super::*;

    #[test]
    fn looking_at_a_lane_costs_the_same_in_a_long_queue() {
        assert_index(REFRESH, &["targets_queue", "targets_under_way"]);
    }
}
