//! The native library of the Node package: a client with one door, a stream, a cancel token.
//!
//! Every error crosses as a *value* (`{"error": …}`), because a rejected native promise carries
//! neither a class nor the caller's stack; `ts/call.ts` throws it.

mod call;
mod client;
mod feed;

use std::collections::HashMap;

use multi_upload_core::webhook;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use serde_json::Value;

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

/// Checks a webhook by its headers and secrets: its event, or an error as a value.
#[napi(ts_return_type = "object")]
pub fn verify_webhook(
    body: Buffer,
    headers: HashMap<String, String>,
    secrets: Vec<String>,
) -> Value {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    call::answer(webhook::verify_now(&body, headers, &secrets))
}
