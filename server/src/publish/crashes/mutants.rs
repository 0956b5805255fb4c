//! The rules, switched off one by one: the harness must notice each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::super::dispatcher::Round;
use super::between::Moves;
use super::dice::Dice;
use super::process::Trouble;
use super::rows::event;
use super::weather::{Answer, Mutant};
use super::world::{Schedule, World};
use super::{Figures, random, run, seeds_asked_for};
use crate::store::{AttemptChange, Phase, Store, StoreResult, TargetChange, TargetRow};

/// Schedules in which a switched-off rule must show.
const SEEDS: u64 = 400;

/// Switched-off rules that show in what happens: a post twice, or an end that is not true. Each with a seed that shows it, which
/// is tried first.
const SHOWN: [(Mutant, u64); 11] = [
    (Mutant::NoQuiet, 2),
    (Mutant::ServerErrorMeansNotSent, 2),
    (Mutant::EveryRefusalCounts, 17),
    (Mutant::NoBaseline, 15),
    (Mutant::EmptyMeansNone, 2),
    (Mutant::RunAgain, 56),
    (Mutant::NoFence, 5),
    (Mutant::NoIntent, 33),
    (Mutant::LateSend, 38),
    (Mutant::NoRestoreGuard, 0),
    (Mutant::NoLaneNoUniqueId, 10),
];

/// The store of a process whose rule is switched off.
pub(super) fn moves(mutant: Mutant) -> Option<Box<dyn Moves>> {
    match mutant {
        Mutant::NoFence => Some(Box::new(Unfenced)),
        Mutant::NoIntent => Some(Box::<Unarmed>::default()),
        _ => None,
    }
}

async fn now_in(store: &dyn Store, change: &TargetChange) -> StoreResult<Option<TargetRow>> {
    let row = &change.row;
    store.target(&row.owner, &row.upload_id, &row.id).await
}

/// Whoever holds the target: the move is made.
struct Unfenced;

#[async_trait]
impl Moves for Unfenced {
    async fn change(
        &self,
        store: &dyn Store,
        mut change: TargetChange,
    ) -> StoreResult<Option<TargetRow>> {
        if let Some(now) = now_in(store, &change).await? {
            change.expect_phase = now.phase;
            change.expect_fence = now.fence;
            change.row.fence = now.fence;
        }
        // What the database itself refuses must not be tried for ever.
        Ok(store.change_target(change).await.unwrap_or(None))
    }
}

/// The intent is stored together with the answer.
#[derive(Default)]
struct Unarmed(Mutex<HashMap<String, TargetChange>>);

#[async_trait]
impl Moves for Unarmed {
    async fn change(
        &self,
        store: &dyn Store,
        change: TargetChange,
    ) -> StoreResult<Option<TargetRow>> {
        let armed = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(change.attempt, Some(AttemptChange::Open { .. })) {
                let row = change.row.clone();
                kept.insert(row.id.clone(), change);
                return Ok(Some(row));
            }
            kept.remove(&change.row.id)
        };
        if let Some(armed) = armed.filter(|_| change.expect_phase == Phase::Armed) {
            store.change_target(armed).await?;
        }
        store.change_target(change).await
    }
}

/// The rule that is not ours: what was under way when the process died is sent again.
pub(super) async fn run_again(round: &Round) {
    let now = round.app.clock.now();
    round.app.store.expire_leases(now).await.unwrap();
    for target in round.app.store.expired(now, 100).await.unwrap() {
        if target.phase != Phase::Armed {
            continue;
        }
        let mut row = target.clone();
        row.phase = Phase::Waiting;
        row.lease_until = None;
        row.attempt = None;
        row.due_at = now;
        let change = TargetChange {
            expect_phase: target.phase,
            expect_fence: target.fence,
            attempt: Some(AttemptChange::Close {
                number: target.attempts,
                outcome: "not_sent",
            }),
            event: event("target.released", now),
            at: now,
            row,
        };
        round.app.store.change_target(change).await.unwrap();
    }
}

