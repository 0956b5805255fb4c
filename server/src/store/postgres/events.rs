//! The timeline of an upload.

use deadpool_postgres::{GenericClient, Transaction};

use super::codec::{from_db, json, parse};
use super::db::{execute, rows};
use super::trouble::Res;
use crate::store::{EventRow, NewEvent, Owner};

/// Adds events to locked (or new) uploads, in this order.
pub(super) async fn insert(tx: &Transaction<'_>, events: &[(i64, &NewEvent)]) -> Res<()> {
    if events.is_empty() {
        return Ok(());
    }
    let uploads: Vec<_> = events.iter().map(|(n, _)| *n).collect();
    let times: Vec<_> = events.iter().map(|(_, event)| event.at).collect();
    let kinds: Vec<_> = events.iter().map(|(_, event)| event.kind).collect();
    let targets: Vec<_> = events
        .iter()
        .map(|(_, event)| event.target_id.as_deref())
        .collect();
    let details: Vec<_> = events
        .iter()
        .map(|(_, event)| event.detail.as_str())
        .collect();
    let data = events
        .iter()
        .map(|(_, event)| json(&event.data))
        .collect::<Result<Vec<_>, _>>()?;
    execute(
        tx,
        "INSERT INTO events (upload, at, kind, target_id, detail, data) \
         SELECT upload, at, kind, target_id, detail, data FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], \
         $5::text[], $6::text[]) WITH ORDINALITY AS x (upload, at, kind, target_id, detail, data, i) ORDER BY i",
        &[&uploads, &times, &kinds, &targets, &details, &data],
    )
    .await?;
    Ok(())
}

pub(super) async fn list<C: GenericClient>(
    client: &C,
    owner: &Owner,
    id: &str,
) -> Res<Vec<EventRow>> {
    let found = rows(
        client,
        "SELECT e.seq, e.at, e.kind, e.target_id, e.detail, e.data FROM events e JOIN uploads u ON u.n = e.upload \
         WHERE u.team = $1 AND u.mode = $2 AND u.id = $3 ORDER BY e.seq",
        &[&owner.team, &owner.mode.as_str(), &id],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            Ok(EventRow {
                seq: from_db(row.get(0)),
                at: row.get(1),
                kind: row.get(2),
                target_id: row.get(3),
                detail: row.get(4),
                data: parse(row.get(5), "event")?,
            })
        })
        .collect()
}
