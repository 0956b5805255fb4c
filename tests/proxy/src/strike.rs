//! What happens to a connection, and at which byte.

use std::time::Duration;

/// One fault of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// The direction whose bytes are counted.
    pub side: Side,
    /// So many bytes of it go through as they are; then it happens.
    pub after: usize,
    /// What happens.
    pub action: Action,
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From the service to the network.
    Request,
    /// From the network to the service: it has done its work by then.
    Answer,
}

/// What happens at the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Both sides see the connection end in order (FIN).
    Cut,
    /// Both sides see it break (RST).
    Reset,
    /// The service sees it break; the network does not hear of it, and gets whatever of the request is still to come.
    Orphan,
    /// Nothing more comes through, and the connection stays open until the service gives it up.
    Stall,
    /// Nothing comes through for so long; then all of it.
    Delay(Duration),
    /// The rest comes byte by byte.
    Drip,
}

impl Strike {
    /// At that byte of the request.
    #[must_use]
    pub const fn request(after: usize, action: Action) -> Self {
        Self {
            side: Side::Request,
            after,
            action,
        }
    }

    /// At that byte of the answer.
    #[must_use]
    pub const fn answer(after: usize, action: Action) -> Self {
        Self {
            side: Side::Answer,
            after,
            action,
        }
    }
}
