//! Webhook endpoints of the service. Checking what they deliver needs no client: [`crate::webhook::verify`].

use multi_upload_wire::{CreateWebhook, UpdateWebhook, Webhook, WebhookDelivery, WebhookSecret};
use serde::Serialize;

use crate::client::Client;
use crate::error::Error;
use crate::options::CallOptions;
use crate::page::Items;
use crate::request::{Path, Plan};

/// Operations on webhook endpoints; they need the scope `webhooks:write`. See [`Client::webhooks`].
#[derive(Debug, Clone)]
pub struct Webhooks(Client);

impl Client {
    /// Operations on webhook endpoints.
    #[must_use]
    pub fn webhooks(&self) -> Webhooks {
        Webhooks(self.clone())
    }
}

impl Webhooks {
    /// Makes an endpoint. Its secret is in this answer and nowhere else.
    ///
    /// # Errors
    /// Those of the service; `URL_NOT_ALLOWED` for an address that is not public.
    pub async fn create(
        &self,
        webhook: &CreateWebhook,
        options: &CallOptions,
    ) -> Result<WebhookSecret, Error> {
        self.0.fetch(create(webhook)?, options).await
    }

    /// All endpoints, without their secrets.
    #[must_use]
    pub fn list(&self, options: CallOptions) -> Items<Webhook> {
        self.0.items(Ok(list()), options)
    }

    /// One endpoint, without its secret.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn get(&self, id: &str, options: &CallOptions) -> Result<Webhook, Error> {
        self.0.fetch(get(id)?, options).await
    }

    /// Changes an endpoint; what is absent stays.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn update(
        &self,
        id: &str,
        change: &UpdateWebhook,
        options: &CallOptions,
    ) -> Result<Webhook, Error> {
        self.0.fetch(update(id, change)?, options).await
    }

    /// Deletes an endpoint with its deliveries.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn delete(&self, id: &str, options: &CallOptions) -> Result<(), Error> {
        self.0.send(delete(id)?, options).await
    }

    /// Sends `webhook.test`; the delivery shows what came of it.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn test(&self, id: &str, options: &CallOptions) -> Result<WebhookDelivery, Error> {
        self.0.fetch(action(id, "test")?, options).await
    }

    /// Gives an endpoint a new secret; the one before signs too for 24 hours.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn rotate(&self, id: &str, options: &CallOptions) -> Result<WebhookSecret, Error> {
        self.0.fetch(action(id, "rotate")?, options).await
    }

    /// What was sent to an endpoint in the last 30 days, newest first.
    #[must_use]
    pub fn deliveries(&self, id: &str, options: CallOptions) -> Items<WebhookDelivery> {
        self.0.items(deliveries(id), options)
    }

    /// Sends an event again, with the same id.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn redeliver(
        &self,
        id: &str,
        delivery_id: &str,
        options: &CallOptions,
    ) -> Result<WebhookDelivery, Error> {
        self.0.fetch(redeliver(id, delivery_id)?, options).await
    }
}

fn one(id: &str) -> Result<Path, Error> {
    list().id("id", id)
}

pub(crate) fn create(webhook: &impl Serialize) -> Result<Plan, Error> {
    Plan::post_json(list(), webhook)
}

pub(crate) fn list() -> Path {
    Path::new("/v1/webhooks")
}

pub(crate) fn get(id: &str) -> Result<Plan, Error> {
    Ok(Plan::get(one(id)?))
}

pub(crate) fn update(id: &str, change: &impl Serialize) -> Result<Plan, Error> {
    Plan::patch_json(one(id)?, change, false)
}

pub(crate) fn delete(id: &str) -> Result<Plan, Error> {
    Ok(Plan::delete(one(id)?))
}

pub(crate) fn action(id: &str, verb: &str) -> Result<Plan, Error> {
    Ok(Plan::post(one(id)?.then(verb)))
}

pub(crate) fn deliveries(id: &str) -> Result<Path, Error> {
    Ok(one(id)?.then("deliveries"))
}

pub(crate) fn redeliver(id: &str, delivery_id: &str) -> Result<Plan, Error> {
    let path = deliveries(id)?.id("delivery_id", delivery_id)?;
    Ok(Plan::post(path.then("redeliver")))
}
