//! What the publishing machine does in this process.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::store::{AttemptChange, Millis, TargetChange};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Seconds. Most pins go out within milliseconds of their time, and those that do not are what one wants to know of.
const LATENESS: [f64; 12] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 86_400.0,
];

/// The counters.
pub(crate) struct Publishing {
    events: Family<Kind, Counter>,
    armed: Counter,
    sent: Counter,
    outcomes: Family<Outcome, Counter>,
    refused_moves: Counter,
    leases_ended: Counter,
    lateness: Histogram,
}

impl Default for Publishing {
    fn default() -> Self {
        Self {
            events: Family::default(),
            armed: Counter::default(),
            sent: Counter::default(),
            outcomes: Family::default(),
            refused_moves: Counter::default(),
            leases_ended: Counter::default(),
            lateness: Histogram::new(LATENESS),
        }
    }
}

impl Publishing {
    /// A move was stored.
    pub(crate) fn moved(&self, change: &TargetChange) {
        self.event(change.event.kind);
        match &change.attempt {
            Some(AttemptChange::Open { number, .. }) => {
                self.armed.inc();
                if *number == 1 {
                    self.lateness
                        .observe(seconds(change.at - change.row.scheduled_at));
                }
            }
            Some(AttemptChange::Close { outcome, .. }) => {
                self.outcomes.get_or_create(&Outcome { outcome }).inc();
            }
            None => {}
        }
    }

    /// An entry of the timeline was stored.
    pub(crate) fn event(&self, kind: &'static str) {
        self.events.get_or_create(&Kind { kind }).inc();
    }

    /// A move was not stored, since another holder was faster.
    pub(crate) fn refused(&self) {
        self.refused_moves.inc();
    }

    /// A commit request was handed to its connection.
    pub(crate) fn sent(&self) {
        self.sent.inc();
    }

    /// Leases whose holders gave no sign of life were ended.
    pub(crate) fn leases_ended(&self, count: usize) {
        self.leases_ended.inc_by(count as u64);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "events",
            "Entries written to the timelines of uploads, by kind",
            self.events.clone(),
        );
        registry.register(
            "attempts_armed",
            "Intents to send that were stored",
            self.armed.clone(),
        );
        registry.register(
            "commit_requests",
            "Requests that make a post. Never more than attempts_armed, or the promise is broken",
            self.sent.clone(),
        );
        registry.register(
            "attempts_ended",
            "Attempts whose outcome is proven, by outcome",
            self.outcomes.clone(),
        );
        registry.register(
            "moves_refused",
            "Moves that were not stored because the target was another's by then",
            self.refused_moves.clone(),
        );
        registry.register(
            "leases_ended",
            "Leases of workers that gave no sign of life",
            self.leases_ended.clone(),
        );
        registry.register_with_unit(
            "lateness",
            "Time from the moment that was asked for until the first attempt",
            Unit::Seconds,
            self.lateness.clone(),
        );
    }
}

fn seconds(millis: Millis) -> f64 {
    millis.max(0) as f64 / 1_000.0
}
