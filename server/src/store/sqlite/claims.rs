//! Taking work: targets that are due, looks for those in doubt, and looks for second posts.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::{POSITIONS, target_at, to_db};
use super::lanes::{self, Account, Head, Lane};
use super::turns;
use super::uploads;
use super::writer::Tx;
use crate::store::{Held, Millis, StoreResult, TargetRow, WriteLimit};

/// The lane of an account that can go on and has waited the longest.
const LANE: &str = "SELECT board FROM lanes WHERE mode = ?1 AND account_id = ?2 AND busy = 0 AND head_due IS NOT NULL \
     AND head_due <= ?3 ORDER BY head_due LIMIT 1";

/// When the first lease ends.
const NEXT_LEASE: &str =
    "SELECT lease_until FROM targets WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1";

const EXPIRED: &str = "SELECT n FROM targets WHERE lease_until <= ?1 ORDER BY lease_until LIMIT ?2";

const EXTEND: &str = "UPDATE targets SET lease_until = max(lease_until, ?5) WHERE n BETWEEN ?1 AND ?2 AND id = ?3 AND fence = ?4 \
     AND phase IN (2, 3, 4) AND lease_until IS NOT NULL";

const LATE: &str = "SELECT n FROM targets WHERE phase IN (1, 5) AND send_until < ?1 AND due_at > ?2 ORDER BY send_until LIMIT ?3";

const NEXT_LATE: &str = "SELECT send_until + 1 FROM targets WHERE phase IN (1, 5) AND due_at > ?1 ORDER BY send_until LIMIT 1";

const NEXT_LOOK: &str =
    "SELECT due_at FROM targets WHERE phase = 4 AND lease_until IS NULL ORDER BY due_at LIMIT 1";

const LOOKS: &str = "SELECT n FROM targets WHERE phase = 4 AND lease_until IS NULL AND due_at <= ?1 ORDER BY due_at LIMIT ?2";

const NEXT_SENTINEL: &str = "SELECT sentinel_at FROM targets WHERE phase = 6 AND sentinel_at IS NOT NULL ORDER BY sentinel_at LIMIT 1";

const SENTINELS: &str =
    "SELECT n FROM targets WHERE phase = 6 AND sentinel_at <= ?1 ORDER BY sentinel_at LIMIT ?2";

/// Passes over accounts in one claim, at most: other changes do not wait long for accounts that turn out to have nothing to give.
/// What is left is due at once, see [`next_timer`].
const PASSES: u32 = 8;

pub(super) fn next_timer(conn: &Connection) -> StoreResult<Option<Millis>> {
    let mut first = None;
    for next in [turns::NEXT, NEXT_LEASE, NEXT_LOOK, NEXT_SENTINEL] {
        let at: Option<Millis> = conn
            .prepare_cached(next)?
            .query_row([], |row| row.get(0))
            .optional()?;
        first = first.into_iter().chain(at).min();
    }
    Ok(first)
}

/// An account during a claim.
struct Turn {
    account: Account,
    /// How many more its write limit allows; asked once there is something to take.
    room: Option<u32>,
    /// When it will have room again.
    room_at: Option<Millis>,
    had_it: bool,
}

pub(super) fn claim(
    tx: &Tx<'_>,
    now: Millis,
    lease_until: Millis,
    limit: u32,
    limits: &BTreeMap<String, WriteLimit>,
) -> StoreResult<Vec<TargetRow>> {
    turns::forget_the_future(tx.conn, now)?;
    let mut claimed = Vec::new();
    for _ in 0..PASSES {
        let accounts = turns::ready(tx.conn, now, limit)?;
        if accounts.is_empty() || claimed.len() == limit as usize {
            break;
        }
        // One from each account, then again one from each that has more. Whoever gives nothing is not ready any more, so
        // that the next pass meets others.
        let mut round: VecDeque<_> = accounts
            .into_iter()
            .map(|account| Turn {
                account,
                room: None,
                room_at: None,
                had_it: false,
            })
            .collect();
        let mut over = Vec::new();
        while claimed.len() < limit as usize
            && let Some(mut turn) = round.pop_front()
        {
            turn.had_it = true;
            match next_of(tx.conn, &mut turn, now, limits)? {
                Some((lane, n)) => {
                    claimed.push(take(tx, &lane, n, now, lease_until)?);
                    round.push_back(turn);
                }
                None => over.push(turn),
            }
        }
        for turn in over.iter().chain(&round).filter(|turn| turn.had_it) {
            turns::served(tx.conn, &turn.account, now, turn.room_at)?;
        }
    }
    Ok(claimed)
}

