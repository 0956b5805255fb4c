//! How long accounts rest: a spam block of hours is not cut short by a limit that another request meets
//! a moment later.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::store::{Millis, TargetRow};

/// The rests that this process has heard of.
#[derive(Default)]
pub(crate) struct Holds(Mutex<HashMap<(&'static str, String), Millis>>);

impl Holds {
    /// Until when the target's account rests, given one more reason to rest until `until`.
    pub(crate) fn extend(&self, target: &TargetRow, until: Millis, now: Millis) -> Millis {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        holds.retain(|_, end| *end > now);
        let account = (target.owner.mode.as_str(), target.account_id.clone());
        let end = holds.entry(account).or_insert(until);
        *end = until.max(*end);
        *end
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::target;
    use super::*;
    use crate::store::Phase;

    #[test]
    fn a_rest_is_extended_and_never_cut_short() {
        let holds = Holds::default();
        let mine = target(Phase::Armed);
        let other = TargetRow {
            account_id: "pinterest:2".to_owned(),
            ..mine.clone()
        };
        assert_eq!(holds.extend(&mine, 1_000, 0), 1_000);
        assert_eq!(holds.extend(&mine, 9_000, 10), 9_000);
        assert_eq!(holds.extend(&mine, 2_000, 20), 9_000);
        assert_eq!(holds.extend(&other, 2_000, 20), 2_000);
        assert_eq!(
            holds.extend(&mine, 9_500, 9_000),
            9_500,
            "the first is over"
        );
        assert_eq!(holds.extend(&mine, 12_000, 10_000), 12_000);
    }
}
