//! The multi-upload service as a library.

pub mod store;
