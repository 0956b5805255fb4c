//! What has to be equal after every step.

use multi_upload_server::store::{Millis, Owner, Phase, UploadFilter};

use crate::model::{is_under_way, waits};
use crate::obligations;
use crate::play::{Game, Outcome, SPAN, account, failed, owners, times};

impl Game<'_> {
    /// Everything that can be read.
    pub(crate) async fn compare(&mut self) -> Outcome {
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

    /// What waits beyond its late rule is found at the right time, and who is in doubt is known.
    async fn late(&self) -> Outcome {
        let waiting = || self.model.targets().filter(|target| waits(target.phase));
        let late = self
            .store
            .late(self.now, None, 1_000)
            .await
            .map_err(failed)?;
        let expected = self.first(1_000, |target| {
            let is_late = waits(target.phase) && target.send_until < self.now;
            is_late.then_some(target.send_until)
        });
        same!(times(&late, |row| row.send_until), expected, "late targets");
        let next = self.store.next_late(None).await.map_err(failed)?;
        let expected = waiting().map(|target| target.send_until + 1).min();
        same!(next, expected, "the next late one");

        // One after the other: these are many.
        let all: Vec<_> = self.model.targets().collect();
        let Some(index) = self.compared.checked_rem(all.len()) else {
            return Ok(());
        };
        let row = all[index];
        let doubt = self
            .store
            .is_in_doubt(&row.owner, &row.account_id, &row.fingerprint)
            .await;
        let expected = all.iter().any(|other| {
            let is_open = is_under_way(other.phase) || other.phase == Phase::NeedsReview;
            let alike = other.fingerprint == row.fingerprint && other.account_id == row.account_id;
            is_open && alike && other.owner.mode == row.owner.mode
        });
        same!(doubt.map_err(failed)?, expected, "a doubt about {}", row.id);
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

        self.late().await?;

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
