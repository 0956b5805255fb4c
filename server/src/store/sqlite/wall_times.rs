//! Wall times that are kept, and the occurrences of slots among them.

use jiff::civil::Date;
use rusqlite::{Connection, params};

use super::codec::{POSITIONS, damaged, target_at};
use super::events::{EventText, insert_event};
use super::lanes::{self, Lane};
use super::uploads;
use super::writer::Tx;
use crate::slots::{Queue, Taken};
use crate::store::when::Keep;
use crate::store::{
    KeptTime, Millis, NextSlot, Owner, Phase, Retime, StoreResult, UploadRow, WallTime,
};

const TAKEN: &str = "SELECT slot_id, day FROM wall_times WHERE team = ?1 AND mode = ?2 AND account_id = ?3 AND day >= ?4 \
     AND slot_id IS NOT NULL";

const FORGET: &str = "DELETE FROM wall_times WHERE at < ?1";

/// Of targets that are drafts or scheduled.
const KEPT: &str = "SELECT w.target, t.id, w.local, w.zone, w.rules, w.at FROM wall_times w JOIN targets t ON t.n = w.target \
     WHERE w.target > ?2 AND w.at > ?1 AND t.phase IN (0, 1) ORDER BY w.target LIMIT ?3";

/// Keeps a time of the target at this number.
pub(super) fn keep(conn: &Connection, n: i64, keep: &Keep<'_>) -> StoreResult<()> {
    let owner = &keep.target.owner;
    conn.prepare_cached(
        "INSERT INTO wall_times (target, team, mode, account_id, local, zone, rules, at, slot_id, day) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        n,
        owner.team,
        owner.mode.as_str(),
        keep.target.account_id,
        keep.local.to_string(),
        keep.zone,
        keep.rules,
        keep.target.scheduled_at,
        keep.slot_id,
        keep.local.date().to_string(),
    ])?;
    Ok(())
}

/// Forgets what is kept of a target: its occurrence is free.
pub(super) fn free(conn: &Connection, n: i64) -> StoreResult<()> {
    conn.prepare_cached("DELETE FROM wall_times WHERE target = ?1")?
        .execute([n])?;
    Ok(())
}

/// The same for all targets of an upload.
pub(super) fn free_all(conn: &Connection, upload: i64) -> StoreResult<()> {
    conn.prepare_cached("DELETE FROM wall_times WHERE target BETWEEN ?1 AND ?2")?
        .execute([upload * POSITIONS, upload * POSITIONS + POSITIONS - 1])?;
    Ok(())
}

pub(super) fn taken(
    conn: &Connection,
    owner: &Owner,
    account_id: &str,
    from: Date,
) -> StoreResult<Vec<(String, Date)>> {
    let mut statement = conn.prepare_cached(TAKEN)?;
    let mut rows = statement.query(params![
        owner.team,
        owner.mode.as_str(),
        account_id,
        from.to_string()
    ])?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next()? {
        taken.push((row.get(0)?, date(&row.get::<_, String>(1)?)?));
    }
    Ok(taken)
}

/// The occurrences that targets of an upload have taken: (position of the target, (slot, date)).
pub(super) fn occurrences_of(
    conn: &Connection,
    upload: i64,
) -> StoreResult<Vec<(usize, (String, Date))>> {
    let mut statement = conn.prepare_cached(
        "SELECT target, slot_id, day FROM wall_times WHERE target BETWEEN ?1 AND ?2 AND slot_id IS NOT NULL",
    )?;
    let mut rows = statement.query([upload * POSITIONS, upload * POSITIONS + POSITIONS - 1])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let position = row.get::<_, i64>(0)? - upload * POSITIONS;
        let day = date(&row.get::<_, String>(2)?)?;
        found.push((
            usize::try_from(position).unwrap_or_default(),
            (row.get(1)?, day),
        ));
    }
    Ok(found)
}

fn date(text: &str) -> StoreResult<Date> {
    text.parse().map_err(|_| damaged("day"))
}

/// Reads what is taken of the accounts of an upload, where it is not known yet.
pub(super) fn learn(
    conn: &Connection,
    taken: &mut Taken,
    row: &UploadRow,
    wish: &NextSlot,
    from: Date,
) -> StoreResult<()> {
    for (target, offers) in row.targets.iter().zip(&wish.offers) {
        let queue = Queue::of(&row.owner, &target.account_id);
        if !offers.is_empty() && !taken.knows(&queue) {
            let rows = self::taken(conn, &row.owner, &target.account_id, from)?;
            taken.set(queue, rows);
        }
    }
    Ok(())
}

pub(super) fn kept(
    conn: &Connection,
    now: Millis,
    after: i64,
    limit: u32,
) -> StoreResult<Vec<KeptTime>> {
    let mut statement = conn.prepare_cached(KEPT)?;
    let mut rows = statement.query(params![now, after, limit])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let local: String = row.get(2)?;
        kept.push(KeptTime {
            number: row.get(0)?,
            target_id: row.get(1)?,
            wall: WallTime {
                local: local.parse().map_err(|_| damaged("wall time"))?,
                zone: row.get(3)?,
                rules: row.get(4)?,
            },
            at: row.get(5)?,
        });
    }
    Ok(kept)
}

pub(super) fn retime(tx: &Tx<'_>, retime: &Retime) -> StoreResult<bool> {
    let n = retime.number;
    let target = target_at(tx.conn, n)?;
    if !matches!(target.phase, Phase::Draft | Phase::Scheduled)
        || target.scheduled_at != retime.from
    {
        return Ok(false);
    }
    let upload = n / POSITIONS;
    let (first, last) = (upload * POSITIONS, upload * POSITIONS + POSITIONS - 1);
    tx.conn
        .prepare_cached("UPDATE wall_times SET at = ?2, rules = ?3 WHERE target = ?1")?
        .execute(params![n, retime.to, retime.rules])?;
    tx.conn
        .prepare_cached(
            "UPDATE targets SET due_at = ?2, scheduled_at = ?2, send_until = send_until + ?2 - scheduled_at WHERE n = ?1",
        )?
        .execute([n, retime.to])?;
    tx.conn
        .prepare_cached(
            "UPDATE uploads SET scheduled_at = (SELECT min(scheduled_at) FROM targets WHERE n BETWEEN ?2 AND ?3) \
             WHERE n = ?1",
        )?
        .execute([upload, first, last])?;
    lanes::refresh(tx.conn, &Lane::of(&target))?;
    uploads::renew(tx, upload, retime.event.at)?;
    insert_event(tx, upload, &EventText::new(retime.event.clone())?)?;
    Ok(true)
}

/// Forgets times that have passed.
pub(super) fn forget(conn: &Connection, before: Millis) -> StoreResult<()> {
    conn.prepare_cached(FORGET)?.execute([before])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plans::assert_index;
    use super::*;

    #[test]
    fn a_free_slot_is_found_among_many_uploads() {
        assert_index(TAKEN, &["wall_times_slots"]);
        assert_index(FORGET, &["wall_times_by_time"]);
        assert_index(KEPT, &["PRIMARY KEY", "PRIMARY KEY"]);
    }
}
