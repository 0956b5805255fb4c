//! Networks behind one trait.
//!
//! Every network is four verbs: *prepare* (upload media; no visible effect, may be repeated),
//! *open* (a connection for exactly one request), *commit* (the request that makes the post; it
//! consumes the connection) and *look* (find what exists). Around them stand the account calls:
//! consent, tokens, profile, boards.
//!
//! This crate knows no database and no scheduler. It decides what a network's answer *means*
//! ([`CommitAnswer`], [`FailureClass`]); what to do about it is decided by the publishing machine.
//!
//! To add a network: a folder beside [`pinterest`], one type that implements [`Platform`].

#![allow(
    clippy::result_large_err,
    reason = "errors are the product's whole error object; they are rare and never on a hot path"
)]

mod content;
mod failure;
mod outside;
pub mod pinterest;
mod platform;
mod preparing;

pub use content::{Check, Content, ContentMedia, Cover, Source, StoredFile};
pub use failure::{FailureClass, PlatformError};
pub use outside::{Outside, Stream, System};
pub use platform::{
    AuthorizeRequest, BoardsQuery, CommitAnswer, Connection, Limits, Look, Platform, Prepared,
    Profile, Rate, RemotePost, TokenSet,
};
pub use preparing::{Fit, MediaSource, Pause, Pieces, Preparation, ReadyImage, Steps, Workshop};
