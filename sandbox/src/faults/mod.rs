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
//! | `path` | required; `*` stands for any number of any characters, so `/v5/boards*` is a prefix; without the query |
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
//! | `rate_used` | so many calls of the operation's limit are used up by somebody else |
//!
//! # `switches`
//!
//! Absent: those of [`Options`](crate::Options). Given: [`Switches`], where an absent field has its default.

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

impl FaultScript {
    /// A script of these faults, without switches.
    pub fn of(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            faults: faults.into_iter().collect(),
            switches: None,
        }
    }

    /// Says what contradicts itself.
    ///
    /// # Errors
    ///
    /// The first contradiction, with the number of the fault and the field to change.
    pub fn check(&self) -> Result<(), String> {
        for (index, fault) in self.faults.iter().enumerate() {
            fault
                .check()
                .map_err(|problem| format!("faults[{index}]: {problem}"))?;
        }
        Ok(())
    }
}

impl Fault {
    /// Strikes the first request with this method and path, before the work; refine it with the other methods.
    pub fn on(method: &str, path: &str, action: Action) -> Self {
        Self {
            matching: Match {
                method: Some(method.to_owned()),
                path: path.to_owned(),
                body_contains: None,
                nth: 1,
                count: 1,
            },
            when: When::Before,
            action,
        }
    }

    /// Strikes behind the work.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.when = When::After;
        self
    }

    /// The work takes effect `apply_after_ms` later.
    #[must_use]
    pub fn late(mut self, apply_after_ms: u64) -> Self {
        self.when = When::Late;
        self.action.apply_after_ms = Some(apply_after_ms);
        self
    }

    /// Strikes first at the `nth` matching request, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.matching.nth = nth;
        self
    }

    /// Strikes so many requests; 0 means all.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.matching.count = count;
        self
    }

    /// Strikes only requests whose body holds this text.
    #[must_use]
    pub fn body_contains(mut self, text: &str) -> Self {
        self.matching.body_contains = Some(text.to_owned());
        self
    }

    fn check(&self) -> Result<(), String> {
        let Action {
            status,
            gateway_page,
            redirect,
            cut,
            hang,
            drip,
            ..
        } = &self.action;
        if !self.matching.path.starts_with(['/', '*']) {
            return Err("match.path starts with `/` or `*`".to_owned());
        }
        if self.matching.nth == 0 {
            return Err("match.nth counts from 1".to_owned());
        }
        let answers = [status.is_some(), gateway_page.is_some(), redirect.is_some()]
            .into_iter()
            .filter(|given| *given)
            .count();
        if answers > 1 {
            return Err("action has more than one of status, gateway_page and redirect".to_owned());
        }
        if [cut.is_some(), hang.is_some(), drip.is_some()]
            .into_iter()
            .filter(|given| *given)
            .count()
            > 1
        {
            return Err("action has more than one of cut, hang and drip".to_owned());
        }
        if status.is_none() && (self.action.body.is_some() || !self.action.headers.is_empty()) {
            return Err("action.body and action.headers need action.status".to_owned());
        }
        if status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("action.status is between 200 and 599".to_owned());
        }
        if gateway_page.is_some_and(|status| !(502..=504).contains(&status)) {
            return Err("action.gateway_page is 502, 503 or 504".to_owned());
        }
        if cut.is_some_and(|cut| cut.after_bytes.is_some() && cut.at_byte.is_some()) {
            return Err("action.cut has both after_bytes and at_byte".to_owned());
        }
        if drip.is_some_and(|drip| drip.bytes == 0) {
            return Err("action.drip.bytes is at least 1".to_owned());
        }
        if self.action.repeat == Some(0) {
            return Err("action.repeat is at least 1".to_owned());
        }
        if (self.when == When::Late) != self.action.apply_after_ms.is_some() {
            return Err("action.apply_after_ms and when `late` go together".to_owned());
        }
        if self.when == When::Before && (self.action.id.is_some() || self.action.repeat.is_some()) {
            return Err("action.id and action.repeat need when `after` or `late`".to_owned());
        }
        if self.action.id.as_deref().is_some_and(|id| !id_is_known(id)) {
            return Err("action.id is `missing`, `wrong`, `reused` or digits".to_owned());
        }
        if self.action == Action::default() {
            return Err("action is empty".to_owned());
        }
        Ok(())
    }
}

