//! Publishing survives whatever befalls a process, at every await.
//!
//! The real worker, the dispatcher's own steps and the real stores run against a [`network`] in memory.
//! A process is one future, polled by hand: it is left at poll 1, then, in a new schedule, at poll 2, and
//! so on until it lives to its end. No point of the code is marked, so none can be forgotten. Instead of dying it may freeze
//! while another takes over; and of each of its writes it may hear that the connection was lost, whether or not
//! the transaction was committed. (Every poll, every write and every pair when `MULTI_UPLOAD_SEEDS` is set; otherwise
//! a sample.) What the store says at the end is compared with the network's ledger. Time is simulated.
//!
//! The same harness runs with rules switched off ([`mutants`]), and must notice; and with the ways of others ([`peers`]).
//!
//! `MULTI_UPLOAD_SEEDS=10000 cargo test -p multi-upload-server --lib crashes -- --nocapture` runs more.

#[path = "../../../tests/common/between.rs"]
mod between;
#[path = "../../../tests/store_story/postgres/cluster.rs"]
#[expect(dead_code, reason = "the stores' story needs more of it")]
mod cluster;
mod dice;
mod figures;
mod judge;
mod mutants;
mod network;
mod peers;
mod process;
mod restore;
mod rows;
mod weather;
mod world;

use std::collections::{HashMap, VecDeque};

use between::Fate;
use dice::Dice;
use figures::Figures;
use process::Trouble;
use weather::{Answer, Mutant, Weather};
use world::{Schedule, World};

/// Random schedules, where the environment does not ask for more.
const SEEDS: u64 = 200;

/// Of so many polls one is tried, where the environment does not ask for more.
const STRIDE: u64 = 7;

/// The same on PostgreSQL, where each schedule takes longer.
const POSTGRES_STRIDE: u64 = 97;

/// Random pairs of deaths for each flow, where the environment does not ask for all.
const PAIRS: u64 = 12;

/// Longer flows have too many pairs for all of them.
const ALL_PAIRS_BELOW: u64 = 150;

/// Longer than any lease, shorter and longer than the quiet period.
const FREEZES: [i64; 2] = [10 * 60_000, 40 * 60_000];

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

fn schedule(seed: u64, contents: &[u32], answer: Answer, troubles: Vec<Trouble>) -> Schedule {
    Schedule {
        weather: fair(seed, &[answer]),
        contents: contents.to_vec(),
        troubles,
        restores: false,
    }
}

/// One trouble in each flow: at every place where the environment asks for many schedules, else at every `stride`th, beginning
/// elsewhere for each flow. Ends where the trouble comes too late to strike.
async fn sweep(
    world: &mut World,
    what: &str,
    contents: &[u32],
    stride: u64,
    trouble: impl Fn(u64) -> Trouble,
) -> Figures {
    let mut all = Figures::default();
    for (flow, answer) in (1..).zip(Answer::ALL) {
        let (first, stride) = match seeds_asked_for() {
            Some(_) => (1, 1),
            None => (1 + flow % stride, stride),
        };
        for place in (0..).map(|n| first + n * stride) {
            let schedule = schedule(place, contents, answer, vec![trouble(place)]);
            let (figures, is_unharmed) = world.run(schedule).await;
            assert!(
                figures.is_clean(),
                "{what}: {answer:?}, {:?}: {figures:#?}",
                trouble(place)
            );
            all.add(figures);
            if is_unharmed {
                break;
            }
        }
    }
    report(what, &all);
    all
}

fn report(what: &str, figures: &Figures) {
    assert!(figures.violations.is_empty());
    // Shown by `--nocapture`.
    println!("{what}: {figures}");
}

fn dies(poll: u64) -> Trouble {
    Trouble::Dies { poll, pause: 0 }
}

fn freezes(poll: u64) -> Trouble {
    Trouble::Freezes {
        poll,
        lasts: FREEZES[usize::try_from(poll % 2).unwrap()],
    }
}

fn loses_an_answer(write: u64) -> Trouble {
    Trouble::LosesWord {
        write,
        fate: Fate::AnswerLost,
    }
}

fn loses_a_request(write: u64) -> Trouble {
    Trouble::LosesWord {
        write,
        fate: Fate::RequestLost,
    }
}

#[test]
fn one_target_survives_whatever_befalls_its_process() {
    run(async {
        let mut world = World::new().await;
        let died = sweep(&mut world, "one, dies", &[0], STRIDE, dies).await;
        assert!(died.crashes > 50, "{died}");
        let froze = sweep(&mut world, "one, freezes", &[0], STRIDE, freezes).await;
        assert!(froze.freezes > 50, "{froze}");
        let lost = sweep(
            &mut world,
            "one, an answer is lost",
            &[0],
            7,
            loses_an_answer,
        )
        .await;
        assert!(lost.lost_words > 30, "{lost}");
        let lost = sweep(
            &mut world,
            "one, a request is lost",
            &[0],
            17,
            loses_a_request,
        )
        .await;
        assert!(lost.lost_words > 30, "{lost}");
    });
}

