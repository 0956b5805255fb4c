//! The connection of a commit: TCP or TLS, HTTP/1.1, for one request.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::Limits;
use super::gate::{Gate, Gated};
use crate::pinterest::{api, redact};
use crate::{Outside, PlatformError, Stream};

/// An open connection that has sent nothing.
pub(super) struct Opened {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    pub(super) line: Line,
    pub(super) gate: Arc<Gate>,
}

/// hyper's half that moves the bytes. It runs only inside a call, so a connection that is dropped leaves no task behind.
pub(super) struct Line(Option<Pin<Box<Driver>>>);

type Driver = http1::Connection<TokioIo<Gated<Box<dyn Stream>>>, Full<Bytes>>;

impl Line {
    /// Moves bytes until `work` is done. The connection may end before: what it carried is still read.
    pub(super) async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        if let Some(driver) = &mut self.0 {
            tokio::select! {
                biased;
                output = &mut work => return output,
                _ = driver => self.0 = None,
            }
        }
        work.await
    }
}

impl Opened {
    /// Has the other side hung up already? Asked once before the send: an idle connection that Pinterest closed
    /// then counts as not sent, where a write into it would leave the outcome open.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.line.drive(tokio::task::yield_now()).await;
        self.line.0.is_none() || self.sender.is_closed()
    }
}

/// Connects, with TLS done.
pub(in crate::pinterest) async fn open(
    base: &Url,
    outside: &dyn Outside,
    limits: Limits,
) -> Result<impl Send + 'static, PlatformError> {
    let opening = async {
        let socket = socket(base, outside)
            .await
            .map_err(|reason| api::not_sent(&redact::clean(&reason)))?;
        let gate = Arc::new(Gate::default());
        let io = TokioIo::new(Gated {
            socket,
            gate: Arc::clone(&gate),
        });
        let (sender, driver) = http1::handshake(io)
            .await
            .map_err(|error| api::not_sent(&error.to_string()))?;
        Ok(Opened {
            sender,
            line: Line(Some(Box::pin(driver))),
            gate,
        })
    };
    timeout(limits.connect, opening).await.unwrap_or_else(|_| {
        Err(api::not_sent(&format!(
            "no connection within {} s",
            limits.connect.as_secs()
        )))
    })
}

async fn socket(base: &Url, outside: &dyn Outside) -> Result<Box<dyn Stream>, String> {
    let host = base.host().ok_or("the address has no host")?;
    let port = base
        .port_or_known_default()
        .ok_or("the address has no port")?;
    let name = match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    let tcp = outside.connect(&name, port).await?;
    if base.scheme() != "https" {
        return Ok(tcp);
    }
    let name = match host {
        Host::Domain(name) => {
            ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?
        }
        Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::from(ip)),
        Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::from(ip)),
    };
    let mut config = (*multi_upload_core::tls::client_config()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await;
    tls.map(|tls| Box::new(tls) as Box<dyn Stream>)
        .map_err(|error| format!("the secure connection failed, {error}"))
}
