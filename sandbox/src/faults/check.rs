//! Contradictions in a script.

use super::{Action, Fault, FaultScript, When};

impl FaultScript {
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

#[cfg(test)]
mod tests {
    use super::super::Match;
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
    fn the_documented_script_is_a_script() {
        let docs: Vec<_> = include_str!("mod.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//!"))
            .collect();
        let script = docs
            .iter()
            .skip_while(|line| line.trim() != "```json")
            .skip(1);
        let script: String = script
            .take_while(|line| line.trim() != "```")
            .copied()
            .collect();
        let script = parse(&script).expect("valid");
        assert_eq!(script.faults.len(), 4);
        assert_eq!(
            script.switches.map(|switches| switches.list_delay_ms),
            Some(3_000)
        );
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
