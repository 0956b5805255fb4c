//! Ids: a prefix and a UUIDv7, so that they sort by time of birth.

use uuid::Uuid;

/// `up_0198…`
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}
