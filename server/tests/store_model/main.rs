//! Both stores against a model of a few hundred lines: random sequences of calls, and after each one everything that can be read
//! has to be as the model says, and the obligations of the publishing machine have to hold.
//!
//! A sequence that fails is made as short as it can be, and printed step by step. Every run plays some hundred sequences of up to
//! 60 steps; `MULTI_UPLOAD_SEQUENCES=5000x200` plays that many of that length, and `MULTI_UPLOAD_SEED` others than usual.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it did"
)]

#[macro_use]
mod check;

mod calls;
#[path = "../store_story/postgres/cluster.rs"]
#[allow(dead_code, reason = "made for the story, which uses all of it")]
mod cluster;
mod compare;
mod model;
mod moves;
mod obligations;
mod place;
mod play;
#[path = "../store_story/rows.rs"]
#[allow(dead_code, reason = "made for the story, which uses all of it")]
mod rows;
mod steps;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use place::Place;

/// How many sequences, and the most steps of one.
fn size(usual: (u32, usize)) -> (u32, usize) {
    let Ok(text) = std::env::var("MULTI_UPLOAD_SEQUENCES") else {
        return usual;
    };
    let parsed = text
        .split_once('x')
        .and_then(|(many, long)| Some((many.parse().ok()?, long.parse().ok()?)));
    parsed.expect("MULTI_UPLOAD_SEQUENCES is like 5000x200")
}

fn seed() -> u64 {
    let text = std::env::var("MULTI_UPLOAD_SEED");
    text.map_or(1, |text| {
        text.parse().expect("MULTI_UPLOAD_SEED is a number")
    })
}

/// Plays random sequences on stores that `place` makes.
fn compare(name: &str, usual: (u32, usize), place: &Place, runtime: &tokio::runtime::Runtime) {
    let (sequences, length) = size(usual);
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: sequences,
            failure_persistence: None,
            max_shrink_iters: 2_000,
            ..Config::default()
        },
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
    );
    let steps = Cell::new(0);
    let did: RefCell<BTreeMap<&'static str, u64>> = RefCell::default();
    let result = runner.run(&steps::sequence(length), |sequence| {
        steps.set(steps.get() + sequence.steps.len());
        let outcome = runtime.block_on(play::play(place, &sequence, &mut did.borrow_mut()));
        outcome.map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => eprintln!(
            "store model, {name}: {sequences} sequences, {} steps, seed {seed}: {:?}",
            steps.get(),
            did.borrow()
        ),
        Err(TestError::Fail(reason, sequence)) => panic!(
            "{name}, seed {seed}: {reason}\nwrite limit {:?}, after these steps:\n{}",
            sequence.write_limit,
            sequence.printed()
        ),
        Err(error) => panic!("{name}, seed {seed}: {error}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn sqlite_does_what_the_model_does() {
    let runtime = runtime();
    compare("SQLite", (200, 60), &Place::Sqlite, &runtime);
}

#[test]
fn postgres_does_what_the_model_does() {
    let runtime = runtime();
    let Some(place) = runtime.block_on(Place::postgres()) else {
        return;
    };
    compare("PostgreSQL", (30, 60), &place, &runtime);
    runtime.block_on(place.end());
}
