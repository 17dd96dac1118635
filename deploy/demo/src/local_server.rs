//! A local HTTP server that ends with its handle. The sink and the scripted model are each one.

use std::{io, net::SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A server that accepts connections until this is dropped.
#[derive(Debug)]
pub(crate) struct LocalServer {
    address: SocketAddr,
    task: AbortOnDropHandle<io::Result<()>>,
}

impl LocalServer {
    /// Binds and serves. Port 0 takes any free one.
    pub(crate) async fn start(listen: SocketAddr, routes: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let task = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, routes).await }));
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for its end, which only an error brings about.
    pub(crate) async fn ended(self) -> io::Result<()> {
        self.task.await.map_err(io::Error::other)?
    }
}
