//! A connection to the host that can be cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A device's network cable: an address that forwards to the host.
#[derive(Debug)]
pub(crate) struct Cable {
    address: SocketAddr,
    host: SocketAddr,
    carrying: JoinHandle<()>,
}

impl Cable {
    pub(crate) async fn new(host: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self { address: listener.local_addr()?, host, carrying: tokio::spawn(carry(listener, host)) })
    }

    /// Returns the host's address, from the device's point of view.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks all connections and allows no new ones.
    pub(crate) async fn pull_out(&mut self) {
        self.carrying.abort();
        // The error says that it was aborted.
        let _ = (&mut self.carrying).await;
    }

    pub(crate) async fn plug_in(&mut self) -> io::Result<()> {
        self.carrying = tokio::spawn(carry(TcpListener::bind(self.address).await?, self.host));
        Ok(())
    }
}

async fn carry(listener: TcpListener, host: SocketAddr) {
    // Aborting this task drops the set, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((mut device, _)) = listener.accept().await {
        connections.spawn(async move {
            let mut host = TcpStream::connect(host).await?;
            copy_bidirectional(&mut device, &mut host).await
        });
    }
}
