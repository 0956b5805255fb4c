//! Targets: moves in the publishing machine, and what is asked about them.

use multi_upload_wire::Mode;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::{POSITIONS, from_db, is_taken, json_opt, phase_to_db, target_at, to_db};
use super::events::{EventText, insert_event};
use super::lanes::{self, Account, Lane};
use super::turns;
use super::uploads;
use super::wall_times;
use super::webhooks;
use super::writer::Tx;
use crate::store::{
    AttemptChange, Millis, Owner, Phase, StoreError, StoreResult, TargetChange, TargetRow,
};
use crate::webhooks::Moved;

/// By lane, since the queue's index begins with it.
const OPEN_AFTER: &str = "SELECT count(*) FROM lanes l CROSS JOIN targets t ON t.mode = l.mode AND t.account_id = l.account_id \
     AND t.board = l.board WHERE l.mode = ?1 AND l.account_id = ?2 AND t.phase IN (1, 5) AND t.due_at > ?3 \
     AND t.team = ?4";

const BASELINE: &str =
    "SELECT ids FROM baselines WHERE team = ?1 AND mode = ?2 AND target_id = ?3 AND number = ?4";

const FORGET_BASELINES: &str =
    "DELETE FROM baselines WHERE team = ?1 AND mode = ?2 AND target_id = ?3";

const BY_REMOTE_ID: &str =
    "SELECT 1 FROM targets WHERE mode = ?1 AND account_id = ?2 AND remote_id = ?3";

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
    // First of all writes: when the lane is busy or the post belongs to another target, nothing has changed yet.
    let moved = match change.expect_phase {
        Phase::Published => note(tx.conn, n, change)?,
        _ => move_to(tx.conn, n, change)?,
    };
    match moved {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) if is_taken(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    if let Some(attempt) = &change.attempt {
        change_attempt(tx.conn, n, row, attempt, change.at)?;
    }
    if row.phase.is_terminal() {
        forget_baselines(tx.conn, row)?;
    }
    if row.phase == Phase::Canceled {
        wall_times::free(tx.conn, n)?;
    }
    if change.expect_phase == Phase::Claimed && row.phase != Phase::Armed {
        turns::gave_back(tx.conn, &lane.account)?;
    }
    lanes::refresh(tx.conn, &lane)?;
    let status = uploads::renew(tx, upload, change.at)?;
    insert_event(tx, upload, &EventText::new(change.event.clone())?)?;
    let step = Moved {
        target_id: &row.id,
        from: change.expect_phase,
        to: row.phase,
    };
    webhooks::upload_changed(
        tx,
        &row.owner,
        &row.upload_id,
        status,
        Some(step),
        change.at,
    )?;
    target_at(tx.conn, n).map(Some)
}

fn move_to(
    conn: &Connection,
    n: i64,
    change: &TargetChange,
) -> StoreResult<rusqlite::Result<usize>> {
    let row = &change.row;
    // Under way without a lease would be lost for ever; such a change gets one that is over at once.
    let lease_until = match row.phase {
        Phase::Claimed | Phase::Armed => Some(row.lease_until.unwrap_or(change.at)),
        Phase::Reconciling => row.lease_until,
        _ => None,
    };
    Ok(conn
        .prepare_cached(
            "UPDATE targets SET phase = ?4, fence = ?5, due_at = ?6, scheduled_at = ?7, send_until = ?8, lease_until = CASE WHEN ?19 THEN max(?9, coalesce(lease_until, ?9)) ELSE ?9 END, \
             attempts = ?10, setbacks = ?11, attempt = ?12, prepared = ?13, remote_id = ?14, remote_url = ?15, \
             published_at = ?16, error = ?17, sentinel_at = ?18 WHERE n = ?1 AND phase = ?2 AND fence = ?3",
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
            json_opt(row.attempt.as_ref())?,
            json_opt(row.prepared.as_ref())?,
            row.remote_id,
            row.remote_url,
            row.published_at,
            json_opt(row.error.as_ref())?,
            row.sentinel_at,
            lease_until.is_some() && row.lease_until.is_some(),
        ]))
}

/// What may still be said of a success.
fn note(conn: &Connection, n: i64, change: &TargetChange) -> StoreResult<rusqlite::Result<usize>> {
    Ok(conn
        .prepare_cached(
            "UPDATE targets SET error = ?4, sentinel_at = ?5 WHERE n = ?1 AND phase = ?2 AND fence = ?3",
        )?
        .execute(params![
            n,
            phase_to_db(change.expect_phase),
            to_db(change.expect_fence),
            json_opt(change.row.error.as_ref())?,
            change.row.sentinel_at,
        ]))
}

