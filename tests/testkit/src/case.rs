//! The shape of a case: *given* a script, *when* an operation is called, *then* this is seen.
//!
//! `tests/spec/schema.json` says the same for editors and other languages; a test keeps both equal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One promise about the client's behaviour.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique over all files, dotted: `uploads.create.retry-429`.
    pub id: String,
    /// The promise in a sentence.
    pub title: String,
    /// What the runner must be able to do, beyond plain calls.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Client options and the server's script.
    pub given: Given,
    /// The call.
    pub when: When,
    /// What must be seen.
    pub then: Then,
}

/// Client options and the server's script.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Options of the client, as the README of `tests/spec` maps them.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// What stands behind the base URL.
    #[serde(default)]
    pub service: Service,
    /// Must the requests come in the order of the script?
    #[serde(default)]
    pub order: Order,
    /// The script.
    #[serde(default)]
    pub server: Vec<Step>,
}

/// What stands behind the base URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The script.
    #[default]
    Scripted,
    /// A port that refuses connections.
    Refused,
}

/// Must the requests come in the order of the script?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Each request must match the next step.
    #[default]
    Strict,
    /// Each request takes the first step left that matches.
    Any,
}

/// One request that must come, and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The request.
    pub expect: Expect,
    /// The answer.
    pub reply: Reply,
    /// How many times in a row.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// A request matcher. What it does not name may be anything.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Method.
    pub method: String,
    /// Path as sent, percent-encoding included, without the session's prefix.
    pub path: String,
    /// Query parameters, decoded; `{"$present": false}` forbids one.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub query: Map<String, Value>,
    /// Headers in lower case.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String, Value>,
    /// Part of the JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The exact bytes of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

/// An answer, or what happens instead of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Status.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Text body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Binary body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Wait before the first byte, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// What goes wrong on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

fn ok() -> u16 {
    200
}

/// What goes wrong on the wire, always after the request was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The connection is reset (RST) instead of an answer.
    Reset,
    /// The connection is closed (FIN) instead of an answer.
    Close,
    /// Nothing comes until the client goes away.
    Never,
    /// The body ends early, although its length was announced.
    Truncated {
        /// Bytes of the body that still arrive.
        after_bytes: usize,
    },
    /// The body comes in drops.
    Slow {
        /// Bytes at a time.
        chunk_bytes: usize,
        /// Milliseconds between them.
        every_ms: u64,
    },
}

/// The call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Operation: `uploads.create`.
    pub op: String,
    /// Arguments.
    #[serde(default)]
    pub args: Map<String, Value>,
    /// Options of this call: `idempotency_key`, `timeout_ms`, `max_attempts`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
    /// Cancel the call at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// For operations without an end: leave after so many items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<usize>,
}

/// When to cancel.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// As soon as so many requests have arrived at the server.
    pub after_requests: usize,
}

/// What must be seen. Objects are compared as subsets, see the README.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// Part of the result; a stream's result is `{"items": […]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Part of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// What the attempt observer was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Value>,
    /// What the progress observer was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What the server saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
}

/// Progress never goes back and ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Last `done`.
    pub done: u64,
    /// Last `total`.
    pub total: u64,
}

/// What the server saw over all requests.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Header `Idempotency-Key` over all requests but GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<KeyRule>,
    /// Header `X-Attempt` of each request, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_numbers: Option<Vec<u32>>,
    /// Keys of the rows of `uploads` over all bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_keys: Option<RowKeys>,
}

/// Rule for the header `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRule {
    /// Present, and the same every time.
    Same,
    /// Present, and never the same.
    Different,
    /// Not sent.
    Absent,
    /// This very key.
    Equals(String),
}

/// Rule for the keys inside a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKeys {
    /// Every row of every request has one, and no two are equal.
    Distinct,
    /// Every request carries the same list of different keys.
    Same,
}
