//! Uploads over HTTP.

pub(super) mod actions;
mod boards;
mod build;
pub(super) mod changes;
pub(super) mod create;
pub(super) mod edit;
mod input;
mod layers;
mod media;
mod plan;
pub(super) mod read;
pub(super) mod repeat;
mod timing;

use crate::view;

pub(super) use repeat::{IDEMPOTENCY_REPLAYED, key_of};

use super::auth::Caller;
use super::problem::Problem;
use crate::state::App;
use crate::store::UploadRow;

/// An upload that the caller may see: all its accounts are the caller's to use.
pub(super) fn is_visible(caller: &Caller, row: &UploadRow) -> bool {
    row.targets
        .iter()
        .all(|target| caller.may_use(&target.account_id))
}

/// An upload the caller may see, or `NOT_FOUND`.
async fn visible(app: &App, caller: &Caller, id: &str) -> Result<UploadRow, Problem> {
    app.store
        .upload(&caller.owner, id)
        .await?
        .filter(|row| is_visible(caller, row))
        .ok_or_else(|| {
            let shown: String = id.chars().take(100).collect();
            Problem::not_found("upload", &shown)
        })
}