/// The next target that may be taken from an account.
fn next_of(
    conn: &Connection,
    turn: &mut Turn,
    now: Millis,
    limits: &BTreeMap<String, WriteLimit>,
) -> StoreResult<Option<(Lane, i64)>> {
    let account = &turn.account;
    let found = loop {
        let board: Option<String> = conn
            .prepare_cached(LANE)?
            .query_row(params![account.mode, account.id, now], |row| row.get(0))
            .optional()?;
        let Some(board) = board else { break None };
        let lane = Lane {
            account: account.clone(),
            board,
        };
        match lanes::head(conn, &lane)? {
            Some(head) if head.due_at <= now => break Some((lane, head)),
            // What was added to it is the like of one in doubt.
            _ => lanes::look_again(conn, &lane)?,
        }
    };
    let Some((lane, Head { n, platform, .. })) = found else {
        return Ok(None);
    };
    if let Some(limit) = limits.get(&platform) {
        let room = match turn.room {
            Some(room) => room,
            None => turns::room(conn, account, *limit, now)?,
        };
        let Some(left) = room.checked_sub(1) else {
            turn.room_at = Some(turns::room_at(conn, account, *limit, now)?);
            return Ok(None);
        };
        turn.room = Some(left);
    }
    Ok(Some((lane, n)))
}

fn take(
    tx: &Tx<'_>,
    lane: &Lane,
    n: i64,
    now: Millis,
    lease_until: Millis,
) -> StoreResult<TargetRow> {
    tx.conn
        .prepare_cached(
            "UPDATE targets SET phase = 2, fence = fence + 1, lease_until = ?2 WHERE n = ?1",
        )?
        .execute([n, lease_until])?;
    lanes::look_again(tx.conn, lane)?;
    uploads::renew(tx, n / POSITIONS, now)?;
    target_at(tx.conn, n)
}

pub(super) fn claim_looks(
    conn: &Connection,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> StoreResult<Vec<TargetRow>> {
    let numbers = numbers(conn, LOOKS, now, limit)?;
    for n in &numbers {
        conn.prepare_cached("UPDATE targets SET fence = fence + 1, lease_until = ?2 WHERE n = ?1")?
            .execute([*n, lease_until])?;
    }
    rows(conn, &numbers)
}

pub(super) fn claim_sentinels(
    conn: &Connection,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> StoreResult<Vec<TargetRow>> {
    let numbers = numbers(conn, SENTINELS, now, limit)?;
    for n in &numbers {
        conn.prepare_cached("UPDATE targets SET sentinel_at = ?2 WHERE n = ?1")?
            .execute([*n, lease_until])?;
    }
    rows(conn, &numbers)
}

pub(super) fn expired(conn: &Connection, now: Millis, limit: u32) -> StoreResult<Vec<TargetRow>> {
    rows(conn, &numbers(conn, EXPIRED, now, limit)?)
}

pub(super) fn late(
    conn: &Connection,
    now: Millis,
    due_after: Option<Millis>,
    limit: u32,
) -> StoreResult<Vec<TargetRow>> {
    let late: Vec<i64> = conn
        .prepare_cached(LATE)?
        .query_map(
            params![now, due_after.unwrap_or(Millis::MIN), limit],
            |row| row.get(0),
        )?
        .collect::<Result<_, _>>()?;
    rows(conn, &late)
}

pub(super) fn next_late(
    conn: &Connection,
    due_after: Option<Millis>,
) -> StoreResult<Option<Millis>> {
    Ok(conn
        .prepare_cached(NEXT_LATE)?
        .query_row([due_after.unwrap_or(Millis::MIN)], |row| row.get(0))
        .optional()?)
}

pub(super) fn extend_leases(
    conn: &Connection,
    held: &[Held],
    until: Millis,
) -> StoreResult<Vec<String>> {
    let mut lost = Vec::new();
    for one in held {
        let extended = match uploads::number(conn, &one.owner, &one.upload_id)? {
            Some(upload) => conn.prepare_cached(EXTEND)?.execute(params![
                upload * POSITIONS,
                upload * POSITIONS + POSITIONS - 1,
                one.target_id,
                to_db(one.fence),
                until
            ])?,
            None => 0,
        };
        if extended == 0 {
            lost.push(one.target_id.clone());
        }
    }
    Ok(lost)
}

pub(super) fn expire_leases(conn: &Connection, now: Millis) -> StoreResult<u64> {
    let changed = conn
        .prepare_cached("UPDATE targets SET lease_until = ?1 WHERE lease_until > ?1")?
        .execute([now])?;
    Ok(changed as u64)
}

fn numbers(conn: &Connection, sql: &str, now: Millis, limit: u32) -> StoreResult<Vec<i64>> {
    Ok(conn
        .prepare_cached(sql)?
        .query_map(params![now, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?)
}

fn rows(conn: &Connection, numbers: &[i64]) -> StoreResult<Vec<TargetRow>> {
    numbers.iter().map(|n| target_at(conn, *n)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;
    use super::*;

    #[test]
    fn finding_work_costs_the_same_in_a_long_queue() {
        assert_index(LANE, &["lanes_ready"]);
        assert_index(NEXT_LEASE, &["targets_by_lease"]);
        assert_index(EXPIRED, &["targets_by_lease"]);
        assert_index(LATE, &["targets_late"]);
        assert_index(NEXT_LATE, &["targets_late"]);
        assert_index(NEXT_LOOK, &["targets_looks"]);
        assert_index(LOOKS, &["targets_looks"]);
        assert_index(NEXT_SENTINEL, &["targets_sentinels"]);
        assert_index(SENTINELS, &["targets_sentinels"]);
    }
}
