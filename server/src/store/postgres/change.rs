//! Moves of targets in the publishing machine: many in a few statements, however many calls they came from.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{GenericClient, Transaction};
use futures_util::future::try_join_all;
use tokio_postgres::error::SqlState;

use super::codec::{TARGET, json_opt, phase_to_db, target, to_db};
use super::db::{Db, begin, execute, rows};
use super::events::{self, Entry};
use super::listen::{self, Told};
use super::pace::{self, Account, Touched};
use super::trouble::Res;
use super::wall_times;
use super::webhooks::{self, Step};
use crate::audit::Actor;
use crate::store::{AttemptChange, Millis, Phase, StoreError, TargetChange, TargetRow};

/// Where a target is.
struct Place {
    n: i64,
    upload: i64,
    account: Account,
    board: String,
    fingerprint: String,
}

/// What the changes of a transaction did.
#[derive(Default)]
struct Done<'a> {
    /// The moves that were made.
    steps: Vec<Step<'a>>,
    touched: Touched,
    /// Uploads that changed, with the time.
    uploads: BTreeMap<i64, Millis>,
    /// Accounts that got back what counted against their write limit.
    gave_back: BTreeSet<Account>,
    wake: bool,
}

/// One transaction for all of them, in their order.
pub(super) async fn change(
    db: &Db,
    items: &[&(Actor, TargetChange)],
) -> Res<(Vec<Option<TargetRow>>, Option<Told>)> {
    let changes: Vec<_> = items.iter().map(|(_, change)| change).collect();
    let changes = changes.as_slice();
    let actors: Vec<_> = items.iter().map(|(by, _)| by).collect();
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let mut accounts = BTreeSet::new();
    let mut uploads = BTreeSet::new();
    for place in find(&tx, changes).await?.into_iter().flatten() {
        accounts.insert(place.account);
        uploads.insert(place.upload);
    }
    let mut results = vec![None; changes.len()];
    if uploads.is_empty() {
        return Ok((results, None));
    }
    pace::lock(&tx, &accounts).await?;
    pace::lock_uploads(&tx, &uploads).await?;
    // Once more, since an edit may have moved a target to another board before the lock.
    let places = find(&tx, changes).await?;
    let mut done = Done::default();
    for round in rounds(&places) {
        apply(&tx, &round, changes, &actors, &mut results, &mut done).await?;
    }
    if done.uploads.is_empty() {
        return Ok((results, None));
    }
    if !done.gave_back.is_empty() {
        gave_back(&tx, &done.gave_back).await?;
    }
    pace::refresh(&tx, &done.touched).await?;
    webhooks::targets_moved(&tx, &done.steps).await?;
    let uploads: Vec<_> = done.uploads.into_iter().collect();
    let told = Told {
        change: Some(pace::renew(&tx, &uploads).await?),
        wake: done.wake,
    };
    listen::tell(&tx, told).await?;
    tx.commit().await?;
    Ok((results, Some(told)))
}

/// The place of each change's target; `None` where there is none, or where the move is never allowed.
async fn find<C: GenericClient>(client: &C, changes: &[&TargetChange]) -> Res<Vec<Option<Place>>> {
    let column =
        |of: fn(&TargetRow) -> &str| changes.iter().map(|c| of(&c.row)).collect::<Vec<_>>();
    let found = rows(
        client,
        "SELECT x.i, t.n, t.upload, t.mode, t.account_id, t.board, t.fingerprint \
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS x (team, mode, upload, id, i) \
         JOIN uploads u ON u.team = x.team AND u.mode = x.mode AND u.id = x.upload \
         JOIN targets t ON t.n BETWEEN u.n * 64 AND u.n * 64 + 63 AND t.id = x.id",
        &[
            &column(|row| &row.owner.team),
            &column(|row| row.owner.mode.as_str()),
            &column(|row| &row.upload_id),
            &column(|row| &row.id),
        ],
    )
    .await?;
    let mut places: Vec<Option<Place>> = changes.iter().map(|_| None).collect();
    for row in &found {
        let index = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        let allowed = changes
            .get(index)
            .is_some_and(|change| is_allowed(change.expect_phase, change.row.phase));
        if allowed && let Some(place) = places.get_mut(index) {
            *place = Some(Place {
                n: row.get(1),
                upload: row.get(2),
                account: Account {
                    mode: row.get(3),
                    id: row.get(4),
                },
                board: row.get(5),
                fingerprint: row.get(6),
            });
        }
    }
    Ok(places)
}

/// A success is final; its error and the time of its second look may change. The other ends are left only when a person asks
/// for another try, or by a late proof of success.
const fn is_allowed(from: Phase, to: Phase) -> bool {
    match from {
        Phase::Published => matches!(to, Phase::Published),
        Phase::Failed | Phase::Canceled | Phase::Missed => {
            matches!(to, Phase::Scheduled | Phase::Waiting | Phase::Published)
        }
        _ => true,
    }
}

