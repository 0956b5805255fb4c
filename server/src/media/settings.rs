//! Where files are kept and how much of them.

use std::path::PathBuf;
use std::time::Duration;

use multi_upload_wire::{ErrorCode, ErrorInfo};

/// Largest image, in bytes.
pub const MAX_IMAGE_BYTES: u64 = 20 * 1024 * 1024;
/// Largest file, in bytes.
pub const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Where the files' content is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Blobs {
    /// `media` in the data folder.
    #[default]
    Data,
    /// A folder. One engine at a time.
    Folder(PathBuf),
    /// A bucket of S3 or of a server that speaks its protocol; engines may share it. Endpoint, region and credentials are the usual
    /// `AWS_…` variables; plain HTTP needs `AWS_ALLOW_HTTP=true`.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Before the name of every object, without slashes at its ends; may be empty.
        prefix: String,
    },
}

impl Blobs {
    /// Reads `file:DIR` or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// `CONFIG_INVALID` for anything else.
    pub fn parse(text: &str) -> Result<Self, ErrorInfo> {
        let wrong = || {
            ErrorInfo::new(
                ErrorCode::ConfigInvalid,
                format!("the place of files {text:?} is neither file:DIR nor s3://bucket/prefix"),
            )
            .with_remedy("Correct --blobs or MULTI_UPLOAD_BLOBS, for example `file:/srv/media` or `s3://my-bucket/media`.")
        };
        if let Some(folder) = text.strip_prefix("file:") {
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            return if folder.is_empty() {
                Err(wrong())
            } else {
                Ok(Self::Folder(folder.into()))
            };
        }
        let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) || prefix.contains(['?', '#'])
        {
            return Err(wrong());
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

/// Settings of the library of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSettings {
    /// Where the content is.
    pub blobs: Blobs,
    /// How long a complete file is kept that no upload uses, and after the last upload that used it has ended. Default 7 days.
    pub keep: Duration,
    /// Bytes that a team may have, in each mode; `None` is as much as there is room for.
    pub allowance: Option<u64>,
    /// Bytes that stay free on the disk of the files: nothing is accepted that would not leave them. Default 512 MiB. Without meaning for S3.
    pub min_free: u64,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            blobs: Blobs::Data,
            keep: Duration::from_secs(7 * 24 * 3_600),
            allowance: None,
            min_free: 512 * 1024 * 1024,
        }
    }
}

/// Reads a size such as `500MB`, `2GiB` or `1048576`.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is the failure")]

    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        let s3 = |bucket: &str, prefix: &str| Blobs::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        for (text, place) in [
            ("file:/srv/media", Blobs::Folder("/srv/media".into())),
            ("file:///srv/media", Blobs::Folder("/srv/media".into())),
            ("file:media", Blobs::Folder("media".into())),
            ("s3://pins", s3("pins", "")),
            ("s3://pins/a/b/", s3("pins", "a/b")),
        ] {
            assert_eq!(Blobs::parse(text).unwrap(), place, "{text}");
        }
        for text in [
            "",
            "file:",
            "s3://",
            "s3:///x",
            "gs://pins",
            "/srv/media",
            "s3://key:secret@host/x",
        ] {
            assert!(
                Blobs::parse(text).unwrap_err().is(ErrorCode::ConfigInvalid),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("20 GB", 20_000_000_000),
            ("2GiB", 2 << 30),
            ("5m", 5_000_000),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "-1", "1.5GB", "3 apples", "99999999999TB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
        assert_eq!(size(1_023), "1023 bytes");
        assert_eq!(size(3 << 29), "1.5 GiB");
    }
}
