//! Editing an upload before anything of it was sent.

use std::collections::BTreeSet;

use super::codec::{POSITIONS, json, json_opt, phase_to_db, to_db};
use super::db::{Db, begin, execute, row, rows};
use super::events::Entry;
use super::listen::{self, Told};
use super::pace::{self, Account, Touched};
use super::trouble::Res;
use super::{events, media, uploads, wall_times, webhooks};
use crate::audit;
use crate::store::{EditOutcome, Phase, StoreError, UploadEdit, uses};

pub(super) async fn edit(db: &Db, edit: &UploadEdit) -> Res<(EditOutcome, Option<Told>)> {
    const STALE: (EditOutcome, Option<Told>) = (EditOutcome::Stale, None);
    let mut new = edit.row.clone();
    let mut client = db.client().await?;
    let tx = begin(&mut client).await?;
    let found = rows(
        &tx,
        "SELECT DISTINCT u.n, t.account_id FROM uploads u JOIN targets t ON t.n BETWEEN u.n * 64 AND u.n * 64 + 63 \
         WHERE u.team = $1 AND u.mode = $2 AND u.id = $3",
        &[&new.owner.team, &new.owner.mode.as_str(), &new.id],
    )
    .await?;
    let Some(n) = found.first().map(|row| row.get::<_, i64>(0)) else {
        return Ok(STALE);
    };
    let mode = new.owner.mode.as_str();
    let account = |id: &str| Account {
        mode: mode.to_owned(),
        id: id.to_owned(),
    };
    let accounts: BTreeSet<_> = found.iter().map(|row| account(row.get(1))).collect();
    pace::lock(&tx, &accounts).await?;
    let locked = row(
        &tx,
        "SELECT version FROM uploads WHERE n = $1 FOR NO KEY UPDATE",
        &[&n],
    )
    .await?;
    if locked.map(|row| row.get::<_, i64>(0)) != Some(to_db(edit.expect_version)) {
        return Ok(STALE);
    }
    let Some(stored) = uploads::get(&tx, &new.owner, &new.id).await? else {
        return Ok(STALE);
    };
    if !stored.targets.iter().all(|t| is_editable(t.phase)) {
        return Ok(STALE);
    }
    let placed = wall_times::place_again(&tx, n, &mut new, &edit.when, edit.event.at).await?;
    let (places, told_events) = match placed {
        Ok(placed) => placed,
        Err(account) => return Ok((EditOutcome::NoFreeSlot(account), None)),
    };
    wall_times::keep_new(&tx, &[(n, &edit.when, &new, &places)]).await?;
    let mut touched = Touched::default();
    for target in &new.targets {
        let position = stored.targets.iter().position(|t| t.id == target.id);
        let Some((position, old)) = position.and_then(|at| Some((at, stored.targets.get(at)?)))
        else {
            return Err(StoreError::Failed(format!(
                "upload {} has no target {}",
                new.id, target.id
            ))
            .into());
        };
        if !is_editable(target.phase) {
            return Err(StoreError::Failed(format!(
                "an edit cannot bring target {} into {:?}",
                target.id, target.phase
            ))
            .into());
        }
        let account = account(&old.account_id);
        touched.add(&account, pace::board(old), &old.fingerprint);
        touched.add(&account, pace::board(target), &target.fingerprint);
        execute(
            &tx,
            "UPDATE targets SET board = $2, phase = $3, due_at = $4, scheduled_at = $5, send_until = $6, setbacks = $7, \
             content = $8, fingerprint = $9, prepared = $10, error = $11 WHERE n = $1",
            &[
                &(n * POSITIONS + position as i64),
                &pace::board(target),
                &phase_to_db(target.phase),
                &target.due_at,
                &target.scheduled_at,
                &target.send_until,
                &i64::from(target.setbacks),
                &json(&target.content)?,
                &target.fingerprint,
                &json_opt(target.prepared.as_ref())?,
                &json_opt(target.error.as_ref())?,
            ],
        )
        .await?;
    }
    let named = uses::named_in(&new.content)?;
    let named: Vec<_> = named
        .into_iter()
        .map(|id| (&new.owner, new.id.as_str(), id))
        .collect();
    media::clear_uses(&tx, &new.owner, &new.id).await?;
    media::set_uses(&tx, &named).await?;
    execute(
        &tx,
        "UPDATE uploads SET content = $2, scheduled_at = $3, timezone = $4, external_id = $5 WHERE n = $1",
        &[
            &n,
            &json(&new.content)?,
            &new.scheduled_at,
            &new.timezone,
            &new.external_id,
        ],
    )
    .await?;
    let by = audit::current();
    let entries: Vec<_> = std::iter::once(&edit.event)
        .chain(&told_events)
        .map(|event| Entry {
            upload: n,
            upload_id: &new.id,
            owner: &new.owner,
            event,
            by: &by,
        })
        .collect();
    events::insert(&tx, &entries).await?;
    pace::refresh(&tx, &touched).await?;
    webhooks::upload_edited(&tx, &new.owner, &new.id, edit.event.at).await?;
    let told = Told {
        change: Some(pace::renew(&tx, &[(n, edit.event.at)]).await?),
        wake: true,
    };
    listen::tell(&tx, told).await?;
    let edited = uploads::get(&tx, &new.owner, &new.id).await?;
    tx.commit().await?;
    Ok(edited.map_or(STALE, |row| {
        (EditOutcome::Edited(Box::new(row)), Some(told))
    }))
}

const fn is_editable(phase: Phase) -> bool {
    matches!(phase, Phase::Draft | Phase::Scheduled | Phase::Waiting)
}
