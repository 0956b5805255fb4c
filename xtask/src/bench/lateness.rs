//! How late a pin goes out when nothing stands in its way: from its time until the row that says "about to send" is on the disk,
//! with a million others waiting; against the time from due to begun at queues that ask their database every other second.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multi_upload_server::store::Store as _;
use multi_upload_server::store::sqlite::SqliteStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::artefacts::Artefacts;
use super::cluster::Cluster;
use super::durable::Uploads;
use super::figure::{Figure, Target};
use super::idle::resident_mb;
use super::peers::{NAMES, Peers};
use super::service::Service;
use super::{Effort, note, seed};

/// Well below what Pinterest takes from one account in a minute.
const PINS: usize = 80;
const SECONDS: usize = 40;

pub(super) fn run(artefacts: &Artefacts, effort: Effort) -> Result<Vec<Figure>, String> {
    let waiting = effort.of(1_000_000, 20_000);
    let template = seed::template(artefacts)?;
    let folder = TempDir::new_in(artefacts.folder()).map_err(|error| error.to_string())?;
    note(&format!("lateness: storing {waiting} uploads that wait"));
    seed::waiting(folder.path(), &template, waiting)?;
    let next_due = next_due(folder.path())?;
    let empty = TempDir::new_in(artefacts.folder()).map_err(|error| error.to_string())?;

    note(&format!("lateness: {PINS} pins in {SECONDS} s"));
    let flags = ["--sandbox", "--auto-approve"];
    let (with_none, _) = publish(&Service::start(artefacts, empty.path(), &flags)?)?;
    let (with_many, mut ours) = publish(&Service::start(artefacts, folder.path(), &flags)?)?;

    let peers = Peers::install(artefacts)?;
    let cluster = Cluster::start()?;
    let (pins, seconds) = (PINS.to_string(), SECONDS.to_string());
    let mut figures = vec![
        Figure::new("lateness, median", "ms", percentile(&mut ours, 50)),
        Figure::new("lateness, 99 of 100", "ms", percentile(&mut ours, 99))
            .target(Target::AtMost(150.0)),
    ];
    for name in NAMES {
        let url = cluster.database(&name.replace('-', "_"))?;
        let answer = peers.run("lateness.mjs", &[name, &url, &pins, &seconds])?;
        let late = answer["late_ms"].as_array().into_iter().flatten();
        let mut late: Vec<f64> = late.filter_map(Value::as_f64).collect();
        figures.push(
            Figure::new(
                &format!("lateness, 99 of 100, against {name}"),
                "ms",
                percentile(&mut ours, 99),
            )
            .against(percentile(&mut late, 99))
            .target(Target::TimesAtMost(0.05)),
        );
    }
    figures.push(
        Figure::new(
            "memory with a million waiting, against none",
            "MB",
            with_many,
        )
        .against(with_none)
        .target(Target::MoreByAtMost(8.0)),
    );
    figures.push(
        Figure::new("finding the next due time, median", "us", next_due)
            .target(Target::AtMost(50.0)),
    );
    Ok(figures)
}

/// Publishes the pins at their times; resident memory afterwards, and by how many milliseconds each was late.
fn publish(service: &Service) -> Result<(f64, Vec<f64>), String> {
    let uploads = Uploads::connect(service)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = since.map_err(|error| error.to_string())?.as_millis() as i64 + 4_137;
    let mut stored = Vec::new();
    for n in 0..PINS {
        let due = first + (n * SECONDS * 1_000 / PINS) as i64;
        let mut body = uploads.body(&format!("late-{n}"));
        body["scheduled_at"] = json!(rfc3339(due));
        let answer = service.ask("POST", "/v1/upload", &body)?;
        let id = answer["id"].as_str().ok_or_else(|| answer.to_string())?;
        stored.push((id.to_owned(), due));
    }
    let deadline = Instant::now() + Duration::from_secs(2 * SECONDS as u64 + 30);
    let mut late = Vec::new();
    for (id, due) in stored {
        loop {
            let events = service.ask("GET", &format!("/v1/uploads/{id}/events"), &Value::Null)?;
            let armed = events["items"].as_array().into_iter().flatten();
            let armed = armed
                .filter(|event| event["kind"] == "target.armed")
                .find_map(|event| millis(event["at"].as_str()?));
            if let Some(armed) = armed {
                late.push((armed - due) as f64);
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("{id} was not published: {events}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Ok((resident_mb(service.pid())?, late))
}

/// Microseconds that the store takes to say when something is due next.
fn next_due(folder: &std::path::Path) -> Result<f64, String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let failed = |error: multi_upload_server::store::StoreError| error.to_string();
        let store = SqliteStore::open(&folder.join("multi-upload.db")).map_err(failed)?;
        let mut took = Vec::new();
        for _ in 0..2_000 {
            let begun = Instant::now();
            store.next_timer().await.map_err(failed)?;
            took.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        store.close().await.map_err(failed)?;
        Ok(percentile(&mut took, 50))
    })
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let index = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(index.min(last)).copied().unwrap_or(f64::NAN)
}

fn rfc3339(millis: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(millis);
    time.map_or_else(|error| error.to_string(), |time| time.to_string())
}

fn millis(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((percentile(&mut values, 50) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&mut values, 99) - 99.0).abs() < f64::EPSILON);
        assert!((percentile(&mut [7.0], 99) - 7.0).abs() < f64::EPSILON);
        assert!(percentile(&mut [], 50).is_nan());
    }

    #[test]
    fn a_time_is_read_as_it_was_written() {
        assert_eq!(millis(&rfc3339(1_800_000_000_123)), Some(1_800_000_000_123));
    }
}
