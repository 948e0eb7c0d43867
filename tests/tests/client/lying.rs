//! Programs that run once, at hosts that lost their data, withhold, or are damaged: one sync is enough, and says the truth.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use diplomatic::Client;
use diplomatic::standard::{Seed, Timestamp};
use diplomatic_simulation::todo::{Todos, added};
use diplomatic_simulation::world::{Lies, LyingHost, Quirks, WorldHost};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::device::{Device, soon};
use crate::host::{TestHost, new_seed};

/// A host over real sockets that lies when it is told to. It has no live channel.
pub(crate) struct LyingServer {
    address: SocketAddr,
    pub(crate) host: Arc<Mutex<LyingHost>>,
    _serving: JoinSet<()>,
}

impl LyingServer {
    pub(crate) async fn start(quirks: Quirks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let host = Arc::new(Mutex::new(LyingHost::honest(quirks)));
        let mut serving = JoinSet::new();
        let served = host.clone();
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, served.clone()));
            }
        });
        Self { address, host, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn lie(&self, lies: Lies) {
        self.host.lock().unwrap().lies = lies;
    }

    pub(crate) fn bags(&self) -> usize {
        self.host.lock().unwrap().back_up().1.values().map(Vec::len).sum()
    }
}

/// Answers one request and hangs up.
async fn answer(mut stream: TcpStream, host: Arc<Mutex<LyingHost>>) {
    let mut request = Vec::new();
    let (path, body) = loop {
        let mut chunk = vec![0; 1 << 16];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&chunk[..count]),
        }
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0_usize);
        if request.len() >= end + 4 + len {
            let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            break (path, request[end + 4..].to_vec());
        }
    };
    let now = Timestamp::from_millis(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64);
    let (status, body) = if path.starts_with("/?") {
        ("404 Not Found", Vec::new())
    } else {
        ("200 OK", host.lock().unwrap().call(now, &path, &body).body)
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    let _ = stream.shutdown().await;
}

/// Runs a program that emits so many items and syncs once, and returns the host's line of the status.
pub(crate) async fn run(device: &Device, url: &str, items: usize) -> (bool, String) {
    let client: Client<Todos> = device.builder().session_config(Default::default()).host(url).open().await.unwrap();
    for item in 0..items {
        client.emit(added(format!("item {item}"))).await.unwrap();
    }
    let status = soon("sync comes back", client.sync()).await.unwrap();
    let line = status.hosts()[0].to_string();
    client.close().await;
    (status.is_caught_up(), line)
}

pub(crate) async fn items(seed: &Seed, url: &str) -> usize {
    let device = Device::new(seed);
    let client = device.open(url).await;
    soon("sync comes back", client.sync()).await.unwrap();
    let items = client.read(|todos| todos.items.len());
    client.close().await;
    items
}

#[tokio::test]
async fn each_run_brings_everything_to_a_host_that_lost_its_data() {
    let (seed, mut host) = (new_seed(), TestHost::start().await);
    let device = Device::new(&seed);
    for _ in 0..3 {
        assert!(run(&device, &host.url(), 1).await.0);
    }
    host.lose_everything().await;
    for count in 4..8 {
        let (in_sync, line) = run(&device, &host.url(), 1).await;
        assert!(in_sync, "{line}");
        assert_eq!(host.count(&seed), count, "nothing is missing and nothing is there twice");
    }
    assert_eq!(items(&seed, &host.url()).await, 7);
}

#[tokio::test]
async fn a_host_that_withholds_bodies_is_not_in_sync() {
    let (seed, server) = (new_seed(), LyingServer::start(Quirks::default()).await);
    assert!(run(&Device::new(&seed), &server.url(), 20).await.0);
    server.lie(Lies { withholds: 300, renumbers: false, ..Lies::default() });
    let device = Device::new(&seed);
    let (in_sync, line) = run(&device, &server.url(), 0).await;
    assert!(!in_sync);
    assert!(line.contains("not in sync; the host leaves out") && line.contains("add another host"), "{line}");
    server.host.lock().unwrap().heal();
    let (in_sync, line) = run(&device, &server.url(), 0).await;
    assert!(in_sync, "{line}");
}

#[tokio::test]
async fn one_damaged_bag_stops_neither_what_comes_nor_what_goes() {
    for byte in [3, 66, 72, 90] {
        let seed = new_seed();
        let server = LyingServer::start(Quirks { repeats_bags: true, ..Quirks::default() }).await;
        let writer = Device::new(&seed);
        assert!(run(&writer, &server.url(), 6).await.0);
        server.host.lock().unwrap().lies.damaged.insert(2, (byte, 1));
        let device = Device::new(&seed);
        let (in_sync, line) = run(&device, &server.url(), 1).await;
        assert!(!in_sync && line.contains("1 bag of the host cannot be read"), "byte {byte}: {line}");
        assert_eq!(server.bags(), 7);
        // The device that has what the damaged bag held sends it again.
        let (in_sync, line) = run(&writer, &server.url(), 0).await;
        assert!(in_sync, "byte {byte}: {line}");
        assert_eq!(server.bags(), 8);
        assert_eq!(items(&seed, &server.url()).await, 7);
    }
}

#[tokio::test]
async fn a_host_that_stores_nothing_of_what_it_acknowledges_is_never_in_sync() {
    let (seed, server) = (new_seed(), LyingServer::start(Quirks::default()).await);
    let device = Device::new(&seed);
    assert!(run(&device, &server.url(), 2).await.0);
    server.lie(Lies { false_pushes: 1000, ..Lies::default() });
    for _ in 0..4 {
        let (in_sync, line) = run(&device, &server.url(), 1).await;
        assert!(!in_sync, "{line}");
    }
    server.host.lock().unwrap().heal();
    let (in_sync, line) = run(&device, &server.url(), 1).await;
    assert!(in_sync, "{line}");
    assert_eq!(items(&seed, &server.url()).await, 7);
}