#[test]
fn two_alike_survive_whatever_befalls_their_process() {
    run(async {
        let mut world = World::new().await;
        let died = sweep(&mut world, "two alike, dies", &[0, 0], STRIDE, dies).await;
        assert!(died.crashes > 50, "{died}");
        let froze = sweep(&mut world, "two alike, freezes", &[0, 0], STRIDE, freezes).await;
        assert!(froze.freezes > 50, "{froze}");
        let what = "two alike, an answer is lost";
        let lost = sweep(&mut world, what, &[0, 0], 11, loses_an_answer).await;
        assert!(lost.lost_words > 30, "{lost}");
    });
}

/// Without freezes: one that stops inside a transaction keeps its locks, and whoever waits for them waits by the machine's
/// time, which does not move this clock. The long run of real processes freezes nodes of PostgreSQL.
#[test]
fn the_same_on_postgresql() {
    run(async {
        let Some(mut world) = World::on_postgres().await else {
            return;
        };
        let stride = POSTGRES_STRIDE;
        let died = sweep(&mut world, "PostgreSQL, dies", &[0], stride, dies).await;
        assert!(died.crashes > 10, "{died}");
        let what = "PostgreSQL, an answer is lost";
        let lost = sweep(&mut world, what, &[0], 41, loses_an_answer).await;
        assert!(lost.lost_words > 5, "{lost}");
        world.end().await;
    });
}

/// How many polls a flow has when nothing befalls it: where a death first comes too late.
async fn polls(world: &mut World, answer: Answer) -> u64 {
    let (mut alive, mut dead) = (4_096, 0);
    while alive - dead > 1 {
        let poll = u64::midpoint(alive, dead);
        let (_, is_unharmed) = world
            .run(schedule(poll, &[0], answer, vec![dies(poll)]))
            .await;
        if is_unharmed {
            alive = poll;
        } else {
            dead = poll;
        }
    }
    dead
}

#[test]
fn two_deaths_are_survived_like_one() {
    run(async {
        let mut world = World::new().await;
        let mut all = Figures::default();
        for (flow, answer) in (1..).zip(Answer::ALL) {
            let polls = polls(&mut world, answer).await;
            let mut dice = Dice::new(flow);
            let pairs: Vec<(u64, u64)> = match seeds_asked_for() {
                Some(_) if polls < ALL_PAIRS_BELOW => (1..=polls)
                    .flat_map(|one| (1..=polls).map(move |two| (one, two)))
                    .collect(),
                asked => (0..asked.map_or(PAIRS, |seeds| seeds.max(PAIRS)))
                    .map(|_| (1 + dice.below(polls), 1 + dice.below(polls)))
                    .collect(),
            };
            for (one, two) in pairs {
                let troubles = vec![dies(one), dies(two)];
                let (figures, _) = world.run(schedule(one + two, &[0], answer, troubles)).await;
                assert!(
                    figures.is_clean(),
                    "{answer:?}, dead at {one} and {two}: {figures:#?}"
                );
                all.add(figures);
            }
        }
        assert!(all.crashes > all.schedules, "{all}");
        report("one, dies twice", &all);
    });
}

fn any_trouble(dice: &mut Dice) -> Trouble {
    let pause = [0, 1_000, 400_000, 3_600_000];
    let pause = pause[usize::try_from(dice.below(4)).unwrap()];
    match dice.below(6) {
        0..3 => Trouble::Dies {
            poll: 1 + dice.below(120),
            pause,
        },
        3 => Trouble::Freezes {
            poll: 1 + dice.below(120),
            lasts: pause,
        },
        4 => loses_an_answer(1 + dice.below(40)),
        _ => loses_a_request(1 + dice.below(40)),
    }
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
    let troubles = (0..dice.below(3)).map(|_| any_trouble(&mut dice)).collect();
    // Lists that lie before a send leave an unclear answer to a person, and times guard against them.
    let bad_baselines = if dice.below(4) == 0 { 30 } else { 0 };
    let restores = dice.below(8) == 0;
    Schedule {
        weather: Weather {
            seed,
            answers,
            bad_lists: 25,
            outage: false,
            bad_baselines,
            at_bounds: dice.below(2) == 0,
            // After a restore only its time tells whose a post is.
            tells_time: restores || bad_baselines > 0 || dice.below(2) == 0,
            older: dice.below(3),
            mutant,
        },
        contents,
        troubles,
        restores,
    }
}

#[test]
fn random_schedules_make_every_post_once() {
    let seeds = seeds_asked_for().unwrap_or(SEEDS);
    run(async {
        let mut world = World::steady().await;
        let mut all = Figures::default();
        for seed in 0..seeds {
            let (figures, _) = world.run(random(seed, Mutant::None)).await;
            assert!(figures.is_clean(), "seed {seed}: {figures:#?}");
            all.add(figures);
        }
        assert!(all.human * 20 < all.targets, "{all}");
        report("random schedules", &all);
    });
}

#[test]
fn a_schedule_repeats_itself() {
    let once = |seed| {
        run(async {
            let mut world = World::steady().await;
            world.run(random(seed, Mutant::None)).await.0
        })
    };
    for seed in 0..12 {
        assert_eq!(once(seed), once(seed), "seed {seed}");
    }
}
