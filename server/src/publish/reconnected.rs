//! What waited for a person to connect its account again goes on when that is done.

use multi_upload_wire::UploadStatus;

use super::machine::{Happened, Rules, step};
use crate::store::{Millis, Owner, Store, StoreResult, UploadFilter};

/// Nothing that waits for its account is in doubt.
const NO_DOUBT: Rules = Rules {
    quiet_ms: 0,
    restored_at: None,
};

/// Uploads read at once.
const PAGE: u32 = 500;

/// Makes the account's targets that waited for it due now. A target that another holder moved meanwhile stays as it is.
pub(crate) async fn account_connected(
    store: &dyn Store,
    owner: &Owner,
    account: &str,
    now: Millis,
) -> StoreResult<()> {
    let filter = UploadFilter {
        status: vec![UploadStatus::Publishing],
        account: Some(account.to_owned()),
        ..UploadFilter::default()
    };
    let mut before: Option<String> = None;
    loop {
        let uploads = store
            .uploads(owner, &filter, before.as_deref(), PAGE)
            .await?;
        let changes: Vec<_> = uploads
            .iter()
            .flat_map(|upload| &upload.targets)
            .filter(|target| target.account_id == account)
            .filter_map(|target| step(target, Happened::Reconnected, now, 0.0, NO_DOUBT))
            .collect();
        if !changes.is_empty() {
            store.change_targets(changes).await?;
        }
        match uploads.last() {
            Some(last) if uploads.len() == PAGE as usize => before = Some(last.id.clone()),
            _ => return Ok(()),
        }
    }
}