/// The changes that can be made, in portions that change each target once.
fn rounds(places: &[Option<Place>]) -> Vec<Vec<(usize, &Place)>> {
    let mut times: BTreeMap<i64, usize> = BTreeMap::new();
    let mut rounds: Vec<Vec<(usize, &Place)>> = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let Some(place) = place else { continue };
        let time = times.entry(place.n).or_default();
        if *time == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*time].push((index, place));
        *time += 1;
    }
    rounds
}

/// Moves, if phase and fence are as expected, no other target of the board may send, no twin is under way, and the post
/// belongs to no other target. Under the lock of the account nothing of that can change.
const MOVE: &str = "UPDATE targets t SET phase = $4::smallint, fence = $5, due_at = $6, scheduled_at = $7, send_until = $8, \
       lease_until = CASE WHEN $19 THEN greatest($9, lease_until) ELSE $9 END, attempts = $10, setbacks = $11, attempt = $12, prepared = $13, remote_id = $14, remote_url = $15, \
       published_at = $16, error = $17, sentinel_at = $18 \
     WHERE n = $1 AND phase = $2 AND fence = $3 \
       AND NOT ($4::smallint IN (2, 3) AND EXISTS (SELECT 1 FROM targets o WHERE o.mode = t.mode AND o.account_id = t.account_id \
         AND o.board = t.board AND o.phase IN (2, 3) AND o.n <> t.n)) \
       AND NOT ($4::smallint IN (2, 3, 4) AND EXISTS (SELECT 1 FROM targets o WHERE o.mode = t.mode \
         AND o.account_id = t.account_id AND o.fingerprint = t.fingerprint AND o.phase IN (2, 3, 4) AND o.n <> t.n)) \
       AND NOT EXISTS (SELECT 1 FROM targets o WHERE o.mode = t.mode AND o.account_id = t.account_id \
         AND o.remote_id = $14 AND o.n <> t.n)";

/// What may still be said of a success.
const NOTE: &str =
    "UPDATE targets SET error = $4, sentinel_at = $5 WHERE n = $1 AND phase = $2 AND fence = $3";

/// Makes the changes of a round, and everything that belongs to those that could be made.
async fn apply<'a>(
    tx: &Transaction<'_>,
    round: &[(usize, &Place)],
    changes: &[&'a TargetChange],
    actors: &[&Actor],
    results: &mut [Option<TargetRow>],
    done: &mut Done<'a>,
) -> Res<()> {
    // Prepared first: then the statements go out one behind the other in this order, and no one waits for an answer.
    tx.prepare_cached(MOVE).await?;
    let counts = try_join_all(
        round
            .iter()
            .map(|(index, place)| apply_one(tx, place.n, changes[*index])),
    )
    .await?;
    let moved: Vec<(usize, &Place, &'a TargetChange)> = round
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count == 1)
        .map(|((index, place), _)| (*index, *place, changes[*index]))
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    close_attempts(tx, &moved).await?;
    open_attempts(tx, &moved).await?;
    forget_baselines(tx, &moved).await?;
    free_slots(tx, &moved).await?;
    let new_events: Vec<_> = moved
        .iter()
        .map(|(index, place, change)| Entry {
            upload: place.upload,
            upload_id: &change.row.upload_id,
            owner: &change.row.owner,
            event: &change.event,
            by: actors[*index],
        })
        .collect();
    events::insert(tx, &new_events).await?;
    let numbers: Vec<_> = moved.iter().map(|(_, place, _)| place.n).collect();
    let mut stored = read(tx, &numbers).await?;
    for (index, place, change) in moved {
        results[index] = stored.remove(&place.n);
        done.steps.push(Step {
            upload: place.upload,
            change,
        });
        done.touched
            .add(&place.account, &place.board, &place.fingerprint);
        let at = done.uploads.entry(place.upload).or_insert(change.at);
        *at = change.at;
        if change.expect_phase == Phase::Claimed && change.row.phase != Phase::Armed {
            done.gave_back.insert(place.account.clone());
        }
        // A board became free, or something has a new time.
        done.wake |= !matches!(change.row.phase, Phase::Claimed | Phase::Armed);
    }
    Ok(())
}

async fn apply_one(tx: &Transaction<'_>, n: i64, change: &TargetChange) -> Res<u64> {
    let row = &change.row;
    let (phase, fence) = (phase_to_db(change.expect_phase), to_db(change.expect_fence));
    let error = json_opt(row.error.as_ref())?;
    if change.expect_phase == Phase::Published {
        return execute(tx, NOTE, &[&n, &phase, &fence, &error, &row.sentinel_at]).await;
    }
    // Whoever may send has a lease, or the target could be lost; such a change without one gets one that is over at once.
    let lease_until = match row.phase {
        Phase::Claimed | Phase::Armed => Some(row.lease_until.unwrap_or(change.at)),
        Phase::Reconciling => row.lease_until,
        _ => None,
    };
    execute(
        tx,
        MOVE,
        &[
            &n,
            &phase,
            &fence,
            &phase_to_db(row.phase),
            &to_db(row.fence),
            &row.due_at,
            &row.scheduled_at,
            &row.send_until,
            &lease_until,
            &i64::from(row.attempts),
            &i64::from(row.setbacks),
            &json_opt(row.attempt.as_ref())?,
            &json_opt(row.prepared.as_ref())?,
            &row.remote_id,
            &row.remote_url,
            &row.published_at,
            &error,
            &row.sentinel_at,
            &(lease_until.is_some() && row.lease_until.is_some()),
        ],
    )
    .await
}

