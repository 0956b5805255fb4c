//! What an adapter takes from the machine it runs on: connections and chance. A simulation puts its own in their place; the
//! adapter then runs unchanged on a network in memory, and repeats itself.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For one address of a host, so that a dead one leaves time for the next.
const ADDRESS_LIMIT: Duration = Duration::from_secs(3);

/// A connection that carries bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The world around an adapter.
#[async_trait]
pub trait Outside: fmt::Debug + Send + Sync + 'static {
    /// Connects to a port of a host, given by name or address (IPv6 without brackets); TLS is the caller's.
    ///
    /// # Errors
    /// The reason in words, without an end mark.
    async fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, String>;

    /// From 0 up to 1, without it: spreads repeats.
    fn random(&self) -> f64;
}

/// The machine itself: its network, and its chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

#[async_trait]
impl Outside for System {
    async fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, String> {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| format!("the name {host} was not found ({error})"))?
            .collect();
        let mut reason = format!("{host} has no address");
        for address in addresses {
            reason = match timeout(ADDRESS_LIMIT, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    // The head and the body leave at once rather than waiting for an acknowledgement.
                    let _ = tcp.set_nodelay(true);
                    return Ok(Box::new(tcp));
                }
                Ok(Err(error)) => format!("{address}: {error}"),
                Err(_) => format!("{address}: no answer within {} s", ADDRESS_LIMIT.as_secs()),
            };
        }
        Err(reason)
    }

    fn random(&self) -> f64 {
        rand::random()
    }
}