fn id_is_known(id: &str) -> bool {
    matches!(id, "missing" | "wrong" | "reused")
        || (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Action {
    /// Answers with this status and its usual error body.
    pub fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// Ends the connection without any answer.
    pub fn cut() -> Self {
        Self {
            cut: Some(Cut::default()),
            ..Self::default()
        }
    }

    /// Ends the connection after the head and so many bytes of the body.
    pub fn cut_after(bytes: usize) -> Self {
        Self {
            cut: Some(Cut {
                after_bytes: Some(bytes),
                at_byte: None,
            }),
            ..Self::default()
        }
    }

    /// Ends the connection after so many bytes of the answer, its head included.
    pub fn cut_at(byte: u64) -> Self {
        Self {
            cut: Some(Cut {
                after_bytes: None,
                at_byte: Some(byte),
            }),
            ..Self::default()
        }
    }

    /// Never answers; the connection is cut after two minutes.
    pub fn hang() -> Self {
        Self {
            hang: Some(Hang::default()),
            ..Self::default()
        }
    }

    /// Waits so many milliseconds.
    pub fn delay(ms: u64) -> Self {
        Self {
            delay_ms: Some(ms),
            ..Self::default()
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<FaultScript, String> {
        let script: FaultScript = serde_json::from_str(json).map_err(|error| error.to_string())?;
        script.check().map(|()| script)
    }

    #[test]
    fn defaults_are_once_and_before() {
        let script = parse(r#"{"faults":[{"match":{"path":"/v5/pins"},"action":{"cut":{}}}]}"#);
        let expected = Fault {
            matching: Match {
                method: None,
                ..Fault::on("", "/v5/pins", Action::cut()).matching
            },
            ..Fault::on("", "/v5/pins", Action::cut())
        };
        assert_eq!(script, Ok(FaultScript::of([expected])));
    }

    #[test]
    fn every_mistake_is_named() {
        for (json, hint) in [
            (r#"{"fault":[]}"#, "unknown field `fault`"),
            (
                r#"{"faults":[{"match":{"path":"/v5/pins","methods":"GET"},"action":{"cut":{}}}]}"#,
                "`methods`",
            ),
            (
                r#"{"faults":[{"match":{"path":"/v5/pins"},"action":{"cuts":{}}}]}"#,
                "`cuts`",
            ),
            (
                r#"{"faults":[{"match":{"path":"/v5/pins"},"when":"during","action":{"cut":{}}}]}"#,
                "`during`",
            ),
            (
                r#"{"faults":[{"match":{"path":"v5/pins"},"action":{"cut":{}}}]}"#,
                "match.path",
            ),
            (
                r#"{"faults":[{"match":{"path":"/","nth":0},"action":{"cut":{}}}]}"#,
                "match.nth",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{}}]}"#,
                "action is empty",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"status":500,"redirect":"/"}}]}"#,
                "more than one",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"cut":{},"hang":{}}}]}"#,
                "more than one",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"body":{}}}]}"#,
                "action.status",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"status":99}}]}"#,
                "between 200 and 599",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"gateway_page":500}}]}"#,
                "502, 503 or 504",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"id":"missing"}}]}"#,
                "need when",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"when":"after","action":{"id":"x"}}]}"#,
                "digits",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"when":"late","action":{"cut":{}}}]}"#,
                "apply_after_ms",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"apply_after_ms":1}}]}"#,
                "apply_after_ms",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"drip":{"bytes":0,"every_ms":1}}}]}"#,
                "drip.bytes",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"action":{"cut":{"at_byte":1,"after_bytes":1}}}]}"#,
                "both",
            ),
            (
                r#"{"faults":[{"match":{"path":"/"},"when":"after","action":{"repeat":0}}]}"#,
                "repeat",
            ),
        ] {
            let problem = parse(json).expect_err(json);
            assert!(problem.contains(hint), "{json}: {problem}");
        }
    }
}
