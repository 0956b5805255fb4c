//! Wall times that are kept, and the occurrences of slots among them. Occurrences of an account are given out under its lock
//! (`pace.rs`), so that two nodes never see the same one as free.

use std::collections::BTreeSet;

use deadpool_postgres::{GenericClient, Transaction};
use jiff::civil::Date;
use tokio_postgres::Row;

use super::change::read;
use super::codec::{POSITIONS, damaged, mode_from_db};
use super::db::{Db, begin, execute, row, rows};
use super::events::{self, Entry};
use super::listen::{self, Told};
use super::pace::{self, Account, Touched};
use super::trouble::Res;
use crate::audit;
use crate::slots::{Queue, Taken, settle};
use crate::store::when::{Keep, first_day, keeps};
use crate::store::{
    KeptTime, Millis, NewEvent, NewUpload, Occurrence, Owner, Phase, Retime, StoreResult,
    UploadRow, WallTime, When,
};

/// A new upload with its times, and the events that say where they come from.
pub(super) struct Placed {
    pub(super) row: UploadRow,
    pub(super) places: Vec<Occurrence>,
    pub(super) events: Vec<NewEvent>,
}

/// Gives each upload its times, or names the account that has no free slot. The accounts are locked.
pub(super) async fn place(
    tx: &Transaction<'_>,
    new: &[&NewUpload],
) -> Res<Vec<Result<Placed, String>>> {
    let from = first_day(new.iter().map(|new| &new.when));
    let mut taken = Taken::default();
    let mut placed = Vec::with_capacity(new.len());
    for new in new {
        let mut row = new.row.clone();
        let (mut places, mut events) = (Vec::new(), new.events.clone());
        if let When::NextSlot(wish) = &new.when {
            for target in &row.targets {
                let queue = Queue::of(&row.owner, &target.account_id);
                if !taken.knows(&queue) {
                    let rows = self::taken(tx, &row.owner, &target.account_id, from).await?;
                    taken.set(queue, rows);
                }
            }
            match taken.take(&row, wish) {
                Ok(found) => places = found,
                Err(account) => {
                    placed.push(Err(account));
                    continue;
                }
            }
            let now = row.created_at;
            events.extend(settle(&mut row, wish, &places, now));
        }
        placed.push(Ok(Placed {
            row,
            places,
            events,
        }));
    }
    Ok(placed)
}

/// Keeps the times of new uploads, with their numbers.
pub(super) async fn keep_new(
    tx: &Transaction<'_>,
    uploads: &[(i64, &When, &UploadRow, &[Occurrence])],
) -> Res<()> {
    let kept: Vec<(i64, Keep<'_>)> = uploads
        .iter()
        .flat_map(|(n, when, row, places)| (n * POSITIONS..).zip(keeps(row, when, places)))
        .collect();
    keep(tx, &kept).await
}

async fn keep(tx: &Transaction<'_>, kept: &[(i64, Keep<'_>)]) -> Res<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let numbers: Vec<_> = kept.iter().map(|(n, _)| *n).collect();
    let teams: Vec<_> = kept.iter().map(|(_, k)| &*k.target.owner.team).collect();
    let modes: Vec<_> = kept
        .iter()
        .map(|(_, k)| k.target.owner.mode.as_str())
        .collect();
    let accounts: Vec<_> = kept.iter().map(|(_, k)| &*k.target.account_id).collect();
    let locals: Vec<_> = kept.iter().map(|(_, k)| k.local.to_string()).collect();
    let zones: Vec<_> = kept.iter().map(|(_, k)| k.zone).collect();
    let rules: Vec<_> = kept.iter().map(|(_, k)| k.rules).collect();
    let times: Vec<_> = kept.iter().map(|(_, k)| k.target.scheduled_at).collect();
    let slots: Vec<_> = kept.iter().map(|(_, k)| k.slot_id).collect();
    let days: Vec<_> = kept
        .iter()
        .map(|(_, k)| k.local.date().to_string())
        .collect();
    execute(
        tx,
        "INSERT INTO wall_times (target, team, mode, account_id, local, zone, rules, at, slot_id, day) \
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
           $8::bigint[], $9::text[], $10::text[])",
        &[
            &numbers, &teams, &modes, &accounts, &locals, &zones, &rules, &times, &slots, &days,
        ],
    )
    .await?;
    Ok(())
}

/// Gives an upload that is edited its times: its own occurrences count as free. The accounts are locked.
pub(super) async fn place_again(
    tx: &Transaction<'_>,
    n: i64,
    row: &mut UploadRow,
    when: &When,
    now: Millis,
) -> Res<Result<(Vec<Occurrence>, Vec<NewEvent>), String>> {
    let (mut places, mut events) = (Vec::new(), Vec::new());
    if !matches!(when, When::Kept) {
        execute(
            tx,
            "DELETE FROM wall_times WHERE target BETWEEN $1::bigint * 64 AND $1::bigint * 64 + 63",
            &[&n],
        )
        .await?;
    }
    if let When::NextSlot(wish) = when {
        let from = first_day([when]);
        let mut taken = Taken::default();
        for target in &row.targets {
            let rows = self::taken(tx, &row.owner, &target.account_id, from).await?;
            taken.set(Queue::of(&row.owner, &target.account_id), rows);
        }
        places = match taken.take(row, wish) {
            Ok(places) => places,
            Err(account) => return Ok(Err(account)),
        };
        events = settle(row, wish, &places, now);
    }
    Ok(Ok((places, events)))
}

