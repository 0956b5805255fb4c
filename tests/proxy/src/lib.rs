//! A proxy that is exact to the byte.
//!
//! It stands between the service and the fake network and lets everything through, except for requests that make a post:
//! each of these takes the next [`Strike`] of its list, and has its connection broken, held up or slowed down after exactly
//! so many bytes of the request or of the answer. Everything beyond that byte is lost, or comes late.
//!
//! It reads nothing but the first bytes of a connection, to know a commit when it sees one.

mod relay;
mod strike;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub use strike::{Action, Side, Strike};

/// How a request that makes a post begins.
const COMMIT: &[u8] = b"POST /v5/pins HTTP/1.1\r\n";

/// A running proxy; it ends, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: VecDeque<Strike>,
    exchanges: Vec<Exchange>,
}

/// What went through for one request that makes a post.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What was to happen to it; `None`: nothing.
    pub strike: Option<Strike>,
    /// Bytes of the request that reached the network.
    pub request: usize,
    /// Bytes of the answer that reached the service.
    pub answer: usize,
    /// True if the strike's byte was reached.
    pub is_struck: bool,
}

impl Proxy {
    /// Listens on a free port of this machine and passes on to `upstream`.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Strikes the next requests that make a post, one after the other in the order in which they come.
    pub fn strike(&self, strikes: impl IntoIterator<Item = Strike>) {
        lock(&self.shared).waiting.extend(strikes);
    }

    /// The requests that made a post so far and have ended, in the order in which they ended.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared).exchanges.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, upstream: SocketAddr, shared: Arc<Mutex<Shared>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(serve(client, upstream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// One connection, to its end. Trouble with it is what both sides see anyway.
async fn serve(client: TcpStream, upstream: SocketAddr, shared: Arc<Mutex<Shared>>) {
    let Ok(network) = TcpStream::connect(upstream).await else {
        return;
    };
    // A byte that is let through leaves at once.
    if client.set_nodelay(true).is_err() || network.set_nodelay(true).is_err() {
        return;
    }
    let Ok(is_commit) = relay::begins_with(&client, COMMIT).await else {
        return;
    };
    let strike = if is_commit {
        lock(&shared).waiting.pop_front()
    } else {
        None
    };
    let exchange = relay::relay(client, network, strike).await;
    if is_commit {
        lock(&shared).exchanges.push(exchange);
    }
}
