//! Files: from this machine to the service, in constant memory.

mod send;
mod source;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::request::{Path, Plan};

pub(crate) use send::{offset_of, upload};
pub(crate) use source::Source;
pub use source::{ByteStream, MediaInput};

/// Operations on files. See [`Client::media`].
#[derive(Debug, Clone)]
pub struct Media(Client);

impl Client {
    /// Operations on files.
    #[must_use]
    pub fn media(&self) -> Media {
        Media(self.clone())
    }
}

impl Media {
    /// Uploads a file of at most 2 GiB and gives what the service found in it. Progress is in bytes.
    ///
    /// The file is sent in pieces; a piece that fails goes on where the service stands, as often as any request is sent again. The call has
    /// no limit in time unless one is given: it fails when nothing moves for the time of an attempt. With an idempotency key
    /// another call, in another process too, goes on with what was begun. A call that is cancelled leaves nothing behind.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` if the file cannot be read, is empty or changes meanwhile, `MEDIA_TOO_LARGE`, `IDEMPOTENCY_BODY_MISMATCH` if the key
    /// belongs to another file, those of the service.
    pub async fn upload(
        &self,
        input: MediaInput,
        options: &CallOptions,
    ) -> Result<multi_upload_wire::Media, Error> {
        upload(&self.0, input, options).await
    }

    /// One uploaded file.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn get(
        &self,
        id: &str,
        options: &CallOptions,
    ) -> Result<multi_upload_wire::Media, Error> {
        self.0.fetch(get(id)?, options).await
    }
}

pub(crate) fn get(id: &str) -> Result<Plan, Error> {
    Ok(Plan::get(Path::new("/v1/media").id("id", id)?))
}

/// Decodes the bytes of the JSON door.
pub(crate) fn from_base64(text: &str) -> Result<MediaInput, Error> {
    STANDARD
        .decode(text)
        .map(|bytes| MediaInput::Bytes(bytes.into()))
        .map_err(|error| {
            Error::invalid(
                "/bytes_base64",
                "invalid",
                format!("`bytes_base64` is not valid base64: {error}"),
            )
        })
}
