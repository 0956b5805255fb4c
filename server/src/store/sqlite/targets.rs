//! Targets: the queue, claims and leases, and moves in the publishing machine.

use multi_upload_wire::Mode;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::{
    POSITIONS, from_db, is_taken, json_opt, mode_from_db, phase_to_db, target_at, to_db,
};
use super::events::{EventText, insert_event};
use super::lanes::{self, Lane};
use super::uploads;
use super::writer::Tx;
use crate::store::{
    AttemptChange, Millis, Owner, Phase, StoreError, StoreResult, TargetChange, TargetRow,
};

/// When the first lane can go on.
const NEXT_DUE: &str =
    "SELECT head_due FROM lanes WHERE busy = 0 AND head_due IS NOT NULL ORDER BY head_due LIMIT 1";

/// When the first lease ends.
const NEXT_LEASE: &str =
    "SELECT lease_until FROM targets WHERE phase IN (2, 3, 4) ORDER BY lease_until LIMIT 1";

/// Lanes that can go on, the longest due first.
const READY: &str = "SELECT mode, account_id, board FROM lanes WHERE busy = 0 AND head_due IS NOT NULL AND head_due <= ?1 \
     ORDER BY head_due LIMIT ?2";

/// The first in the queue of a lane.
const HEAD: &str = "SELECT n FROM targets WHERE mode = ?1 AND account_id = ?2 AND board = ?3 AND phase IN (1, 5) \
     ORDER BY due_at, n LIMIT 1";

const EXPIRED: &str = "SELECT n FROM targets WHERE phase IN (2, 3, 4) AND lease_until <= ?1 ORDER BY lease_until LIMIT ?2";

/// By lane, since the queue's index begins with it.
const OPEN_AFTER: &str = "SELECT count(*) FROM lanes l CROSS JOIN targets t ON t.mode = l.mode AND t.account_id = l.account_id \
     AND t.board = l.board WHERE l.mode = ?1 AND l.account_id = ?2 AND t.phase IN (1, 5) AND t.due_at > ?3 \
     AND t.team = ?4";

pub(super) fn next_timer(conn: &Connection) -> StoreResult<Option<Millis>> {
    let due: Option<Millis> = conn
        .prepare_cached(NEXT_DUE)?
        .query_row([], |row| row.get(0))
        .optional()?;
    let lease: Option<Millis> = conn
        .prepare_cached(NEXT_LEASE)?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(due.into_iter().chain(lease).min())
}

pub(super) fn claim(
    tx: &Tx<'_>,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> StoreResult<Vec<TargetRow>> {
    let mut ready = Vec::new();
    {
        let mut statement = tx.conn.prepare_cached(READY)?;
        let mut rows = statement.query(params![now, limit])?;
        while let Some(row) = rows.next()? {
            let mode: String = row.get(0)?;
            ready.push(Lane {
                mode: mode_from_db(&mode)?.as_str(),
                account_id: row.get(1)?,
                board: row.get(2)?,
            });
        }
    }
    let mut claimed = Vec::with_capacity(ready.len());
    for lane in ready {
        let n: i64 = tx
            .conn
            .prepare_cached(HEAD)?
            .query_row(params![lane.mode, lane.account_id, lane.board], |row| {
                row.get(0)
            })?;
        tx.conn
            .prepare_cached(
                "UPDATE targets SET phase = 2, fence = fence + 1, lease_until = ?2 WHERE n = ?1",
            )?
            .execute([n, lease_until])?;
        lanes::refresh(tx.conn, &lane)?;
        uploads::renew(tx, n / POSITIONS, now)?;
        claimed.push(target_at(tx.conn, n)?);
    }
    Ok(claimed)
}

