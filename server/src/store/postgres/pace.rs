//! Locks, lanes and the pace of accounts: what a change of targets has to hold and to bring up to date.
//!
//! Every transaction takes its locks in the same order, so that none waits for one that waits for it: idempotency keys,
//! rows of `pace` (sorted), rows of `uploads` (sorted), and last the row of `counters`. Under the lock of an account its
//! lanes cannot change, so a look at them stays right until the commit.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use multi_upload_wire::UploadStatus;

use super::codec::{from_db, phase_from_db};
use super::db::{execute, rows};
use super::trouble::Res;
use crate::store::{Millis, StoreError, TargetRow};

/// An account in one mode, whoever connected it: teams that connected the same account share its boards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    pub(super) mode: String,
    pub(super) id: String,
}

/// A board of an account (an empty one where the network has none), or a fingerprint of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Of {
    pub(super) account: Account,
    pub(super) name: String,
}

/// What a transaction touched and has to bring up to date.
#[derive(Debug, Default)]
pub(super) struct Touched {
    lanes: BTreeSet<Of>,
    fingerprints: BTreeSet<Of>,
}

impl Touched {
    pub(super) fn add(&mut self, account: &Account, board: &str, fingerprint: &str) {
        let of = |name: &str| Of {
            account: account.clone(),
            name: name.to_owned(),
        };
        self.lanes.insert(of(board));
        self.fingerprints.insert(of(fingerprint));
    }
}

/// The board of a target, as it is stored.
pub(super) fn board(target: &TargetRow) -> &str {
    target.content.board_id.as_deref().unwrap_or_default()
}

/// Columns of a sorted set, for `unnest`.
fn columns(set: &BTreeSet<Of>) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for of in set {
        columns.0.push(of.account.mode.as_str());
        columns.1.push(of.account.id.as_str());
        columns.2.push(of.name.as_str());
    }
    columns
}

/// Makes the rows of accounts that have none yet: (account, platform).
pub(super) async fn make(tx: &Transaction<'_>, accounts: &BTreeSet<(Account, String)>) -> Res<()> {
    let modes: Vec<_> = accounts.iter().map(|(a, _)| a.mode.as_str()).collect();
    let ids: Vec<_> = accounts.iter().map(|(a, _)| a.id.as_str()).collect();
    let platforms: Vec<_> = accounts.iter().map(|(_, p)| p.as_str()).collect();
    execute(
        tx,
        "INSERT INTO pace (mode, account_id, platform) \
         SELECT DISTINCT ON (mode, account_id) mode, account_id, platform \
         FROM unnest($1::text[], $2::text[], $3::text[]) AS x (mode, account_id, platform) \
         WHERE NOT EXISTS (SELECT 1 FROM pace p WHERE p.mode = x.mode AND p.account_id = x.account_id \
           AND p.platform <> '') \
         ORDER BY mode, account_id \
         ON CONFLICT (mode, account_id) DO UPDATE SET platform = excluded.platform",
        &[&modes, &ids, &platforms],
    )
    .await?;
    Ok(())
}

/// Locks accounts until the commit. Their rows must exist.
pub(super) async fn lock(tx: &Transaction<'_>, accounts: &BTreeSet<Account>) -> Res<()> {
    let modes: Vec<_> = accounts.iter().map(|a| a.mode.as_str()).collect();
    let ids: Vec<_> = accounts.iter().map(|a| a.id.as_str()).collect();
    rows(
        tx,
        "SELECT FROM pace p JOIN unnest($1::text[], $2::text[]) AS x (mode, account_id) \
         ON p.mode = x.mode AND p.account_id = x.account_id \
         ORDER BY p.mode, p.account_id FOR NO KEY UPDATE OF p",
        &[&modes, &ids],
    )
    .await?;
    Ok(())
}

/// Locks uploads until the commit, after their accounts.
pub(super) async fn lock_uploads(tx: &Transaction<'_>, numbers: &BTreeSet<i64>) -> Res<()> {
    let numbers: Vec<_> = numbers.iter().copied().collect();
    rows(
        tx,
        "SELECT FROM uploads WHERE n = ANY($1::bigint[]) ORDER BY n FOR NO KEY UPDATE",
        &[&numbers],
    )
    .await?;
    Ok(())
}

