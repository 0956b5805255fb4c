//! Posting slots.

use deadpool_postgres::GenericClient;

use super::codec::damaged;
use super::db::{execute, row, rows};
use super::trouble::Res;
use crate::store::{Owner, SlotOutcome, SlotRow};

/// Tries of a change that another one contradicts in the same moment.
const TRIES: u32 = 3;

pub(super) async fn put<C: GenericClient>(
    client: &C,
    slot: &SlotRow,
    is_new: bool,
) -> Res<SlotOutcome> {
    let sql = if is_new {
        "INSERT INTO slots (team, mode, id, account_id, weekdays, minute, timezone, enabled, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE slots s SET account_id = $4, weekdays = $5, minute = $6, timezone = $7, enabled = $8, created_at = $9 \
         WHERE team = $1 AND mode = $2 AND id = $3 AND NOT EXISTS (SELECT 1 FROM slots o WHERE o.team = $1 AND o.mode = $2 \
           AND o.account_id = $4 AND o.minute = $6 AND o.timezone = $7 AND o.weekdays = $5 AND o.id <> $3)"
    };
    for _ in 0..TRIES {
        let stored = execute(
            client,
            sql,
            &[
                &slot.owner.team,
                &slot.owner.mode.as_str(),
                &slot.id,
                &slot.account_id,
                &i64::from(slot.weekdays),
                &i64::from(slot.minute),
                &slot.timezone,
                &slot.enabled,
                &slot.created_at,
            ],
        )
        .await?;
        if stored == 1 {
            return Ok(SlotOutcome::Stored);
        }
        if !is_new && !exists(client, slot).await? {
            return Ok(SlotOutcome::Gone);
        }
        if let Some(twin) = twin(client, slot).await? {
            return Ok(SlotOutcome::Twin(twin));
        }
        // The twin was removed in between.
    }
    Err(damaged("slot").into())
}

async fn exists<C: GenericClient>(client: &C, slot: &SlotRow) -> Res<bool> {
    let found = row(
        client,
        "SELECT 1 FROM slots WHERE team = $1 AND mode = $2 AND id = $3",
        &[&slot.owner.team, &slot.owner.mode.as_str(), &slot.id],
    )
    .await?;
    Ok(found.is_some())
}

/// Another slot of the account with the same days, time and zone.
async fn twin<C: GenericClient>(client: &C, slot: &SlotRow) -> Res<Option<String>> {
    let found = row(
        client,
        "SELECT id FROM slots WHERE team = $1 AND mode = $2 AND account_id = $3 AND minute = $4 AND timezone = $5 \
         AND weekdays = $6 AND id <> $7",
        &[
            &slot.owner.team,
            &slot.owner.mode.as_str(),
            &slot.account_id,
            &i64::from(slot.minute),
            &slot.timezone,
            &i64::from(slot.weekdays),
            &slot.id,
        ],
    )
    .await?;
    Ok(found.map(|row| row.get(0)))
}

pub(super) async fn list<C: GenericClient>(client: &C, owner: &Owner) -> Res<Vec<SlotRow>> {
    let found = rows(
        client,
        "SELECT id, account_id, weekdays, minute, timezone, enabled, created_at FROM slots \
         WHERE team = $1 AND mode = $2 ORDER BY account_id, minute, id",
        &[&owner.team, &owner.mode.as_str()],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            let small = |column: usize| row.get::<_, i64>(column);
            Ok(SlotRow {
                id: row.get(0),
                owner: owner.clone(),
                account_id: row.get(1),
                weekdays: u8::try_from(small(2)).map_err(|_| damaged("weekdays"))?,
                minute: u16::try_from(small(3)).map_err(|_| damaged("minute"))?,
                timezone: row.get(4),
                enabled: row.get(5),
                created_at: row.get(6),
            })
        })
        .collect()
}

pub(super) async fn delete<C: GenericClient>(client: &C, owner: &Owner, id: &str) -> Res<bool> {
    let gone = execute(
        client,
        "DELETE FROM slots WHERE team = $1 AND mode = $2 AND id = $3",
        &[&owner.team, &owner.mode.as_str(), &id],
    )
    .await?;
    Ok(gone == 1)
}