pub(super) fn expired(conn: &Connection, now: Millis, limit: u32) -> StoreResult<Vec<TargetRow>> {
    let mut statement = conn.prepare_cached(EXPIRED)?;
    let numbers = statement
        .query_map(params![now, limit], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    numbers.into_iter().map(|n| target_at(conn, n)).collect()
}

pub(super) fn expire_leases(tx: &Tx<'_>, now: Millis) -> StoreResult<u64> {
    let changed = tx
        .conn
        .prepare_cached(
            "UPDATE targets SET lease_until = ?1 WHERE phase IN (2, 3, 4) AND lease_until > ?1",
        )?
        .execute([now])?;
    Ok(changed as u64)
}

pub(super) fn change_all(
    tx: &Tx<'_>,
    changes: &[TargetChange],
) -> StoreResult<Vec<Option<TargetRow>>> {
    changes.iter().map(|one| change(tx, one)).collect()
}

pub(super) fn change(tx: &Tx<'_>, change: &TargetChange) -> StoreResult<Option<TargetRow>> {
    let row = &change.row;
    if !is_allowed(change.expect_phase, row.phase) {
        return Ok(None);
    }
    let Some(upload) = uploads::number(tx.conn, &row.owner, &row.upload_id)? else {
        return Ok(None);
    };
    let Some((n, lane)) = find(tx.conn, upload, &row.id, row.owner.mode)? else {
        return Ok(None);
    };
    let under_way = matches!(
        row.phase,
        Phase::Claimed | Phase::Armed | Phase::Reconciling
    );
    // Under way without a lease would be lost for ever; such a change gets one that is over at once.
    let lease_until = under_way.then(|| row.lease_until.unwrap_or(change.at));
    // First of all writes: when the lane is busy or the post belongs to another target, nothing has changed yet.
    let moved = tx
        .conn
        .prepare_cached(
            "UPDATE targets SET phase = ?4, fence = ?5, due_at = ?6, scheduled_at = ?7, send_until = ?8, lease_until = ?9, \
             attempts = ?10, setbacks = ?11, prepared = ?12, remote_id = ?13, remote_url = ?14, published_at = ?15, \
             error = ?16 WHERE n = ?1 AND phase = ?2 AND fence = ?3",
        )?
        .execute(params![
            n,
            phase_to_db(change.expect_phase),
            to_db(change.expect_fence),
            phase_to_db(row.phase),
            to_db(row.fence),
            row.due_at,
            row.scheduled_at,
            row.send_until,
            lease_until,
            row.attempts,
            row.setbacks,
            json_opt(row.prepared.as_ref())?,
            row.remote_id,
            row.remote_url,
            row.published_at,
            json_opt(row.error.as_ref())?,
        ]);
    match moved {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) if is_taken(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    if let Some(attempt) = &change.attempt {
        change_attempt(tx.conn, n, row, attempt, change.at)?;
    }
    lanes::refresh(tx.conn, &lane)?;
    uploads::renew(tx, upload, change.at)?;
    insert_event(tx, upload, &EventText::new(change.event.clone())?)?;
    target_at(tx.conn, n).map(Some)
}

/// A success is final. The other ends are left only when a person asks for another try, or by a late proof of success.
const fn is_allowed(from: Phase, to: Phase) -> bool {
    match from {
        Phase::Published => false,
        Phase::Failed | Phase::Canceled | Phase::Missed => {
            matches!(to, Phase::Scheduled | Phase::Waiting | Phase::Published)
        }
        _ => true,
    }
}

fn find(conn: &Connection, upload: i64, id: &str, mode: Mode) -> StoreResult<Option<(i64, Lane)>> {
    Ok(conn
        .prepare_cached(
            "SELECT n, account_id, board FROM targets WHERE n BETWEEN ?1 AND ?2 AND id = ?3",
        )?
        .query_row(
            params![upload * POSITIONS, upload * POSITIONS + POSITIONS - 1, id],
            |row| {
                Ok((
                    row.get(0)?,
                    Lane {
                        mode: mode.as_str(),
                        account_id: row.get(1)?,
                        board: row.get(2)?,
                    },
                ))
            },
        )
        .optional()?)
}

fn change_attempt(
    conn: &Connection,
    n: i64,
    row: &TargetRow,
    attempt: &AttemptChange,
    at: Millis,
) -> StoreResult<()> {
    match attempt {
        AttemptChange::Open { number, deadline } => {
            let opened = conn
                .prepare_cached(
                    "INSERT INTO attempts (target, number, fence, fingerprint, deadline, opened_at) \
                     SELECT n, ?2, ?3, fingerprint, ?4, ?5 FROM targets WHERE n = ?1",
                )?
                .execute(params![n, number, to_db(row.fence), deadline, at]);
            match opened {
                Err(error) if is_taken(&error) => Err(StoreError::Failed(format!(
                    "attempt {number} of target {} cannot begin: it exists, or an earlier one is still open",
                    row.id
                ))),
                other => Ok(other.map(drop)?),
            }
        }
        AttemptChange::Close { number, outcome } => {
            // What was unclear may become clear later; what was proven stays.
            conn.prepare_cached(
                "UPDATE attempts SET outcome = ?3, closed_at = ?4 \
                 WHERE target = ?1 AND number = ?2 AND (outcome IS NULL OR outcome = 'unknown')",
            )?
            .execute(params![n, number, outcome, at])?;
            Ok(())
        }
    }
}

pub(super) fn open_after(
    conn: &Connection,
    owner: &Owner,
    account_id: &str,
    after: Millis,
) -> StoreResult<u64> {
    let count = conn.prepare_cached(OPEN_AFTER)?.query_row(
        params![owner.mode.as_str(), account_id, after, owner.team],
        |row| row.get(0),
    )?;
    Ok(from_db(count))
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;
    use super::*;

    #[test]
    fn finding_work_costs_the_same_in_a_long_queue() {
        assert_index(NEXT_DUE, &["lanes_ready"]);
        assert_index(NEXT_LEASE, &["targets_by_lease"]);
        assert_index(READY, &["lanes_ready"]);
        assert_index(HEAD, &["targets_queue"]);
        assert_index(EXPIRED, &["targets_by_lease"]);
        assert_index(OPEN_AFTER, &["PRIMARY KEY", "targets_queue"]);
    }
}
