//! Taking work: targets that are due, looks for those in doubt, and looks for second posts. Many nodes do this at once; each
//! passes by what another one has locked.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{GenericClient, Transaction};

use super::change::read;
use super::codec::{POSITIONS, small_from_db};
use super::db::{Db, begin, execute, row, rows};
use super::listen::{self, Told};
use super::pace::{self, Account, Touched};
use super::trouble::Res;
use crate::store::{AccountUse, Millis, Owner, TargetRow, WriteLimit};

/// How often one claim asks for accounts. When many have used their write limit a pass finds those only; they are out of the
/// way for the next, and what is left is left for the next claim.
const PASSES: u32 = 16;

/// The first moment at which anything is to be done.
const NEXT: &str = "SELECT least( \
       (SELECT next_at FROM pace WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1), \
       (SELECT due_at FROM targets WHERE phase = 4 AND lease_until IS NULL ORDER BY due_at LIMIT 1), \
       (SELECT sentinel_at FROM targets WHERE phase = 6 AND sentinel_at IS NOT NULL ORDER BY sentinel_at LIMIT 1), \
       (SELECT lease_until FROM targets WHERE phase IN (2, 3, 4) AND lease_until IS NOT NULL ORDER BY lease_until LIMIT 1))";

pub(super) async fn next_timer<C: GenericClient>(client: &C) -> Res<Option<Millis>> {
    Ok(row(client, NEXT, &[]).await?.and_then(|row| row.get(0)))
}

/// An account that this claim has locked.
struct Turn {
    account: Account,
    limit: Option<WriteLimit>,
    /// Claimed and not armed.
    claimed: i64,
    /// Armed attempts within the span, the newest first; not more than the limit.
    armed: Vec<Millis>,
    taken: i64,
    /// Until when the limit allows nothing, if it has been used.
    limit_until: Option<Millis>,
}

impl Turn {
    /// How many more may be taken.
    fn room(&self, limit: u32) -> i64 {
        self.limit.map_or(i64::from(limit), |allowed| {
            let used = self.claimed + self.taken + self.armed.len() as i64;
            (i64::from(allowed.count) - used).clamp(0, i64::from(limit))
        })
    }

    /// When the limit allows the next, if it allows none now: at the latest when the span is over. A claimed target that is not
    /// armed in the end gives back its place, which is why that is not too late.
    fn room_at(&self, now: Millis) -> Option<Millis> {
        let allowed = self.limit?;
        if self.room(1) > 0 {
            return None;
        }
        let latest = now.saturating_add(allowed.per_ms.max(1));
        let places = i64::from(allowed.count) - self.claimed - self.taken;
        let leaves = usize::try_from(places - 1)
            .ok()
            .and_then(|index| self.armed.get(index));
        Some(leaves.map_or(latest, |at| {
            at.saturating_add(allowed.per_ms).clamp(now + 1, latest)
        }))
    }
}

pub(super) async fn claim(
    db: &Db,
    now: Millis,
    lease_until: Millis,
    limit: u32,
    limits: &BTreeMap<String, WriteLimit>,
) -> Res<(Vec<TargetRow>, Option<Told>)> {
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let mut changed = forget_the_future(&tx, now).await?;
    let mut taken: Vec<i64> = Vec::new();
    for _ in 0..PASSES {
        let left = limit.saturating_sub(u32::try_from(taken.len()).unwrap_or(u32::MAX));
        let mut turns = lock_ready(&tx, now, left, limits).await?;
        if turns.is_empty() {
            break;
        }
        changed = true;
        count_used(&tx, &mut turns, now).await?;
        let (picked, passed_by) = pick(&tx, &mut turns, now, left).await?;
        take(&tx, &picked, lease_until).await?;
        served(&tx, &mut turns, now).await?;
        let mut touched = Touched::default();
        for head in &picked {
            touched.add(&turns[head.turn].account, &head.board, &head.fingerprint);
        }
        pace::refresh(&tx, &touched).await?;
        // Those that gave nothing too: they have to wait for their write limit.
        pace::refresh_accounts(&tx, turns.iter().map(|turn| &turn.account)).await?;
        taken.extend(picked.iter().map(|head| head.n));
        // Once every account was asked, only those passed by may give more.
        if turns.len() < left as usize && passed_by == 0 {
            break;
        }
    }
    if taken.is_empty() {
        if changed {
            tx.commit().await?;
        }
        return Ok((Vec::new(), None));
    }
    // Only now, and all at once, in the order that everybody keeps. Until then the locks of the accounts are enough:
    // nobody else moves what waits in their lanes.
    let uploads: BTreeSet<_> = taken.iter().map(|n| n / POSITIONS).collect();
    pace::lock_uploads(&tx, &uploads).await?;
    let uploads: Vec<_> = uploads.into_iter().map(|n| (n, now)).collect();
    let mut stored = read(&tx, &taken).await?;
    let told = Told {
        change: Some(pace::renew(&tx, &uploads).await?),
        wake: false,
    };
    listen::tell(&tx, told).await?;
    tx.commit().await?;
    let claimed = taken.iter().filter_map(|n| stored.remove(n)).collect();
    Ok((claimed, Some(told)))
}

