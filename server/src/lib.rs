//! The multi-upload service as a library.

mod clock;
mod ids;
pub mod store;
mod time;
