//! Who did what: written with each change, sealed into a chain, signed outside the database.
//!
//! A row is written in the transaction of its change (`store/audit.rs`). The [`Sealer`] follows and gives each row its place and
//! a hash over it and the row before, keyed by the root key, so that nobody with the database alone can write a row that fits.
//! The end of the chain is signed into a file outside the database every ten seconds, so that a cut end shows as well. What a
//! crash leaves unsealed is sealed at the next start; rows that were not sealed yet (seconds) can be changed unnoticed.

mod actor;
mod checkpoints;
mod sealer;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use actor::{Actor, Kind, acting, current};
pub(crate) use checkpoints::{AuditKeys, FILE};
pub(crate) use sealer::Sealer;
pub(crate) use verify::verify;