/// How far the clocks of nodes may differ. What lies further in the future was written by a clock that has gone back since.
const AHEAD: Millis = 60_000;

/// Nobody shall wait for turns that a clock which was ahead left behind. True when there were any.
async fn forget_the_future(tx: &Transaction<'_>, now: Millis) -> Res<bool> {
    let ahead = rows(
        tx,
        "UPDATE pace p SET served_at = NULL, limit_until = NULL FROM (SELECT mode, account_id FROM pace \
           WHERE served_at > $1 FOR NO KEY UPDATE SKIP LOCKED) a \
         WHERE p.mode = a.mode AND p.account_id = a.account_id RETURNING p.mode, p.account_id",
        &[&now.saturating_add(AHEAD)],
    )
    .await?;
    let accounts: Vec<_> = ahead
        .iter()
        .map(|row| Account {
            mode: row.get(0),
            id: row.get(1),
        })
        .collect();
    if !accounts.is_empty() {
        pace::refresh_accounts(tx, &accounts).await?;
    }
    Ok(!accounts.is_empty())
}

/// Locks accounts whose turn has come, the longest waiting first.
async fn lock_ready(
    tx: &Transaction<'_>,
    now: Millis,
    limit: u32,
    limits: &BTreeMap<String, WriteLimit>,
) -> Res<Vec<Turn>> {
    let ready = rows(
        tx,
        "SELECT mode, account_id, platform FROM pace WHERE next_at <= $1 ORDER BY next_at LIMIT $2 \
         FOR NO KEY UPDATE SKIP LOCKED",
        &[&now, &i64::from(limit)],
    )
    .await?;
    Ok(ready
        .iter()
        .map(|row| Turn {
            account: Account {
                mode: row.get(0),
                id: row.get(1),
            },
            limit: limits.get(row.get::<_, &str>(2)).copied(),
            claimed: 0,
            armed: Vec::new(),
            taken: 0,
            limit_until: None,
        })
        .collect())
}

/// What accounts have used of their limits: claimed and not armed, and the newest attempts within the span.
const USED: &str = "SELECT x.place, \
       (SELECT count(*) FROM targets t WHERE t.mode = x.mode AND t.account_id = x.account_id \
          AND t.phase IN (2, 3) AND t.phase = 2), \
       ARRAY(SELECT a.opened_at FROM attempts a WHERE a.mode = x.mode AND a.account_id = x.account_id \
          AND a.opened_at > x.since AND a.opened_at <= $6 ORDER BY a.opened_at DESC LIMIT x.count) \
     FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) \
       AS x (place, mode, account_id, since, count)";

/// The same for one account, without a lock, and until when it is held.
pub(super) async fn used<C: GenericClient>(
    client: &C,
    owner: &Owner,
    account_id: &str,
    limit: WriteLimit,
    now: Millis,
) -> Res<AccountUse> {
    let mode = owner.mode.as_str();
    let found = row(
        client,
        USED,
        &[
            &vec![0_i64],
            &vec![mode],
            &vec![account_id],
            &vec![now.saturating_sub(limit.per_ms)],
            &vec![i64::from(limit.count)],
            &now.saturating_add(AHEAD),
        ],
    )
    .await?;
    let held = row(
        client,
        "SELECT held_until FROM pace WHERE mode = $1 AND account_id = $2 AND held_until > $3",
        &[&mode, &account_id, &now],
    )
    .await?;
    Ok(AccountUse {
        armed: found.as_ref().map(|row| row.get(2)).unwrap_or_default(),
        claimed: found.map_or(0, |row| small_from_db(row.get(1))),
        held_until: held.and_then(|row| row.get(0)),
    })
}

