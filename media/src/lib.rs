//! What a picture or video file is, by its content, and how it is made fit for a network.
//!
//! Pure: bytes or a seekable reader in, facts or bytes out. No network, no clock, no names of files. Every function
//! has limits of memory and pixels, since the files come from strangers.
//!
//! - [`probe`] tells the facts of a file from a few kilobytes of it.
//! - [`convert`] makes an image fit what a network takes.
//! - [`thumbnail`] makes a small JPEG of an image.
//! - [`faststart`] plans how to send a video with its index in front.

mod convert;
mod faststart;
mod fault;
mod image;
mod picture;
mod probe;
mod reduced;
mod sniff;
mod source;
mod thumbnail;
mod video;

pub use convert::{Change, Converted, Wants, convert};
pub use faststart::{Piece, Plan, faststart};
pub use fault::{Fault, FaultKind};
pub use probe::probe;
pub use thumbnail::{Thumbnail, thumbnail};
