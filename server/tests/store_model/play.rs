//! Plays a sequence on a store and on the model, and compares after each step.

use std::collections::BTreeMap;
use std::sync::Arc;

use multi_upload_server::store::{
    CreateOutcome, Held, Idempotency, Millis, Owner, Phase, Store, StoreError, TargetChange,
    TargetRow, UploadEdit, UploadFilter, WriteLimit,
};
use multi_upload_wire::Mode;

use crate::model::{Changed, Created, Model, is_under_way, waits};
use crate::moves::{self, LEASE};
use crate::obligations;
use crate::place::{Database, Place};
use crate::rows::{self, Extra as _};
use crate::steps::{Sequence, Step};

/// The span of a write limit.
const SPAN: Millis = 1_000;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

macro_rules! same {
    ($store:expr, $model:expr, $($what:tt)+) => {{
        let (store, model) = (&$store, &$model);
        if store != model {
            return Err(format!("{}: the store says {store:#?}, the model {model:#?}", format!($($what)+)));
        }
    }};
}

type Outcome<T = ()> = Result<T, String>;

fn failed(error: StoreError) -> String {
    format!("the store failed: {error}")
}

/// Two teams that share their accounts, and one of them in test mode.
fn owners() -> [Owner; 3] {
    [
        rows::owner("team_a", Mode::Live),
        rows::owner("team_b", Mode::Live),
        rows::owner("team_a", Mode::Test),
    ]
}

fn account(number: u8) -> String {
    format!("pinterest:{number}")
}

/// Contents that a look cannot tell apart are on one board.
fn like(board: u8, number: u8) -> String {
    format!("board {board}, content {number}")
}

