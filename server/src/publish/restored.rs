//! What is under way in a database that was restored or copied is made to be looked for.

use multi_upload_wire::UploadStatus;

use super::machine::{Happened, Rules, step};
use crate::store::{Millis, Owner, Store, StoreResult, UploadFilter};

/// Uploads read at once.
const PAGE: u32 = 500;

/// Doubts whatever waits for another try or is looked for. What is only due needs no move: it is doubted when it is taken.
/// May be repeated.
pub(crate) async fn doubt_everything(
    store: &dyn Store,
    owner: &Owner,
    now: Millis,
    quiet_ms: Millis,
) -> StoreResult<()> {
    let rules = Rules {
        quiet_ms,
        restored_at: Some(now),
    };
    let filter = UploadFilter {
        status: vec![UploadStatus::Publishing],
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
            .filter_map(|target| step(target, Happened::Restored, now, 0.0, rules))
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
