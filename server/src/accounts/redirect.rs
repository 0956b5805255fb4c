//! The listener for OAuth callbacks of an engine that serves nothing else.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use multi_upload_wire::{ErrorCode, ErrorInfo};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Accounts;
use crate::config::Redirect;

/// The browser still fetches the answer of the callback after the account is stored.
const LINGER: Duration = Duration::from_secs(2);

/// As long as a consent page may stay open.
const LONGEST: Duration = Duration::from_secs(600);

/// Opened when a connection begins, closed when it ends.
pub(super) struct Listener {
    redirect: Redirect,
    open: Mutex<Option<Open>>,
}

struct Open {
    base: String,
    close: CancellationToken,
}

impl Listener {
    pub(super) fn new(redirect: Redirect) -> Self {
        Self {
            redirect,
            open: Mutex::new(None),
        }
    }

    /// Makes sure that callbacks are answered; the address to send the browser to, without a slash
    /// at the end.
    pub(super) async fn open(
        &self,
        accounts: &Accounts,
        public_url: &str,
    ) -> Result<String, ErrorInfo> {
        let Redirect::OnDemand(address) = self.redirect else {
            return Ok(public_url.to_owned());
        };
        if let Some(open) = &*self.open.lock().unwrap_or_else(PoisonError::into_inner)
            && !open.close.is_cancelled()
        {
            return Ok(open.base.clone());
        }
        let (listener, base) = bind(address).await?;
        let close = CancellationToken::new();
        let router = crate::api::callback_router(accounts.clone());
        let done = close.clone();
        tokio::spawn(async move {
            let stop = async move {
                tokio::select! { () = done.cancelled() => {} () = tokio::time::sleep(LONGEST) => done.cancel() }
            };
            if let Err(error) = axum::serve(listener, router)
                .with_graceful_shutdown(stop)
                .await
            {
                tracing::error!(%error, "the callback listener failed");
            }
        });
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(Open {
            base: base.clone(),
            close,
        });
        Ok(base)
    }

    /// Closes the listener once the browser has its answer.
    pub(super) fn close_soon(&self) {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Open { close, .. }) = open {
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                close.cancel();
            });
        }
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, String), ErrorInfo> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        std::io::Result::Ok((listener, format!("http://{address}")))
    };
    bound.await.map_err(|error| {
        ErrorInfo::new(
            ErrorCode::ConfigInvalid,
            format!("the address {address}, where the network sends the browser back to, cannot be opened: {error}"),
        )
        .with_remedy(
            "Stop what uses the port, or choose another with MULTI_UPLOAD_LISTEN and register its callback with your app.",
        )
    })
}
