//! When an upload is due, and how late it may be.

use multi_upload_wire::{CreateUpload, ErrorCode};

use super::plan::{LATE_MS, Plan};
use crate::clock::rfc3339;
use crate::store::{Millis, WallTime};
use crate::time;

/// Which time counts.
pub(crate) enum Timing {
    /// The one in the content.
    AsAsked,
    /// The one stored before: it may have come near, or passed, meanwhile.
    Keep {
        at: Option<Millis>,
        timezone: Option<String>,
    },
}

/// What is to be kept of the times that are stored.
pub(crate) enum Kept {
    /// What was kept before.
    AsBefore,
    /// Nothing: an instant, or no time at all.
    Nothing,
    /// The wall time that was given.
    Wall(WallTime),
    /// The store finds the times: the next free slot of each account.
    NextSlot,
}

impl Plan {
    /// Understands the time, the zone and the late rule.
    pub(super) fn time(&mut self, asked: &CreateUpload, timing: Timing, now: Millis) {
        if let Some(late) = &asked.late {
            match time::parse_duration(&late.send_within) {
                Some(within) if !within.is_zero() => {
                    self.late_ms = Millis::try_from(within.as_millis()).unwrap_or(LATE_MS);
                }
                _ => self.fault(
                    "/late/send_within",
                    "invalid",
                    "must be a number and a unit: 90s, 15m, 24h or 7d; at most 366d",
                ),
            }
        }
        let next_slot = self.next_slot(asked);
        if let Timing::Keep { at, timezone } = timing {
            self.at = at;
            self.timezone = timezone;
            return;
        }
        self.kept = Kept::Nothing;
        if next_slot {
            if let Some(zone) = &asked.timezone {
                self.lone_zone(zone, now);
            }
            // A draft takes its place in the queue when it stops being one.
            if asked.draft != Some(true) && asked.scheduled_at.is_none() {
                self.kept = Kept::NextSlot;
            }
            return;
        }
        let Some(text) = &asked.scheduled_at else {
            if let Some(zone) = &asked.timezone {
                self.lone_zone(zone, now);
            }
            self.at = (asked.draft != Some(true)).then_some(now);
            return;
        };
        match time::resolve(text, asked.timezone.as_deref(), now) {
            Ok(resolved) => {
                // Up to a minute in the past means now.
                self.at = Some(resolved.at.max(now));
                self.timezone = resolved.timezone;
                if let Some(wall) = resolved.wall {
                    self.kept = Kept::Wall(wall);
                }
            }
            Err((code, detail)) => {
                let pointer = match code {
                    ErrorCode::TimezoneUnknown => "/timezone",
                    _ => "/scheduled_at",
                };
                self.fault_of(code, pointer, "invalid", detail);
            }
        }
    }

    /// Is the next free slot wished for?
    fn next_slot(&mut self, asked: &CreateUpload) -> bool {
        let Some(word) = &asked.schedule else {
            return false;
        };
        if word != "next_slot" {
            let shown: String = word.chars().take(60).collect();
            self.fault(
                "/schedule",
                "invalid",
                format!("{shown:?} is not known; send `next_slot`, or `scheduled_at` instead"),
            );
        } else if asked.scheduled_at.is_some() {
            self.fault(
                "/schedule",
                "conflict",
                "`schedule` and `scheduled_at` exclude each other: the slot gives the time",
            );
        }
        word == "next_slot"
    }

    /// A zone without a time says nothing, but a wrong one is still a mistake.
    fn lone_zone(&mut self, zone: &str, now: Millis) {
        match time::resolve(&rfc3339(now), Some(zone), now) {
            Err((code @ ErrorCode::TimezoneUnknown, detail)) => {
                self.fault_of(code, "/timezone", "invalid", detail);
            }
            _ => self.warn(
                "/timezone",
                "`timezone` has no effect without `scheduled_at`",
            ),
        }
    }
}
