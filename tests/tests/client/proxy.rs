//! A network between a client and a host that can be bad in several ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use diplomatic_simulation::world::Chance;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    Good,
    /// Each connection is closed after so many bytes from the host at most, at random.
    Cutting(u64),
    /// Each connection is closed after so many bytes from the client at most, at random.
    CuttingRequests(u64),
    /// Connections come about, and nothing passes; those that are open then never come back to life.
    Silent,
    /// Connections are closed at once.
    Closing,
    /// Requests longer than this are cut off.
    CuttingLarge(u64),
    /// What the client sends passes at 64 KiB a second.
    Narrow,
    /// Nothing passes on the connections that are open, and new ones are good. Those that were dead stay so.
    Dead,
    /// Everything takes this much longer.
    Slow(Duration),
    /// Pushes reach the host this much later, also when the client has given up and hung up meanwhile.
    LatePushes(Duration),
    /// WebSocket upgrades are answered with an ordinary 200.
    NoUpgrades,
    /// WebSocket upgrades are never answered.
    SilentUpgrades,
}

/// Counts connections on which nothing comes.
#[derive(Debug, Default)]
struct Silent {
    all: AtomicUsize,
    open: AtomicUsize,
}

/// Passes bytes on, as well as the network is.
pub(crate) struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    silent: Arc<Silent>,
    upstream: Arc<AtomicU64>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (network, receiver) = watch::channel(Network::Good);
        let silent = Arc::new(Silent::default());
        let counter = silent.clone();
        let upstream = Arc::new(AtomicU64::new(0));
        let sent = upstream.clone();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut chance = Chance::new(address.port().into());
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(pass(stream, host, receiver.clone(), counter.clone(), sent.clone(), chance.any()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, network, silent, upstream, _accepting: accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how many connections were silent from the start, and how many of them are still open.
    pub(crate) fn silent_connections(&self) -> (usize, usize) {
        (self.silent.all.load(Ordering::SeqCst), self.silent.open.load(Ordering::SeqCst))
    }

    /// Returns how many bytes clients have sent.
    pub(crate) fn upstream_bytes(&self) -> u64 {
        self.upstream.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

async fn pass(
    client: TcpStream,
    host: SocketAddr,
    network: watch::Receiver<Network>,
    silent: Arc<Silent>,
    sent: Arc<AtomicU64>,
    chance: u64,
) {
    let mut chance = Chance::new(chance);
    let now = *network.borrow();
    let (mut upstream_limit, mut downstream_limit) = (u64::MAX, u64::MAX);
    match now {
        Network::Cutting(most) => downstream_limit = chance.between(0, most),
        Network::CuttingRequests(most) => upstream_limit = chance.between(0, most),
        Network::CuttingLarge(most) => upstream_limit = most,
        Network::Silent => return keep_silent(client, &silent).await,
        Network::Closing => return,
        Network::Good
        | Network::Narrow
        | Network::Dead
        | Network::Slow(_)
        | Network::LatePushes(_)
        | Network::NoUpgrades
        | Network::SilentUpgrades => {}
    }
    if now == Network::NoUpgrades && is_upgrade(&client).await {
        return answer_plainly(client).await;
    }
    if now == Network::SilentUpgrades && is_upgrade(&client).await {
        return keep_silent(client, &silent).await;
    }
    let Ok(host) = TcpStream::connect(host).await else { return };
    let _ = (client.set_nodelay(true), host.set_nodelay(true));
    let (client_reads, client_writes) = client.into_split();
    let (host_reads, host_writes) = host.into_split();
    tokio::select! {
        () = pump(client_reads, host_writes, network.clone(), upstream_limit, Some(&sent)) => {}
        () = pump(host_reads, client_writes, network, downstream_limit, None) => {}
    }
}

/// Answers nothing until the client hangs up.
async fn keep_silent(mut stream: TcpStream, silent: &Silent) {
    silent.all.fetch_add(1, Ordering::SeqCst);
    silent.open.fetch_add(1, Ordering::SeqCst);
    let mut bytes = vec![0; 16 << 10];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    silent.open.fetch_sub(1, Ordering::SeqCst);
}

async fn is_upgrade(stream: &TcpStream) -> bool {
    let mut first = [0; 4];
    while stream.peek(&mut first).await.is_ok_and(|read| read > 0 && read < first.len()) {}
    first == *b"GET "
}

async fn answer_plainly(mut stream: TcpStream) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut network: watch::Receiver<Network>,
    mut limit: u64,
    // Of the client's direction alone.
    sent: Option<&AtomicU64>,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            () = falls_silent(&mut network) => std::future::pending().await,
            read = from.read(&mut bytes) => read,
        };
        let Ok(read @ 1..) = read else { return };
        let now = *network.borrow();
        match now {
            Network::Slow(delay) => sleep(delay).await,
            Network::Narrow if sent.is_some() => sleep(Duration::from_micros(read as u64 * 15)).await,
            Network::LatePushes(delay) if bytes.starts_with(b"POST /push") => {
                return deliver_late(bytes[..read].to_vec(), from, to, delay).await;
            }
            _ => {}
        }
        let passed = (read as u64).min(limit);
        if to.write_all(&bytes[..passed as usize]).await.is_err() {
            return;
        }
        sent.inspect(|sent| _ = sent.fetch_add(passed, Ordering::SeqCst));
        limit -= passed;
        if limit == 0 {
            return;
        }
    }
}

/// Ends when the network falls silent: both halves of what is open then stay open for ever.
async fn falls_silent(network: &mut watch::Receiver<Network>) {
    if network.wait_for(|network| matches!(network, Network::Silent | Network::Dead)).await.is_err() {
        std::future::pending().await
    }
}

/// Holds back all that comes, and passes it on after the delay, whether or not the sender is still there.
async fn deliver_late(
    mut held: Vec<u8>,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
) {
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(delay, async {
        while from.read_buf(&mut rest).await.is_ok_and(|read| read > 0) {}
        std::future::pending::<()>().await;
    })
    .await;
    held.append(&mut rest);
    let _ = to.write_all(&held).await;
    // The host hears nothing more, and has the time to take it.
    std::future::pending().await
}