struct Game<'a> {
    database: &'a Database,
    store: Arc<dyn Store>,
    model: Model,
    limits: Arc<BTreeMap<String, WriteLimit>>,
    now: Millis,
    made: u32,
    compared: usize,
    did: &'a mut BTreeMap<&'static str, u64>,
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
    fn count(&mut self, what: &'static str) {
        *self.did.entry(what).or_default() += 1;
    }

    fn pick(&self, number: u8) -> Option<TargetRow> {
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
                let held = self.store.hold_account(owner, &id, until).await;
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

    async fn create(
        &mut self,
        owner: &Owner,
        targets: &[crate::steps::Wanted],
        due_in: Millis,
        draft: bool,
        key: Option<(u8, u8)>,
    ) -> Outcome {
        self.made += 1;
        let (number, due) = (self.made, self.now + due_in);
        let names: Vec<_> = targets
            .iter()
            .map(|(at, board, _)| (account(*at), format!("b{board}")))
            .collect();
        let lanes: Vec<_> = names
            .iter()
            .map(|(at, board)| (at.as_str(), board.as_str()))
            .collect();
        let mut new = rows::upload(number, due, &lanes)
            .of(owner)
            .made_at(self.now);
        for (row, (_, board, content)) in new.row.targets.iter_mut().zip(targets) {
            row.fingerprint = like(*board, *content);
            if draft {
                row.phase = Phase::Draft;
            }
        }
        new.idempotency = key.map(|(key, body)| Idempotency {
            key: format!("k{key}"),
            body_hash: vec![body; 32],
            answer: format!("{{\"id\":\"{}\"}}", new.row.id),
        });
        let mut outcomes = self
            .store
            .create_uploads(vec![new.clone()])
            .await
            .map_err(failed)?;
        let said = match outcomes.pop() {
            Some(CreateOutcome::Stored(_)) => Created::Stored,
            Some(CreateOutcome::Replayed(answer)) => Created::Replayed(answer),
            Some(CreateOutcome::KeyMismatch) => Created::KeyMismatch,
            None => return Err("no outcome".to_owned()),
        };
        let expected = self.model.create(&new);
        same!(said, expected, "creating {}", new.row.id);
        self.count(match expected {
            Created::Stored => "stored",
            Created::Replayed(_) => "replayed",
            Created::KeyMismatch => "key mismatch",
        });
        Ok(())
    }

    async fn claim(&mut self, limit: u32) -> Outcome {
        let until = self.now + LEASE;
        let limits = Arc::clone(&self.limits);
        let taken = self.store.claim(self.now, until, limit, limits).await;
        let taken = taken.map_err(failed)?;
        ensure!(
            taken.len() <= limit as usize,
            "{} taken, {limit} asked for",
            taken.len()
        );
        for row in &taken {
            self.count("claimed");
            let before = self.model.targets().find(|target| target.id == row.id);
            let Some(before) = before.cloned() else {
                return Err(format!("{} does not exist", row.id));
            };
            ensure!(
                self.model.may_go(&before) && self.model.goes_at(&before) <= self.now,
                "{} must not be taken: {before:#?}",
                row.id
            );
            if let Some(allowed) = self.limits.get("pinterest") {
                let used = self.model.used(&before, self.now, SPAN);
                ensure!(
                    used < allowed.count as usize,
                    "{} is over the write limit: {used} used",
                    row.id
                );
            }
            let expected = self.model.claimed(&row.id, self.now, until);
            same!(Some(row.clone()), expected, "claimed");
        }
        if taken.len() < limit as usize && self.limits.is_empty() {
            let left = self.due().map(|target| target.id.clone()).next();
            same!(None::<String>, left, "due, free and not taken");
        }
        Ok(())
    }

    /// What may be taken now.
    fn due(&self) -> impl Iterator<Item = &TargetRow> {
        let model = &self.model;
        let targets = model.targets();
        targets.filter(|target| model.may_go(target) && model.goes_at(target) <= self.now)
    }

    async fn looks(&mut self, limit: u32) -> Outcome {
        let until = self.now + LEASE;
        let taken = self.store.claim_looks(self.now, until, limit).await;
        let taken = taken.map_err(failed)?;
        let due = self.first(limit, |target| {
            Model::is_look(target, self.now).then_some(target.due_at)
        });
        same!(times(&taken, |row| row.due_at), due, "looks");
        for row in &taken {
            self.count("looked");
            same!(Some(row.clone()), self.model.looked(&row.id, until), "look");
        }
        Ok(())
    }

    async fn sentinels(&mut self, limit: u32) -> Outcome {
        let until = self.now + LEASE;
        let taken = self.store.claim_sentinels(self.now, until, limit).await;
        let taken = taken.map_err(failed)?;
        let is_due = |target: &TargetRow| {
            let is_due = Model::is_sentinel(target, self.now);
            target.sentinel_at.filter(|_| is_due)
        };
        let due = self.first(limit, is_due);
        ensure!(
            taken.len() == due.len(),
            "{} sentinels, {due:?}",
            taken.len()
        );
        for row in &taken {
            self.count("watched");
            same!(
                Some(row.clone()),
                self.model.watched(&row.id, until),
                "sentinel"
            );
        }
        Ok(())
    }

    /// The first of the times, as many as asked for.
    fn first(&self, limit: u32, time: impl Fn(&TargetRow) -> Option<Millis>) -> Vec<Millis> {
        let mut all: Vec<_> = self.model.targets().filter_map(time).collect();
        all.sort_unstable();
        all.truncate(limit as usize);
        all
    }

    async fn extend(&mut self, numbers: &[u8], old: bool, by: Millis) -> Outcome {
        // Each once: a holder has one lease on a target.
        let mut held: Vec<Held> = Vec::new();
        for row in numbers.iter().filter_map(|number| self.pick(*number)) {
            if held.iter().all(|one| one.target_id != row.id) {
                held.push(Held {
                    owner: row.owner,
                    upload_id: row.upload_id,
                    target_id: row.id,
                    fence: if old { row.fence + 1 } else { row.fence },
                });
            }
        }
        let until = self.now + by;
        let lost = self.store.extend_leases(held.clone(), until).await;
        same!(
            lost.map_err(failed)?,
            self.model.extend(&held, until),
            "leases lost"
        );
        Ok(())
    }

    async fn change(&mut self, changes: Vec<TargetChange>) -> Outcome {
        if let [change] = &changes[..] {
            let result = self.store.change_target(change.clone()).await;
            let expected = self.model.change(change);
            let said = match result {
                Ok(Some(row)) => Changed::To(Box::new(row)),
                Ok(None) => Changed::Nothing,
                Err(_) => Changed::Error,
            };
            same!(
                said,
                expected,
                "{:?} to {:?}",
                change.expect_phase,
                change.row.phase
            );
            self.count(match expected {
                Changed::To(_) => "moved",
                Changed::Nothing => "not moved",
                Changed::Error => "second attempt refused",
            });
            return self.known(change).await;
        }
        let results = self.store.change_targets(changes.clone()).await;
        let results = results.map_err(failed)?;
        for (change, said) in changes.iter().zip(results) {
            let expected = match self.model.change(change) {
                Changed::To(row) => Some(*row),
                _ => None,
            };
            same!(said, expected, "one of several changes");
        }
        Ok(())
    }

    /// What is kept beside a target: baselines, and whose posts are known.
    async fn known(&self, change: &TargetChange) -> Outcome {
        let row = &change.row;
        for number in 0..=row.attempts + 1 {
            let baseline = self.store.baseline(&row.owner, &row.id, number).await;
            let attempts = self.model.attempts.get(&row.id);
            let expected = attempts.and_then(|attempts| attempts.get(&number)?.baseline.clone());
            same!(baseline.map_err(failed)?, expected, "baseline {number}");
        }
        let ids: Vec<_> = (0..6).map(|remote| format!("70{remote}")).collect();
        let known = self
            .store
            .known_remote_ids(&row.owner, &row.account_id, ids.clone())
            .await;
        let mut known = known.map_err(failed)?;
        known.sort_unstable();
        let is_known = |id: &String| {
            self.model.targets().any(|target| {
                target.owner.mode == row.owner.mode
                    && target.account_id == row.account_id
                    && target.remote_id.as_ref() == Some(id)
            })
        };
        let expected: Vec<_> = ids.into_iter().filter(is_known).collect();
        same!(known, expected, "known posts of {}", row.account_id);
        Ok(())
    }

    async fn cancel(&mut self, upload: u8, old: bool) -> Outcome {
        let index = usize::from(upload).checked_rem(self.model.uploads.len());
        let Some(upload) = index.map(|index| &self.model.uploads[index]) else {
            return Ok(());
        };
        let mut changes: Vec<_> = upload
            .targets
            .iter()
            .map(|row| moves::to(row, Phase::Canceled, self.now, 0))
            .collect();
        if old {
            changes[0].expect_fence += 1;
        }
        self.count("canceled");
        self.change(changes).await
    }

    async fn edit(
        &mut self,
        upload: u8,
        old: bool,
        (board, content): (u8, u8),
        due_in: Millis,
        to: Phase,
    ) -> Outcome {
        let index = usize::from(upload).checked_rem(self.model.uploads.len());
        let Some(mut row) = index.map(|index| self.model.uploads[index].clone()) else {
            return Ok(());
        };
        let due = self.now + due_in;
        row.content.title = Some(format!("Edited at {}", self.now));
        row.scheduled_at = Some(due);
        for target in &mut row.targets {
            target.content.board_id = Some(format!("b{board}"));
            target.fingerprint = like(board, content);
            target.phase = to;
            target.due_at = due;
            target.scheduled_at = due;
            target.send_until = due + rows::DAY;
        }
        let owner = row.owner.clone();
        let edit = UploadEdit {
            expect_version: row.version + u64::from(old),
            row,
            event: rows::event("upload.updated", self.now),
        };
        let edited = self.store.edit_upload(&owner, edit.clone()).await;
        let edited = edited.map_err(failed)?.is_some();
        same!(edited, self.model.edit(&edit), "edit of {}", edit.row.id);
        self.count(if edited { "edited" } else { "not edited" });
        Ok(())
    }

    /// Everything that can be read.
    async fn compare(&mut self) -> Outcome {
        let before = self.model.last_change;
        let mut highest = before;
        for owner in owners() {
            let changes = self.store.changes(&owner, before, 1_000).await;
            let changes = changes.map_err(failed)?;
            for row in &changes {
                ensure!(
                    self.model.touched.contains(&row.id),
                    "{} has not changed",
                    row.id
                );
                highest = highest.max(row.change_seq);
                let mine = self.model.uploads.iter_mut().find(|own| own.id == row.id);
                if let Some(mine) = mine {
                    // New ones begin at 1; how far several changes of one call go is the store's business.
                    let is_new = mine.change_seq == 0;
                    ensure!(
                        row.version > mine.version || is_new && row.version == 1,
                        "{} changed and is still version {}",
                        row.id,
                        row.version
                    );
                    mine.version = row.version;
                    mine.change_seq = row.change_seq;
                }
            }
            let seen: Vec<_> = changes.iter().map(|row| &row.id).collect();
            let touched = &self.model.touched;
            let mut expected: Vec<_> = self
                .model
                .uploads
                .iter()
                .filter(|row| row.owner == owner && touched.contains(&row.id))
                .collect();
            expected.sort_unstable_by_key(|row| row.change_seq);
            let expected: Vec<_> = expected.into_iter().map(|row| &row.id).collect();
            same!(seen, expected, "the change feed");

            let all = UploadFilter::default();
            let stored = self.store.uploads(&owner, &all, None, 1_000).await;
            let mine = self.model.uploads.iter().rev();
            let mine: Vec<_> = mine.filter(|row| row.owner == owner).cloned().collect();
            same!(stored.map_err(failed)?, mine, "uploads");
        }
        // One owner after the other: these are many calls.
        self.compared += 1;
        self.asked(&owners()[self.compared % 3]).await?;
        let last = self.store.last_change().await.map_err(failed)?;
        ensure!(last >= highest, "the last change is {last}, not {highest}");
        self.model.last_change = last;
        for id in &self.model.touched {
            let row = self.model.uploads.iter().find(|row| row.id == *id);
            let Some(row) = row else { continue };
            let events = self.store.events(&row.owner, id).await.map_err(failed)?;
            let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
            same!(Some(&kinds), self.model.events.get(id), "events of {id}");
        }
        self.timer().await?;
        obligations::hold(self.database).await
    }

    async fn asked(&self, owner: &Owner) -> Outcome {
        for key in ["k0", "k1", "k2"] {
            let answered = self.store.answered(owner, key, self.now).await;
            let expected = self.model.answered(owner, key, self.now);
            same!(answered.map_err(failed)?, expected, "answer of {key}");
        }
        let id = account(0);
        let open = self.store.open_targets_after(owner, &id, self.now).await;
        let expected = self.model.targets().filter(|target| {
            target.owner == *owner
                && target.account_id == id
                && waits(target.phase)
                && target.due_at > self.now
        });
        same!(
            open.map_err(failed)?,
            expected.count() as u64,
            "open targets"
        );
        Ok(())
    }

    /// Whose lease has ended is found, and nothing is slept through (P8).
    async fn timer(&self) -> Outcome {
        let model = &self.model;
        let expired = self.store.expired(self.now, 1_000).await.map_err(failed)?;
        let ended = self.first(1_000, |target| {
            let lease = target.lease_until.filter(|_| is_under_way(target.phase));
            lease.filter(|lease| *lease <= self.now)
        });
        let found = times(&expired, |row| row.lease_until.unwrap_or(Millis::MAX));
        same!(found, ended, "leases that ended");

        let span = if self.limits.is_empty() { 0 } else { SPAN };
        let times = model.targets().filter_map(|target| {
            if model.may_go(target) {
                // The write limit may keep it a little longer.
                return Some(model.goes_at(target).max(self.now) + span);
            }
            match target.phase {
                Phase::Reconciling => Some(target.lease_until.unwrap_or(target.due_at)),
                Phase::Published => target.sentinel_at,
                _ => target.lease_until,
            }
        });
        let timer = self.store.next_timer().await.map_err(failed)?;
        match times.min() {
            Some(first) => {
                let first = first.max(self.now);
                ensure!(
                    timer.is_some_and(|timer| timer <= first),
                    "the timer is {timer:?}, and something is to be done at {first} (now {})",
                    self.now
                );
            }
            None => ensure!(
                model.uploads.is_empty() || timer.is_none_or(|timer| timer > 0),
                "the timer is {timer:?}"
            ),
        }
        Ok(())
    }
}

fn times(rows: &[TargetRow], time: impl Fn(&TargetRow) -> Millis) -> Vec<Millis> {
    let mut times: Vec<_> = rows.iter().map(time).collect();
    times.sort_unstable();
    times
}
