//! Publishing: from a due target to a post that exists once.
//!
//! [`machine`] decides, without I/O: one pure function from (target, what happened, now) to the
//! target as it shall be. [`runner`] performs: it claims what is due, asks the platform, and stores
//! every move before the next one. [`dispatcher`] sleeps until something is due.
//!
//! The rule that everything here serves: the intent to send is stored, with full sync, before the
//! first byte of a commit request leaves; and whatever is not proven afterwards is never sent
//! again by itself.

mod baselines;
#[cfg(test)]
mod crashes;
mod dispatcher;
mod in_flight;
mod looks;
mod machine;
mod reconnected;
mod restored;
mod runner;

pub(crate) use dispatcher::{Dispatcher, Wake};
pub(crate) use machine::{is_from_before_a_restore, reason};
pub(crate) use reconnected::account_connected;
pub(crate) use restored::doubt_everything;
