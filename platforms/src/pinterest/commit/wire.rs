//! The connection of a commit: TCP or TLS, HTTP/1.1, for one request.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::Limits;
use super::gate::{Gate, Gated};
use crate::PlatformError;
use crate::pinterest::{api, redact};

/// For one address of a host, so that a dead one leaves time for the next.
const ADDRESS_LIMIT: Duration = Duration::from_secs(3);

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// An open connection that has sent nothing.
pub(super) struct Opened {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    pub(super) line: Line,
    pub(super) gate: Arc<Gate>,
}

/// hyper's half that moves the bytes. It runs only inside a call, so a connection that is dropped leaves no task behind.
pub(super) struct Line(Option<Pin<Box<Driver>>>);

type Driver = http1::Connection<TokioIo<Gated<Box<dyn Socket>>>, Full<Bytes>>;

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
    limits: Limits,
) -> Result<impl Send + 'static, PlatformError> {
    let opening = async {
        let socket = socket(base)
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

async fn socket(base: &Url) -> Result<Box<dyn Socket>, String> {
    let host = base.host().ok_or("the address has no host")?;
    let port = base
        .port_or_known_default()
        .ok_or("the address has no port")?;
    let tcp = connect(&host, port).await?;
    if base.scheme() != "https" {
        return Ok(Box::new(tcp));
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
    tls.map(|tls| Box::new(tls) as Box<dyn Socket>)
        .map_err(|error| format!("the secure connection failed, {error}"))
}

async fn connect(host: &Host<&str>, port: u16) -> Result<TcpStream, String> {
    let addresses: Vec<std::net::SocketAddr> = match host {
        Host::Domain(name) => tokio::net::lookup_host((*name, port))
            .await
            .map_err(|error| format!("the name {name} was not found ({error})"))?
            .collect(),
        Host::Ipv4(ip) => vec![(*ip, port).into()],
        Host::Ipv6(ip) => vec![(*ip, port).into()],
    };
    let mut reason = format!("{host} has no address");
    for address in addresses {
        reason = match timeout(ADDRESS_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // The head and the body leave at once rather than waiting for an acknowledgement.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => format!("{address}: {error}"),
            Err(_) => format!("{address}: no answer within {} s", ADDRESS_LIMIT.as_secs()),
        };
    }
    Err(reason)
}
