//! Storing new uploads: many rows in a few statements, however many calls they came from.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use multi_upload_wire::UploadStatus;

use super::codec::{POSITIONS, from_db, json, json_opt, phase_to_db, to_db};
use super::db::{Db, begin, execute, rows};
use super::events::Entry;
use super::listen::Told;
use super::pace::{self, Account, Touched};
use super::trouble::Res;
use super::wall_times::{self, Placed};
use super::{events, listen, media, webhooks};
use crate::audit::Actor;
use crate::store::{
    CreateOutcome, Idempotency, Millis, NewUpload, Phase, StoreError, StoreResult, TargetRow,
    UploadRow, When, uses,
};

/// How long an idempotency key protects. After that it may be used for something else.
pub(super) const IDEMPOTENCY_LIFE: Millis = 7 * 24 * 60 * 60 * 1000;

/// Fails for uploads that no transaction could store.
pub(super) fn check(uploads: &[NewUpload]) -> StoreResult<()> {
    if uploads
        .iter()
        .any(|new| new.row.targets.len() as i64 > POSITIONS)
    {
        return Err(StoreError::Failed(format!(
            "an upload has at most {POSITIONS} targets"
        )));
    }
    Ok(())
}

/// One transaction for all of them, in their order.
pub(super) async fn create(
    db: &Db,
    items: &[&(Actor, NewUpload)],
) -> Res<(Vec<CreateOutcome>, Option<Told>)> {
    let uploads: Vec<_> = items.iter().map(|(_, new)| new).collect();
    let uploads = uploads.as_slice();
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let uses = use_keys(&tx, uploads).await?;
    let fresh: Vec<_> = items
        .iter()
        .zip(&uses)
        .filter(|(_, used)| matches!(used, Use::New))
        .map(|(new, _)| *new)
        .collect();
    let (stored, told) = if fresh.is_empty() {
        (Vec::new(), None)
    } else {
        insert(&tx, &fresh).await?
    };
    let new: Vec<_> = fresh.iter().map(|(_, new)| new).collect();
    settle_keys(&tx, &new, &stored).await?;
    tx.commit().await?;
    let mut stored = stored.into_iter();
    let mut outcomes: Vec<CreateOutcome> = Vec::with_capacity(uploads.len());
    for used in uses {
        let outcome = match used {
            Use::New => stored.next().ok_or_else(|| {
                StoreError::Failed("an upload was lost while it was stored".to_owned())
            })?,
            Use::Before(outcome) => outcome,
            Use::LikeRow(first) => match outcomes.get(first) {
                Some(CreateOutcome::Stored(row)) => {
                    CreateOutcome::Replayed(match &uploads[first].when {
                        When::NextSlot(wish) => (wish.answer)(row)?,
                        _ => answer_of(uploads[first]),
                    })
                }
                Some(other) => other.clone(),
                None => CreateOutcome::KeyMismatch,
            },
        };
        outcomes.push(outcome);
    }
    Ok((outcomes, told))
}

fn answer_of(new: &NewUpload) -> String {
    new.idempotency
        .as_ref()
        .map(|key| key.answer.clone())
        .unwrap_or_default()
}

/// What becomes of a row by its key.
enum Use {
    /// It is stored.
    New,
    /// The key was used before this call.
    Before(CreateOutcome),
    /// A row of this call, at this place, has the same key and body.
    LikeRow(usize),
}

/// Answers of uploads that got their times only now; keys of those that could not be stored are free again.
async fn settle_keys(
    tx: &Transaction<'_>,
    new: &[&NewUpload],
    stored: &[CreateOutcome],
) -> Res<()> {
    for (new, outcome) in new.iter().zip(stored) {
        let (When::NextSlot(wish), Some(used)) = (&new.when, &new.idempotency) else {
            continue;
        };
        let (team, mode, key) = key_of(&new.row, used);
        match outcome {
            CreateOutcome::Stored(row) => {
                execute(
                    tx,
                    "UPDATE idempotency SET answer = $4 WHERE team = $1 AND mode = $2 AND key = $3",
                    &[&team, &mode, &key, &(wish.answer)(row)?],
                )
                .await?;
            }
            _ => {
                execute(
                    tx,
                    "DELETE FROM idempotency WHERE team = $1 AND mode = $2 AND key = $3",
                    &[&team, &mode, &key],
                )
                .await?;
            }
        }
    }
    Ok(())
}

type Key<'a> = (&'a str, &'static str, &'a str);

