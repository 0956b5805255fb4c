//! Plays a sequence on a store and on the model, and compares after each step.

use std::collections::BTreeMap;
use std::sync::Arc;

use multi_upload_server::store::{Millis, Owner, Store, StoreError, TargetRow, WriteLimit};
use multi_upload_wire::{ErrorCode, Mode};

use crate::model::{Model, is_under_way};
use crate::moves;
use crate::place::{Database, Place};
use crate::rows;
use crate::steps::{Sequence, Step};

/// The span of a write limit.
pub(crate) const SPAN: Millis = 1_000;

pub(crate) type Outcome<T = ()> = Result<T, String>;

pub(crate) fn failed(error: StoreError) -> String {
    format!("the store failed: {error}")
}

/// Two teams that share their accounts, and one of them in test mode.
pub(crate) fn owners() -> [Owner; 3] {
    [
        rows::owner("team_a", Mode::Live),
        rows::owner("team_b", Mode::Live),
        rows::owner("team_a", Mode::Test),
    ]
}

pub(crate) fn account(number: u8) -> String {
    format!("pinterest:{number}")
}

/// Contents that a look cannot tell apart are on one board.
pub(crate) fn like(board: u8, number: u8) -> String {
    format!("board {board}, content {number}")
}

pub(crate) struct Game<'a> {
    pub(crate) database: &'a Database,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) model: Model,
    pub(crate) limits: Arc<BTreeMap<String, WriteLimit>>,
    pub(crate) now: Millis,
    pub(crate) made: u32,
    pub(crate) compared: usize,
    pub(crate) did: &'a mut BTreeMap<&'static str, u64>,
}

/// The whole sequence; an error says which step showed what.
pub(crate) async fn play(
    place: &Place,
    sequence: &Sequence,
    did: &mut BTreeMap<&'static str, u64>,
) -> Outcome {
    let database = place.fresh().await;
    let limits = sequence.write_limit.map(|count| {
        let limit = WriteLimit {
            count,
            per_ms: SPAN,
        };
        ("pinterest".to_owned(), limit)
    });
    let mut game = Game {
        store: database.open().await,
        database: &database,
        model: Model::default(),
        limits: Arc::new(limits.into_iter().collect()),
        now: 1_000_000,
        made: 0,
        compared: 0,
        did,
    };
    let mut result = Ok(());
    for (number, step) in sequence.steps.iter().enumerate() {
        game.model.touched.clear();
        if matches!(step, Step::Rest) {
            continue;
        }
        result = match game.step(step).await {
            Ok(()) => game.compare().await,
            error => error,
        };
        if let Err(problem) = &result {
            result = Err(format!("step {number}: {problem}"));
            break;
        }
    }
    game.store.close().await.map_err(failed)?;
    result
}

impl Game<'_> {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.did.entry(what).or_default() += 1;
    }

    pub(crate) fn pick(&self, number: u8) -> Option<TargetRow> {
        let all: Vec<_> = self.model.targets().collect();
        let index = usize::from(number).checked_rem(all.len())?;
        Some(all[index].clone())
    }

    /// Mostly one that is under way; else any.
    fn at_work(&self, number: u8, choice: u8) -> Option<TargetRow> {
        if choice >= 230 {
            return self.pick(number);
        }
        let targets = self.model.targets();
        let all: Vec<_> = targets.filter(|row| is_under_way(row.phase)).collect();
        let index = usize::from(number).checked_rem(all.len())?;
        Some(all[index].clone())
    }

    async fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Rest => return Ok(()),
            Step::Advance(by) => self.now += by,
            Step::Create {
                owner,
                targets,
                due_in,
                draft,
                key,
            } => {
                let owner = &owners()[usize::from(*owner)];
                return self.create(owner, targets, *due_in, *draft, *key).await;
            }
            Step::Claim(limit) => return self.claim(*limit).await,
            Step::Looks(limit) => return self.looks(*limit).await,
            Step::Sentinels(limit) => return self.sentinels(*limit).await,
            Step::Extend { targets, old, by } => return self.extend(targets, *old, *by).await,
            Step::Natural {
                target,
                choice,
                remote,
                wait,
            } => {
                if let Some(row) = self.at_work(*target, *choice) {
                    let choice = (*choice, *remote);
                    let change = moves::natural(&self.model, &row, choice, self.now, *wait);
                    return self.change(vec![change]).await;
                }
            }
            Step::Any {
                target,
                to,
                remote,
                attempt,
                knows,
                wait,
            } => {
                if let Some(row) = self.pick(*target) {
                    let how = (*remote, *attempt, *knows);
                    let change = moves::any(&row, *to, how, self.now, *wait);
                    return self.change(vec![change]).await;
                }
            }
            Step::Cancel { upload, old } => return self.cancel(*upload, *old).await,
            Step::Edit {
                upload,
                old,
                board,
                like,
                due_in,
                to,
            } => {
                return self
                    .edit(*upload, *old, (*board, *like), *due_in, *to)
                    .await;
            }
            Step::Hold {
                owner,
                account: number,
                wait,
            } => {
                let owner = &owners()[usize::from(*owner)];
                let (id, until) = (account(*number), self.now + wait);
                let why = ErrorCode::PlatformRateLimited;
                let held = self.store.hold_account(owner, &id, until, why).await;
                held.map_err(failed)?;
                self.model.hold(owner, &id, until);
            }
            Step::Forget { age } => {
                let before = self.now - age;
                let forgotten = self.store.forget(before).await.map_err(failed)?;
                same!(forgotten, self.model.forget(before), "keys forgotten");
            }
            Step::Reopen => {
                self.store.close().await.map_err(failed)?;
                self.store = self.database.open().await;
            }
        }
        Ok(())
    }
}

pub(crate) fn times(rows: &[TargetRow], time: impl Fn(&TargetRow) -> Millis) -> Vec<Millis> {
    let mut times: Vec<_> = rows.iter().map(time).collect();
    times.sort_unstable();
    times
}
