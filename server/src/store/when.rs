//! How the times of an upload come about, and what is kept of them.

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time, Weekday};

use super::StoreResult;
use super::model::{Millis, NewEvent, Owner, TargetRow, UploadRow};

/// How the times of an upload come about.
#[derive(Debug, Clone, Default)]
pub enum When {
    /// As in the row. An edit leaves what is kept of earlier times.
    #[default]
    Kept,
    /// As in the row: instants. An edit forgets what was kept of earlier times, and frees slots.
    Instant,
    /// As in the row, from a wall time, which is kept.
    Wall(WallTime),
    /// The earliest occurrence of a slot that is free, found by the store for each target.
    NextSlot(NextSlot),
}

/// A time on a wall clock, and how it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallTime {
    /// What the clock shows.
    pub local: DateTime,
    /// IANA name.
    pub zone: String,
    /// Release of the zone's rules, such as `2025b`.
    pub rules: String,
}

/// The wish for the next free slot.
#[derive(Debug, Clone)]
pub struct NextSlot {
    /// For each target, in their order: what its account's slots offer, earliest first.
    pub offers: Vec<Arc<[Occurrence]>>,
    /// How late each target may be sent.
    pub late_ms: Millis,
    /// Release of the zones' rules.
    pub rules: String,
    /// Writes the answer that an idempotency key keeps, once the times are known.
    pub answer: fn(&UploadRow) -> StoreResult<String>,
}

/// A slot on a local date: it takes one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// `slot_…`
    pub slot_id: Arc<str>,
    /// The local time that was wished for; its date names the occurrence.
    pub local: DateTime,
    /// IANA name.
    pub zone: Arc<str>,
    /// The instant.
    pub at: Millis,
}

/// A posting slot of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// `slot_…`
    pub id: String,
    /// Whose.
    pub owner: Owner,
    /// `pinterest:549…`
    pub account_id: String,
    /// Bit 0 is Monday, bit 6 Sunday; at least one.
    pub weekdays: u8,
    /// Minutes after local midnight, 0 to 1439.
    pub minute: u16,
    /// IANA name.
    pub timezone: String,
    /// False while it offers nothing.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Millis,
}

impl SlotRow {
    /// Does it occur on this day of the week?
    #[must_use]
    pub fn is_on(&self, weekday: Weekday) -> bool {
        self.weekdays & (1 << weekday.to_monday_zero_offset()) != 0
    }

    /// Its local time.
    #[must_use]
    pub fn time(&self) -> Time {
        let (hour, minute) = (self.minute / 60 % 24, self.minute % 60);
        Time::new(hour as i8, minute as i8, 0, 0).unwrap_or(Time::midnight())
    }
}

/// What became of a slot that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotOutcome {
    /// Stored.
    Stored,
    /// The account has this slot already: same days, time and zone. Its id.
    Twin(String),
    /// The slot that was to be changed is not there any more.
    Gone,
}

/// What became of an edit.
#[derive(Debug, Clone, PartialEq)]
pub enum EditOutcome {
    /// Done.
    Edited(Box<UploadRow>),
    /// Another was faster, or a target is under way or has ended.
    Stale,
    /// No slot of this account is free.
    NoFreeSlot(String),
}

impl EditOutcome {
    /// The edited upload.
    #[must_use]
    pub fn edited(self) -> Option<UploadRow> {
        match self {
            Self::Edited(row) => Some(*row),
            Self::Stale | Self::NoFreeSlot(_) => None,
        }
    }
}

/// A wall time that is kept, with the target it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTime {
    /// Place in the list: goes up.
    pub number: i64,
    /// The target, `tg_…`.
    pub target_id: String,
    /// What is kept.
    pub wall: WallTime,
    /// The instant it was understood as.
    pub at: Millis,
}

/// A kept time that means another instant by newer rules.
#[derive(Debug, Clone)]
pub struct Retime {
    /// [`KeptTime::number`].
    pub number: i64,
    /// The instant it must still have.
    pub from: Millis,
    /// The new one.
    pub to: Millis,
    /// Release of the rules.
    pub rules: String,
    /// What to write to the timeline.
    pub event: NewEvent,
}

/// What is written for a target: a wall time, with the slot it fills.
pub(super) struct Keep<'a> {
    pub(super) target: &'a TargetRow,
    pub(super) local: DateTime,
    pub(super) zone: &'a str,
    pub(super) rules: &'a str,
    pub(super) slot_id: Option<&'a str>,
}

/// What is to be kept of the times of an upload's targets; `taken` are the occurrences that were given to them.
pub(super) fn keeps<'a>(
    row: &'a UploadRow,
    when: &'a When,
    taken: &'a [Occurrence],
) -> Vec<Keep<'a>> {
    match when {
        When::Kept | When::Instant => Vec::new(),
        When::Wall(wall) => row
            .targets
            .iter()
            .map(|target| Keep {
                target,
                local: wall.local,
                zone: &wall.zone,
                rules: &wall.rules,
                slot_id: None,
            })
            .collect(),
        When::NextSlot(wish) => row
            .targets
            .iter()
            .zip(taken)
            .map(|(target, offer)| Keep {
                target,
                local: offer.local,
                zone: &offer.zone,
                rules: &wish.rules,
                slot_id: Some(&offer.slot_id),
            })
            .collect(),
    }
}

/// The earliest date that any of these wishes can take.
pub(super) fn first_day<'a>(whens: impl IntoIterator<Item = &'a When>) -> Date {
    whens
        .into_iter()
        .filter_map(|when| match when {
            When::NextSlot(wish) => Some(&wish.offers),
            _ => None,
        })
        .flatten()
        .filter_map(|offers| offers.first())
        .map(|offer| offer.local.date())
        .min()
        // Zones differ by a day at most: the first offer need not have the first date.
        .map_or(Date::MAX, |date| date.yesterday().unwrap_or(date))
}
