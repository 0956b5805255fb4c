//! New rules of time zones: a release of tzdata may move the instants that wall times mean. At the start the times that are
//! kept are compared with the rules in use; where they differ the target moves, and its timeline shows from when to when.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use multi_upload_wire::ErrorInfo;
use serde_json::{Map, Value};

use crate::clock::rfc3339;
use crate::store::{KeptTime, Millis, NewEvent, Retime, Store};
use crate::time::{self, UNKNOWN};

/// Under this name the database notes the rules that its times were compared with.
const NOTE: &str = "zone_rules";

/// Times read at once.
const PORTION: u32 = 1_000;

/// Compares the kept times with the rules in use, unless the database notes that they were; gives how many moved.
pub(crate) async fn rezone(
    store: &dyn Store,
    rules: &str,
    resolve: impl Fn(&KeptTime) -> Option<Millis>,
    now: Millis,
) -> Result<u64, ErrorInfo> {
    match store.note(NOTE).await? {
        Some(noted) if noted == rules && rules != UNKNOWN => return Ok(0),
        // Engines of one database may have different rules: the newest win. Releases sort by their names.
        Some(noted) if noted != UNKNOWN && rules != UNKNOWN && noted.as_str() > rules => {
            tracing::warn!(
                here = rules,
                noted,
                "this machine's time zone rules are older than those that the database was used with; update tzdata"
            );
            return Ok(0);
        }
        _ => {}
    }
    let (mut moved, mut after) = (0, 0);
    loop {
        let kept = store.kept_times(now, after, PORTION).await?;
        let Some(last) = kept.last() else { break };
        after = last.number;
        for time in &kept {
            if let Some(to) = resolve(time)
                && to != time.at
                && store.retime(retimed(time, to, rules, now)).await?
            {
                moved += 1;
            }
        }
    }
    if moved > 0 {
        tracing::warn!(moved, rules, "new time zone rules moved scheduled uploads");
    }
    store.put_notes(vec![(NOTE, rules.to_owned())]).await?;
    Ok(moved)
}

/// What a kept time means by the rules in use; zones are looked up once.
pub(crate) fn resolver() -> impl Fn(&KeptTime) -> Option<Millis> {
    let zones = std::sync::Mutex::new(HashMap::<String, Option<TimeZone>>::new());
    move |time| {
        let mut zones = zones
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let zone = zones
            .entry(time.wall.zone.clone())
            .or_insert_with(|| TimeZone::get(&time.wall.zone).ok());
        time::instant(zone.as_ref()?, time.wall.local)
    }
}

fn retimed(time: &KeptTime, to: Millis, rules: &str, now: Millis) -> Retime {
    let wall = &time.wall;
    let mut data = Map::new();
    for (name, value) in [
        ("local", wall.local.to_string()),
        ("timezone", wall.zone.clone()),
        ("from", rfc3339(time.at)),
        ("to", rfc3339(to)),
        ("rules_before", wall.rules.clone()),
        ("rules", rules.to_owned()),
    ] {
        data.insert(name.to_owned(), Value::String(value));
    }
    Retime {
        number: time.number,
        from: time.at,
        to,
        rules: rules.to_owned(),
        event: NewEvent {
            kind: "target.rezoned",
            target_id: Some(time.target_id.clone()),
            detail: format!(
                "the rules of {} changed from {} to {rules}: {} there is {} now, and was {}",
                wall.zone,
                wall.rules,
                wall.local,
                rfc3339(to),
                rfc3339(time.at)
            ),
            data,
            at: now,
        },
    }
}
