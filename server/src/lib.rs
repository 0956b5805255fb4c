//! The multi-upload service as a library.

// Helpers in `tests/` serve the tests here too, and name this crate from outside.
#[cfg(test)]
extern crate self as multi_upload_server;

mod accounts;
mod api;
mod audit;
mod backup;
mod chance;
mod clock;
mod config;
mod engine;
mod epoch;
mod gate;
mod ids;
mod keys;
mod media;
mod metrics;
mod offline;
mod publish;
mod rezone;
mod safety;
mod shared_time;
mod slots;
mod state;
pub mod store;
mod time;
mod vault;
mod view;
mod webhooks;

pub use api::openapi;
pub use backup::{Backup, Restored, backup, restore};
pub use chance::Chance;
pub use clock::Clock;
pub use config::{Config, DEFAULT_TEAM, Database, Redirect};
pub use engine::{Engine, Ground};
pub use media::{Blobs, MAX_BYTES, MAX_IMAGE_BYTES, MediaSettings, parse_size};
pub use offline::{
    create_key_offline, list_keys_offline, revoke_key_offline, verify_audit_offline,
};
pub use time::parse_duration;
pub use vault::MasterKey;
