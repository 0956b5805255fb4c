//! Turns: the row of each account that says when something can be taken from it, so that accounts are served one after the other
//! however much each has waiting.

use multi_upload_wire::ErrorCode;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::codec::mode_from_db;
use super::lanes::Account;
use crate::store::{AccountUse, Millis, Rest, StoreResult, WriteLimit};

/// When the first account has its turn.
pub(super) const NEXT: &str =
    "SELECT turn_at FROM turns WHERE turn_at IS NOT NULL ORDER BY turn_at LIMIT 1";

/// Accounts whose turn has come, the longest waiting first.
const READY: &str =
    "SELECT mode, account_id FROM turns WHERE turn_at <= ?1 ORDER BY turn_at LIMIT ?2";

const AHEAD: &str = "SELECT mode, account_id FROM turns WHERE served_at > ?1";

const REFRESH: &str = "INSERT INTO turns (mode, account_id, open_at, room_at, served_at, turn_at) VALUES (?1, ?2, 0, 0, 0, \
       (SELECT head_due FROM lanes WHERE mode = ?1 AND account_id = ?2 AND busy = 0 AND head_due IS NOT NULL \
        ORDER BY head_due LIMIT 1)) \
     ON CONFLICT DO UPDATE SET turn_at = max(excluded.turn_at, open_at, room_at, served_at)";

const CLAIMED: &str = "SELECT count(*) FROM targets WHERE mode = ?1 AND account_id = ?2 AND phase IN (2, 3) AND phase = 2";

const ATTEMPTS: &str = "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE mode = ?1 AND account_id = ?2 AND opened_at > ?3 \
     AND opened_at < ?4 LIMIT ?5)";

const ARMED: &str = "SELECT opened_at FROM attempts WHERE mode = ?1 AND account_id = ?2 AND opened_at > ?3 AND opened_at < ?4 \
     ORDER BY opened_at DESC LIMIT ?5";

/// The attempt of an account with ?4 newer ones.
const ATTEMPT: &str = "SELECT opened_at FROM attempts WHERE mode = ?1 AND account_id = ?2 AND opened_at < ?3 \
     ORDER BY opened_at DESC LIMIT 1 OFFSET ?4";

pub(super) fn ready(conn: &Connection, now: Millis, limit: u32) -> StoreResult<Vec<Account>> {
    accounts(conn, READY, params![now, limit])
}

fn accounts(
    conn: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> StoreResult<Vec<Account>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let mode: String = row.get(0)?;
        accounts.push(Account {
            mode: mode_from_db(&mode)?.as_str(),
            id: row.get(1)?,
        });
    }
    Ok(accounts)
}

/// Something in a free lane is due at `due_at`, perhaps earlier than anything before.
pub(super) fn brought_forward(
    conn: &Connection,
    account: &Account,
    due_at: Millis,
) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT INTO turns (mode, account_id, open_at, room_at, served_at, turn_at) VALUES (?1, ?2, 0, 0, 0, ?3) \
         ON CONFLICT DO UPDATE SET turn_at = max(excluded.turn_at, open_at, room_at, served_at) \
         WHERE turn_at IS NULL OR turn_at > max(excluded.turn_at, open_at, room_at, served_at)",
    )?
    .execute(params![account.mode, account.id, due_at])?;
    Ok(())
}

/// Looks at the account's lanes again, after any of them changed.
pub(super) fn refresh(conn: &Connection, account: &Account) -> StoreResult<()> {
    conn.prepare_cached(REFRESH)?
        .execute(params![account.mode, account.id])?;
    Ok(())
}

/// The account had its turn, and comes again after all that wait now. `room_at` is when its write limit allows the next.
pub(super) fn served(
    conn: &Connection,
    account: &Account,
    now: Millis,
    room_at: Option<Millis>,
) -> StoreResult<()> {
    conn.prepare_cached(
        "UPDATE turns SET served_at = ?3, room_at = coalesce(?4, room_at) WHERE mode = ?1 AND account_id = ?2",
    )?
    .execute(params![account.mode, account.id, now, room_at])?;
    refresh(conn, account)
}

/// What counted against the write limit counts no more: the next claim reckons anew.
pub(super) fn gave_back(conn: &Connection, account: &Account) -> StoreResult<()> {
    conn.prepare_cached(
        "UPDATE turns SET room_at = 0 WHERE mode = ?1 AND account_id = ?2 AND room_at > 0",
    )?
    .execute(params![account.mode, account.id])?;
    Ok(())
}

/// Takes nothing from the account before `until`, nor before what was said earlier.
pub(super) fn hold(
    conn: &Connection,
    account: &Account,
    until: Millis,
    why: ErrorCode,
) -> StoreResult<()> {
    conn.prepare_cached(
        "INSERT INTO turns (mode, account_id, open_at, held_for, room_at, served_at, turn_at) VALUES (?1, ?2, ?3, ?4, 0, 0, NULL) \
         ON CONFLICT DO UPDATE SET open_at = excluded.open_at, held_for = excluded.held_for WHERE open_at < excluded.open_at",
    )?
    .execute(params![account.mode, account.id, until, why.as_str()])?;
    refresh(conn, account)
}

