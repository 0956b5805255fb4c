//! How the network behaves in a schedule.

use std::collections::{HashMap, VecDeque};

/// How the network treats one commit request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Made,
    MadeWithoutId,
    MadeAndCut,
    MadeLateAndCut,
    CutBefore,
    MadeAnd500,
    Plain500,
    Limit,
    TokenExpired,
    NotSent,
    NoConnection,
    Refused,
    /// A 4xx that no document knows, before and after the effect.
    OddRefusal,
    MadeAndOddRefusal,
}

impl Answer {
    pub(super) const ALL: [Self; 14] = [
        Self::Made,
        Self::MadeWithoutId,
        Self::MadeAndCut,
        Self::MadeLateAndCut,
        Self::CutBefore,
        Self::MadeAnd500,
        Self::Plain500,
        Self::Limit,
        Self::TokenExpired,
        Self::NotSent,
        Self::NoConnection,
        Self::Refused,
        Self::OddRefusal,
        Self::MadeAndOddRefusal,
    ];

    pub(super) fn makes_it(self) -> bool {
        matches!(
            self,
            Self::Made
                | Self::MadeWithoutId
                | Self::MadeAndCut
                | Self::MadeLateAndCut
                | Self::MadeAnd500
                | Self::MadeAndOddRefusal
        )
    }
}

/// A rule that is switched off, to show that it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    None,
    /// No quiet period.
    NoQuiet,
    /// The adapter reads a 5xx as "nothing was sent".
    ServerErrorMeansNotSent,
    /// What stood on the board before is not remembered.
    NoBaseline,
    /// The adapter takes an empty page of an outage for an empty board.
    EmptyMeansNone,
    /// A restart sends again what was under way.
    RunAgain,
    /// A worker's move counts whoever holds the target by now.
    NoFence,
    /// Nothing is stored before a request leaves.
    NoIntent,
    /// Targets that are alike run at the same time, and one post may belong to several of them.
    NoLaneNoUniqueId,
    /// A request may leave long after its intent: from a pool, or over a socket that is opened for it.
    LateSend,
    /// The adapter takes every 4xx for a refusal.
    EveryRefusalCounts,
    /// A database that was restored goes on as if nothing had happened.
    NoRestoreGuard,
}

/// How the network behaves in one schedule.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    pub(super) seed: u64,
    /// Answers to the requests for each title; made when there is none left.
    pub(super) answers: HashMap<String, VecDeque<Answer>>,
    /// Lists fail, are empty or stale, in per cent, when a target in doubt is looked for.
    pub(super) bad_lists: u64,
    /// Every list for a target in doubt is an empty page.
    pub(super) outage: bool,
    /// The same as `bad_lists` when the board is read before a send.
    pub(super) bad_baselines: u64,
    /// Every delay is as long as its bound allows.
    pub(super) at_bounds: bool,
    /// Posts carry the time at which they were made.
    pub(super) tells_time: bool,
    /// Posts that stand on the board before: nothing, another one, or one like the target's.
    pub(super) older: u64,
    pub(super) mutant: Mutant,
}
