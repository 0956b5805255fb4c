//! Uploads: create, read, change, settle.

use multi_upload_wire::{
    BatchItem, BatchResponse, CreateUpload, Event, Page, ResolveRequest, UpdateUpload, Upload,
    UploadStatus, Validation,
};
use serde::Serialize;

use crate::batch;
use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::page::Items;
use crate::request::{Path, Plan};

/// Operations on uploads. See [`Client::uploads`].
#[derive(Debug, Clone)]
pub struct Uploads(Client);

/// Which uploads a list gives; absent fields do not limit it.
#[derive(Debug, Clone, Default)]
pub struct UploadFilter {
    /// In this state.
    pub status: Option<UploadStatus>,
    /// With a target on this account.
    pub account: Option<String>,
    /// With a target on this platform.
    pub platform: Option<String>,
    /// With this label.
    pub external_id: Option<String>,
    /// Due at or after, RFC 3339.
    pub from: Option<String>,
    /// Due before, RFC 3339.
    pub to: Option<String>,
    /// With this text in title, caption or description.
    pub q: Option<String>,
    /// Items in one page, 1 to 1000; 100 if absent. Says nothing about the length of the list.
    pub limit: Option<u32>,
}

impl Client {
    /// Operations on uploads.
    #[must_use]
    pub fn uploads(&self) -> Uploads {
        Uploads(self.clone())
    }
}

impl Uploads {
    pub(crate) fn client(&self) -> &Client {
        &self.0
    }

    /// Stores an upload; it is published at its time.
    ///
    /// # Errors
    /// Those of the service; `VALIDATION_FAILED` for `dry_run`, which [`Uploads::validate`] does.
    pub async fn create(
        &self,
        upload: &CreateUpload,
        options: &CallOptions,
    ) -> Result<Upload, Error> {
        if upload.dry_run == Some(true) {
            return Err(Error::invalid(
                "/dry_run",
                "conflict",
                "a dry run stores no upload; use `validate`",
            ));
        }
        self.0.fetch(create(upload)?, options).await
    }

    /// Stores many uploads, 100 in one request, each row for itself; results are in the order of the rows.
    ///
    /// A row without a key gets one; with a key in the options that is `<key>-<index>`, so the same list
    /// sent twice under one key is stored once. A request that fails fails its rows only.
    ///
    /// # Errors
    /// `CANCELLED`; a refused API key, if nothing was stored yet.
    pub async fn create_many(
        &self,
        uploads: Vec<BatchItem>,
        options: &CallOptions,
    ) -> Result<BatchResponse, Error> {
        self.create_many_by(uploads, batch::ROWS, options).await
    }

    /// The same with `batch_size` rows in a request, 1 to 1,000. With 1 each row is a `POST /v1/uploads` of its own, up to
    /// 8 at once: for a service or a proxy without batches, at about ten times the work.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` for another size; else as [`Uploads::create_many`].
    pub async fn create_many_by(
        &self,
        uploads: Vec<BatchItem>,
        batch_size: u32,
        options: &CallOptions,
    ) -> Result<BatchResponse, Error> {
        let results = batch::create_many(&self.0, uploads, batch_size, options).await?;
        Ok(BatchResponse { results })
    }

    /// Runs every check and stores nothing.
    ///
    /// # Errors
    /// Those of the service; what is wrong with the upload is in the result.
    pub async fn validate(
        &self,
        upload: &CreateUpload,
        options: &CallOptions,
    ) -> Result<Validation, Error> {
        self.0.fetch(validate(upload)?, options).await
    }

    /// One upload.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn get(&self, id: &str, options: &CallOptions) -> Result<Upload, Error> {
        self.0.fetch(get(id)?, options).await
    }

    /// All uploads that match, newest first.
    #[must_use]
    pub fn list(&self, filter: &UploadFilter, options: CallOptions) -> Items<Upload> {
        self.0.items(Ok(list(filter)), options)
    }

    /// Changes an upload before it is published.
    ///
    /// # Errors
    /// Those of the service; `VERSION_CONFLICT` if it was changed since `version`.
    pub async fn update(
        &self,
        id: &str,
        change: &UpdateUpload,
        options: &CallOptions,
    ) -> Result<Upload, Error> {
        self.0
            .fetch(update(id, change, change.version.is_some())?, options)
            .await
    }

    /// Cancels what has not been sent.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn cancel(&self, id: &str, options: &CallOptions) -> Result<Upload, Error> {
        self.0.fetch(action(id, "cancel")?, options).await
    }

    /// Sends failed targets again.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn retry(&self, id: &str, options: &CallOptions) -> Result<Upload, Error> {
        self.0.fetch(action(id, "retry")?, options).await
    }

    /// Says what is true of a target that needs review.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn resolve(
        &self,
        id: &str,
        answer: &ResolveRequest,
        options: &CallOptions,
    ) -> Result<Upload, Error> {
        self.0.fetch(resolve(id, answer)?, options).await
    }

    /// The timeline of an upload, oldest first.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn events(&self, id: &str, options: &CallOptions) -> Result<Page<Event>, Error> {
        let items = self.0.items(events(id), options.clone()).collect().await?;
        Ok(Page {
            items,
            next_cursor: None,
        })
    }
}

fn uploads() -> Path {
    Path::new("/v1/uploads")
}

pub(crate) fn create(upload: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(uploads(), upload)
}

pub(crate) fn validate(upload: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(uploads().then("validate"), upload)
}

pub(crate) fn get(id: &str) -> Result<Plan, Error> {
    Ok(Plan::get(uploads().id("id", id)?))
}

pub(crate) fn list(filter: &UploadFilter) -> Path {
    uploads()
        .maybe("status", filter.status.map(UploadStatus::as_str))
        .maybe("account", filter.account.as_deref())
        .maybe("platform", filter.platform.as_deref())
        .maybe("external_id", filter.external_id.as_deref())
        .maybe("from", filter.from.as_deref())
        .maybe("to", filter.to.as_deref())
        .maybe("q", filter.q.as_deref())
        .maybe("limit", filter.limit.map(|limit| limit.to_string()))
}

pub(crate) fn update(id: &str, change: &impl Serialize, guarded: bool) -> Result<Plan, Error> {
    Plan::patch_json(uploads().id("id", id)?, change, guarded)
}

pub(crate) fn action(id: &str, action: &str) -> Result<Plan, Error> {
    Ok(Plan::post(uploads().id("id", id)?.then(action)))
}

pub(crate) fn resolve(id: &str, answer: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(uploads().id("id", id)?.then("resolve"), answer)
}

pub(crate) fn events(id: &str) -> Result<Path, Error> {
    Ok(uploads().id("id", id)?.then("events"))
}
