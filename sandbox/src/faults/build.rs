//! Short ways to write a script in Rust.

use super::{Action, Cut, Fault, FaultScript, Hang, Match, When};

impl FaultScript {
    /// A script of these faults, without switches.
    pub fn of(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            faults: faults.into_iter().collect(),
            switches: None,
        }
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
}
