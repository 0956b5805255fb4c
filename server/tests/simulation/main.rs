//! The whole service in a simulated world: the real engine with its API, scheduler and SQLite, the real Pinterest adapter down to
//! the bytes of its requests, and the real sandbox, on hosts of a network in memory. The network delays, drops, holds and cuts,
//! hosts die and come back, the database's answers get lost, the platform answers wrong or late. Time is simulated. At the
//! end the sandbox's ledger is compared with what the service says.
//!
//! One number makes a world: the same seed gives the same world and the same end. Half of the worlds keep every delay
//! at its bound.
//!
//! `MULTI_UPLOAD_SEEDS=10000 cargo test -p multi-upload-server --test simulation -- --nocapture` runs more;
//! `MULTI_UPLOAD_SEED=4711` runs one and tells its story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells its figures"
)]

#[path = "../common/between.rs"]
mod between;
mod figures;
mod outside;
mod plan;
mod service;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use figures::Figures;
use world::World;

/// Worlds, where the environment does not ask for more.
const SEEDS: u64 = 2_000;

fn asked_for(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a whole number"))
}

#[test]
fn every_post_is_made_once_whatever_happens() {
    if let Some(seed) = asked_for("MULTI_UPLOAD_SEED") {
        let end = World::new(seed).run();
        println!("{}", end.story);
        end.figures.assert_clean(seed, &end.story);
        return;
    }
    let seeds = asked_for("MULTI_UPLOAD_SEEDS").unwrap_or(SEEDS);
    let (next, all) = (AtomicU64::new(0), Mutex::new(Figures::default()));
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let end = World::new(seed).run();
                    end.figures.assert_clean(seed, &end.story);
                    all.lock().unwrap().add(&end.figures);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!("simulation: {all}");
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = seeds as f64 / seconds;
    println!("simulation: {rate:.1} worlds a second on {threads} threads");
    assert_eq!(all.worlds, seeds);
    assert!(all.crashes * 2 > seeds / 2, "hosts die: {all}");
    // Those were sent while the board could not be read, and their answer was lost: only a person can tell.
    assert!(all.human * 100 < all.targets + 100, "{all}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..6 {
        let (one, other) = (World::new(seed).run(), World::new(seed).run());
        assert_eq!(one.story, other.story, "seed {seed}");
        assert_eq!(one.figures, other.figures, "seed {seed}");
    }
    assert_ne!(World::new(1).run().story, World::new(2).run().story);
}