pub(super) async fn taken<C: GenericClient>(
    client: &C,
    owner: &Owner,
    account_id: &str,
    from: Date,
) -> Res<Vec<(String, Date)>> {
    let found = rows(
        client,
        "SELECT slot_id, day FROM wall_times WHERE team = $1 AND mode = $2 AND account_id = $3 AND day >= $4 \
         AND slot_id IS NOT NULL",
        &[
            &owner.team,
            &owner.mode.as_str(),
            &account_id,
            &from.to_string(),
        ],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            let day: &str = row.get(1);
            Ok((row.get(0), day.parse().map_err(|_| damaged("day"))?))
        })
        .collect()
}

/// Frees what targets that were canceled had taken.
pub(super) async fn free(tx: &Transaction<'_>, targets: &[i64]) -> Res<()> {
    if !targets.is_empty() {
        execute(
            tx,
            "DELETE FROM wall_times WHERE target = ANY($1::bigint[])",
            &[&targets],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn kept<C: GenericClient>(
    client: &C,
    now: Millis,
    after: i64,
    limit: u32,
) -> Res<Vec<KeptTime>> {
    let found = rows(
        client,
        "SELECT w.target, t.id, w.local, w.zone, w.rules, w.at FROM wall_times w JOIN targets t ON t.n = w.target \
         WHERE w.target > $2 AND w.at > $1 AND t.phase IN (0, 1) ORDER BY w.target LIMIT $3",
        &[&now, &after, &i64::from(limit)],
    )
    .await?;
    Ok(found
        .iter()
        .map(kept_time)
        .collect::<StoreResult<Vec<_>>>()?)
}

fn kept_time(row: &Row) -> StoreResult<KeptTime> {
    let local: &str = row.get(2);
    Ok(KeptTime {
        number: row.get(0),
        target_id: row.get(1),
        wall: WallTime {
            local: local.parse().map_err(|_| damaged("wall time"))?,
            zone: row.get(3),
            rules: row.get(4),
        },
        at: row.get(5),
    })
}

pub(super) async fn retime(db: &Db, retime: &Retime) -> Res<Option<Told>> {
    let n = retime.number;
    let upload = n / POSITIONS;
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let Some(found) = row(
        &tx,
        "SELECT mode, account_id FROM targets WHERE n = $1",
        &[&n],
    )
    .await?
    else {
        return Ok(None);
    };
    let account = Account {
        mode: mode_from_db(found.get(0))?.as_str().to_owned(),
        id: found.get(1),
    };
    pace::lock(&tx, &BTreeSet::from([account.clone()])).await?;
    pace::lock_uploads(&tx, &BTreeSet::from([upload])).await?;
    let Some(target) = read(&tx, &[n]).await?.remove(&n) else {
        return Ok(None);
    };
    if !matches!(target.phase, Phase::Draft | Phase::Scheduled)
        || target.scheduled_at != retime.from
    {
        return Ok(None);
    }
    execute(
        &tx,
        "UPDATE wall_times SET at = $2, rules = $3 WHERE target = $1",
        &[&n, &retime.to, &retime.rules],
    )
    .await?;
    execute(
        &tx,
        "UPDATE targets SET due_at = $2, scheduled_at = $2, send_until = send_until + $2 - scheduled_at WHERE n = $1",
        &[&n, &retime.to],
    )
    .await?;
    execute(
        &tx,
        "UPDATE uploads SET scheduled_at = (SELECT min(scheduled_at) FROM targets WHERE n BETWEEN $1::bigint * 64 AND $1::bigint * 64 + 63) \
         WHERE n = $1",
        &[&upload],
    )
    .await?;
    let entry = Entry {
        upload,
        upload_id: &target.upload_id,
        owner: &target.owner,
        event: &retime.event,
        by: &audit::current(),
    };
    events::insert(&tx, &[entry]).await?;
    let mut touched = Touched::default();
    touched.add(&account, pace::board(&target), &target.fingerprint);
    pace::refresh(&tx, &touched).await?;
    let told = Told {
        change: Some(pace::renew(&tx, &[(upload, retime.event.at)]).await?),
        wake: true,
    };
    listen::tell(&tx, told).await?;
    tx.commit().await?;
    Ok(Some(told))
}

/// Forgets times that have passed.
pub(super) async fn forget<C: GenericClient>(client: &C, before: Millis) -> Res<()> {
    execute(client, "DELETE FROM wall_times WHERE at < $1", &[&before]).await?;
    Ok(())
}
