//! Names to addresses, with every answer judged: the connector gets only what passed, and makes no second lookup.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::url::{Rules, judge};

/// Looks a name up. The system's in a service, a scripted one in tests.
#[async_trait]
pub(super) trait Lookup: Send + Sync + 'static {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub(super) struct System;

#[async_trait]
impl Lookup for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0))
            .await?
            .map(|address| address.ip())
            .collect())
    }
}

/// A host whose addresses may not be connected to. Found again in the causes of the connector's error.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Refused {}

/// The resolver of the gate's HTTP client.
pub(super) struct Judge {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) rules: Rules,
    /// Stands in for whatever passed, so that a test needs no public host.
    #[cfg(test)]
    pub(super) stand_in: Option<IpAddr>,
}

impl Judge {
    fn pass(&self, addresses: Vec<IpAddr>) -> Vec<SocketAddr> {
        #[cfg(test)]
        if let Some(stand_in) = self.stand_in {
            return vec![SocketAddr::new(stand_in, 0)];
        }
        // Port 0: the connector takes the one of the address.
        addresses
            .into_iter()
            .map(|ip| SocketAddr::new(ip, 0))
            .collect()
    }
}

/// One judge serves every connection.
pub(super) struct Shared(pub(super) Arc<Judge>);

impl Resolve for Shared {
    fn resolve(&self, name: Name) -> Resolving {
        let judging = Arc::clone(&self.0);
        Box::pin(async move {
            let found = judging.lookup.addresses(name.as_str()).await?;
            // One bad answer among good ones is refused too: which one is connected to is not ours to choose.
            for address in &found {
                judge(*address, judging.rules).map_err(Refused)?;
            }
            let addresses: Addrs = Box::new(judging.pass(found).into_iter());
            Ok(addresses)
        })
    }
}
