//! Posting slots: weekly times that `schedule: "next_slot"` fills.

use multi_upload_wire::{CreateSlot, Slot, UpdateSlot};
use serde::Serialize;

use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::page::Items;
use crate::request::{Path, Plan};

/// Operations on slots. See [`Client::slots`].
#[derive(Debug, Clone)]
pub struct Slots(Client);

impl Client {
    /// Operations on posting slots.
    #[must_use]
    pub fn slots(&self) -> Slots {
        Slots(self.clone())
    }
}

impl Slots {
    /// The slots of an account, or of all, with how far each is filled.
    #[must_use]
    pub fn list(&self, account: Option<&str>, options: CallOptions) -> Items<Slot> {
        self.0.items(Ok(list(account)), options)
    }

    /// Makes a slot; gives the one that is there if the account has it already.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn create(&self, slot: &CreateSlot, options: &CallOptions) -> Result<Slot, Error> {
        self.0.fetch(create(slot)?, options).await
    }

    /// Changes a slot. What waits in it keeps its time.
    ///
    /// # Errors
    /// Those of the service; `STATE_CONFLICT` if the account has such a slot already.
    pub async fn update(
        &self,
        id: &str,
        change: &UpdateSlot,
        options: &CallOptions,
    ) -> Result<Slot, Error> {
        self.0.fetch(update(id, change)?, options).await
    }

    /// Removes a slot. What waits in it keeps its time.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn delete(&self, id: &str, options: &CallOptions) -> Result<(), Error> {
        self.0.send(delete(id)?, options).await
    }
}

fn slots() -> Path {
    Path::new("/v1/slots")
}

pub(crate) fn list(account: Option<&str>) -> Path {
    slots().maybe("account", account)
}

pub(crate) fn create(slot: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(slots(), slot)
}

pub(crate) fn update(id: &str, change: &impl Serialize) -> Result<Plan, Error> {
    // It has no version to compare, and the same change twice is one change.
    Plan::patch_json(slots().id("id", id)?, change, false)
}

pub(crate) fn delete(id: &str) -> Result<Plan, Error> {
    Ok(Plan::delete(slots().id("id", id)?))
}
