//! Faults by script: which requests go wrong, when, and how.
//!
//! A [`FaultScript`] is set with [`Sandbox::set_faults`](crate::Sandbox::set_faults) or `PUT /_sandbox/faults`; it replaces
//! the one before and counts from zero. `GET` shows the script and how often each fault has struck, `DELETE` takes it away.
//! Unknown fields and contradictions answer 400 with `{"code": 1, "message": …}` and change nothing.
//!
//! ```json
//! {
//!   "faults": [
//!     {"match": {"method": "POST", "path": "/v5/oauth/token"}, "action": {"status": 500}},
//!     {"match": {"method": "GET", "path": "/v5/boards"}, "action": {"cut": {}}},
//!     {"match": {"method": "POST", "path": "/v5/pins", "nth": 5},
//!      "action": {"status": 429, "headers": {"x-ratelimit-reset": "1"}}},
//!     {"match": {"method": "POST", "path": "/v5/pins", "body_contains": "Lemon cake"},
//!      "when": "after", "action": {"cut": {"after_bytes": 20}}}
//!   ],
//!   "switches": {"list_delay_ms": 3000}
//! }
//! ```
//!
//! # `match`
//!
//! | field | meaning |
//! | --- | --- |
//! | `method` | absent: any |
//! | `path` | required; `*` stands for any number of any characters, so `/v5/boards*` is a prefix; without the query and without the prefix that another server mounts the sandbox at |
//! | `body_contains` | the body (not of an upload to `/s3/`) holds this text |
//! | `nth` | the first matching request that is struck, counted from 1; default 1 |
//! | `count` | how many are struck from there on; default 1, 0 means all |
//!
//! The first fault of the script that strikes a request is the one that acts. The others count it all the same.
//!
//! # `when`
//!
//! | value | meaning |
//! | --- | --- |
//! | `before` (default) | ahead of the platform's work. An action that answers (`status`, `gateway_page`, `redirect`, `cut`, `hang`) means that nothing is done; any other leaves the work to go on afterwards, even if the caller has gone |
//! | `after` | the work is done and stays done; the action changes what the caller sees |
//! | `late` | the answer comes as with `after`, but a new pin takes effect only `apply_after_ms` later, by the sandbox's clock |
//!
//! # `action`
//!
//! | field | meaning |
//! | --- | --- |
//! | `delay_ms` | waits first; combines with every other |
//! | `status`, `headers`, `body` | this answer; without `body` the usual error body of the status |
//! | `gateway_page` | 502, 503 or 504 with an HTML page |
//! | `redirect` | 307 to this address |
//! | `cut` | `{}`: the connection ends without any answer. `{"after_bytes": N}`: head and N bytes of the body. `{"at_byte": N}`: N bytes counted from the first byte of the status line; needs [`Sandbox::serve`](crate::Sandbox::serve) and acts like `{}` elsewhere |
//! | `hang` | `{}` or `{"max_ms": N}`: no answer, the connection stays open; cut after `max_ms` (120,000) |
//! | `drip` | `{"bytes": N, "every_ms": M}`: the body comes in small pieces |
//! | `id` | the answer's `id` is `missing`, `wrong` (never existed), `reused` (of an older pin) or the digits given |
//! | `repeat` | the work is done so many times, as if the request had been delivered again; the first answer counts |
//! | `apply_after_ms` | with `late` only |
//! | `revoke_token` | `true`: the caller's tokens die at this moment |
//! | `expire_token` | `true`: the caller's access tokens are refused from this moment, the refresh token is not |
//! | `rate_used` | so many calls of the operation's limit are used up by somebody else |
//!
//! # `switches`
//!
//! Absent: those of [`Options`](crate::Options). Given: [`Switches`], where an absent field has its default.

mod build;
mod check;
mod plan;
mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::options::Switches;

pub(crate) use plan::Plan;
pub(crate) use wire::{Limit, Wire};

/// A whole script; see the [module documentation](self).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultScript {
    /// In order of precedence.
    pub faults: Vec<Fault>,
    /// Behaviour that is not a fault of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switches: Option<Switches>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests it strikes.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Ahead of the work or behind it.
    #[serde(default)]
    pub when: When,
    /// What it does.
    pub action: Action,
}

/// Which requests a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path; `*` stands for any number of any characters.
    pub path: String,
    /// A text in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// The first matching request that is struck, counted from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many are struck from there on; 0 means all.
    #[serde(default = "one")]
    pub count: u64,
}

const fn one() -> u64 {
    1
}

/// Whether a fault acts ahead of the platform's work or behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Ahead of it.
    #[default]
    Before,
    /// Behind it.
    After,
    /// Behind it, but the work takes effect later.
    Late,
}

/// What a fault does; see the [module documentation](self) for what combines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Action {
    /// Waits first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Answers with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers of that answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body of that answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Answers with an HTML page of a gateway and this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_page: Option<u16>,
    /// Redirects with 307 to this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
    /// Ends the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Never answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hang: Option<Hang>,
    /// Sends the body in small pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drip: Option<Drip>,
    /// Changes the id in the answer: `missing`, `wrong`, `reused` or digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Does the work so many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<u32>,
    /// Delay of the effect, with [`When::Late`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply_after_ms: Option<u64>,
    /// Kills the caller's tokens.
    #[serde(skip_serializing_if = "is_false")]
    pub revoke_token: bool,
    /// Ends the caller's access tokens.
    #[serde(skip_serializing_if = "is_false")]
    pub expire_token: bool,
    /// Uses up calls of the operation's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_used: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Where the connection ends; nothing given: before the first byte of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cut {
    /// After the head and so many bytes of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<usize>,
    /// After so many bytes from the start of the status line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_byte: Option<u64>,
}

/// How long the connection stays open without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hang {
    /// Milliseconds until it is cut.
    pub max_ms: u64,
}

impl Default for Hang {
    fn default() -> Self {
        Self { max_ms: 120_000 }
    }
}

/// How slowly the body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drip {
    /// Bytes of one piece.
    pub bytes: usize,
    /// Milliseconds between two pieces.
    pub every_ms: u64,
}

impl Action {
    /// Whether the platform's work is skipped when this comes before it.
    pub(crate) fn answers(&self) -> bool {
        self.status.is_some()
            || self.gateway_page.is_some()
            || self.redirect.is_some()
            || self.cut.is_some()
            || self.hang.is_some()
    }

    /// What the ledger says about it.
    pub(crate) fn label(&self, when: When) -> String {
        let mut parts = Vec::new();
        if self.delay_ms.is_some() {
            parts.push("delay".to_owned());
        }
        if let Some(status) = self.status {
            parts.push(format!("status {status}"));
        }
        if let Some(status) = self.gateway_page {
            parts.push(format!("gateway page {status}"));
        }
        let named = [
            (self.redirect.is_some(), "redirect"),
            (self.cut.is_some(), "cut"),
            (self.hang.is_some(), "hang"),
            (self.drip.is_some(), "drip"),
            (self.id.is_some(), "id"),
            (self.repeat.is_some(), "repeat"),
            (self.revoke_token, "revoke token"),
            (self.expire_token, "expire token"),
            (self.rate_used.is_some(), "rate used"),
        ];
        parts.extend(
            named
                .into_iter()
                .filter(|(given, _)| *given)
                .map(|(_, name)| name.to_owned()),
        );
        let when = match when {
            When::Before => "before",
            When::After => "after",
            When::Late => "late",
        };
        format!("{when}: {}", parts.join(", "))
    }
}
