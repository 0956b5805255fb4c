//! What the schedules came to.

/// What one schedule, or many, came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) schedules: u64,
    pub(super) targets: u64,
    pub(super) crashes: u64,
    pub(super) requests: u64,
    pub(super) looks: u64,
    pub(super) published: u64,
    pub(super) failed: u64,
    /// Posts that no target stands for.
    pub(super) duplicates: u64,
    /// Targets said to be published whose post does not exist, or is another's.
    pub(super) lost: u64,
    /// Targets that did not end.
    pub(super) stuck: u64,
    /// Publications at which a second post was suspected. Without a twin that is a violation; the post of a twin
    /// whose outcome is still open looks like one.
    pub(super) alarms: u64,
    /// Targets that a person must judge.
    pub(super) human: u64,
    pub(super) violations: Vec<String>,
}

impl Figures {
    pub(super) fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.targets += other.targets;
        self.crashes += other.crashes;
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

    /// Nothing twice, nothing lost, nothing stuck, no promise broken.
    pub(super) fn is_clean(&self) -> bool {
        (self.duplicates, self.lost, self.stuck) == (0, 0, 0) && self.violations.is_empty()
    }
}