fn key_of<'a>(row: &'a UploadRow, key: &'a Idempotency) -> Key<'a> {
    (
        row.owner.team.as_str(),
        row.owner.mode.as_str(),
        key.key.as_str(),
    )
}

/// Stores the keys with their rows' times; for rows whose key was used before, what it was used for.
async fn use_keys(tx: &Transaction<'_>, uploads: &[&NewUpload]) -> Res<Vec<Use>> {
    // The first use of each key; sorted, so that two transactions meet the keys they share in the same order.
    let mut first: BTreeMap<Key<'_>, (usize, &Idempotency, Millis)> = BTreeMap::new();
    for (index, new) in uploads.iter().enumerate() {
        if let Some(key) = &new.idempotency {
            first
                .entry(key_of(&new.row, key))
                .or_insert((index, key, new.row.created_at));
        }
    }
    let mut uses: Vec<Use> = uploads.iter().map(|_| Use::New).collect();
    if first.is_empty() {
        return Ok(uses);
    }
    let (mut teams, mut modes, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (mut hashes, mut answers, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for ((team, mode, key), (_, used, at)) in &first {
        teams.push(*team);
        modes.push(*mode);
        keys.push(*key);
        hashes.push(used.body_hash.as_slice());
        answers.push(used.answer.as_str());
        times.push(*at);
    }
    let taken = rows(
        tx,
        "INSERT INTO idempotency AS old (team, mode, key, body_hash, answer, created_at) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[]) \
         ON CONFLICT (team, mode, key) DO UPDATE SET body_hash = excluded.body_hash, answer = excluded.answer, \
           created_at = excluded.created_at WHERE excluded.created_at - old.created_at >= $7 \
         RETURNING team, mode, key",
        &[
            &teams,
            &modes,
            &keys,
            &hashes,
            &answers,
            &times,
            &IDEMPOTENCY_LIFE,
        ],
    )
    .await?;
    let ours: BTreeSet<(String, String, String)> = taken
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let stored = if ours.len() == first.len() {
        Vec::new()
    } else {
        rows(
            tx,
            "SELECT i.team, i.mode, i.key, i.body_hash, i.answer FROM idempotency i \
             JOIN unnest($1::text[], $2::text[], $3::text[]) AS x (team, mode, key) \
             ON i.team = x.team AND i.mode = x.mode AND i.key = x.key",
            &[&teams, &modes, &keys],
        )
        .await?
    };
    let stored: BTreeMap<Key<'_>, (&[u8], &str)> = stored
        .iter()
        .filter_map(|row| {
            let mode = match row.get::<_, &str>(1) {
                "test" => "test",
                _ => "live",
            };
            let key = (row.get::<_, &str>(0), mode, row.get::<_, &str>(2));
            Some((key, (row.try_get(3).ok()?, row.try_get(4).ok()?)))
        })
        .collect();
    for (index, new) in uploads.iter().enumerate() {
        let Some(used) = &new.idempotency else {
            continue;
        };
        let key = key_of(&new.row, used);
        let Some((first_index, first_use, _)) = first.get(&key) else {
            continue;
        };
        let is_ours = ours.contains(&(key.0.to_owned(), key.1.to_owned(), key.2.to_owned()));
        if is_ours && *first_index == index {
            continue;
        }
        uses[index] = if is_ours {
            if first_use.body_hash == used.body_hash {
                Use::LikeRow(*first_index)
            } else {
                Use::Before(CreateOutcome::KeyMismatch)
            }
        } else {
            let (hash, answer) = *stored.get(&key).ok_or_else(|| {
                StoreError::Failed("an idempotency key went away while it was used".to_owned())
            })?;
            Use::Before(if hash == used.body_hash {
                CreateOutcome::Replayed(answer.to_owned())
            } else {
                CreateOutcome::KeyMismatch
            })
        };
    }
    Ok(uses)
}

/// One outcome for each, and what to tell if anything was stored.
async fn insert(
    tx: &Transaction<'_>,
    items: &[&(Actor, NewUpload)],
) -> Res<(Vec<CreateOutcome>, Option<Told>)> {
    let new: Vec<_> = items.iter().map(|(_, new)| new).collect();
    let mut accounts = BTreeSet::new();
    let mut locks = BTreeSet::new();
    let mut touched = Touched::default();
    let mut wake = false;
    for new in &new {
        for target in &new.row.targets {
            let account = Account {
                mode: new.row.owner.mode.as_str().to_owned(),
                id: target.account_id.clone(),
            };
            touched.add(&account, pace::board(target), &target.fingerprint);
            locks.insert(account.clone());
            accounts.insert((account, target.platform.clone()));
            wake |= matches!(
                target.phase,
                Phase::Scheduled | Phase::Waiting | Phase::Reconciling
            );
        }
    }
    pace::make(tx, &accounts).await?;
    pace::lock(tx, &locks).await?;
    let placed = wall_times::place(tx, &new).await?;
    let count = placed.iter().filter(|placed| placed.is_ok()).count();
    if count == 0 {
        let refused = placed.into_iter().filter_map(Result::err);
        return Ok((refused.map(CreateOutcome::NoFreeSlot).collect(), None));
    }
    let numbers: Vec<i64> = rows(
        tx,
        "SELECT nextval('upload_numbers') FROM generate_series(1, $1::bigint)",
        &[&(count as i64)],
    )
    .await?
    .iter()
    .map(|row| row.get(0))
    .collect();
    let (mut stored, mut all_events, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut outcomes = Vec::with_capacity(placed.len());
    for ((by, new), placed) in items.iter().zip(placed) {
        match placed {
            Ok(Placed {
                mut row,
                places,
                events,
            }) => {
                row.status = UploadStatus::of_targets(row.targets.iter().map(|t| t.phase.status()));
                stored.push(row);
                all_events.push((by, events));
                times.push((&new.when, places));
                outcomes.push(None);
            }
            Err(account) => outcomes.push(Some(CreateOutcome::NoFreeSlot(account))),
        }
    }
    let first_events: Vec<_> = numbers
        .iter()
        .zip(&stored)
        .zip(&all_events)
        .flat_map(|((n, row), (by, events))| {
            events.iter().map(|event| Entry {
                upload: *n,
                upload_id: &row.id,
                owner: &row.owner,
                event,
                by,
            })
        })
        .collect();
    insert_targets(tx, &numbers, &stored).await?;
    let kept: Vec<_> = numbers
        .iter()
        .zip(&stored)
        .zip(&times)
        .map(|((n, row), (when, places))| (*n, *when, row, places.as_slice()))
        .collect();
    wall_times::keep_new(tx, &kept).await?;
    let mut named = Vec::new();
    for row in &stored {
        let ids = uses::named_in(&row.content)?.into_iter();
        named.extend(ids.map(|id| (&row.owner, row.id.as_str(), id)));
    }
    media::set_uses(tx, &named).await?;
    drop(named);
    events::insert(tx, &first_events).await?;
    drop(first_events);
    pace::refresh(tx, &touched).await?;
    webhooks::uploads_created(tx, &stored).await?;
    // Last, because it takes the places in the change feed. The references to these rows are checked at the commit.
    let last = insert_uploads(tx, &numbers, &stored).await?;
    let told = Told {
        change: Some(last),
        wake,
    };
    listen::tell(tx, told).await?;
    let first = last + 1 - stored.len() as u64;
    for (place, row) in (first..).zip(&mut stored) {
        row.change_seq = place;
    }
    let mut stored = stored.into_iter();
    let outcomes = outcomes
        .into_iter()
        .map(|refused| refused.or_else(|| stored.next().map(Box::new).map(CreateOutcome::Stored)))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| StoreError::Failed("an upload was lost while it was stored".to_owned()))?;
    Ok((outcomes, Some(told)))
}

/// Gives the last place in the change feed.
async fn insert_uploads(tx: &Transaction<'_>, numbers: &[i64], rows: &[UploadRow]) -> Res<u64> {
    let column = |of: fn(&UploadRow) -> &str| rows.iter().map(of).collect::<Vec<_>>();
    let times = |of: fn(&UploadRow) -> Option<Millis>| rows.iter().map(of).collect::<Vec<_>>();
    let contents = rows
        .iter()
        .map(|row| json(&row.content))
        .collect::<StoreResult<Vec<_>>>()?;
    let timezones: Vec<_> = rows.iter().map(|row| row.timezone.as_deref()).collect();
    let labels: Vec<_> = rows.iter().map(|row| row.external_id.as_deref()).collect();
    let versions: Vec<_> = rows.iter().map(|row| to_db(row.version)).collect();
    let last = super::db::row(
        tx,
        "WITH counted AS (UPDATE counters SET change_seq = change_seq + cardinality($1::bigint[]) RETURNING change_seq), \
         stored AS (INSERT INTO uploads (n, id, team, mode, status, content, scheduled_at, timezone, external_id, version, \
           change_seq, created_at, updated_at) \
           SELECT n, id, team, mode, status, content, scheduled_at, timezone, external_id, version, \
             counted.change_seq - cardinality($1::bigint[]) + i, created_at, updated_at \
           FROM counted, unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
             $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[]) WITH ORDINALITY \
             AS x (n, id, team, mode, status, content, scheduled_at, timezone, external_id, version, created_at, \
               updated_at, i)) \
         SELECT change_seq FROM counted",
        &[
            &numbers,
            &column(|row| &row.id),
            &column(|row| &row.owner.team),
            &column(|row| row.owner.mode.as_str()),
            &column(|row| row.status.as_str()),
            &contents,
            &times(|row| row.scheduled_at),
            &timezones,
            &labels,
            &versions,
            &times(|row| Some(row.created_at)),
            &times(|row| Some(row.updated_at)),
        ],
    )
    .await?
    .ok_or_else(|| StoreError::Failed("the counter of changes is missing".to_owned()))?;
    Ok(from_db(last.get(0)))
}

