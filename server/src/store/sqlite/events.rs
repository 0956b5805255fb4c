//! The timeline of an upload.

use rusqlite::{Connection, params};

use super::audit;
use super::codec::{from_db, json, parse};
use super::uploads;
use super::writer::Tx;
use crate::store::{EventRow, NewEvent, Owner, StoreResult};

/// An event with its JSON made.
pub(super) struct EventText {
    event: NewEvent,
    data: String,
}

impl EventText {
    pub(super) fn new(event: NewEvent) -> StoreResult<Self> {
        Ok(Self {
            data: json(&event.data)?,
            event,
        })
    }
}

pub(super) fn insert_event(tx: &Tx<'_>, upload: i64, text: &EventText) -> StoreResult<()> {
    let event = &text.event;
    tx.conn
        .prepare_cached(
            "INSERT INTO events (upload, seq, at, kind, target_id, detail, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            upload,
            tx.next_event(),
            event.at,
            event.kind,
            event.target_id,
            event.detail,
            text.data,
        ])?;
    audit::of_event(tx, upload, event, &text.data)
}

pub(super) fn list(conn: &Connection, owner: &Owner, id: &str) -> StoreResult<Vec<EventRow>> {
    let mut events = Vec::new();
    let Some(n) = uploads::number(conn, owner, id)? else {
        return Ok(events);
    };
    let mut statement = conn.prepare_cached(
        "SELECT seq, at, kind, target_id, detail, data FROM events WHERE upload = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([n])?;
    while let Some(row) = rows.next()? {
        let data: String = row.get(5)?;
        events.push(EventRow {
            seq: from_db(row.get(0)?),
            at: row.get(1)?,
            kind: row.get(2)?,
            target_id: row.get(3)?,
            detail: row.get(4)?,
            data: parse(&data, "event")?,
        });
    }
    Ok(events)
}
