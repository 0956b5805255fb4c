//! Publishing survives the death of the process at every await.
//!
//! The real worker, the dispatcher's own steps and the real store run against a [`network`] in memory.
//! A process is one future, polled by hand: it is left at poll 1, then, in a new schedule, at poll 2, and
//! so on until it lives to its end. No point of the code is marked, so none can be forgotten. (Every poll
//! when `MULTI_UPLOAD_SEEDS` is set; otherwise a sample.) What the
//! store says at the end is compared with the network's ledger. Time is simulated.
//!
//! The same harness runs with rules switched off, and must notice.
//!
//! `MULTI_UPLOAD_SEEDS=10000 cargo test -p multi-upload-server --lib crashes -- --nocapture` runs more.

mod dice;
mod figures;
mod network;
mod weather;
mod world;

use std::collections::{HashMap, VecDeque};

use dice::Dice;
use figures::Figures;
use weather::{Answer, Mutant, Weather};
use world::{Schedule, World};

/// Random schedules, where the environment does not ask for more.
const SEEDS: u64 = 200;

/// Of so many polls one is a death, where the environment does not ask for more.
const STRIDE: usize = 7;

/// Schedules in which a switched-off rule must show.
const MUTANT_SEEDS: u64 = 400;

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn fair(seed: u64, answers: &[Answer]) -> Weather {
    Weather {
        seed,
        answers: HashMap::from([("0".to_owned(), answers.iter().copied().collect())]),
        bad_lists: 0,
        outage: false,
        bad_baselines: 0,
        at_bounds: seed.is_multiple_of(2),
        tells_time: true,
        older: 2,
        mutant: Mutant::None,
    }
}

/// How many random schedules the environment asks for.
fn seeds_asked_for() -> Option<u64> {
    let seeds = std::env::var("MULTI_UPLOAD_SEEDS").ok()?;
    Some(seeds.parse().expect("a number of seeds"))
}

/// Single crashes of a flow: at every poll where the environment asks for many schedules, else at every
/// [`STRIDE`]th, beginning elsewhere for each flow.
async fn sweep(world: &mut World, contents: &[u32], flow: usize, answers: &[Answer]) -> Figures {
    let mut all = Figures::default();
    let (first, stride) = match seeds_asked_for() {
        Some(_) => (1, 1),
        None => (1 + flow % STRIDE, STRIDE),
    };
    for k in (first as u64..).step_by(stride) {
        let schedule = Schedule {
            weather: fair(k, answers),
            contents: contents.to_vec(),
            deaths: vec![(k, 0)],
        };
        let (figures, lived) = world.run(schedule).await;
        assert!(
            figures.is_clean(),
            "{answers:?}, dead at poll {k}: {figures:#?}"
        );
        all.add(figures);
        if lived.is_some() {
            break;
        }
    }
    all
}

fn report(what: &str, figures: &Figures) {
    assert!(figures.violations.is_empty());
    // Shown by `--nocapture`.
    println!("{what}: {figures:?}");
}

#[test]
fn one_target_survives_a_death_at_every_await() {
    run(async {
        let mut world = World::new().await;
        let mut all = Figures::default();
        for (flow, answer) in Answer::ALL.into_iter().enumerate() {
            all.add(sweep(&mut world, &[0], flow, &[answer]).await);
        }
        assert!(all.crashes > 50, "{all:?}");
        report("one target, single crashes", &all);
    });
}

#[test]
fn two_alike_survive_a_death_at_every_await() {
    run(async {
        let mut world = World::new().await;
        let mut all = Figures::default();
        for (flow, answer) in Answer::ALL.into_iter().enumerate() {
            all.add(sweep(&mut world, &[0, 0], flow, &[answer]).await);
        }
        assert!(all.crashes > 50, "{all:?}");
        report("two alike, single crashes", &all);
    });
}

fn random(seed: u64, mutant: Mutant) -> Schedule {
    let mut dice = Dice::new(seed ^ 0xC0FF_EE00);
    let contents: Vec<u32> = (0..=dice.below(4))
        .map(|n| {
            if dice.below(100) < 40 {
                0
            } else {
                u32::try_from(n).unwrap()
            }
        })
        .collect();
    let answers = contents
        .iter()
        .map(|content| {
            let faults = dice.below(3);
            let answers: VecDeque<_> = (0..faults)
                .map(|_| {
                    let all = Answer::ALL.len() as u64;
                    Answer::ALL[usize::try_from(dice.below(all)).unwrap()]
                })
                .collect();
            (content.to_string(), answers)
        })
        .collect();
    let deaths = (0..dice.below(3))
        .map(|_| {
            let pause = [0, 1_000, 400_000, 3_600_000];
            let pause = pause[usize::try_from(dice.below(4)).unwrap()];
            (1 + dice.below(120), pause)
        })
        .collect();
    // Lists that lie before a send leave an unclear answer to a person, and times guard against them.
    let bad_baselines = if dice.below(4) == 0 { 30 } else { 0 };
    Schedule {
        weather: Weather {
            seed,
            answers,
            bad_lists: 25,
            outage: false,
            bad_baselines,
            at_bounds: dice.below(2) == 0,
            tells_time: bad_baselines > 0 || dice.below(2) == 0,
            older: dice.below(3),
            mutant,
        },
        contents,
        deaths,
    }
}

#[test]
fn random_schedules_make_every_post_once() {
    let seeds = seeds_asked_for().unwrap_or(SEEDS);
    run(async {
        let mut world = World::new().await;
        let mut all = Figures::default();
        for seed in 0..seeds {
            let (figures, _) = world.run(random(seed, Mutant::None)).await;
            assert!(figures.is_clean(), "seed {seed}: {figures:#?}");
            all.add(figures);
        }
        assert!(all.human * 20 < all.targets, "{all:?}");
        report("random schedules", &all);
    });
}

/// A schedule in which the rule matters.
fn hard_for(rule: Mutant, seed: u64) -> Schedule {
    let mut schedule = random(seed, rule);
    if rule == Mutant::NoBaseline {
        schedule.weather.tells_time = false;
        schedule.weather.bad_baselines = 0;
    }
    schedule.weather.outage = rule == Mutant::EmptyMeansNone;
    schedule
}

/// Schedules until the harness notices that a rule is missing. With the rule, the same schedule is fine.
fn schedules_to_notice(rule: Mutant) -> Option<u64> {
    run(async {
        let mut world = World::new().await;
        for seed in 0..MUTANT_SEEDS {
            let (figures, _) = world.run(hard_for(rule, seed)).await;
            if figures.duplicates + figures.lost > 0 {
                let mut with_it = hard_for(rule, seed);
                with_it.weather.mutant = Mutant::None;
                let (figures, _) = world.run(with_it).await;
                assert!(figures.is_clean(), "{rule:?}, seed {seed}: {figures:#?}");
                return Some(seed + 1);
            }
        }
        None
    })
}

#[test]
fn a_rule_that_is_switched_off_is_missed() {
    for mutant in [
        Mutant::NoQuiet,
        Mutant::ServerErrorMeansNotSent,
        Mutant::NoBaseline,
        Mutant::EmptyMeansNone,
        Mutant::RunAgain,
    ] {
        let noticed = schedules_to_notice(mutant);
        println!("{mutant:?}: noticed after {noticed:?} schedules");
        assert!(noticed.is_some(), "{mutant:?} was not noticed");
    }
}
