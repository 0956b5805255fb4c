//! What others do, in the same weather: a queue that runs a job until it succeeds, and one that marks a job before the request,
//! sends again what answered 429 or 5xx, and asks a person about the rest. Their rows are in memory here, and never lost.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use multi_upload_platforms::{CommitAnswer, Platform as _, Prepared};

use super::process::{Trouble, poll_until};
use super::rows::DAY;
use super::weather::Mutant;
use super::world::World;
use super::{random, run, seeds_asked_for};

/// Schedules, where the environment does not ask for more.
const SEEDS: u64 = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Until it succeeds; a job whose worker died runs again.
    Queue,
    /// Marked before the request; in doubt a person is asked.
    ArmAndConfirm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Armed,
    Done,
    Failed,
    Human,
}

struct Jobs(Mutex<Vec<(String, State)>>);

impl Jobs {
    fn all(&self) -> MutexGuard<'_, Vec<(String, State)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write; the process may die before and after it.
    async fn set(&self, n: usize, state: State) {
        tokio::task::yield_now().await;
        self.all()[n].1 = state;
        tokio::task::yield_now().await;
    }
}

/// Most tries of a queue, and of one call.
const TRIES: u32 = 25;
const RESENDS: u32 = 3;

async fn live(world: &World, way: Way, jobs: &Jobs) {
    let count = jobs.all().len();
    for n in 0..count {
        let (title, state) = jobs.all()[n].clone();
        match (way, state) {
            (_, State::Open) => {}
            (Way::ArmAndConfirm, State::Armed) => {
                jobs.set(n, State::Human).await;
                continue;
            }
            _ => continue,
        }
        if way == Way::ArmAndConfirm {
            jobs.set(n, State::Armed).await;
        }
        let end = attempt(world, way, &title).await;
        jobs.set(n, end).await;
    }
}

async fn attempt(world: &World, way: Way, title: &str) -> State {
    let tries = match way {
        Way::Queue => TRIES,
        Way::ArmAndConfirm => RESENDS,
    };
    for _ in 0..tries {
        let Ok(connection) = world.network.open().await else {
            continue;
        };
        let prepared = Prepared {
            body: Bytes::from(title.to_owned()),
            state: None,
        };
        let answer = world.network.commit(connection, "token", &prepared).await;
        match answer {
            CommitAnswer::Applied { .. } | CommitAnswer::AppliedIdUnknown(_) => return State::Done,
            CommitAnswer::Rejected(_) => return State::Failed,
            CommitAnswer::Unknown(_) if way == Way::ArmAndConfirm => return State::Human,
            _ => {}
        }
        world.clock.set(world.clock.now() + 5_000);
    }
    State::Failed
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    targets: u64,
    twice: u64,
    untrue: u64,
    human: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} targets: {} posted twice, {} said otherwise than it is, {} to a human",
            self.targets, self.twice, self.untrue, self.human
        )
    }
}

async fn schedule(world: &mut World, way: Way, seed: u64, count: &mut Count) {
    // What answered 5xx is sent again by both.
    let schedule = random(seed, Mutant::ServerErrorMeansNotSent);
    let board = format!("peer{seed}");
    let mut weather = schedule.weather;
    weather.answers = weather
        .answers
        .into_iter()
        .map(|(content, answers)| (format!("{board}/{content}"), answers))
        .collect();
    world.network.begin(weather, &board, &[]);
    let titles = schedule
        .contents
        .iter()
        .map(|content| format!("{board}/{content}"));
    let jobs = Jobs(Mutex::new(
        titles.map(|title| (title, State::Open)).collect(),
    ));
    let mut troubles = schedule.troubles.into_iter();
    loop {
        // Their workers die where ours die or freeze.
        let (last, pause) = match troubles.next() {
            Some(Trouble::Dies { poll, pause }) => (Some(poll), pause),
            Some(Trouble::Freezes { poll, lasts }) => (Some(poll), lasts),
            _ => (None, 0),
        };
        let life = pin!(live(world, way, &jobs));
        if poll_until(life, last).await.is_some() {
            break;
        }
        world.clock.set(world.clock.now() + pause);
    }
    let mut posts: HashMap<String, u64> = HashMap::new();
    for post in world.network.state().posts.iter().filter(|post| post.ours) {
        *posts.entry(post.title.clone()).or_default() += 1;
    }
    let mut ends: HashMap<String, [u64; 3]> = HashMap::new();
    for (title, state) in jobs.all().iter() {
        let [done, human, failed] = ends.entry(title.clone()).or_default();
        match state {
            State::Done => *done += 1,
            State::Human => *human += 1,
            _ => *failed += 1,
        }
    }
    for (title, [done, human, failed]) in ends {
        let exist = posts.get(&title).copied().unwrap_or(0);
        count.targets += done + human + failed;
        count.human += human;
        count.untrue += done.saturating_sub(exist);
        let surplus = exist.saturating_sub(done + human);
        count.untrue += surplus.min(failed);
        count.twice += surplus.saturating_sub(failed);
    }
    world.clock.set(world.clock.now() + DAY);
}

#[test]
fn others_post_twice_or_ask_a_person() {
    let seeds = seeds_asked_for().unwrap_or(SEEDS);
    for way in [Way::Queue, Way::ArmAndConfirm] {
        let mut count = Count::default();
        run(async {
            let mut world = World::steady().await;
            for seed in 0..seeds {
                schedule(&mut world, way, seed, &mut count).await;
            }
        });
        println!("{way:?}, {seeds} schedules, {count}");
        assert!(count.twice > 0, "{way:?}: {count}");
        assert_eq!(count.human > 0, way == Way::ArmAndConfirm, "{count}");
    }
}
