//! The sandbox on a port, without limits on calls.

use std::net::SocketAddr;

use multi_upload_platforms::pinterest::{Pinterest, PinterestSettings};
use multi_upload_sandbox::{Limits, Options, Sandbox};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A fake network; it ends when this is dropped.
pub(crate) struct Network {
    pub(crate) sandbox: Sandbox,
    pub(crate) address: SocketAddr,
    _guard: DropGuard,
}

impl Network {
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::new(Options {
            auto_approve: true,
            limits: Limits::unlimited(),
            ..Options::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(sandbox.clone().serve(listener, stop.clone()));
        Self {
            sandbox,
            address,
            _guard: stop.drop_guard(),
        }
    }

    /// Settings that reach it at `through`, the consent page apart.
    pub(crate) fn settings(&self, through: SocketAddr) -> PinterestSettings {
        PinterestSettings {
            app_id: "app".to_owned(),
            app_secret: "secret".to_owned(),
            api_url: format!("http://{through}/v5"),
            authorize_url: format!("http://{}/oauth/", self.address),
            ..PinterestSettings::default()
        }
    }

    pub(crate) fn platform(&self, through: SocketAddr) -> Pinterest {
        Pinterest::new(self.settings(through)).unwrap()
    }

    /// How many pins of this title exist.
    pub(crate) fn made(&self, title: &str) -> usize {
        self.sandbox.ledger().titled(title).count()
    }
}
