//! API keys of the service.

use multi_upload_wire::{ApiKey, CreateApiKey, CreatedApiKey};
use serde::Serialize;

use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::page::Items;
use crate::request::{Path, Plan};

/// Operations on API keys; they need the scope `admin`. See [`Client::api_keys`].
#[derive(Debug, Clone)]
pub struct ApiKeys(Client);

impl Client {
    /// Operations on API keys.
    #[must_use]
    pub fn api_keys(&self) -> ApiKeys {
        ApiKeys(self.clone())
    }
}

impl ApiKeys {
    /// Makes a key. Its secret is in this answer and nowhere else.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn create(
        &self,
        key: &CreateApiKey,
        options: &CallOptions,
    ) -> Result<CreatedApiKey, Error> {
        self.0.fetch(create(key)?, options).await
    }

    /// All keys, without their secrets.
    #[must_use]
    pub fn list(&self, options: CallOptions) -> Items<ApiKey> {
        self.0.items(Ok(list()), options)
    }

    /// Ends a key at once.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn revoke(&self, id: &str, options: &CallOptions) -> Result<(), Error> {
        self.0.send(revoke(id)?, options).await
    }
}

pub(crate) fn create(key: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(list(), key)
}

pub(crate) fn list() -> Path {
    Path::new("/v1/api-keys")
}

pub(crate) fn revoke(id: &str) -> Result<Plan, Error> {
    Ok(Plan::delete(list().id("id", id)?))
}
