//! `multi-upload serve`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use multi_upload_server::{Blobs, Config, Engine, MediaSettings, Redirect};
use multi_upload_wire::{CreatedApiKey, ErrorCode, ErrorInfo, Mode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::args::{self, LogFormat};
use crate::http::{self, Gate};
use crate::output::Output;
use crate::sandbox;
use crate::signals::Signals;

/// Where the sandbox is mounted.
const SANDBOX_PATH: &str = "/sandbox";

/// How long requests inside may take when the service stops.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// Serves until it is told to stop. A second signal ends the process at once.
pub(crate) async fn run(args: args::Serve, output: Output) -> Result<i32, ErrorInfo> {
    start_log(&args.log);
    let (listener, url) = bind(args.listen, "--listen or MULTI_UPLOAD_LISTEN").await?;
    let sandbox_url = args.sandbox.then(|| format!("{url}{SANDBOX_PATH}"));
    let engine = Engine::start(config(&args, &url, sandbox_url.as_deref())?).await?;

    let gate = Gate::default();
    let mut router = gate.guard(engine.router());
    if let Some(base) = &sandbox_url {
        router = mount(router, args.auto_approve, base);
    }
    let stop = CancellationToken::new();
    let serving = tokio::spawn(http::serve(listener, router, stop.clone()));
    let mut signals = Signals::listen();
    announce(
        output,
        &args,
        &url,
        sandbox_url.as_deref(),
        engine.admin_key_created(),
    );

    signals.next().await;
    if !output.is_json() {
        output.note("stopping; a second signal ends it at once");
    }
    let shutdown = async {
        // Long polls end at once, and nobody waits for them.
        engine.end_waits();
        gate.close(LAST_REQUESTS).await;
        engine.shutdown().await;
        stop.cancel();
        // It ends with the token.
        let _ = serving.await;
    };
    tokio::select! {
        () = shutdown => Ok(0),
        () = signals.next() => {
            output.note("stopped at once; the next start checks what was under way");
            Ok(1)
        }
    }
}

fn config(args: &args::Serve, url: &str, sandbox: Option<&str>) -> Result<Config, ErrorInfo> {
    let mut config = Config::new(&args.data.data);
    config.database = args.data.database();
    let public = args.public_url.as_deref().unwrap_or(url);
    config.public_url = public.trim_end_matches('/').to_owned();
    config.redirect = Redirect::Served;
    config.first_admin_key = true;
    config.allow_private_urls = args.allow_private_urls;
    config.quiet_period = quiet_period(&args.quiet_period)?;
    config.min_free_disk = min_free_disk(&args.min_free_disk)?;
    config.media = media(&args.media)?;
    if let Some(base) = sandbox {
        sandbox::stand_in(&mut config, base);
    }
    Ok(config)
}

/// How long an unclear answer may still turn out to have published.
pub(crate) fn quiet_period(text: &str) -> Result<Duration, ErrorInfo> {
    let period = multi_upload_server::parse_duration(text).filter(|period| !period.is_zero());
    period.ok_or_else(|| {
        ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("the quiet period {text:?} is not a time"),
        )
        .with_remedy(
            "Set --quiet-period or MULTI_UPLOAD_QUIET_PERIOD to a time such as 90s, 15m or 1h.",
        )
    })
}

/// How much space sending needs.
pub(crate) fn min_free_disk(text: &str) -> Result<u64, ErrorInfo> {
    multi_upload_server::parse_size(text).ok_or_else(|| {
        ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("the free space {text:?} is not a size"),
        )
        .with_remedy(
            "Set --min-free-disk or MULTI_UPLOAD_MIN_FREE_DISK to a size such as 0, 512MiB or 2GiB.",
        )
    })
}

fn media(args: &args::MediaPlace) -> Result<MediaSettings, ErrorInfo> {
    let wrong = |what: &str, text: &str, remedy: &str| {
        ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("{what} {text:?} cannot be read"),
        )
        .with_remedy(remedy)
    };
    let size = |what: &str, text: &str, remedy: &str| {
        multi_upload_server::parse_size(text).ok_or_else(|| wrong(what, text, remedy))
    };
    let keep = multi_upload_server::parse_duration(&args.media_keep).filter(|keep| !keep.is_zero());
    let quota = args.media_quota.as_deref().map(|text| {
        let remedy =
            "Set --media-quota or MULTI_UPLOAD_MEDIA_QUOTA to a size such as 500MB or 20GB.";
        size("the size of a team's files", text, remedy)
    });
    Ok(MediaSettings {
        blobs: args
            .blobs
            .as_deref()
            .map_or(Ok(Blobs::Data), Blobs::parse)?,
        keep: keep.ok_or_else(|| {
            let remedy = "Set --media-keep or MULTI_UPLOAD_MEDIA_KEEP to a time such as 12h or 7d.";
            wrong("the time for unused files", &args.media_keep, remedy)
        })?,
        allowance: quota.transpose()?,
        min_free: size(
            "the room that stays free",
            &args.min_free,
            "Set --min-free or MULTI_UPLOAD_MIN_FREE to a size such as 1GB.",
        )?,
    })
}

/// The sandbox under [`SANDBOX_PATH`], in front of the service.
fn mount(router: Router, auto_approve: bool, base: &str) -> Router {
    Router::new()
        .nest(SANDBOX_PATH, sandbox::new(auto_approve).router(base))
        .fallback_service(router)
}

fn announce(
    output: Output,
    args: &args::Serve,
    url: &str,
    sandbox: Option<&str>,
    key: Option<CreatedApiKey>,
) {
    let data = std::path::absolute(&args.data.data).unwrap_or_else(|_| args.data.data.clone());
    let mode = if sandbox.is_some() {
        Mode::Test
    } else {
        Mode::Live
    };
    let ready = json!({
        "event": "ready",
        "version": env!("CARGO_PKG_VERSION"),
        "url": url,
        "data": data,
        "mode": mode,
        "sandbox_url": sandbox,
        "admin_key": key,
    });
    output.result(&ready, || {
        let mut lines = vec![
            format!("multi-upload {}", env!("CARGO_PKG_VERSION")),
            format!("address    {url}"),
            format!("data       {}", data.display()),
        ];
        if let Some(sandbox) = sandbox {
            lines.push(format!("sandbox    {sandbox}, everything is in test mode"));
            lines.push("           It starts anew each time: connect its account again after a restart.".to_owned());
        }
        if let Some(key) = &key {
            lines.push(format!("admin key  {}", key.key));
            lines.push("           It is shown only this once: keep it, for example in MULTI_UPLOAD_API_KEY.".to_owned());
        }
        lines.join("\n")
    });
}

/// A listener, and its address as callers on this machine see it.
pub(crate) async fn bind(
    address: SocketAddr,
    setting: &str,
) -> Result<(TcpListener, String), ErrorInfo> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        std::io::Result::Ok((listener, local))
    };
    let (listener, mut local) = bound.await.map_err(|error| {
        ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("the address {address} cannot be listened on: {error}"),
        )
        .with_remedy(format!(
            "Stop what uses the port, or choose another with {setting}."
        ))
    })?;
    if local.ip().is_unspecified() {
        let loopback = if local.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        local.set_ip(loopback);
    }
    Ok((listener, format!("http://{local}")))
}

/// Log lines on stderr. Only the long-running commands have a log, and only they may set it: inside Python or Node the
/// host program decides.
pub(crate) fn start_log(log: &args::Log) {
    let filter = EnvFilter::try_new(&log.log).unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A log that is set already stays.
    let _ = match log.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
