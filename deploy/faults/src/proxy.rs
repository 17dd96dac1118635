//! A TCP proxy that can be cut: what is open goes silent, what comes new is not answered, until it heals.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

/// Forwards until dropped.
pub struct Proxy {
    pub address: SocketAddr,
    cut: watch::Sender<bool>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    pub async fn start(target: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (cut, state) = watch::channel(false);
        let accepting = async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target.clone(), state.clone()));
            }
        };
        Ok(Self {
            address,
            cut,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)),
        })
    }

    /// Nothing passes and nobody is told.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// New connections pass; those that were cut are reset.
    pub fn heal(&self) {
        self.cut.send_replace(false);
    }
}

/// A connection that met a cut is kept silent until the end of it, and then closed.
async fn forward(mut client: TcpStream, target: String, mut cut: watch::Receiver<bool>) {
    let met = *cut.borrow_and_update();
    if !met {
        let Ok(mut server) = TcpStream::connect(target).await else {
            return;
        };
        let forwarding = copy_bidirectional(&mut client, &mut server);
        tokio::select! {
            _ended = forwarding => return,
            changed = cut.wait_for(|cut| *cut) => if changed.is_err() { return },
        }
    }
    // Both ends stay open meanwhile; an error means that the proxy is gone.
    cut.wait_for(|cut| !cut).await.ok();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    use super::Proxy;

    /// A server that sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await.ok();
                });
            }
        });
        address
    }

    async fn answers(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        stream.write_all(b"x").await.is_ok() && stream.read_exact(&mut byte).await.is_ok()
    }

    #[tokio::test]
    async fn a_cut_is_silence_and_healing_takes_new_connections() {
        let proxy = Proxy::start(echo().await).await.expect("it starts");
        let mut before = TcpStream::connect(proxy.address).await.expect("it accepts");
        assert!(answers(&mut before).await);
        proxy.cut();
        let mut during = TcpStream::connect(proxy.address).await.expect("the port is open");
        let silence = Duration::from_millis(200);
        timeout(silence, answers(&mut before))
            .await
            .expect_err("the old one is silent");
        timeout(silence, answers(&mut during))
            .await
            .expect_err("so is a new one");
        proxy.heal();
        assert!(!answers(&mut before).await, "what was cut is closed");
        let mut after = TcpStream::connect(proxy.address).await.expect("it accepts");
        assert!(answers(&mut after).await);
    }
}
