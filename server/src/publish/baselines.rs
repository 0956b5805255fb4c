//! Which posts exist before something is sent: one look for a board serves ten minutes, extended by
//! what we publish ourselves. And how many looks the network's limits leave.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use multi_upload_platforms::{FailureClass, PlatformError, Rate};
use multi_upload_wire::{ErrorCode, ErrorInfo};

use super::looks::Ids;
use crate::store::{Millis, TargetRow};

/// How long a baseline is used.
const KEEP_MS: Millis = 10 * 60_000;

/// The baselines of this process, and the looks it has spent.
#[derive(Default)]
pub(crate) struct Baselines {
    places: Mutex<HashMap<Place, Known>>,
    spent: Mutex<HashMap<String, VecDeque<Millis>>>,
}

/// Where a target's post would be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    mode: &'static str,
    account: String,
    board: String,
    section: String,
}

struct Known {
    ids: Ids,
    taken_at: Millis,
}

impl Place {
    fn of(target: &TargetRow) -> Self {
        Self {
            mode: target.owner.mode.as_str(),
            account: target.account_id.clone(),
            board: target.content.board_id.clone().unwrap_or_default(),
            section: target.content.board_section_id.clone().unwrap_or_default(),
        }
    }
}

impl Baselines {
    /// The posts that exist where the target goes, if they are known and fresh.
    pub(crate) fn get(&self, target: &TargetRow, now: Millis) -> Option<Ids> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, known| now - known.taken_at < KEEP_MS);
        places
            .get(&Place::of(target))
            .map(|known| known.ids.clone())
    }

    /// A complete look showed these.
    pub(crate) fn put(&self, target: &TargetRow, ids: Ids, now: Millis) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(Place::of(target), Known { ids, taken_at: now });
    }

    /// We made a post there.
    pub(crate) fn add(&self, target: &TargetRow, remote_id: &str) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get_mut(&Place::of(target)) {
            known.ids.add(remote_id);
        }
    }

    /// Counts what a look took beyond the one request that [`Self::may_look`] has counted.
    pub(crate) fn spend(&self, target: &TargetRow, requests: u32, now: Millis) {
        let more = requests.saturating_sub(1) as usize;
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = spent.entry(target.account_id.clone()).or_default();
        looks.extend(std::iter::repeat_n(now, more));
    }

    /// Whether the account's share of the read limit allows a look now; counts one request if so.
    pub(crate) fn may_look(&self, target: &TargetRow, rate: Rate, now: Millis) -> bool {
        let span = Millis::try_from(rate.per.as_millis()).unwrap_or(Millis::MAX);
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = spent.entry(target.account_id.clone()).or_default();
        while looks.front().is_some_and(|at| *at <= now - span) {
            looks.pop_front();
        }
        let allowed = looks.len() < rate.count as usize;
        if allowed {
            looks.push_back(now);
        }
        allowed
    }
}

/// The looks of an account are spent. Ours is the share, not the network's limit: what is due is sent
/// meanwhile, so this must not read as a limit that holds the account.
pub(crate) fn looks_spent() -> PlatformError {
    PlatformError::new(
        FailureClass::Unavailable,
        ErrorInfo::new(
            ErrorCode::PlatformRateLimited,
            "the share of the read limit for looks is used up",
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::machine::tests::target;
    use super::super::machine::{Happened, Seen, hold};
    use super::*;
    use crate::store::Phase;

    #[test]
    fn a_look_counts_for_as_many_requests_as_it_took() {
        let (baselines, target) = (Baselines::default(), target(Phase::Armed));
        let rate = Rate {
            count: 5,
            per: Duration::from_secs(60),
        };
        assert!(baselines.may_look(&target, rate, 0));
        baselines.spend(&target, 4, 0);
        assert!(baselines.may_look(&target, rate, 1), "the fifth request");
        baselines.spend(&target, 1, 1);
        assert!(!baselines.may_look(&target, rate, 2));
        assert!(baselines.may_look(&target, rate, 60_000), "they are over");
    }

    #[test]
    fn spent_looks_do_not_hold_the_account() {
        assert_eq!(hold(&Happened::Looked(Seen::Failed(looks_spent()))), None);
    }
}
