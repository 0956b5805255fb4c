//! Files: from this machine to the service.

use std::path::{Path as FilePath, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, header};
use multi_upload_wire::{ErrorCode, ErrorInfo};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::Error;
use crate::options::{CallOptions, Limit};
use crate::request::{Path, Plan};

/// The largest file that is uploaded: the largest image that a network takes.
const MAX_BYTES: u64 = 20 * 1024 * 1024;

/// Operations on files. See [`Client::media`].
#[derive(Debug, Clone)]
pub struct Media(Client);

/// A file to upload, at most 20 MiB.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MediaInput {
    /// Read from this path.
    Path(PathBuf),
    /// In memory.
    Bytes(Bytes),
}

impl Client {
    /// Operations on files.
    #[must_use]
    pub fn media(&self) -> Media {
        Media(self.clone())
    }
}

impl Media {
    /// Uploads a file and gives what the service found in it. Progress is in bytes.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` if the file cannot be read or is empty, `MEDIA_TOO_LARGE`, those of the service.
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

/// One request carries the whole file (tus 1.0, creation with upload); a second reads what became of it.
pub(crate) async fn upload<T: DeserializeOwned + Send>(
    client: &Client,
    input: MediaInput,
    options: &CallOptions,
) -> Result<T, Error> {
    let limit = Limit::after(options.timeout.unwrap_or(client.options().timeout));
    let bytes = match input {
        MediaInput::Bytes(bytes) => checked(bytes, "/bytes_base64")?,
        MediaInput::Path(path) => read(&path).await?,
    };
    let total = bytes.len();
    options.progress(0, total);
    let plan = Plan::post(Path::new("/v1/media"))
        .header("tus-resumable", HeaderValue::from_static("1.0.0"))
        .header("upload-length", HeaderValue::from(total))
        .bytes(
            bytes,
            HeaderValue::from_static("application/offset+octet-stream"),
        );
    let policy = client.policy(options);
    let response = client
        .execute_part(&plan, options, limit, &policy, &mut |_| Ok(()))
        .await?;
    let text = |name: &str| response.headers.get(name)?.to_str().ok();
    if let Some(offset) = text("upload-offset")
        && offset.parse() != Ok(total)
    {
        return Err(Error::new(
            ErrorCode::ProtocolError,
            format!("the service took {offset} of {total} bytes"),
        ));
    }
    let id = text(header::LOCATION.as_str())
        .and_then(id_of)
        .ok_or_else(|| {
            Error::new(
                ErrorCode::ProtocolError,
                "the answer to the upload does not say where the file is",
            )
        })?;
    options.progress(total, total);
    client.fetch_part(&get(id)?, options, limit).await
}

/// The id at the end of an address.
fn id_of(location: &str) -> Option<&str> {
    location
        .split(['?', '#'])
        .next()?
        .rsplit('/')
        .next()
        .filter(|id| !id.is_empty())
}

async fn read(path: &FilePath) -> Result<Bytes, Error> {
    let unreadable = |error: std::io::Error| {
        Error::invalid(
            "/path",
            "unreadable",
            format!("the file {} cannot be read: {error}", path.display()),
        )
        .with_source(error)
    };
    // The size is looked at first, so that a mistaken path to a film is not read into memory.
    let facts = tokio::fs::metadata(path).await.map_err(unreadable)?;
    if !facts.is_file() {
        return Err(Error::invalid(
            "/path",
            "unreadable",
            format!("{} is not a file", path.display()),
        ));
    }
    check_length(facts.len(), "/path")?;
    let bytes = tokio::fs::read(path).await.map_err(unreadable)?;
    checked(bytes.into(), "/path")
}

fn checked(bytes: Bytes, pointer: &str) -> Result<Bytes, Error> {
    check_length(bytes.len() as u64, pointer)?;
    Ok(bytes)
}

fn check_length(length: u64, pointer: &str) -> Result<(), Error> {
    if length == 0 {
        return Err(Error::invalid(pointer, "invalid", "the file is empty"));
    }
    if length > MAX_BYTES {
        let mut info = ErrorInfo::new(
            ErrorCode::MediaTooLarge,
            format!("the file has {length} bytes; at most {MAX_BYTES} (20 MiB) are uploaded"),
        );
        info.status = 0;
        return Err(info.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_in_any_form_of_address() {
        for location in ["/v1/media/md_1", "http://h:1/p/v1/media/md_1?x=/y", "md_1"] {
            assert_eq!(id_of(location), Some("md_1"));
        }
        assert_eq!(id_of("/v1/media/"), None);
    }

    #[tokio::test]
    async fn files_that_cannot_be_sent_are_refused_before_anything_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let empty = folder.path().join("empty.png");
        std::fs::write(&empty, b"").expect("written");
        let large = folder.path().join("large.png");
        std::fs::File::create(&large)
            .and_then(|file| file.set_len(MAX_BYTES + 1))
            .expect("made");
        for (path, code) in [
            (empty, "VALIDATION_FAILED"),
            (large, "MEDIA_TOO_LARGE"),
            (folder.path().join("missing.png"), "VALIDATION_FAILED"),
            (folder.path().to_owned(), "VALIDATION_FAILED"),
        ] {
            let error = read(&path).await.expect_err("it cannot be sent");
            assert_eq!(error.code(), code, "{}", path.display());
        }
    }
}
