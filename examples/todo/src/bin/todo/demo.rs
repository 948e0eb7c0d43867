//! Two devices of one user and a host, in one process and on one page.

use std::error::Error;
use std::io::{self, Write};
use std::net::Ipv4Addr;

use diplomatic::{Client, Seed};
use diplomatic_host::{Host, MemoryStore, Server as HostServer};
use todo::device::Device;
use todo::{OrderKey, TodoEvent, Todos, inbox};
use tokio::net::TcpListener;

use crate::server::{Server, Token};
use crate::shutdown::Shutdown;
use crate::tell;

/// Shows the demo until the program is asked to end. Its data is removed then.
pub(crate) async fn demo(port: Option<u16>) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::listen()?;
    let folder = tempfile::tempdir()?;
    let seed = Seed::random();
    let host = start_host().await?;
    furnish(&seed, &host).await?;
    let mut devices = Vec::new();
    for name in ["phone", "laptop"] {
        let store = folder.path().join(format!("{name}.redb"));
        let client = Client::builder(seed.clone()).store(store).host(host.as_str()).open().await?;
        client.first_sync().await?;
        devices.push(Device { name, client, has_log: true });
    }

    let server = Server::listen(port, Token::random()).await?;
    tell("Two devices and a host are at work. Open this address in a browser; Ctrl-C ends all of it without a trace.");
    writeln!(io::stdout(), "{}", server.address)?;
    server.serve(devices, shutdown.requested()).await;
    Ok(())
}

/// Starts a host that ends with this process, and returns its address.
async fn start_host() -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(HostServer::new(Host::new(MemoryStore::new())).serve(listener, std::future::pending()));
    Ok(address)
}

/// Adds a few items from a third device, so that neither of the two starts with something to undo.
async fn furnish(seed: &Seed, host: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::<Todos>::builder(seed.clone()).in_memory().host(host).open().await?;
    let mut order = OrderKey::default();
    let items = ["Water the plants", "Buy oat milk", "Call grandma on Sunday"].map(|title| {
        order = OrderKey::between(Some(&order), None).unwrap_or_default();
        TodoEvent::Added { list: inbox(), title: title.to_owned(), order: order.clone() }
    });
    client.emit_all(items.into()).await?;
    client.sync().await?;
    client.close().await;
    Ok(())
}
