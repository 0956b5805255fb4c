//! What worlds came to.

use std::fmt;
use std::time::Duration;

/// What one world, or many, came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) worlds: u64,
    pub(crate) targets: u64,
    /// Deaths of the service and of the network's host.
    pub(crate) crashes: u64,
    /// Partitions and holds of the link.
    pub(crate) cuts: u64,
    /// Words between the service and its database that got lost.
    pub(crate) lost_words: u64,
    /// Commit requests that reached the network.
    pub(crate) requests: u64,
    pub(crate) published: u64,
    pub(crate) failed: u64,
    /// Pins that no target stands for.
    pub(crate) duplicates: u64,
    /// Targets said to be published whose pin does not exist, or is another's; and those said to have failed whose pin exists.
    pub(crate) lost: u64,
    /// Targets that came to no end.
    pub(crate) stuck: u64,
    /// Targets that a person must judge.
    pub(crate) human: u64,
    pub(crate) simulated: Duration,
    pub(crate) violations: Vec<String>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.targets += other.targets;
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.lost_words += other.lost_words;
        self.requests += other.requests;
        self.published += other.published;
        self.failed += other.failed;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.stuck += other.stuck;
        self.human += other.human;
        self.simulated += other.simulated;
        self.violations.extend(other.violations.iter().cloned());
    }

    /// Nothing twice, nothing lost, nothing stuck, no promise broken.
    pub(crate) fn assert_clean(&self, seed: u64, story: &str) {
        assert!(
            (self.duplicates, self.lost, self.stuck) == (0, 0, 0) && self.violations.is_empty(),
            "seed {seed}: {self}\n{:#?}\n{story}",
            self.violations
        );
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} worlds, {} targets, {} crashes, {} cuts, {} lost words, {} commit requests; published {}, failed {}; \
             duplicates {}, lost {}, stuck {}, to a human {}; simulated {} h",
            self.worlds,
            self.targets,
            self.crashes,
            self.cuts,
            self.lost_words,
            self.requests,
            self.published,
            self.failed,
            self.duplicates,
            self.lost,
            self.stuck,
            self.human,
            self.simulated.as_secs() / 3_600
        )
    }
}
