//! From the setting to a place for files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multi_upload_wire::{ErrorCode, ErrorInfo};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, RetryConfig};

use super::inbox::Inbox;
use super::inbox_disk::DiskInbox;
use super::inbox_parts::PartsInbox;
use super::settings::Blobs;
use super::shelf::Shelf;

/// Opens the place; proves that it can be used.
pub(super) async fn open(blobs: &Blobs, data: &Path) -> Result<(Shelf, Arc<dyn Inbox>), ErrorInfo> {
    match blobs {
        // The data folder has a lock of its own.
        Blobs::Data => folder(&data.join("media"), false),
        Blobs::Folder(path) => folder(path, true),
        Blobs::S3 { bucket, prefix } => {
            let store = Arc::new(s3(bucket)?);
            let shelf = Shelf::new(Arc::clone(&store) as Arc<dyn ObjectStore>, prefix);
            shelf.size("nothing").await.map_err(|error| {
                wrong(&format!("the bucket {bucket:?} cannot be read: {error}")).with_remedy(
                    "Check the bucket of MULTI_UPLOAD_BLOBS, and AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL.",
                )
            })?;
            let inbox = PartsInbox::new(store, shelf.clone(), prefix);
            Ok((shelf, Arc::new(inbox)))
        }
    }
}

fn folder(path: &Path, lock: bool) -> Result<(Shelf, Arc<dyn Inbox>), ErrorInfo> {
    let failed = |error: &dyn std::fmt::Display| {
        wrong(&format!("the folder of files {} cannot be used: {error}", path.display()))
            .with_remedy("Choose a folder that this user may write to, and that no other engine has, with --blobs or MULTI_UPLOAD_BLOBS.")
    };
    let inbox = DiskInbox::open(path, lock).map_err(|error| failed(&error))?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(&error))?;
    Ok((Shelf::new(Arc::new(store), ""), Arc::new(inbox)))
}

fn s3(bucket: &str) -> Result<AmazonS3, ErrorInfo> {
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let plain = endpoint.is_some_and(|url| url.to_ascii_lowercase().starts_with("http://"));
    let allowed = std::env::var("AWS_ALLOW_HTTP")
        .is_ok_and(|word| word.eq_ignore_ascii_case("true") || word == "1");
    if plain && !allowed {
        return Err(
            wrong("the endpoint of the bucket is plain HTTP: files and signatures would be sent in the open")
                .with_remedy("Use an https:// endpoint, or set AWS_ALLOW_HTTP=true for a server in your own network."),
        );
    }
    // The client of the store takes the process's provider; there is only ours. It may be there already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_allow_http(plain)
        .with_retry(RetryConfig {
            max_retries: 4,
            retry_timeout: Duration::from_secs(30),
            ..RetryConfig::default()
        })
        .build()
        .map_err(|error| wrong(&format!("the bucket {bucket:?} cannot be used: {error}")))
}

fn wrong(detail: &str) -> ErrorInfo {
    ErrorInfo::new(ErrorCode::ConfigInvalid, detail)
}
