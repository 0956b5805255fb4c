//! What a picture or video file is, by its content, and how it is made fit for a network.
//!
//! Pure: bytes or a seekable reader in, facts or bytes out. No network, no clock, no names of files. Every function
//! has limits of memory and pixels, since the files come from strangers.
//!
//! - [`probe`] tells the facts of a file from a few kilobytes of it.

mod fault;
mod image;
mod probe;
mod sniff;
mod source;
mod video;

pub use fault::{Fault, FaultKind};
pub use probe::probe;
