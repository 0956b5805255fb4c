//! Each call on the store and on the model, and what it gives.

use std::sync::Arc;

use multi_upload_server::store::{
    CreateOutcome, Held, Idempotency, Millis, Owner, Phase, TargetChange, TargetRow, UploadEdit,
    When,
};

use crate::model::{Changed, Created, Model};
use crate::moves::{self, LEASE};
use crate::play::{Game, Outcome, SPAN, account, failed, like, times};
use crate::rows::{self, Extra as _};
use crate::steps::Wanted;

impl Game<'_> {
    pub(crate) async fn create(
        &mut self,
        owner: &Owner,
        targets: &[Wanted],
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
            Some(CreateOutcome::NoFreeSlot(account)) => {
                return Err(format!("no slot was asked for: {account}"));
            }
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

    pub(crate) async fn claim(&mut self, limit: u32) -> Outcome {
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

    pub(crate) async fn looks(&mut self, limit: u32) -> Outcome {
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

    pub(crate) async fn sentinels(&mut self, limit: u32) -> Outcome {
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
    pub(crate) fn first(
        &self,
        limit: u32,
        time: impl Fn(&TargetRow) -> Option<Millis>,
    ) -> Vec<Millis> {
        let mut all: Vec<_> = self.model.targets().filter_map(time).collect();
        all.sort_unstable();
        all.truncate(limit as usize);
        all
    }

    pub(crate) async fn extend(&mut self, numbers: &[u8], old: bool, by: Millis) -> Outcome {
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

    pub(crate) async fn change(&mut self, changes: Vec<TargetChange>) -> Outcome {
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

    pub(crate) async fn cancel(&mut self, upload: u8, old: bool) -> Outcome {
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

    pub(crate) async fn edit(
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
            when: When::Kept,
            event: rows::event("upload.updated", self.now),
        };
        let edited = self.store.edit_upload(&owner, edit.clone()).await;
        let edited = edited.map_err(failed)?.edited().is_some();
        same!(edited, self.model.edit(&edit), "edit of {}", edit.row.id);
        self.count(if edited { "edited" } else { "not edited" });
        Ok(())
    }
}
