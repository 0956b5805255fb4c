//! `multi-upload slots`.

use multi_upload_wire::{ErrorInfo, Slot};
use serde_json::{Map, Value, json};

use super::service::Service;
use crate::args;
use crate::output::Output;

pub(super) async fn run(args: args::Slots, output: Output) -> Result<i32, ErrorInfo> {
    match args {
        args::Slots::List { account, service } => list(account, &service, output).await,
        args::Slots::Add(args) => add(args, output).await,
        args::Slots::Remove { id, service } => {
            let service = Service::new(&service)?;
            let _: Map<String, Value> = service.call("slots.delete", json!({ "id": id })).await?;
            output.result(&json!({ "id": id, "removed": true }), || {
                format!("{id}: removed")
            });
            Ok(0)
        }
    }
}

async fn list(
    account: Option<String>,
    service: &args::Service,
    output: Output,
) -> Result<i32, ErrorInfo> {
    let service = Service::new(service)?;
    let arguments = json!({ "account": account });
    let slots: Vec<Slot> = service.list("slots.list", arguments, usize::MAX).await?;
    let headings = [
        "ID",
        "ACCOUNT",
        "DAYS",
        "TIME",
        "ZONE",
        "TAKEN",
        "NEXT FREE",
    ];
    output.list(&slots, &headings, |slot| {
        vec![
            slot.id.clone(),
            slot.account.clone(),
            days(slot),
            slot.time.clone(),
            slot.timezone.clone(),
            slot.taken.to_string(),
            next_free(slot),
        ]
    });
    Ok(0)
}

async fn add(args: args::SlotsAdd, output: Output) -> Result<i32, ErrorInfo> {
    let service = Service::new(&args.service)?;
    let account = service.account(args.account).await?;
    let mut request = json!({ "account": account, "time": args.time, "timezone": args.timezone });
    if let Some(days) = args.weekdays {
        let days: Vec<String> = days.iter().map(|day| day.to_lowercase()).collect();
        request["weekdays"] = json!(days);
    }
    let slot: Slot = service.call("slots.create", request).await?;
    output.result(&slot, || {
        format!(
            "{}  {} {} {}  next free {}",
            slot.id,
            days(&slot),
            slot.time,
            slot.timezone,
            next_free(&slot)
        )
    });
    Ok(0)
}

/// `mon,fri`, or `daily`.
fn days(slot: &Slot) -> String {
    if slot.weekdays.len() == 7 {
        return "daily".to_owned();
    }
    let days: Vec<&str> = slot.weekdays.iter().map(|day| day.as_str()).collect();
    days.join(",")
}

fn next_free(slot: &Slot) -> String {
    match &slot.next_free_at {
        Some(at) => at.clone(),
        None if slot.enabled => "full".to_owned(),
        None => "off".to_owned(),
    }
}