async fn insert_targets(tx: &Transaction<'_>, numbers: &[i64], uploads: &[UploadRow]) -> Res<()> {
    let mut places = Vec::new();
    let mut modes = Vec::new();
    let mut teams = Vec::new();
    let mut targets = Vec::new();
    for (n, upload) in numbers.iter().zip(uploads) {
        for (position, target) in (0_i64..).zip(&upload.targets) {
            places.push(n * POSITIONS + position);
            teams.push(upload.owner.team.as_str());
            modes.push(upload.owner.mode.as_str());
            targets.push(target);
        }
    }
    let texts = |of: fn(&TargetRow) -> &str| targets.iter().map(|t| of(t)).collect::<Vec<_>>();
    let maybe_texts =
        |of: fn(&TargetRow) -> Option<&str>| targets.iter().map(|t| of(t)).collect::<Vec<_>>();
    let numbers = |of: fn(&TargetRow) -> i64| targets.iter().map(|t| of(t)).collect::<Vec<_>>();
    let times =
        |of: fn(&TargetRow) -> Option<Millis>| targets.iter().map(|t| of(t)).collect::<Vec<_>>();
    let json_texts = |of: fn(&TargetRow) -> StoreResult<Option<String>>| {
        targets
            .iter()
            .map(|t| of(t))
            .collect::<StoreResult<Vec<_>>>()
    };
    let phases: Vec<_> = targets.iter().map(|t| phase_to_db(t.phase)).collect();
    execute(
        tx,
        "INSERT INTO targets (n, upload, team, mode, id, account_id, platform, board, phase, fence, due_at, scheduled_at, \
         send_until, lease_until, attempts, setbacks, content, fingerprint, attempt, prepared, remote_id, remote_url, \
         published_at, error, sentinel_at) \
         SELECT n, n >> 6, team, mode, id, account_id, platform, board, phase, fence, due_at, scheduled_at, send_until, \
           lease_until, attempts, setbacks, content, fingerprint, attempt, prepared, remote_id, remote_url, published_at, \
           error, sentinel_at \
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[], \
           $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], \
           $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::bigint[], $23::text[], \
           $24::bigint[]) AS x (n, team, mode, id, account_id, platform, board, phase, fence, due_at, scheduled_at, \
           send_until, lease_until, attempts, setbacks, content, fingerprint, attempt, prepared, remote_id, remote_url, \
           published_at, error, sentinel_at)",
        &[
            &places,
            &teams,
            &modes,
            &texts(|t| &t.id),
            &texts(|t| &t.account_id),
            &texts(|t| &t.platform),
            &texts(pace::board),
            &phases,
            &numbers(|t| to_db(t.fence)),
            &numbers(|t| t.due_at),
            &numbers(|t| t.scheduled_at),
            &numbers(|t| t.send_until),
            &times(|t| t.lease_until),
            &numbers(|t| t.attempts.into()),
            &numbers(|t| t.setbacks.into()),
            &json_texts(|t| json(&t.content).map(Some))?,
            &texts(|t| &t.fingerprint),
            &json_texts(|t| json_opt(t.attempt.as_ref()))?,
            &json_texts(|t| json_opt(t.prepared.as_ref()))?,
            &maybe_texts(|t| t.remote_id.as_deref()),
            &maybe_texts(|t| t.remote_url.as_deref()),
            &times(|t| t.published_at),
            &json_texts(|t| json_opt(t.error.as_ref()))?,
            &times(|t| t.sentinel_at),
        ],
    )
    .await?;
    Ok(())
}
