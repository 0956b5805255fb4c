//! A commit whose connection breaks, at every byte of the request and of the answer.
//!
//! The real adapter, and for a sample of the bytes the whole engine, send pins to the sandbox through the [`Proxy`]. The
//! sandbox's ledger says what really exists. Whatever the byte: the adapter never calls a pin refused or not sent that exists, and never
//! made one that does not; and the engine makes each exactly once.
//!
//! Every run puts each action at each byte for the adapter, and a sample of them through the engine. With
//! `MULTI_UPLOAD_EVERY_OFFSET=1` the engine gets every byte too, and the adapter is left in silence at each: about half an hour.
//!
//! [`Proxy`]: multi_upload_proxy::Proxy

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a panic is the failure, and each test prints its figures"
)]

mod adapter;
mod engine;
mod world;

/// Also what takes long, at every byte instead of a sample.
fn all() -> bool {
    std::env::var("MULTI_UPLOAD_EVERY_OFFSET").is_ok_and(|value| value == "1")
}