const REST: &str = "SELECT account_id, max(open_at, room_at), CASE WHEN open_at >= room_at THEN held_for END FROM turns \
     WHERE mode = ?1 AND account_id = ?2 AND max(open_at, room_at) > ?3";

/// The account's rest, if it rests at `now`.
pub(super) fn rest(conn: &Connection, account: &Account, now: Millis) -> StoreResult<Option<Rest>> {
    Ok(conn
        .prepare_cached(REST)?
        .query_row(params![account.mode, account.id, now], |row| {
            Ok(Rest {
                account_id: row.get(0)?,
                until: row.get(1)?,
                why: row.get(2)?,
            })
        })
        .optional()?)
}

/// A clock that was ahead and went back left turns that lie in the future; nobody shall wait for them.
pub(super) fn forget_the_future(conn: &Connection, now: Millis) -> StoreResult<()> {
    for account in accounts(conn, AHEAD, [now])? {
        conn.prepare_cached(
            "UPDATE turns SET served_at = 0, room_at = 0 WHERE mode = ?1 AND account_id = ?2",
        )?
        .execute(params![account.mode, account.id])?;
        refresh(conn, &account)?;
    }
    Ok(())
}

/// How many may be taken from the account now: each armed attempt within the span counts, and each target that is
/// claimed but not armed yet. Attempts further ahead than the span come from a clock that was wrong.
pub(super) fn room(
    conn: &Connection,
    account: &Account,
    limit: WriteLimit,
    now: Millis,
) -> StoreResult<u32> {
    let attempts: u32 = conn.prepare_cached(ATTEMPTS)?.query_row(
        params![
            account.mode,
            account.id,
            now.saturating_sub(limit.per_ms),
            now.saturating_add(limit.per_ms),
            limit.count
        ],
        |row| row.get(0),
    )?;
    let used = attempts.saturating_add(claimed(conn, account)?);
    Ok(limit.count.saturating_sub(used))
}

/// When the account will have room, if it has none now. Later than `now`, and at the latest when the span is over: a
/// claimed target that is not armed says so by [`gave_back`].
pub(super) fn room_at(
    conn: &Connection,
    account: &Account,
    limit: WriteLimit,
    now: Millis,
) -> StoreResult<Millis> {
    let latest = now.saturating_add(limit.per_ms.max(1));
    let left = limit.count.saturating_sub(claimed(conn, account)?);
    if left == 0 {
        return Ok(latest);
    }
    let opened_at: Option<Millis> = conn
        .prepare_cached(ATTEMPT)?
        .query_row(params![account.mode, account.id, latest, left - 1], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(opened_at.map_or(latest, |at| {
        at.saturating_add(limit.per_ms).clamp(now + 1, latest)
    }))
}

/// What [`room`] counts, and until when the account is held.
pub(super) fn used(
    conn: &Connection,
    account: &Account,
    limit: WriteLimit,
    now: Millis,
) -> StoreResult<AccountUse> {
    let armed = conn
        .prepare_cached(ARMED)?
        .query_map(
            params![
                account.mode,
                account.id,
                now.saturating_sub(limit.per_ms),
                now.saturating_add(limit.per_ms),
                limit.count
            ],
            |row| row.get(0),
        )?
        .collect::<Result<_, _>>()?;
    let open_at: Option<Millis> = conn
        .prepare_cached("SELECT open_at FROM turns WHERE mode = ?1 AND account_id = ?2")?
        .query_row(params![account.mode, account.id], |row| row.get(0))
        .optional()?;
    Ok(AccountUse {
        armed,
        claimed: claimed(conn, account)?,
        held_until: open_at.filter(|until| *until > now),
    })
}

fn claimed(conn: &Connection, account: &Account) -> StoreResult<u32> {
    Ok(conn
        .prepare_cached(CLAIMED)?
        .query_row(params![account.mode, account.id], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;
    use super::*;

    #[test]
    fn a_turn_costs_the_same_among_many_accounts() {
        assert_index(NEXT, &["turns_next"]);
        assert_index(READY, &["turns_next"]);
        assert_index(AHEAD, &["turns_by_served"]);
        assert_index(REST, &["PRIMARY KEY"]);
        assert_index(REFRESH, &["lanes_ready"]);
        assert_index(CLAIMED, &["targets_under_way"]);
        assert_index(ARMED, &["attempts_of_account"]);
        assert_index(ATTEMPT, &["attempts_of_account"]);
        assert_index(ATTEMPTS, &["attempts_of_account", "SCAN"]);
    }
}
