//! Which occurrences are taken, and giving out the next.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use multi_upload_wire::Mode;
use serde_json::{Map, Value};

use crate::clock::rfc3339;
use crate::store::{Millis, NewEvent, NextSlot, Occurrence, Owner, Phase, UploadRow};

/// Whose slots: those of an account in a team and mode.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    pub(crate) team: String,
    pub(crate) mode: Mode,
    pub(crate) account_id: String,
}

impl Queue {
    pub(crate) fn of(owner: &Owner, account_id: &str) -> Self {
        Self {
            team: owner.team.clone(),
            mode: owner.mode,
            account_id: account_id.to_owned(),
        }
    }
}

/// What is taken of the slots of some accounts.
#[derive(Debug, Default)]
pub(crate) struct Taken(HashMap<Queue, HashMap<String, HashSet<Date>>>);

impl Taken {
    /// True once the account was added, even with nothing.
    pub(crate) fn knows(&self, queue: &Queue) -> bool {
        self.0.contains_key(queue)
    }

    /// Replaces what is known of an account.
    pub(crate) fn set(&mut self, queue: Queue, taken: impl IntoIterator<Item = (String, Date)>) {
        let mut slots: HashMap<String, HashSet<Date>> = HashMap::new();
        for (slot, day) in taken {
            slots.entry(slot).or_default().insert(day);
        }
        self.0.insert(queue, slots);
    }

    /// Gives an occurrence back.
    pub(crate) fn free(&mut self, queue: &Queue, slot: &str, day: Date) {
        if let Some(days) = self.0.get_mut(queue).and_then(|slots| slots.get_mut(slot)) {
            days.remove(&day);
        }
    }

    /// True when nothing has taken the occurrence.
    pub(crate) fn is_free(&self, queue: &Queue, offer: &Occurrence) -> bool {
        !self
            .0
            .get(queue)
            .and_then(|slots| slots.get(&*offer.slot_id))
            .is_some_and(|days| days.contains(&offer.local.date()))
    }

    /// How many of these occurrences are taken.
    pub(crate) fn count(&self, offers: &[Occurrence], owner: &Owner, account: &str) -> u64 {
        let queue = Queue::of(owner, account);
        let taken = offers.iter().filter(|offer| !self.is_free(&queue, offer));
        taken.count() as u64
    }

    /// Takes the earliest free offer of each target's account: all of them or none.
    ///
    /// # Errors
    /// The first account that has none.
    pub(crate) fn take(
        &mut self,
        row: &UploadRow,
        wish: &NextSlot,
    ) -> Result<Vec<Occurrence>, String> {
        let mut found = Vec::with_capacity(row.targets.len());
        for (target, offers) in row.targets.iter().zip(&wish.offers) {
            let queue = Queue::of(&row.owner, &target.account_id);
            match offers.iter().find(|offer| self.is_free(&queue, offer)) {
                Some(offer) => found.push((queue, offer.clone())),
                None => return Err(target.account_id.clone()),
            }
        }
        for (queue, offer) in &found {
            self.0
                .entry(queue.clone())
                .or_default()
                .entry(offer.slot_id.to_string())
                .or_default()
                .insert(offer.local.date());
        }
        Ok(found.into_iter().map(|(_, offer)| offer).collect())
    }
}

/// Gives the targets the times of their occurrences, and the upload the earliest. Gives what the timeline says of it.
pub(crate) fn settle(
    row: &mut UploadRow,
    wish: &NextSlot,
    taken: &[Occurrence],
    now: Millis,
) -> Vec<NewEvent> {
    let mut events = Vec::with_capacity(taken.len());
    for (target, offer) in row.targets.iter_mut().zip(taken) {
        target.phase = Phase::Scheduled;
        target.due_at = offer.at;
        target.scheduled_at = offer.at;
        target.send_until = offer.at.saturating_add(wish.late_ms);
        let mut data = Map::new();
        data.insert("slot".to_owned(), Value::String(offer.slot_id.to_string()));
        data.insert("local".to_owned(), Value::String(offer.local.to_string()));
        data.insert("timezone".to_owned(), Value::String(offer.zone.to_string()));
        data.insert("scheduled_at".to_owned(), Value::String(rfc3339(offer.at)));
        events.push(NewEvent {
            kind: "target.slot_taken",
            target_id: Some(target.id.clone()),
            detail: format!(
                "takes a slot of {}: {} in {}, {}",
                target.account_id,
                offer.local,
                offer.zone,
                rfc3339(offer.at)
            ),
            data,
            at: now,
        });
    }
    row.scheduled_at = taken.iter().map(|offer| offer.at).min();
    row.timezone = None;
    events
}
