//! How long readers wait while many events come: `cargo bench -p diplomatic-tests --bench reads`. A thread reads all the
//! time, as a user interface does that is never idle, and the longest wait counts.
//!
//! `MESSAGES` sets how many come, 100,000 by default. The state is in memory before, and `BEFORE` says how many events it
//! has, 0 by default.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diplomatic::{Client, Seed};
use diplomatic_host::{Host, MemoryStore, Server};
use diplomatic_tests::todo::{Event, Todos, added};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

fn main() {
    Builder::new_multi_thread().enable_all().build().expect("a runtime starts").block_on(measure());
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn events(count: usize) -> Vec<Event> {
    (0..count).map(|number| added(format!("item {number} of a list that is rather long"))).collect()
}

async fn measure() {
    let folder = tempfile::tempdir().expect("there is room");
    let seed = Seed::random();
    let (messages, before) = (number("MESSAGES", 100_000), number("BEFORE", 0));
    let open = async |name: &str, host: Option<&str>| {
        let mut builder = Client::<Todos>::builder(seed.clone()).store(folder.path().join(name)).no_proxy();
        if let Some(host) = host {
            builder = builder.host(host);
        }
        let client = builder.open().await.expect("the client opens");
        if before > 0 {
            client.emit_all(events(before)).await.expect("the disk works");
        }
        client
    };

    let writer = open("writer.redb", None).await;
    let many = events(messages);
    watched("emit_all", &writer, async || drop(writer.emit_all(many).await.expect("the disk works"))).await;
    let file = folder.path().join("backup.dpl");
    writer.export(&file).await.expect("there is room");

    let importing = open("import.redb", None).await;
    watched("import", &importing, async || drop(importing.import(&file).await.expect("the file is good"))).await;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    tokio::spawn(Server::new(Arc::new(Host::new(MemoryStore::new()))).serve(listener, std::future::pending()));
    writer.close().await;
    let writer = Client::<Todos>::builder(seed.clone()).store(folder.path().join("writer.redb")).no_proxy().host(&url);
    let writer = writer.open().await.expect("the client opens");
    while !writer.sync().await.expect("it is open").is_caught_up() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    writer.close().await;
    let syncing = open("sync.redb", Some(&url)).await;
    watched("first sync", &syncing, async || syncing.first_sync().await.expect("it is open")).await;
}

/// Reads all the time while something is done, and reports the waits.
async fn watched(name: &str, client: &Client<Todos>, act: impl AsyncFnOnce()) {
    let is_done = Arc::new(AtomicBool::new(false));
    let reading = std::thread::spawn({
        let (client, is_done) = (client.clone(), is_done.clone());
        move || {
            let mut waits = Vec::new();
            while !is_done.load(Ordering::SeqCst) {
                let started = Instant::now();
                let count = client.read(|todos| todos.items.len());
                waits.push((started.elapsed(), count));
                std::thread::sleep(Duration::from_micros(100));
            }
            waits
        }
    });
    let started = Instant::now();
    act().await;
    let elapsed = started.elapsed();
    is_done.store(true, Ordering::SeqCst);
    let mut waits = reading.join().expect("it reads");
    let seen = waits.iter().map(|(_, count)| *count).collect::<std::collections::BTreeSet<_>>().len();
    waits.sort();
    let at = |share: usize| waits[(waits.len() - 1) * share / 10_000].0;
    let (median, most, longest) = (at(5_000), at(9_990), at(10_000));
    let over = waits.iter().filter(|(wait, _)| *wait > Duration::from_millis(1)).count();
    println!(
        "{name}: {elapsed:.2?}; {} reads of {seen} states waited {median:.2?} in the median, 99.9% {most:.2?}, longest \
         {longest:.2?}; {over} longer than 1 ms",
        waits.len()
    );
}