/// What accounts with a write limit have used of it.
async fn count_used(tx: &Transaction<'_>, turns: &mut [Turn], now: Millis) -> Res<()> {
    let (mut places, mut modes, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let (mut since, mut counts) = (Vec::new(), Vec::new());
    for (place, turn) in (0_i64..).zip(turns.iter()) {
        if let Some(limit) = turn.limit {
            places.push(place);
            modes.push(turn.account.mode.as_str());
            ids.push(turn.account.id.as_str());
            since.push(now.saturating_sub(limit.per_ms));
            counts.push(i64::from(limit.count));
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    let used = rows(
        tx,
        USED,
        &[
            &places,
            &modes,
            &ids,
            &since,
            &counts,
            &now.saturating_add(AHEAD),
        ],
    )
    .await?;
    for row in &used {
        if let Some(turn) = usize::try_from(row.get::<_, i64>(0))
            .ok()
            .and_then(|place| turns.get_mut(place))
        {
            turn.claimed = row.get(1);
            turn.armed = row.get(2);
        }
    }
    Ok(())
}

/// The first of a lane that can go on.
struct Head {
    turn: usize,
    n: i64,
    board: String,
    fingerprint: String,
}

/// One from each account, then again one from each that has more, within the write limits. Also gives how many were passed by
/// because their twin was picked.
async fn pick(
    tx: &Transaction<'_>,
    turns: &mut [Turn],
    now: Millis,
    limit: u32,
) -> Res<(Vec<Head>, usize)> {
    let modes: Vec<_> = turns
        .iter()
        .map(|turn| turn.account.mode.as_str())
        .collect();
    let ids: Vec<_> = turns.iter().map(|turn| turn.account.id.as_str()).collect();
    let room: Vec<_> = turns.iter().map(|turn| turn.room(limit)).collect();
    let found = rows(
        tx,
        "SELECT l.i, t.n, l.board, t.fingerprint FROM ( \
           SELECT x.i, x.mode, x.account_id, l.board, l.head_due, l.rank \
           FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS x (mode, account_id, room, i) \
           CROSS JOIN LATERAL (SELECT board, head_due, row_number() OVER (ORDER BY head_due) AS rank FROM lanes l \
             WHERE l.mode = x.mode AND l.account_id = x.account_id AND NOT l.busy AND l.head_due IS NOT NULL \
             AND l.head_due <= $4 ORDER BY l.head_due LIMIT x.room) l \
           ORDER BY l.rank, x.i LIMIT $5) l \
         CROSS JOIN LATERAL (SELECT t.n, t.fingerprint FROM targets t WHERE t.mode = l.mode \
           AND t.account_id = l.account_id AND t.board = l.board AND t.phase IN (1, 5) AND t.due_at <= $4 \
           AND NOT EXISTS (SELECT 1 FROM targets w WHERE w.mode = t.mode AND w.account_id = t.account_id \
             AND w.fingerprint = t.fingerprint AND w.phase IN (2, 3, 4)) \
           ORDER BY t.due_at, t.n LIMIT 1) t \
         ORDER BY l.rank, l.i",
        &[&modes, &ids, &room, &now, &i64::from(limit)],
    )
    .await?;
    let mut picked = Vec::new();
    let mut passed_by = 0;
    let mut twins = BTreeSet::new();
    for row in &found {
        let turn = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        let fingerprint: String = row.get(3);
        if !twins.insert((turn, fingerprint.clone())) {
            passed_by += 1;
            continue;
        }
        if let Some(account) = turns.get_mut(turn) {
            account.taken += 1;
            picked.push(Head {
                turn,
                n: row.get(1),
                board: row.get(2),
                fingerprint,
            });
        }
    }
    Ok((picked, passed_by))
}

async fn take(tx: &Transaction<'_>, picked: &[Head], lease_until: Millis) -> Res<()> {
    let numbers: Vec<_> = picked.iter().map(|head| head.n).collect();
    execute(
        tx,
        "UPDATE targets SET phase = 2, fence = fence + 1, lease_until = $2 WHERE n = ANY($1::bigint[])",
        &[&numbers, &lease_until],
    )
    .await?;
    Ok(())
}

/// The accounts had their turn, and come again after all that wait now.
async fn served(tx: &Transaction<'_>, turns: &mut [Turn], now: Millis) -> Res<()> {
    for turn in turns.iter_mut() {
        turn.limit_until = turn.room_at(now);
    }
    let modes: Vec<_> = turns
        .iter()
        .map(|turn| turn.account.mode.as_str())
        .collect();
    let ids: Vec<_> = turns.iter().map(|turn| turn.account.id.as_str()).collect();
    let served: Vec<_> = turns
        .iter()
        .map(|turn| (turn.taken > 0).then_some(now))
        .collect();
    let until: Vec<_> = turns.iter().map(|turn| turn.limit_until).collect();
    execute(
        tx,
        "UPDATE pace p SET served_at = coalesce(x.served_at, p.served_at), limit_until = x.limit_until \
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) \
           AS x (mode, account_id, served_at, limit_until) \
         WHERE p.mode = x.mode AND p.account_id = x.account_id",
        &[&modes, &ids, &served, &until],
    )
    .await?;
    Ok(())
}

/// Targets in doubt whose look is due. Whoever changes a target has locked its upload, so uploads that are locked are
/// passed by; and the change asks once more, since the rows may be others by the time of the lock.
const LOOKS: [&str; 2] = [
    "SELECT t.n FROM targets t JOIN uploads u ON u.n = t.upload \
     WHERE t.phase = 4 AND t.lease_until IS NULL AND t.due_at <= $1 ORDER BY t.due_at LIMIT $2 \
     FOR NO KEY UPDATE OF u SKIP LOCKED",
    "UPDATE targets SET fence = fence + 1, lease_until = $2 \
     WHERE n = ANY($1::bigint[]) AND phase = 4 AND lease_until IS NULL AND due_at <= $3 RETURNING n",
];

const SENTINELS: [&str; 2] = [
    "SELECT t.n FROM targets t JOIN uploads u ON u.n = t.upload \
     WHERE t.phase = 6 AND t.sentinel_at IS NOT NULL AND t.sentinel_at <= $1 ORDER BY t.sentinel_at LIMIT $2 \
     FOR NO KEY UPDATE OF u SKIP LOCKED",
    "UPDATE targets SET sentinel_at = $2 WHERE n = ANY($1::bigint[]) AND phase = 6 AND sentinel_at <= $3 RETURNING n",
];

pub(super) async fn claim_looks(
    db: &Db,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> Res<Vec<TargetRow>> {
    lease(db, LOOKS, now, lease_until, limit).await
}

pub(super) async fn claim_sentinels(
    db: &Db,
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> Res<Vec<TargetRow>> {
    lease(db, SENTINELS, now, lease_until, limit).await
}

async fn lease(
    db: &Db,
    [find, take]: [&str; 2],
    now: Millis,
    lease_until: Millis,
    limit: u32,
) -> Res<Vec<TargetRow>> {
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let found = numbers(&rows(&tx, find, &[&now, &i64::from(limit)]).await?);
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let taken: BTreeSet<_> = numbers(&rows(&tx, take, &[&found, &lease_until, &now]).await?)
        .into_iter()
        .collect();
    let mut stored = read(&tx, &found).await?;
    tx.commit().await?;
    Ok(found
        .iter()
        .filter(|n| taken.contains(n))
        .filter_map(|n| stored.remove(n))
        .collect())
}

pub(super) async fn expired<C: GenericClient>(
    client: &C,
    now: Millis,
    limit: u32,
) -> Res<Vec<TargetRow>> {
    let found = numbers(
        &rows(
            client,
            "SELECT n FROM targets WHERE phase IN (2, 3, 4) AND lease_until IS NOT NULL AND lease_until <= $1 \
             ORDER BY lease_until LIMIT $2",
            &[&now, &i64::from(limit)],
        )
        .await?,
    );
    let mut stored = read(client, &found).await?;
    Ok(found.iter().filter_map(|n| stored.remove(n)).collect())
}

fn numbers(rows: &[tokio_postgres::Row]) -> Vec<i64> {
    rows.iter().map(|row| row.get(0)).collect()
}
