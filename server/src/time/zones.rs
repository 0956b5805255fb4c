//! Every zone at every change of its clock from 1970 to 2037, compared with another implementation: Python's `zoneinfo`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skipped and what it did"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use jiff::civil::{DateTime, date};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use multi_upload_wire::Mode;

use super::instant;
use crate::slots::occurrences;
use crate::store::{Millis, Owner, SlotRow};

/// Reads lines of a zone and its local times, in minutes; answers each with the instants in seconds. Without a word for the
/// repeated hour (`fold=0`) Python takes the first of two times, and goes by the offset before a gap, which moves it forward.
const JUDGE: &str = "
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo
epoch = datetime(1970, 1, 1)
for line in open(sys.argv[1]):
    name, *minutes = line.split()
    try:
        zone = ZoneInfo(name)
    except Exception:
        print()
        continue
    times = ((epoch + timedelta(minutes=int(m))).replace(tzinfo=zone) for m in minutes)
    print(*(int(time.timestamp()) for time in times))
";

/// A change of a zone's clock: when, and the offsets on both sides.
type Change = (Timestamp, Offset, Offset);

fn changes(zone: &TimeZone) -> Vec<Change> {
    let first = Timestamp::from_second(0).unwrap();
    let last: Timestamp = "2038-01-01T00:00:00Z".parse().unwrap();
    let mut before = zone.to_offset(first);
    let mut found = Vec::new();
    for change in zone.following(first) {
        if change.timestamp() >= last {
            break;
        }
        if change.offset() != before {
            found.push((change.timestamp(), before, change.offset()));
        }
        before = change.offset();
    }
    found
}

/// Minutes of the local times that are compared: every 15 from an hour before a change to an hour after it, by both clocks; and
/// noon once in a quarter.
fn minutes(changes: &[Change]) -> Vec<i64> {
    let mut minutes: Vec<i64> = (0..68 * 4).map(|n| n * 131_490 + 720).collect();
    for (at, before, after) in changes {
        let local = |offset: &Offset| (at.as_second() + i64::from(offset.seconds())).div_euclid(60);
        let (one, other) = (local(before), local(after));
        let from = one.min(other) - 60;
        let to = one.max(other) + 60;
        minutes.extend((from..=to).step_by(15));
    }
    minutes
}

fn local(minute: i64) -> DateTime {
    date(1970, 1, 1).at(0, 0, 0, 0) + Span::new().minutes(minute)
}

/// The zones of this machine; those that are the same under several names have their changes compared once.
fn zones() -> Vec<(String, TimeZone, Vec<Change>)> {
    let mut seen = BTreeMap::new();
    let mut zones = Vec::new();
    for name in jiff::tz::db().available() {
        let name = name.as_str();
        let Ok(zone) = TimeZone::get(name) else {
            continue;
        };
        let all = changes(&zone);
        let times: Vec<_> = all
            .iter()
            .map(|(at, before, after)| (at.as_second(), before.seconds(), after.seconds()))
            .collect();
        let is_new = seen.insert(times, ()).is_none();
        zones.push((name.to_owned(), zone, if is_new { all } else { Vec::new() }));
    }
    zones
}

#[test]
fn every_change_of_every_zone_is_understood_as_by_python() {
    if !std::path::Path::new("/usr/share/zoneinfo/Europe/Paris").exists() {
        let forbidden = std::env::var_os("MULTI_UPLOAD_FORBID_SKIPS").is_some_and(|v| v == "1");
        assert!(!forbidden, "there are no zone files in /usr/share/zoneinfo");
        eprintln!(
            "skipped: both must read the same zones, and there are none in /usr/share/zoneinfo"
        );
        return;
    }
    let zones = zones();
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for (name, _, changes) in &zones {
        lines.push_str(name);
        for minute in minutes(changes) {
            let _ = write!(lines, " {minute}");
        }
        lines.push('\n');
    }
    let questions = folder.path().join("questions");
    std::fs::write(&questions, lines).unwrap();
    let judged = Command::new("python3")
        .args(["-I", "-c", JUDGE])
        .arg(&questions)
        .env("PYTHONTZPATH", "/usr/share/zoneinfo")
        .output()
        .unwrap();
    assert!(
        judged.status.success(),
        "{}",
        String::from_utf8_lossy(&judged.stderr)
    );
    let answers = String::from_utf8(judged.stdout).unwrap();
    assert_eq!(answers.lines().count(), zones.len());
    let (mut compared, mut known) = (0, 0);
    for ((name, zone, changes), answer) in zones.iter().zip(answers.lines()) {
        if answer.is_empty() {
            continue;
        }
        known += 1;
        let answers = answer.split(' ').map(|text| text.parse::<i64>().unwrap());
        for (minute, expected) in minutes(changes).into_iter().zip(answers) {
            let ours = instant(zone, local(minute));
            assert_eq!(ours, Some(expected * 1_000), "{} in {name}", local(minute));
            compared += 1;
        }
    }
    assert!(
        known > 400 && compared > 100_000,
        "{known} zones, {compared} times"
    );
    eprintln!("{known} zones, {compared} local times: all as by Python");
}

#[test]
fn a_daily_slot_skips_and_doubles_no_date_at_any_change() {
    const DAY: Millis = 86_400_000;
    let mut checked = 0;
    for (name, zone, changes) in zones() {
        for (at, before, after) in changes {
            // At the wall times between which the clock jumps, and in the middle.
            let (one, other) = (before.to_datetime(at), after.to_datetime(at));
            let seconds = i64::from(after.seconds() - before.seconds());
            let middle = one + Span::new().seconds(seconds / 2);
            for wall in [one, other, middle] {
                let slot = SlotRow {
                    id: "slot".to_owned(),
                    owner: Owner {
                        team: "team".to_owned(),
                        mode: Mode::Test,
                    },
                    account_id: "pinterest:1".to_owned(),
                    weekdays: 0b111_1111,
                    minute: wall.hour() as u16 * 60 + wall.minute() as u16,
                    timezone: name.clone(),
                    enabled: true,
                    created_at: 0,
                };
                let now = at.as_millisecond();
                let found = occurrences(&slot, &zone, now - 4 * DAY, now + 4 * DAY);
                let dates: Vec<_> = found.iter().map(|one| one.local.date()).collect();
                let mut date = dates[0];
                for next in &dates {
                    // A date that the zone does not have at all is left out.
                    while date != *next {
                        let noon = instant(&zone, date.at(12, 0, 0, 0)).unwrap();
                        let noon = Timestamp::from_millisecond(noon).unwrap();
                        assert_ne!(
                            zone.to_datetime(noon).date(),
                            date,
                            "{name}: {date} is skipped"
                        );
                        date = date.tomorrow().unwrap();
                    }
                    date = date.tomorrow().unwrap();
                }
                assert!(
                    found.windows(2).all(|pair| pair[0].at < pair[1].at),
                    "{name} at {at}: {found:?}"
                );
                checked += dates.len();
            }
        }
    }
    assert!(checked > 100_000, "{checked}");
}
