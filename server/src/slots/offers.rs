//! When a slot occurs: from a weekly local time and the rules of its zone to instants.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::places::{Queue, Taken};
use crate::store::{Millis, Occurrence, Owner, SlotRow};
use crate::time;

/// How far ahead slots are filled.
pub(crate) const HORIZON_DAYS: i32 = 364;

const DAY_MS: Millis = 86_400_000;

/// The free and taken occurrences of an account, earliest first.
pub(crate) type Offers = Arc<[Occurrence]>;

/// Every occurrence of a slot after `after` and up to `until`, earliest first.
///
/// There is at most one for each local date: a time that a clock change skips moves forward by the gap, one that comes twice
/// is the first. A date that a zone skips altogether has none.
pub(crate) fn occurrences(
    slot: &SlotRow,
    zone: &TimeZone,
    after: Millis,
    until: Millis,
) -> Vec<Occurrence> {
    let (Ok(first), Ok(last)) = (
        Timestamp::from_millisecond(after),
        Timestamp::from_millisecond(until),
    ) else {
        return Vec::new();
    };
    let slot_id: Arc<str> = Arc::from(slot.id.as_str());
    let zone_name: Arc<str> = Arc::from(slot.timezone.as_str());
    let last = zone.to_datetime(last).date();
    // A gap can carry the time of the day before into today.
    let mut date = zone.to_datetime(first).date();
    date = date.yesterday().unwrap_or(date);
    let mut found: Vec<Occurrence> = Vec::new();
    while date <= last {
        if slot.is_on(date.weekday()) {
            let local = date.to_datetime(slot.time());
            if let Some(at) = time::instant(zone, local)
                && at > after
                && at <= until
            {
                // A whole date that was skipped lands on the next one's own time.
                if found.last().is_some_and(|before| before.at == at) {
                    found.pop();
                }
                found.push(Occurrence {
                    slot_id: Arc::clone(&slot_id),
                    local,
                    zone: Arc::clone(&zone_name),
                    at,
                });
            }
        }
        match date.checked_add(Span::new().days(1)) {
            Ok(next) => date = next,
            Err(_) => break,
        }
    }
    found
}

/// What the enabled slots of an account offer from now on, earliest first. Zones that are no longer known offer nothing.
pub(crate) fn offered(slots: &[SlotRow], account: &str, now: Millis) -> Offers {
    let until = now + Millis::from(HORIZON_DAYS) * DAY_MS;
    let mut all: Vec<Occurrence> = slots
        .iter()
        .filter(|slot| slot.enabled && slot.account_id == account)
        .filter_map(|slot| {
            let zone = TimeZone::get(&slot.timezone).ok()?;
            Some(occurrences(slot, &zone, now, until))
        })
        .flatten()
        .collect();
    all.sort_by(|a, b| (a.at, &a.slot_id).cmp(&(b.at, &b.slot_id)));
    all.into()
}

/// The earliest offer that nothing has taken.
pub(crate) fn next_free<'a>(
    offers: &'a [Occurrence],
    owner: &Owner,
    account: &str,
    taken: &Taken,
) -> Option<&'a Occurrence> {
    let queue = Queue::of(owner, account);
    offers.iter().find(|offer| taken.is_free(&queue, offer))
}

