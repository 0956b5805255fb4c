//! The multi-upload client.

mod transport;

pub use transport::{Request, RequestBody, Response, Transport, TransportError};
