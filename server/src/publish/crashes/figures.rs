//! What the schedules came to.

use std::fmt;

/// What one schedule, or many, came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) schedules: u64,
    pub(super) targets: u64,
    pub(super) crashes: u64,
    /// Processes that stood still while another took over.
    pub(super) freezes: u64,
    /// Words between a process and its database that were lost.
    pub(super) lost_words: u64,
    pub(super) requests: u64,
    pub(super) looks: u64,
    pub(super) published: u64,
    pub(super) failed: u64,
    /// Posts that no target stands for.
    pub(super) duplicates: u64,
    /// Targets said to be published whose post does not exist, or is another's; or said to have failed although it exists.
    pub(super) lost: u64,
    /// Targets that did not end.
    pub(super) stuck: u64,
    /// Publications at which a second post was suspected. Without a twin that is a violation; the post of a twin
    /// whose outcome is still open looks like one.
    pub(super) alarms: u64,
    /// Targets that a person must judge.
    pub(super) human: u64,
    pub(super) violations: Vec<String>,
    pub(super) simulated_ms: i64,
}

impl Figures {
    pub(super) fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.targets += other.targets;
        self.crashes += other.crashes;
        self.freezes += other.freezes;
        self.lost_words += other.lost_words;
        self.simulated_ms += other.simulated_ms;
        self.requests += other.requests;
        self.looks += other.looks;
        self.published += other.published;
        self.failed += other.failed;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.stuck += other.stuck;
        self.alarms += other.alarms;
        self.human += other.human;
        self.violations.extend(other.violations);
    }

    /// What befell processes.
    pub(super) fn troubles(&self) -> u64 {
        self.crashes + self.freezes + self.lost_words
    }

    /// Nothing twice, nothing lost, nothing stuck, no promise broken.
    pub(super) fn is_clean(&self) -> bool {
        (self.duplicates, self.lost, self.stuck) == (0, 0, 0) && self.violations.is_empty()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} schedules, {} targets, {} crashes, {} freezes, {} lost words, {} requests, {} looks; published {}, failed {}; \
             duplicates {}, lost {}, stuck {}, to a human {}; simulated {} h",
            self.schedules,
            self.targets,
            self.crashes,
            self.freezes,
            self.lost_words,
            self.requests,
            self.looks,
            self.published,
            self.failed,
            self.duplicates,
            self.lost,
            self.stuck,
            self.human,
            self.simulated_ms / 3_600_000
        )
    }
}
