//! What hosts cost: `cargo bench -p diplomatic-tests --bench hosts`. Two hosts with the same messages, large bodies next to
//! what a bare HTTP client needs for them, and the digest of all messages. Hosts and devices share the machine.
//!
//! `MESSAGES` sets how many messages the two hosts have, 100,000 by default. `PART` runs `two`, `large` or `digest` alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diplomatic::standard::calls::{Call, PullRequest};
use diplomatic::standard::{Encode, HostKeys, Label, Seed, Seq, Timestamp};
use diplomatic::{Client, ClientBuilder};
use diplomatic_host::{BagStore, Host, RedbStore, Server};
use diplomatic_simulation::todo::{Todos, added};
use diplomatic_tests::counting::CountingStore;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

const LARGE: usize = 100_000;
const LARGE_BODIES: usize = 1_000;

fn main() {
    Builder::new_multi_thread().enable_all().build().expect("a runtime starts").block_on(async {
        let part = std::env::var("PART").ok();
        let is_wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
        if is_wanted("two") {
            two_hosts().await;
        }
        if is_wanted("large") {
            large_bodies().await;
        }
        if is_wanted("digest") {
            digest().await;
        }
    });
}

fn messages() -> usize {
    std::env::var("MESSAGES").ok().and_then(|value| value.parse().ok()).unwrap_or(100_000)
}

fn seed() -> Seed {
    Seed::from_bytes([9; 32])
}

fn backup() -> Label {
    Label::new("backup")
}

async fn start(store: impl BagStore) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(Server::new(Arc::new(Host::new(store))).serve(listener, std::future::pending()));
    address
}

fn device(folder: &Path, name: &str) -> ClientBuilder<Todos> {
    Client::<Todos>::builder(seed()).store(folder.join(name)).no_proxy().witness_after(None)
}

async fn emit(client: &Client<Todos>, count: usize, bytes: usize) {
    let text = "x".repeat(bytes.saturating_sub(50));
    let mut left = count;
    while left > 0 {
        let now = left.min(5_000.min(1 + 20_000_000 / bytes));
        client.emit_all(vec![added(&text); now]).await.expect("the disk works");
        left -= now;
    }
}

async fn caught_up(client: &Client<Todos>) {
    while !client.sync().await.expect("the client is open").is_caught_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn two_hosts() {
    let folder = tempfile::tempdir().expect("there is room");
    let stores = [CountingStore::default(), CountingStore::default()];
    let first = format!("http://{}", start(stores[0].clone()).await);
    let second = format!("http://{}", start(stores[1].clone()).await);
    let count = messages();
    let writer =
        device(folder.path(), "writer").host(&first).host_as(backup(), &second).open().await.expect("it opens");
    emit(&writer, count, 100).await;
    caught_up(&writer).await;
    writer.close().await;
    let listed = stores[0].heads_listed() + stores[1].heads_listed();
    println!("two hosts with {count} messages each: the device that wrote them was listed {listed} of them again");

    let started = Instant::now();
    let one = device(folder.path(), "one").host(&first).open().await.expect("it opens");
    caught_up(&one).await;
    assert_eq!(one.read(|todos| todos.items.len()), count);
    println!("    one of them: caught up in {:.2?}", started.elapsed());
    one.close().await;

    let before = stores[0].bodies_fetched() + stores[1].bodies_fetched();
    let started = Instant::now();
    let two = device(folder.path(), "two").host(&first).host_as(backup(), &second).open().await.expect("it opens");
    caught_up(&two).await;
    let elapsed = started.elapsed();
    assert_eq!(two.read(|todos| todos.items.len()), count);
    let fetched = stores[0].bodies_fetched() + stores[1].bodies_fetched() - before;
    println!("    both: caught up in {elapsed:.2?}; {fetched} bodies were fetched");
    two.close().await;
}

async fn large_bodies() {
    let folder = tempfile::tempdir().expect("there is room");
    let host = start(RedbStore::open(folder.path().join("host.redb")).expect("the store opens")).await;
    let url = format!("http://{host}");
    let writer = device(folder.path(), "writer").host(&url).open().await.expect("it opens");
    emit(&writer, LARGE_BODIES, LARGE).await;
    caught_up(&writer).await;
    writer.close().await;
    for round in 1..=3 {
        let (fetched, bytes) =
            tokio::task::spawn_blocking(move || bare_client(host)).await.expect("the bare client works");
        let started = Instant::now();
        let client = device(folder.path(), &format!("reader {round}")).host(&url).open().await.expect("it opens");
        client.first_sync().await.expect("the client is open");
        let synced = started.elapsed();
        assert_eq!(client.read(|todos| todos.items.len()), LARGE_BODIES);
        client.close().await;
        let factor = synced.as_secs_f64() / fetched.as_secs_f64();
        println!(
            "{LARGE_BODIES} bodies of {LARGE} bytes: a bare HTTP client fetched {bytes} bytes in {fetched:.2?}, first sync \
             took {synced:.2?}, {factor:.1} times that"
        );
    }
}

/// Fetches the same bodies from the same host, in requests of the same size, and drops them.
fn bare_client(host: SocketAddr) -> (Duration, usize) {
    let keys = HostKeys::derive(&seed(), &Label::default());
    let mut stream = TcpStream::connect(host).expect("the host listens");
    let mut buffer = vec![0; 1 << 20];
    let (started, mut bytes) = (Instant::now(), 0);
    for first in (1..=LARGE_BODIES as u64).step_by(40) {
        let last = (first + 39).min(LARGE_BODIES as u64);
        let seqs = (first..=last).filter_map(Seq::new).collect();
        let mut body = keys.authenticate(now()).to_bytes();
        PullRequest { seqs }.encode(&mut body);
        let length = body.len();
        let head = format!("POST {} HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n", Call::Pull.path());
        stream.write_all(&[head.as_bytes(), &body].concat()).expect("the host is there");
        let expected = (last - first + 1) as usize * LARGE;
        let mut got = 0;
        let mut tail = Vec::new();
        // Responses are chunked: the last chunk is empty.
        while got < expected || !tail.ends_with(b"0\r\n\r\n") {
            let read = stream.read(&mut buffer).expect("the host answers");
            assert!(read > 0, "the host ended the connection");
            got += read;
            tail.extend_from_slice(&buffer[read.saturating_sub(5)..read]);
            tail.drain(..tail.len().saturating_sub(5));
        }
        bytes += got;
    }
    (started.elapsed(), bytes)
}

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

async fn digest() {
    let folder = tempfile::tempdir().expect("there is room");
    let client = device(folder.path(), "digest").open().await.expect("it opens");
    emit(&client, messages(), 100).await;
    client.close().await;
    for _ in 0..3 {
        let client = device(folder.path(), "digest").open().await.expect("it opens");
        let started = Instant::now();
        let digest = client.digest().await.expect("the disk works");
        println!("digest of {} messages: {:.2?} ({digest})", messages(), started.elapsed());
        client.close().await;
    }
}