/// A success is final. The other ends are left only when a person asks for another try, or by a late proof of success.
const fn is_allowed(from: Phase, to: Phase) -> bool {
    match from {
        Phase::Published => matches!(to, Phase::Published),
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
                        account: Account {
                            mode: mode.as_str(),
                            id: row.get(1)?,
                        },
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
        AttemptChange::Open {
            number,
            deadline,
            baseline,
        } => {
            let opened = conn
                .prepare_cached(
                    "INSERT INTO attempts (target, number, mode, account_id, fence, fingerprint, deadline, opened_at) \
                     SELECT n, ?2, mode, account_id, ?3, fingerprint, ?4, ?5 FROM targets WHERE n = ?1",
                )?
                .execute(params![n, number, to_db(row.fence), deadline, at]);
            match opened {
                Err(error) if is_taken(&error) => {
                    return Err(StoreError::Failed(format!(
                        "attempt {number} of target {} cannot begin: it exists, or an earlier one is still open",
                        row.id
                    )));
                }
                other => other?,
            };
            match baseline {
                Some(ids) => keep_baseline(conn, row, *number, ids),
                None => Ok(()),
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

fn keep_baseline(conn: &Connection, row: &TargetRow, number: u32, ids: &[u8]) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT INTO baselines (team, mode, target_id, number, ids) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        row.owner.team,
        row.owner.mode.as_str(),
        row.id,
        number,
        ids
    ])?;
    Ok(())
}

fn forget_baselines(conn: &Connection, row: &TargetRow) -> StoreResult<()> {
    conn.prepare_cached(FORGET_BASELINES)?.execute(params![
        row.owner.team,
        row.owner.mode.as_str(),
        row.id
    ])?;
    Ok(())
}

pub(super) fn baseline(
    conn: &Connection,
    owner: &Owner,
    id: &str,
    number: u32,
) -> StoreResult<Option<Vec<u8>>> {
    Ok(conn
        .prepare_cached(BASELINE)?
        .query_row(
            params![owner.team, owner.mode.as_str(), id, number],
            |row| row.get(0),
        )
        .optional()?)
}

pub(super) fn get(
    conn: &Connection,
    owner: &Owner,
    upload_id: &str,
    id: &str,
) -> StoreResult<Option<TargetRow>> {
    let Some(upload) = uploads::number(conn, owner, upload_id)? else {
        return Ok(None);
    };
    match find(conn, upload, id, owner.mode)? {
        Some((n, _)) => target_at(conn, n).map(Some),
        None => Ok(None),
    }
}

/// Of any team: teams that share an account share its posts.
pub(super) fn known_remote_ids(
    conn: &Connection,
    owner: &Owner,
    account_id: &str,
    ids: Vec<String>,
) -> StoreResult<Vec<String>> {
    let mut statement = conn.prepare_cached(BY_REMOTE_ID)?;
    let mut known = Vec::new();
    for id in ids {
        if statement.exists(params![owner.mode.as_str(), account_id, id])? {
            known.push(id);
        }
    }
    Ok(known)
}

/// In two parts, each with an index of its own.
const IN_DOUBT: &str = "SELECT EXISTS (SELECT 1 FROM targets WHERE mode = ?1 AND account_id = ?2 AND fingerprint = ?3 AND phase IN (2, 3, 4)) \
     OR EXISTS (SELECT 1 FROM targets WHERE mode = ?1 AND account_id = ?2 AND fingerprint = ?3 AND phase = 10)";

pub(super) fn is_in_doubt(
    conn: &Connection,
    mode: &str,
    account_id: &str,
    fingerprint: &str,
) -> StoreResult<bool> {
    Ok(conn
        .prepare_cached(IN_DOUBT)?
        .query_row([mode, account_id, fingerprint], |row| row.get(0))?)
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
    fn asking_costs_the_same_among_many_targets() {
        assert_index(OPEN_AFTER, &["PRIMARY KEY", "targets_queue"]);
        assert_index(
            IN_DOUBT,
            &["CONSTANT ROW", "targets_alone", "targets_in_review"],
        );
        assert_index(BASELINE, &["baselines_by_target"]);
        assert_index(FORGET_BASELINES, &["baselines_by_target"]);
        assert_index(BY_REMOTE_ID, &["targets_by_remote_id"]);
    }
}
