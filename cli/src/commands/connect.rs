//! `multi-upload connect`: the network asks the user in a browser, and the service stores the account.

use std::process::{Command, Stdio};

use multi_upload_wire::{Account, ConnectSession, ErrorInfo};
use serde_json::json;

use super::service::Service;
use crate::args;
use crate::output::Output;

pub(super) async fn run(args: args::Connect, output: Output) -> Result<i32, ErrorInfo> {
    let service = Service::new(&args.service)?;
    let session: ConnectSession = service
        .call(
            "accounts.start_connection",
            json!({ "platform": args.platform }),
        )
        .await?;
    // On stderr, so that a program that reads the account from stdout can still show it.
    output.note(format!(
        "Open this address and confirm:\n\n  {}\n",
        session.authorize_url
    ));
    if !args.no_browser && !output.is_json() {
        open(&session.authorize_url);
    }
    let waiting = output.spinner("waiting for the confirmation");
    let account: Result<Account, ErrorInfo> = service
        .call("accounts.wait_connected", json!({ "id": session.id }))
        .await;
    waiting.finish_and_clear();
    let account = account?;
    output.result(&account, || {
        let name = account.name.as_deref().unwrap_or("without a name");
        format!("connected {} ({name})", account.id)
    });
    Ok(0)
}

/// Opens a browser where there is one. The link was printed, so it does not matter where there is none.
fn open(address: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let opened = Command::new(program)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = opened {
        tracing::debug!(%error, "no browser was opened");
    }
}
