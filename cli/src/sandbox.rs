//! `multi-upload sandbox`, and pointing an engine at a sandbox.

use multi_upload_sandbox::{Options, Sandbox};
use multi_upload_server::Config;
use multi_upload_wire::{ErrorInfo, Mode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::args;
use crate::output::Output;
use crate::serve::{bind, start_log};
use crate::signals::Signals;

/// A fresh fake platform.
pub(crate) fn new(auto_approve: bool) -> Sandbox {
    Sandbox::new(Options {
        auto_approve,
        ..Options::default()
    })
}

/// Points an engine at the sandbox at `base`; everything in it is then in test mode.
pub(crate) fn stand_in(config: &mut Config, base: &str) {
    config.mode = Mode::Test;
    // It takes any app.
    config.pinterest.app_id = "sandbox-app".to_owned();
    config.pinterest.app_secret = "sandbox-secret".to_owned();
    config.pinterest.api_url = format!("{base}/v5");
    config.pinterest.authorize_url = format!("{base}/oauth/");
    // The sandbox is on this machine, and so are the pictures of whoever tries it.
    config.allow_private_urls = true;
}

/// Serves the sandbox until it is told to stop.
pub(crate) async fn run(args: args::Sandbox, output: Output) -> Result<i32, ErrorInfo> {
    start_log(&args.log);
    let (listener, url) = bind(args.listen, "--listen or MULTI_UPLOAD_SANDBOX_LISTEN").await?;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(new(args.auto_approve).serve(listener, stop.clone()));
    let mut signals = Signals::listen();
    output.result(&json!({ "event": "ready", "url": url }), || {
        [
            format!("sandbox    {url}"),
            format!("ledger     {url}/_sandbox/ledger"),
            String::new(),
            "To publish to it, start the service with:".to_owned(),
            format!("  MULTI_UPLOAD_PINTEREST_API_URL={url}/v5"),
            format!("  MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL={url}/oauth/"),
            "  PINTEREST_APP_ID=any PINTEREST_APP_SECRET=any".to_owned(),
        ]
        .join("\n")
    });
    signals.next().await;
    stop.cancel();
    // Serving ends with the token; a failure before was logged.
    let _ = serving.await;
    Ok(0)
}
