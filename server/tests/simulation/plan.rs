//! What happens in a world: all of it follows from the seed.
//!
//! The bounds that the quiet period is made of hold in every world: a request that was begun arrives within
//! [`HOLD_MS`] and the latency, takes effect within [`LATE_MS`], and stands in the lists within [`HIDDEN_MS`].

use std::time::Duration;

use multi_upload_sandbox::{Action, Fault, FaultScript, Hang, Switches};
use multi_upload_server::Chance;
use serde_json::json;

/// Longest delay of a message on its way.
const LATENCY_MS: u64 = 1_500;
/// Longest time that the link keeps everything back.
const HOLD_MS: u64 = 8_000;
/// Longest time between a request and its effect.
const LATE_MS: u64 = 8_000;
/// Longest time between an effect and its place in the lists.
const HIDDEN_MS: u64 = 8_000;

/// Five seconds to begin, then transit (connection and request), effect and visibility, and a margin.
pub(crate) const QUIET: Duration =
    Duration::from_millis(5_000 + HOLD_MS + 2 * LATENCY_MS + LATE_MS + HIDDEN_MS + 3_000);

/// Everything goes well after this.
const FAULTS_END_S: u64 = 120;

/// Something that befalls a host or the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Partition,
    NothingOut,
    NothingIn,
    Repair,
    Hold,
    Release,
    ServiceDies,
    ServiceStarts,
    NetworkDies,
    NetworkStarts,
}

pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Whether every delay is as long as its bound allows.
    pub(crate) at_bounds: bool,
    /// Longest delay of a message on its way.
    pub(crate) latency: Duration,
    /// When, in order.
    pub(crate) events: Vec<(Duration, Event)>,
    /// Title of each upload, and when it is due after the start.
    pub(crate) uploads: Vec<(String, Duration)>,
    /// Whether a pin like the first one stands there already.
    pub(crate) has_older: bool,
    /// One of so many words between service and database is lost while there are faults; 0 means none.
    pub(crate) loses_one_of: u64,
    pub(crate) script: FaultScript,
}

/// Numbers of a seed.
struct Dice {
    chance: Chance,
    at_bounds: bool,
}

impl Dice {
    /// From 0 up to `end`, without it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small numbers"
    )]
    fn below(&self, end: u64) -> u64 {
        ((self.chance.next() * end as f64) as u64).min(end.saturating_sub(1))
    }

    fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn delay(&self, longest: u64) -> u64 {
        if self.at_bounds {
            longest
        } else {
            self.below(longest + 1)
        }
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice {
            chance: Chance::seeded(seed ^ 0x51_4D_55_4C),
            at_bounds: seed % 2 == 1,
        };
        let latency = Duration::from_millis(dice.delay(LATENCY_MS).max(1));
        let count = 1 + dice.below(3);
        let uploads = (0..count)
            .map(|n| {
                let title = if n > 0 && dice.percent(40) { 0 } else { n };
                let due = Duration::from_secs(6 + dice.below(40));
                (format!("Cake {title}"), due)
            })
            .collect::<Vec<_>>();
        let script = script(&dice, &uploads);
        Self {
            seed,
            at_bounds: dice.at_bounds,
            latency,
            events: events(&dice),
            has_older: dice.percent(50),
            loses_one_of: [0, 0, 40, 12][usize::try_from(dice.below(4)).unwrap()],
            uploads,
            script,
        }
    }

    /// Whether faults may still strike.
    pub(crate) fn is_hard_at(at: Duration) -> bool {
        at < Duration::from_secs(FAULTS_END_S)
    }
}