/// Writes outcomes; what was unclear may become clear later, and what was proven stays.
async fn close_attempts(tx: &Transaction<'_>, moved: &[(usize, &Place, &TargetChange)]) -> Res<()> {
    let (mut targets, mut numbers, mut outcomes, mut times) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (_, place, change) in moved {
        if let Some(AttemptChange::Close { number, outcome }) = &change.attempt {
            targets.push(place.n);
            numbers.push(i64::from(*number));
            outcomes.push(*outcome);
            times.push(change.at);
        }
    }
    if !targets.is_empty() {
        execute(
            tx,
            "UPDATE attempts a SET outcome = x.outcome, closed_at = x.at \
             FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) AS x (target, number, outcome, at) \
             WHERE a.target = x.target AND a.number = x.number AND (a.outcome IS NULL OR a.outcome = 'unknown')",
            &[&targets, &numbers, &outcomes, &times],
        )
        .await?;
    }
    Ok(())
}

/// What is canceled frees its slot.
async fn free_slots(tx: &Transaction<'_>, moved: &[(usize, &Place, &TargetChange)]) -> Res<()> {
    let canceled: Vec<_> = moved
        .iter()
        .filter(|(_, _, change)| change.row.phase == Phase::Canceled)
        .map(|(_, place, _)| place.n)
        .collect();
    wall_times::free(tx, &canceled).await
}

/// What existed before an attempt is of no use when its target has ended.
async fn forget_baselines(
    tx: &Transaction<'_>,
    moved: &[(usize, &Place, &TargetChange)],
) -> Res<()> {
    let ended: Vec<_> = moved
        .iter()
        .filter(|(_, _, change)| change.row.phase.is_terminal())
        .map(|(_, place, _)| place.n)
        .collect();
    if !ended.is_empty() {
        execute(
            tx,
            "UPDATE attempts SET baseline = NULL WHERE target = ANY($1::bigint[]) AND baseline IS NOT NULL",
            &[&ended],
        )
        .await?;
    }
    Ok(())
}

/// Stores the intent rows.
async fn open_attempts(tx: &Transaction<'_>, moved: &[(usize, &Place, &TargetChange)]) -> Res<()> {
    let (mut targets, mut numbers, mut deadlines) = (Vec::new(), Vec::new(), Vec::new());
    let (mut baselines, mut times) = (Vec::new(), Vec::new());
    let mut name = String::new();
    for (_, place, change) in moved {
        if let Some(AttemptChange::Open {
            number,
            deadline,
            baseline,
        }) = &change.attempt
        {
            targets.push(place.n);
            numbers.push(i64::from(*number));
            deadlines.push(*deadline);
            baselines.push(baseline.as_deref());
            times.push(change.at);
            name = format!("attempt {number} of target {}", change.row.id);
        }
    }
    if targets.is_empty() {
        return Ok(());
    }
    let statement = tx
        .prepare_cached(
            "INSERT INTO attempts (target, number, team, mode, account_id, target_id, fence, fingerprint, deadline, opened_at, \
             baseline) SELECT t.n, x.number, t.team, t.mode, t.account_id, t.id, t.fence, t.fingerprint, x.deadline, x.at, \
             x.baseline FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]) \
             AS x (target, number, deadline, at, baseline) JOIN targets t ON t.n = x.target",
        )
        .await?;
    let opened = tx
        .execute(
            &statement,
            &[&targets, &numbers, &deadlines, &times, &baselines],
        )
        .await;
    match opened {
        // Of several none is stored; the writer then makes each change by itself.
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(StoreError::Failed(
            format!("{name} cannot begin: it exists, or an earlier one is still open"),
        )
        .into()),
        other => {
            other?;
            Ok(())
        }
    }
}

async fn gave_back(tx: &Transaction<'_>, accounts: &BTreeSet<Account>) -> Res<()> {
    let modes: Vec<_> = accounts.iter().map(|a| a.mode.as_str()).collect();
    let ids: Vec<_> = accounts.iter().map(|a| a.id.as_str()).collect();
    execute(
        tx,
        "UPDATE pace p SET limit_until = NULL FROM unnest($1::text[], $2::text[]) AS x (mode, account_id) \
         WHERE p.mode = x.mode AND p.account_id = x.account_id AND p.limit_until IS NOT NULL",
        &[&modes, &ids],
    )
    .await?;
    Ok(())
}

/// Targets by their numbers.
pub(super) async fn read<C: GenericClient>(
    client: &C,
    numbers: &[i64],
) -> Res<BTreeMap<i64, TargetRow>> {
    let sql = format!(
        "SELECT {TARGET} FROM targets t JOIN uploads u ON u.n = t.upload WHERE t.n = ANY($1::bigint[])"
    );
    let found = rows(client, &sql, &[&numbers]).await?;
    found
        .iter()
        .map(|row| Ok((row.get("tn"), target(row)?)))
        .collect()
}
