//! An owner's files, as a platform reads them.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use multi_upload_platforms::MediaSource;

use super::Library;
use crate::store::Owner;

/// One owner's files.
pub(crate) struct OwnFiles {
    pub(super) library: Library,
    pub(super) owner: Owner,
}

#[async_trait]
impl MediaSource for OwnFiles {
    async fn read(&self, media_id: &str) -> io::Result<Bytes> {
        self.library
            .read(&self.owner, media_id)
            .await
            .map_err(|info| io::Error::other(info.detail))
    }
}
