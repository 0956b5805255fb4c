//! The simulated network as the adapter and the sandbox see it.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use multi_upload_platforms::{Outside, Stream};
use multi_upload_server::Chance;
use turmoil::net::{TcpListener, TcpStream};

/// Connections over the simulated network, and chance by the seed.
#[derive(Debug)]
pub(crate) struct Simulated(pub(crate) Chance);

#[async_trait]
impl Outside for Simulated {
    async fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, String> {
        match TcpStream::connect((host, port)).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn random(&self) -> f64 {
        self.0.next()
    }
}

/// Serves a router on port 80 of the host that runs this, for as long as it lives.
pub(crate) async fn serve(router: Router) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        // How a connection ends is the caller's business.
        tokio::task::spawn_local(async move { connection.await.ok() });
    }
}
