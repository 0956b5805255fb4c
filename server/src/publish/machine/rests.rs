//! Why a target that is due waits while its account rests.

use multi_upload_wire::{ErrorCode, ErrorInfo};

use super::{Mover, time};
use crate::store::{Rest, TargetChange};

/// What a rest is for, as a reader of a target sees it.
pub(crate) fn reason(rest: &Rest) -> ErrorInfo {
    let until = time(rest.until);
    let code = rest.why.as_deref().and_then(ErrorCode::from_name);
    let detail = match code {
        Some(ErrorCode::PlatformSpamBlock) => format!(
            "the network takes the account's posts for spam; nothing is sent to it before {until}"
        ),
        Some(_) => format!(
            "the network's limit for the account is used up; nothing is sent to it before {until}"
        ),
        None => format!(
            "as many as the network takes from the account were sent; the next goes out at {until}"
        ),
    };
    ErrorInfo::new(code.unwrap_or(ErrorCode::PlatformRateLimited), detail)
}

impl Mover<'_> {
    /// Its time passed while it waited for its turn.
    pub(super) fn missed_at_rest(&self, rest: Option<&Rest>) -> TargetChange {
        let mut target = self.target.clone();
        target.error = target.error.or_else(|| rest.map(reason));
        let mover = Mover {
            target: &target,
            ..*self
        };
        mover.missed()
    }
}