/// Looks at the lanes that were touched again, and at those where a twin of a touched target waits.
///
/// At the front of a queue 1,000 are looked at, at most. When all of them have a twin under way the lane waits until that is over: a
/// bound on the cost, met by posts without texts only.
const REFRESH_LANES: &str = "WITH touched AS ( \
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS l (mode, account_id, board) \
       UNION \
       SELECT t.mode, t.account_id, t.board \
       FROM unnest($4::text[], $5::text[], $6::text[]) AS f (mode, account_id, fingerprint) \
       JOIN targets t ON t.mode = f.mode AND t.account_id = f.account_id AND t.fingerprint = f.fingerprint \
         AND t.phase IN (1, 5)) \
     INSERT INTO lanes (mode, account_id, board, head_due, busy) \
     SELECT l.mode, l.account_id, l.board, \
       (SELECT t.due_at FROM (SELECT * FROM targets t WHERE t.mode = l.mode AND t.account_id = l.account_id \
            AND t.board = l.board AND t.phase IN (1, 5) ORDER BY t.due_at, t.n LIMIT 1000) t \
        WHERE NOT EXISTS (SELECT 1 FROM targets w WHERE w.mode = t.mode AND w.account_id = t.account_id \
            AND w.fingerprint = t.fingerprint AND w.phase IN (2, 3, 4)) \
        ORDER BY t.due_at, t.n LIMIT 1), \
       EXISTS (SELECT 1 FROM targets t WHERE t.mode = l.mode AND t.account_id = l.account_id AND t.board = l.board \
          AND t.phase IN (2, 3)) \
     FROM touched l \
     ON CONFLICT (mode, account_id, board) DO UPDATE SET head_due = excluded.head_due, busy = excluded.busy";

/// After the lanes: when each account can go on.
const REFRESH_PACE: &str = "UPDATE pace p SET next_at = \
       (SELECT greatest(l.head_due, p.held_until, p.limit_until, p.served_at) FROM lanes l \
        WHERE l.mode = p.mode AND l.account_id = p.account_id AND NOT l.busy AND l.head_due IS NOT NULL \
        ORDER BY l.head_due LIMIT 1) \
     FROM unnest($1::text[], $2::text[]) AS x (mode, account_id) \
     WHERE p.mode = x.mode AND p.account_id = x.account_id";

/// Brings lanes and accounts up to date. The accounts are locked.
pub(super) async fn refresh(tx: &Transaction<'_>, touched: &Touched) -> Res<()> {
    let (modes, accounts, boards) = columns(&touched.lanes);
    let (twin_modes, twin_accounts, fingerprints) = columns(&touched.fingerprints);
    execute(
        tx,
        REFRESH_LANES,
        &[
            &modes,
            &accounts,
            &boards,
            &twin_modes,
            &twin_accounts,
            &fingerprints,
        ],
    )
    .await?;
    let accounts: BTreeSet<_> = touched.lanes.iter().map(|of| &of.account).collect();
    refresh_accounts(tx, accounts).await
}

/// Brings only the accounts up to date, when their lanes are.
pub(super) async fn refresh_accounts<'a>(
    tx: &Transaction<'_>,
    accounts: impl IntoIterator<Item = &'a Account>,
) -> Res<()> {
    let (modes, ids): (Vec<_>, Vec<_>) = accounts
        .into_iter()
        .map(|account| (account.mode.as_str(), account.id.as_str()))
        .unzip();
    execute(tx, REFRESH_PACE, &[&modes, &ids]).await?;
    Ok(())
}

/// Status, version and place in the change feed, after anything about locked uploads changed: (number, when it changed).
/// Gives the last place. Nothing may wait after this: others wait for the row of the counter.
pub(super) async fn renew(tx: &Transaction<'_>, uploads: &[(i64, Millis)]) -> Res<u64> {
    let numbers: Vec<_> = uploads.iter().map(|(n, _)| *n).collect();
    let times: Vec<_> = uploads.iter().map(|(_, at)| *at).collect();
    let phases = rows(
        tx,
        "SELECT x.i, t.phase FROM unnest($1::bigint[]) WITH ORDINALITY AS x (n, i) \
         JOIN targets t ON t.n BETWEEN x.n * 64 AND x.n * 64 + 63",
        &[&numbers],
    )
    .await?;
    let mut states = vec![Vec::new(); numbers.len()];
    for row in phases {
        let phase = phase_from_db(row.get(1))?;
        if let Some(states) = usize::try_from(row.get::<_, i64>(0) - 1)
            .ok()
            .and_then(|index| states.get_mut(index))
        {
            states.push(phase.status());
        }
    }
    let statuses: Vec<_> = states
        .into_iter()
        .map(|states| UploadStatus::of_targets(states).as_str())
        .collect();
    let last = rows(
        tx,
        "WITH counted AS (UPDATE counters SET change_seq = change_seq + $4 RETURNING change_seq), \
         renewed AS (UPDATE uploads u SET status = x.status, version = version + 1, updated_at = x.at, \
           change_seq = counted.change_seq - $4 + x.i \
           FROM counted, unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY AS x (n, status, at, i) \
           WHERE u.n = x.n) \
         SELECT change_seq FROM counted",
        &[&numbers, &statuses, &times, &(numbers.len() as i64)],
    )
    .await?;
    let last = last
        .first()
        .ok_or_else(|| StoreError::Failed("the counter of changes is missing".to_owned()))?;
    Ok(from_db(last.get(0)))
}