fn events(dice: &Dice) -> Vec<(Duration, Event)> {
    let mut events = Vec::new();
    // One thing at a time befalls the link.
    let mut at = 8_000 + dice.below(20_000);
    for _ in 0..dice.below(4) {
        let (begins, ends, longest) = match dice.below(4) {
            0 => (Event::Partition, Event::Repair, 40_000),
            1 => (Event::NothingOut, Event::Repair, 40_000),
            2 => (Event::NothingIn, Event::Repair, 40_000),
            _ => (Event::Hold, Event::Release, HOLD_MS),
        };
        let lasts = dice.delay(longest).max(200);
        if at + lasts > FAULTS_END_S * 1_000 {
            break;
        }
        events.push((at, begins));
        events.push((at + lasts, ends));
        at += lasts + 1_000 + dice.below(30_000);
    }
    for (dies, starts, longest) in [
        (Event::ServiceDies, Event::ServiceStarts, 60_000),
        (Event::NetworkDies, Event::NetworkStarts, 20_000),
    ] {
        let mut at = 8_000 + dice.below(40_000);
        for _ in 0..dice.below(3) {
            let lasts = dice.below(longest);
            events.push((at, dies));
            events.push((at + lasts, starts));
            at += lasts + 500 + dice.below(40_000);
        }
    }
    let mut events: Vec<_> = events
        .into_iter()
        .map(|(at, event)| (Duration::from_millis(at), event))
        .collect();
    events.sort_by_key(|(at, _)| *at);
    events
}

/// How the platform answers wrong.
fn script(dice: &Dice, uploads: &[(String, Duration)]) -> FaultScript {
    let mut faults = Vec::new();
    let mut titles: Vec<&str> = uploads.iter().map(|(title, _)| title.as_str()).collect();
    titles.dedup();
    titles.sort_unstable();
    titles.dedup();
    for title in titles {
        for nth in 1..=dice.below(4) {
            if let Some(fault) = commit_fault(dice) {
                faults.push(fault.nth(nth).body_contains(&format!("\"{title}\"")));
            }
        }
    }
    // Lists fail, hang, or are empty as in an outage.
    for nth in 1..=8 {
        if !dice.percent(12) {
            continue;
        }
        let action = match dice.below(5) {
            0 => Action::status(503),
            1 => Action::cut(),
            2 => hang(dice),
            3 => Action::delay(dice.below(10_000)),
            _ => Action {
                status: Some(200),
                body: Some(json!({"items": [], "bookmark": null})),
                ..Action::default()
            },
        };
        faults.push(Fault::on("GET", "/v5/boards/*/pins", action).nth(nth));
    }
    if dice.percent(10) {
        faults.push(Fault::on("POST", "/v5/oauth/token", Action::status(500)).nth(2));
    }
    FaultScript {
        faults,
        switches: Some(Switches {
            list_delay_ms: dice.delay(HIDDEN_MS),
            ..Switches::default()
        }),
    }
}

fn hang(dice: &Dice) -> Action {
    Action {
        hang: Some(Hang {
            max_ms: 1_000 + dice.below(60_000),
        }),
        ..Action::default()
    }
}

fn commit_fault(dice: &Dice) -> Option<Fault> {
    let on = |action| Fault::on("POST", "/v5/pins", action);
    let gateway = || Action {
        gateway_page: Some(502),
        ..Action::default()
    };
    Some(match dice.below(20) {
        0..4 => return None,
        4 => on(Action::cut()),
        5 => on(Action::cut()).after(),
        6 => on(Action::cut_after(20)).after(),
        7 => on(Action::status(500)),
        8 => on(Action::status(500)).after(),
        9 => on(gateway()).after(),
        10 => on(hang(dice)),
        11 => on(hang(dice)).after(),
        12 => on(Action::cut()).late(dice.delay(LATE_MS)),
        13 => on(Action::status(503)).late(dice.delay(LATE_MS)),
        14 => on(hang(dice)).late(dice.delay(LATE_MS)),
        15 => on(Action::delay(dice.delay(LATE_MS))),
        16 => on(Action::delay(20_000 + dice.below(30_000))).after(),
        17 => on(Action {
            id: Some("missing".to_owned()),
            ..Action::default()
        })
        .after(),
        18 => on(Action::status(429)),
        // An answer of a layer ahead of the platform, and one that the document does not know.
        _ if dice.percent(50) => on(Action::status(401)),
        _ => on(Action::status(409)).after(),
    })
}
