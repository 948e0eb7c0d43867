//! Where the host listens: on a socket that systemd passes, or on an address.

use std::io;
use std::net::SocketAddr;

use listenfd::ListenFd;
use tokio::net::TcpListener;

/// Returns the first socket that was passed to this process, or else listens on `address`.
pub(crate) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match ListenFd::from_env().take_tcp_listener(0)? {
        Some(passed) => {
            passed.set_nonblocking(true)?;
            TcpListener::from_std(passed)
        }
        None => TcpListener::bind(address).await,
    }
}
