//! A host, and for each device a way to it that can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use diplomatic_host::{Host, MemoryStore, Server};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::browser::{spawn, wait};

/// A host that is gone when this is dropped.
pub(crate) struct RunningHost {
    address: SocketAddr,
    serving: AbortHandle,
}

impl RunningHost {
    pub(crate) fn start() -> Self {
        let listener = wait(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let server = Server::new(Host::new(MemoryStore::new()));
        Self { address, serving: spawn(server.serve(listener, std::future::pending())).abort_handle() }
    }

    /// Returns a way to this host.
    pub(crate) fn cable(&self) -> Cable {
        let listener = wait(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        Cable { address, host: self.address, carrying: spawn(carry(listener, self.address)) }
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An address from which all goes to the host, and all comes back.
pub(crate) struct Cable {
    address: SocketAddr,
    host: SocketAddr,
    carrying: JoinHandle<()>,
}

impl Cable {
    /// Returns where the host is, seen from the device.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks all connections, and lets no new one come about.
    pub(crate) fn pull_out(&mut self) {
        self.carrying.abort();
        // The error says that it was aborted.
        let _ = wait(&mut self.carrying);
    }

    pub(crate) fn plug_in(&mut self) {
        let listener = wait(TcpListener::bind(self.address)).expect("nobody else took the port");
        self.carrying = spawn(carry(listener, self.host));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(listener: TcpListener, host: SocketAddr) {
    // When this task is aborted, the set goes, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((mut device, _)) = listener.accept().await {
        connections.spawn(async move {
            let mut host = TcpStream::connect(host).await?;
            copy_bidirectional(&mut device, &mut host).await
        });
    }
}
