//! Webhooks: what happened is posted to the endpoints of its owner, signed, in order for each upload, until it has arrived.
//!
//! Messages and deliveries are stored in the transaction of the change (`store/webhooks.rs`), so none is lost; they are sent at
//! least once, with the same id each time. Each endpoint is a lane of its own: a dead one holds up nobody else.

mod decide;
mod events;
mod payload;
mod worker;

pub(crate) use events::{Moved, events_of, wants};
pub(crate) use payload::{message_of_account, message_of_upload, message_of_webhook, shown};
pub(crate) use worker::{Deliverer, Mail};