/// Whole days from now until a time; the horizon where there is none.
pub(crate) fn days_until(at: Option<Millis>, now: Millis) -> u32 {
    let days = at.map_or(Millis::from(HORIZON_DAYS), |at| (at - now) / DAY_MS);
    u32::try_from(days).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use multi_upload_wire::Mode;

    use super::*;
    use crate::clock::rfc3339;

    fn slot(days: u8, minute: u16, zone: &str) -> SlotRow {
        SlotRow {
            id: "slot_1".to_owned(),
            owner: Owner {
                team: "team".to_owned(),
                mode: Mode::Test,
            },
            account_id: "pinterest:1".to_owned(),
            weekdays: days,
            minute,
            timezone: zone.to_owned(),
            enabled: true,
            created_at: 0,
        }
    }

    /// The instants of a slot between two times.
    fn between(slot: &SlotRow, after: &str, until: &str) -> Vec<String> {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let zone = TimeZone::get(&slot.timezone).unwrap();
        occurrences(slot, &zone, at(after), at(until))
            .into_iter()
            .map(|found| rfc3339(found.at))
            .collect()
    }

    #[test]
    fn a_slot_occurs_on_its_weekdays_at_its_local_time() {
        // Monday and Friday, 09:30 in Paris; 2026-11-30 is a Monday.
        let slot = slot(0b1_0001, 570, "Europe/Paris");
        assert_eq!(
            between(&slot, "2026-11-29T00:00:00Z", "2026-12-12T00:00:00Z"),
            [
                "2026-11-30T08:30:00Z",
                "2026-12-04T08:30:00Z",
                "2026-12-07T08:30:00Z",
                "2026-12-11T08:30:00Z"
            ]
        );
        // After means after: the very moment has begun.
        assert_eq!(
            between(&slot, "2026-11-30T08:30:00Z", "2026-12-04T08:30:00Z"),
            ["2026-12-04T08:30:00Z"]
        );
        // The local date counts, not the date in UTC.
        let late = super::tests::slot(0b1, 30, "Asia/Tokyo");
        assert_eq!(
            between(&late, "2026-11-29T00:00:00Z", "2026-12-01T00:00:00Z"),
            ["2026-11-29T15:30:00Z"]
        );
    }

    #[test]
    fn a_gap_moves_forward_and_a_fold_comes_once() {
        let every_day = slot(0b111_1111, 150, "Europe/Paris");
        // 2027-03-28 has no 02:30.
        assert_eq!(
            between(&every_day, "2027-03-27T00:00:00Z", "2027-03-29T12:00:00Z"),
            [
                "2027-03-27T01:30:00Z",
                "2027-03-28T01:30:00Z",
                "2027-03-29T00:30:00Z"
            ]
        );
        // 2026-10-25 has it twice.
        assert_eq!(
            between(&every_day, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // Between the two of them the date's occurrence is over.
        assert_eq!(
            between(&every_day, "2026-10-25T01:00:00Z", "2026-10-25T12:00:00Z"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn strange_zones_keep_one_for_each_date() {
        // Half an hour on Lord Howe: 2026-10-04 has no 02:15.
        let lord_howe = slot(0b111_1111, 135, "Australia/Lord_Howe");
        assert_eq!(
            between(&lord_howe, "2026-10-03T00:00:00Z", "2026-10-05T00:00:00Z"),
            ["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"]
        );
        // Samoa had no 2011-12-30 at all.
        let samoa = slot(0b111_1111, 600, "Pacific/Apia");
        assert_eq!(
            between(&samoa, "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z"),
            [
                "2011-12-29T20:00:00Z",
                "2011-12-30T20:00:00Z",
                "2011-12-31T20:00:00Z"
            ]
        );
        // Where midnight is skipped the post goes out at one, on the same date: Beirut, 2027-03-28.
        let beirut = slot(0b111_1111, 0, "Asia/Beirut");
        assert_eq!(
            between(&beirut, "2027-03-27T12:00:00Z", "2027-03-28T12:00:00Z"),
            ["2027-03-27T22:00:00Z"]
        );
    }

    #[test]
    fn a_gap_at_midnight_loses_nothing() {
        // The day before's 23:30 in a zone that skips from 23:00 or so would fall into today; a year of each zone has each date once.
        for name in ["America/Santiago", "Asia/Beirut", "Africa/Cairo", "UTC"] {
            for minute in [0, 15, 1_410, 1_439] {
                let slot = slot(0b111_1111, minute, name);
                let all = between(&slot, "2026-01-01T12:00:00Z", "2027-01-01T12:00:00Z");
                assert_eq!(all.len(), 365, "{name} at minute {minute}");
            }
        }
    }

    #[test]
    fn offers_of_an_account_come_in_the_order_of_time() {
        let mut slots = vec![
            slot(0b111_1111, 600, "UTC"),
            slot(0b111_1111, 540, "UTC"),
            slot(0b111_1111, 480, "UTC"),
            slot(0b111_1111, 420, "UTC"),
        ];
        for (n, slot) in slots.iter_mut().enumerate() {
            slot.id = format!("slot_{n}");
        }
        slots[2].enabled = false;
        slots[3].account_id = "pinterest:2".to_owned();
        let now = "2026-12-01T00:00:00Z".parse::<Timestamp>().unwrap();
        let offers = offered(&slots, "pinterest:1", now.as_millisecond());
        let ids: Vec<_> = offers.iter().take(4).map(|o| &*o.slot_id).collect();
        assert_eq!(ids, ["slot_1", "slot_0", "slot_1", "slot_0"]);
        assert_eq!(offers.len(), 2 * 364);
        assert_eq!(
            days_until(
                Some(now.as_millisecond() + 3 * DAY_MS + 1),
                now.as_millisecond()
            ),
            3
        );
        assert_eq!(days_until(None, 0), 364);
    }
}
