//! A script at work: which fault strikes the request that just came in.

use serde_json::{Value, json};

use super::{Fault, FaultScript, Match};

/// The script with its counters.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    script: FaultScript,
    counters: Vec<Counter>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    seen: u64,
    struck: u64,
}

impl Plan {
    pub(crate) fn new(script: FaultScript) -> Self {
        let counters = vec![Counter::default(); script.faults.len()];
        Self { script, counters }
    }

    /// The fault that acts on a request. Every matching fault counts it.
    pub(crate) fn strike(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Fault> {
        let mut struck = None;
        for (fault, counter) in self.script.faults.iter().zip(&mut self.counters) {
            let matching = &fault.matching;
            if !matching.covers(method, path, body) {
                continue;
            }
            counter.seen += 1;
            let is_due = counter.seen >= matching.nth
                && (matching.count == 0 || counter.seen - matching.nth < matching.count);
            if is_due && struck.is_none() {
                counter.struck += 1;
                struck = Some(fault.clone());
            }
        }
        struck
    }

    /// The script and how often each of its faults has matched and struck, in order.
    pub(crate) fn report(&self) -> Value {
        let counters: Vec<_> = self
            .counters
            .iter()
            .map(|counter| json!({"matched": counter.seen, "struck": counter.struck}))
            .collect();
        json!({"script": self.script, "counters": counters})
    }
}

impl Match {
    fn covers(&self, method: &str, path: &str, body: &[u8]) -> bool {
        self.method
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && glob(&self.path, path)
            && self
                .body_contains
                .as_deref()
                .is_none_or(|text| contains(body, text.as_bytes()))
    }
}

/// `*` stands for any number of any characters.
fn glob(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;

    #[test]
    fn globs() {
        for (pattern, path, expected) in [
            ("/v5/pins", "/v5/pins", true),
            ("/v5/pins", "/v5/pins/1", false),
            ("/v5/pins*", "/v5/pins/1", true),
            ("/v5/pins*", "/v5/pins", true),
            ("*/pins", "/v5/boards/1/pins", true),
            ("/v5/boards/*/pins", "/v5/boards/1/pins", true),
            ("/v5/boards/*/pins", "/v5/boards/1/sections", false),
            ("*", "/", true),
            ("/a*a", "/a", false),
        ] {
            assert_eq!(glob(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_first_due_fault_acts_and_all_count() {
        let mut plan = Plan::new(FaultScript::of([
            Fault::on("POST", "/v5/pins", Action::status(500)).nth(2),
            Fault::on("POST", "/v5/*", Action::cut()).times(0),
        ]));
        let mut hit = |method, path| plan.strike(method, path, b"").map(|fault| fault.action);
        assert_eq!(hit("POST", "/v5/pins"), Some(Action::cut()));
        assert_eq!(hit("GET", "/v5/pins"), None);
        assert_eq!(hit("post", "/v5/pins"), Some(Action::status(500)));
        assert_eq!(hit("POST", "/v5/pins"), Some(Action::cut()));
        assert_eq!(
            plan.report()["counters"],
            json!([{"matched": 3, "struck": 1}, {"matched": 3, "struck": 2}])
        );
    }

    #[test]
    fn a_text_in_the_body_picks_one_intent() {
        let mut plan = Plan::new(FaultScript::of([Fault::on(
            "POST",
            "/v5/pins",
            Action::cut(),
        )
        .body_contains("Lemon")]));
        assert!(
            plan.strike("POST", "/v5/pins", br#"{"title":"Apple"}"#)
                .is_none()
        );
        assert!(
            plan.strike("POST", "/v5/pins", br#"{"title":"Lemon"}"#)
                .is_some()
        );
        assert!(
            plan.strike("POST", "/v5/pins", br#"{"title":"Lemon"}"#)
                .is_none()
        );
    }
}
