//! The HTTP API, driven through the real engine and its router, with the sandbox as the network.

#![expect(clippy::unwrap_used, reason = "a panic is the failure")]

mod accounts;
mod actions;
mod audit;
mod bad_input;
mod media;
mod metrics;
mod once;
mod requests;
mod slots;
mod support;
mod uploads;
mod waits;
mod webhooks;
