//! `multi-upload webhooks`.

use multi_upload_wire::{ErrorInfo, Webhook, WebhookDelivery, WebhookSecret};
use serde_json::json;

use super::service::Service;
use crate::args::Webhooks;
use crate::output::Output;

pub(super) async fn run(args: Webhooks, output: Output) -> Result<i32, ErrorInfo> {
    match args {
        Webhooks::List { service } => {
            let service = Service::new(&service)?;
            let all: Vec<Webhook> = service.list("webhooks.list", json!({}), usize::MAX).await?;
            output.list(&all, &["ID", "URL", "EVENTS", "STATE"], |one| {
                vec![
                    one.id.clone(),
                    one.url.clone(),
                    one.events
                        .as_ref()
                        .map_or_else(|| "all".to_owned(), |events| events.join(", ")),
                    state(one),
                ]
            });
        }
        Webhooks::Create {
            address,
            events,
            service,
        } => {
            let service = Service::new(&service)?;
            let mut arguments = json!({ "url": address });
            if let Some(events) = events {
                arguments["events"] = json!(events);
            }
            let made: WebhookSecret = service.call("webhooks.create", arguments).await?;
            output.result(&made, || {
                format!(
                    "{}\n{}\nThe secret is shown only this once.",
                    made.webhook.id, made.secret
                )
            });
        }
        Webhooks::Test { id, service } => {
            let service = Service::new(&service)?;
            let sent: WebhookDelivery = service.call("webhooks.test", json!({ "id": id })).await?;
            output.result(&sent, || {
                format!("{} is under way; `multi-upload webhooks deliveries {id}` shows what came of it", sent.id)
            });
        }
        Webhooks::Deliveries { id, limit, service } => {
            let service = Service::new(&service)?;
            let log: Vec<WebhookDelivery> = service
                .list("webhooks.deliveries", json!({ "id": id }), limit)
                .await?;
            let columns = ["ID", "EVENT", "STATE", "ATTEMPTS", "ANSWER", "WHEN"];
            output.list(&log, &columns, |one| {
                vec![
                    one.id.clone(),
                    one.event.clone(),
                    one.status.clone(),
                    one.attempts.to_string(),
                    one.response_status
                        .map(|status| status.to_string())
                        .or_else(|| one.error.clone())
                        .unwrap_or_default(),
                    one.created_at.clone(),
                ]
            });
        }
        Webhooks::Delete { id, service } => {
            let service = Service::new(&service)?;
            let _: serde_json::Value = service.call("webhooks.delete", json!({ "id": id })).await?;
            output.result(&json!({ "id": id, "deleted": true }), || {
                format!("deleted {id}")
            });
        }
    }
    Ok(0)
}

fn state(webhook: &Webhook) -> String {
    match (&webhook.disabled_reason, &webhook.failing_since) {
        (Some(why), _) => format!("off: {why}"),
        (None, _) if !webhook.enabled => "off".to_owned(),
        (None, Some(since)) => format!("failing since {since}"),
        (None, None) => "on".to_owned(),
    }
}
