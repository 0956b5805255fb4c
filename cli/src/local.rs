//! The engine in the caller's own process: no server, no port.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use multi_upload_core::Client;
use multi_upload_server::{Config, Engine, Redirect};
use multi_upload_wire::ErrorInfo;
use tokio_util::sync::CancellationToken;

use crate::sandbox;
use crate::serve::{bind, min_free_disk, quiet_period};

/// Where a network sends the browser back to, as registered with the user's app.
const REDIRECT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);

/// A free port of this machine.
const FREE_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The sandbox in this process does at once whatever it does, so an unclear answer is settled sooner than Pinterest allows.
const SANDBOX_QUIET_PERIOD: Duration = Duration::from_secs(2);

/// How a local engine starts.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Data folder, the same as `multi-upload serve --data`; made where it is missing.
    pub path: PathBuf,
    /// Publish to a fake Pinterest inside this process instead of the real one.
    pub sandbox: bool,
    /// Where the callback of a connection is answered while one is pending. `None`: 127.0.0.1:8787, or with the sandbox
    /// a free port.
    pub listen: Option<SocketAddr>,
}

/// An engine inside this process. It publishes only while it lives: call [`Local::shutdown`] before the runtime ends.
pub struct Local {
    /// Talks to the engine without a socket.
    pub client: Client,
    /// Where the fake Pinterest answers, without a slash at the end; `/_sandbox/ledger` below it tells what was created.
    pub sandbox_url: Option<String>,
    engine: Engine,
    stop_sandbox: CancellationToken,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("sandbox_url", &self.sandbox_url)
            .finish_non_exhaustive()
    }
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

impl Local {
    /// Opens the data folder and starts publishing. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `DATA_IN_USE` when another engine has the folder, `CONFIG_INVALID` for a setting, `STORAGE_FAILED` when the
    /// database cannot be opened.
    pub async fn start(options: LocalOptions) -> Result<Self, ErrorInfo> {
        let mut config = Config::new(options.path);
        let stop_sandbox = CancellationToken::new();
        let mut sandbox_url = None;
        if options.sandbox {
            let (listener, url) = bind(FREE_PORT, "the system's settings").await?;
            sandbox::stand_in(&mut config, &url);
            tokio::spawn(sandbox::new(false).serve(listener, stop_sandbox.clone()));
            config.quiet_period = SANDBOX_QUIET_PERIOD;
            sandbox_url = Some(url);
        }
        if let Some(text) = setting("MULTI_UPLOAD_QUIET_PERIOD") {
            config.quiet_period = quiet_period(&text)?;
        }
        if let Some(text) = setting("MULTI_UPLOAD_MIN_FREE_DISK") {
            config.min_free_disk = min_free_disk(&text)?;
        }
        let default = if options.sandbox { FREE_PORT } else { REDIRECT };
        let redirect = options.listen.unwrap_or(default);
        config.redirect = Redirect::OnDemand(redirect);
        config.public_url = format!("http://{redirect}");
        // The sandbox stops with the guard if the engine does not start.
        let guard = stop_sandbox.clone().drop_guard();
        let engine = Engine::start(config).await?;
        guard.disarm();
        Ok(Self {
            client: engine.client(),
            sandbox_url,
            engine,
            stop_sandbox,
        })
    }

    /// Stops: nothing new is begun, sends under way get up to 35 s. A second call does nothing.
    pub async fn shutdown(&self) {
        self.engine.shutdown().await;
        self.stop_sandbox.cancel();
    }
}
