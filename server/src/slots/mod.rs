//! Posting slots: weekly times of an account, and who takes which of their occurrences.
//!
//! An occurrence is a slot on a local date; it takes one post. `schedule: "next_slot"` offers the store every occurrence of an
//! account in the next 52 weeks, earliest first; the store gives out the first that is free, in the transaction that stores
//! the upload. So posts fill the slots in the order in which they came, and no two callers or nodes get the same one.

mod offers;
mod places;
mod queue;

#[cfg(test)]
pub(crate) use offers::occurrences;
pub(crate) use offers::{Offers, days_until, next_free, offered};
pub(crate) use places::{Queue, Taken, settle};
pub(crate) use queue::{Slots, more_slots, no_free_slot, taken_of};