/// One target, whose request is answered.
fn alone(schedule: &mut Schedule) {
    schedule.contents = vec![0];
    schedule.weather.answers.clear();
    schedule.weather.bad_lists = 0;
    schedule.restores = false;
}

/// A schedule in which the rule matters.
fn hard_for(rule: Mutant, seed: u64) -> Schedule {
    let mut schedule = random(seed, rule);
    let mut dice = Dice::new(seed ^ 0xBAD_5EED);
    match rule {
        Mutant::NoBaseline => {
            schedule.weather.tells_time = false;
            schedule.weather.bad_baselines = 0;
            schedule.restores = false;
        }
        Mutant::RunAgain => schedule
            .troubles
            .retain(|trouble| matches!(trouble, Trouble::Dies { .. })),
        Mutant::EmptyMeansNone => schedule.weather.outage = true,
        // One that looks is overtaken, and afterwards goes by what it saw.
        Mutant::NoFence => {
            schedule.contents = vec![0];
            schedule.weather.bad_lists = 0;
            schedule.weather.answers = HashMap::from([(
                "0".to_owned(),
                [
                    Answer::CutBefore,
                    Answer::MadeLateAndCut,
                    Answer::MadeAndCut,
                ]
                .into(),
            )]);
            schedule.restores = false;
            schedule.troubles = vec![Trouble::Freezes {
                poll: 1 + dice.below(800),
                lasts: 60_000 + i64::try_from(dice.below(1_800_000)).unwrap(),
            }];
        }
        // Around the one request of one target.
        Mutant::LateSend => {
            alone(&mut schedule);
            schedule.troubles = vec![Trouble::Freezes {
                poll: 1 + dice.below(80),
                lasts: 2_400_000,
            }];
        }
        Mutant::NoIntent => {
            alone(&mut schedule);
            schedule.troubles = vec![Trouble::Dies {
                poll: 1 + dice.below(80),
                pause: 1_000,
            }];
        }
        Mutant::NoLaneNoUniqueId => {
            schedule
                .contents
                .iter_mut()
                .for_each(|content| *content = 0);
            let answers = schedule.weather.answers.values().flatten().copied();
            let answers = answers.collect();
            schedule.weather.answers = HashMap::from([("0".to_owned(), answers)]);
        }
        Mutant::NoRestoreGuard => {
            schedule.restores = true;
            schedule.troubles = vec![Trouble::Dies {
                poll: 60 + dice.below(200),
                pause: 1_000,
            }];
        }
        _ => {}
    }
    schedule
}

/// The first seed at which the harness notices that a rule is missing. With the rule, the same schedule is fine.
async fn noticed_at(rule: Mutant, first: u64, seeds: u64) -> Option<(u64, Figures)> {
    let mut world = World::steady().await;
    if rule == Mutant::NoLaneNoUniqueId {
        let conn = rusqlite::Connection::open(world.file()).unwrap();
        conn.execute_batch("DROP INDEX targets_by_remote_id")
            .unwrap();
    }
    for seed in std::iter::once(first).chain(0..seeds) {
        let (figures, _) = world.run(hard_for(rule, seed)).await;
        if figures.duplicates + figures.lost == 0 {
            continue;
        }
        let mut with_it = hard_for(rule, seed);
        with_it.weather.mutant = Mutant::None;
        let (fine, _) = World::steady().await.run(with_it).await;
        assert!(fine.is_clean(), "{rule:?}, seed {seed}: {fine:#?}");
        return Some((seed, figures));
    }
    None
}

#[test]
fn a_rule_that_is_switched_off_is_missed() {
    let mut unnoticed = Vec::new();
    for (mutant, first) in SHOWN {
        let seeds = seeds_asked_for().unwrap_or(SEEDS);
        match run(noticed_at(mutant, first, seeds)) {
            Some((seed, figures)) => println!(
                "{mutant:?}: seed {seed} ({} twice, {} untrue)",
                figures.duplicates, figures.lost
            ),
            None => unnoticed.push(mutant),
        }
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}
