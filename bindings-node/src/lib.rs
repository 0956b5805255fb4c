//! The native library of the Node package: a client with one door, a stream, a cancel token.
//!
//! Every error crosses as a *value* (`{"error": …}`), because a rejected native promise carries
//! neither a class nor the caller's stack; `ts/call.ts` throws it.

mod call;
mod client;
mod feed;

use napi_derive::napi;

/// Runs the `multi-upload` command with these arguments; the exit code.
#[napi]
pub fn run_command(arguments: Vec<String>) -> i32 {
    multi_upload_cli::run(arguments.into_iter().map(Into::into))
}

/// Version of the native library; the package compares it with its own.
#[napi]
pub fn native_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
