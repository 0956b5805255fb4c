//! Passing bytes on, up to the one where it happens.

use std::future::pending;
use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::{Action, Exchange, Side, Strike};

/// Whether the first bytes are these. They stay where they are, to be read again.
pub(crate) async fn begins_with(stream: &TcpStream, expected: &[u8]) -> io::Result<bool> {
    let mut seen = vec![0; expected.len()];
    loop {
        stream.readable().await?;
        let count = stream.peek(&mut seen).await?;
        if count == 0 || seen[..count] != expected[..count] {
            return Ok(false);
        }
        if count == expected.len() {
            return Ok(true);
        }
        tokio::task::yield_now().await;
    }
}

/// How one direction ended.
enum Ended {
    /// One of the two has nothing more to say, or has gone.
    Over,
    /// The byte was reached, and the connection ends there.
    Struck,
}

/// Passes everything on until the connection ends or the strike ends it.
pub(crate) async fn relay(
    mut client: TcpStream,
    mut network: TcpStream,
    strike: Option<Strike>,
) -> Exchange {
    let mut exchange = Exchange {
        strike,
        ..Exchange::default()
    };
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_network, to_network) = network.split();
        let at = |side| strike.filter(|strike| strike.side == side);
        let mut there = Direction::new(from_client, to_network, at(Side::Request));
        let mut back = Direction::new(from_network, to_client, at(Side::Answer));
        let ended = {
            let there = async {
                match there.carry().await {
                    Ended::Struck => Ended::Struck,
                    // The answer is still to come.
                    Ended::Over => pending().await,
                }
            };
            let back = back.carry();
            tokio::select! {
                ended = there => ended,
                ended = back => ended,
            }
        };
        exchange.request = there.passed;
        exchange.answer = back.passed;
        exchange.is_struck = there.is_struck || back.is_struck;
        ended
    };
    if let (Ended::Struck, Some(strike)) = (ended, strike) {
        exchange.request += end(client, network, strike).await;
    }
    exchange
}

/// One direction of a connection.
struct Direction<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    strike: Option<Strike>,
    passed: usize,
    is_struck: bool,
}

impl<'a> Direction<'a> {
    fn new(from: ReadHalf<'a>, to: WriteHalf<'a>, strike: Option<Strike>) -> Self {
        Self {
            from,
            to,
            strike,
            passed: 0,
            is_struck: false,
        }
    }

    async fn carry(&mut self) -> Ended {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            // Exactly so many are taken, too: what lies behind the byte stays with its sender.
            let room = match self.strike.filter(|_| !self.is_struck) {
                Some(strike) if strike.after == self.passed => {
                    self.is_struck = true;
                    match strike.action {
                        Action::Delay(pause) => tokio::time::sleep(pause).await,
                        Action::Drip => {}
                        _ => return Ended::Struck,
                    }
                    continue;
                }
                Some(strike) => buffer.len().min(strike.after - self.passed),
                None => buffer.len(),
            };
            let Ok(count @ 1..) = self.from.read(&mut buffer[..room]).await else {
                // Who has gone already does not need to be told.
                let _ = self.to.shutdown().await;
                return Ended::Over;
            };
            if self.pass(&buffer[..count]).await.is_err() {
                return Ended::Over;
            }
        }
    }

    async fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let drips = self.is_struck
            && self
                .strike
                .is_some_and(|strike| strike.action == Action::Drip);
        if drips {
            for byte in bytes {
                self.to.write_all(std::slice::from_ref(byte)).await?;
                self.passed += 1;
                // The other side may read it before the next one leaves.
                tokio::task::yield_now().await;
            }
        } else {
            self.to.write_all(bytes).await?;
            self.passed += bytes.len();
        }
        Ok(())
    }
}

/// Ends a connection; gives how many bytes still reached the network.
async fn end(client: TcpStream, network: TcpStream, strike: Strike) -> usize {
    let done = match strike.action {
        Action::Cut => hang_up(client, network).await.map(|()| 0),
        Action::Reset => break_off(client, network).map(|()| 0),
        Action::Orphan => orphan(client, network, strike).await,
        Action::Stall => stall(client, network).await.map(|()| 0),
        Action::Delay(_) | Action::Drip => Ok(0),
    };
    // What fails here was gone already.
    done.unwrap_or(0)
}

/// FIN, and not RST for what was not read: that is read and thrown away.
async fn hang_up(mut client: TcpStream, mut network: TcpStream) -> io::Result<()> {
    let (one, other) = tokio::join!(client.shutdown(), network.shutdown());
    one.and(other)?;
    let (one, other) = tokio::join!(drain(&mut client), drain(&mut network));
    one.and(other)
}

fn break_off(client: TcpStream, network: TcpStream) -> io::Result<()> {
    client.set_zero_linger()?;
    network.set_zero_linger()?;
    drop((client, network));
    Ok(())
}

/// Open, and silent, until the service gives up.
async fn stall(mut client: TcpStream, network: TcpStream) -> io::Result<()> {
    let gone = drain(&mut client).await;
    drop(network);
    gone
}

/// The network goes on as if nothing had happened.
async fn orphan(client: TcpStream, mut network: TcpStream, strike: Strike) -> io::Result<usize> {
    let mut rest = Vec::new();
    if strike.side == Side::Request {
        // Whatever is still to come was sent by now, or follows at once: the service writes a post in one piece.
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = client.try_read(&mut buffer) {
            if count == 0 {
                break;
            }
            rest.extend_from_slice(&buffer[..count]);
        }
    }
    client.set_zero_linger()?;
    drop(client);
    network.write_all(&rest).await?;
    network.shutdown().await?;
    drain(&mut network).await?;
    Ok(rest.len())
}

async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut sink = vec![0; 64 * 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
