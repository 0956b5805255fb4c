//! The timeline of an upload.

use deadpool_postgres::{GenericClient, Transaction};

use super::codec::{from_db, json, parse};
use super::db::{execute, rows};
use super::trouble::Res;
use crate::audit::Actor;
use crate::store::{EventRow, NewEvent, Owner};

/// An event of a locked (or new) upload, and who brought it about.
pub(super) struct Entry<'a> {
    pub(super) upload: i64,
    pub(super) upload_id: &'a str,
    pub(super) owner: &'a Owner,
    pub(super) event: &'a NewEvent,
    pub(super) by: &'a Actor,
}

/// Adds events in this order, to the timelines and to the log of who did what.
pub(super) async fn insert(tx: &Transaction<'_>, events: &[Entry<'_>]) -> Res<()> {
    if events.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&Entry<'_>) -> Option<String>| events.iter().map(of).collect::<Vec<_>>();
    let uploads: Vec<_> = events.iter().map(|one| one.upload).collect();
    let times: Vec<_> = events.iter().map(|one| one.event.at).collect();
    let data = events
        .iter()
        .map(|one| json(&one.event.data))
        .collect::<Result<Vec<_>, _>>()?;
    execute(
        tx,
        "WITH x AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], \
           $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]) WITH ORDINALITY \
           AS x (upload, at, kind, target_id, detail, data, upload_id, team, mode, actor, actor_id, request_id, i)), \
         noted AS (INSERT INTO audit (team, mode, at, actor, actor_id, request_id, action, object, target, detail, data) \
           SELECT team, mode, at, actor, actor_id, request_id, kind, upload_id, target_id, detail, data FROM x ORDER BY i) \
         INSERT INTO events (upload, at, kind, target_id, detail, data) \
         SELECT upload, at, kind, target_id, detail, data FROM x ORDER BY i",
        &[
            &uploads,
            &times,
            &texts(|one| Some(one.event.kind.to_owned())),
            &texts(|one| one.event.target_id.clone()),
            &texts(|one| Some(one.event.detail.clone())),
            &data,
            &texts(|one| Some(one.upload_id.to_owned())),
            &texts(|one| Some(one.owner.team.clone())),
            &texts(|one| Some(one.owner.mode.as_str().to_owned())),
            &texts(|one| Some(one.by.kind.as_str().to_owned())),
            &texts(|one| one.by.id.clone()),
            &texts(|one| one.by.request_id.clone()),
        ],
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
