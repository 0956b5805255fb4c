//! The slots of an account as a queue: what they offer, what is taken, and what to say when nothing is left.

use std::collections::HashMap;
use std::sync::Arc;

use super::offers::{Offers, offered};
use super::places::{Queue, Taken};
use crate::store::{Millis, Occurrence, Owner, SlotRow, Store, StoreResult};

/// What the slots of accounts offer, read once for many uploads.
#[derive(Default)]
pub(crate) struct Slots {
    rows: Option<Vec<SlotRow>>,
    offers: HashMap<String, Offers>,
}

impl Slots {
    /// What the enabled slots of an account offer after `now`, earliest first.
    pub(crate) async fn of(
        &mut self,
        store: &dyn Store,
        owner: &Owner,
        account: &str,
        now: Millis,
    ) -> StoreResult<Offers> {
        if let Some(offers) = self.offers.get(account) {
            return Ok(Arc::clone(offers));
        }
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => none.insert(store.slots(owner).await?),
        };
        let offers = offered(rows, account, now);
        self.offers.insert(account.to_owned(), Arc::clone(&offers));
        Ok(offers)
    }
}

/// What is taken of an account's slots, from the first of these offers on.
pub(crate) async fn taken_of(
    store: &dyn Store,
    owner: &Owner,
    account: &str,
    offers: &[Occurrence],
) -> StoreResult<Taken> {
    let mut taken = Taken::default();
    if let Some(first) = offers.first() {
        // Zones differ by a day at most: the first offer need not have the first date.
        let from = first.local.date();
        let from = from.yesterday().unwrap_or(from);
        let rows = store.taken_slots(owner, account, from).await?;
        taken.set(Queue::of(owner, account), rows);
    }
    Ok(taken)
}

/// That an account's slots are full, in a sentence.
pub(crate) fn no_free_slot(account: &str) -> String {
    format!("every slot of {account} is taken for the next 52 weeks")
}

/// What to do about it.
pub(crate) fn more_slots(account: &str) -> String {
    format!(
        "Add slots with POST /v1/slots or `multi-upload slots add {account} --time 09:30 --timezone Europe/Paris`, or send \
         `scheduled_at`."
    )
}
