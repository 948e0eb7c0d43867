//! The first sync of a large account from our host over loopback, and what emitting costs: `cargo bench -p
//! diplomatic-tests --bench first_sync`. Every part runs in a process of its own, so that its peak of memory is its own.
//!
//! `MESSAGES` and `BYTES` set the size of the account, 100,000 messages of 100 bytes by default.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diplomatic::standard::{HostKeys, Label, Seed, Seq};
use diplomatic::{Client, Timestamp};
use diplomatic_host::{BagStore, Host, RedbStore, Server};
use diplomatic_simulation::todo::{Todos, added};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

const PART: &str = "FIRST_SYNC_PART";
const URL: &str = "FIRST_SYNC_URL";

fn main() {
    match std::env::var(PART).as_deref() {
        Ok("fill") => runtime().block_on(fill()),
        Ok("sync") => runtime().block_on(first_sync()),
        Ok("emit") => runtime().block_on(emit()),
        _ => drive(),
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn seed() -> Seed {
    Seed::from_bytes([9; 32])
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime starts")
}

/// Runs the host here, and each part in a process of its own.
fn drive() {
    let folder = tempfile::tempdir().expect("there is room");
    let runtime = runtime();
    let store = RedbStore::open(folder.path().join("host.redb")).expect("the store opens");
    let host = std::sync::Arc::new(Host::new(store));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    runtime.spawn(Server::new(host.clone()).serve(listener, std::future::pending()));
    run("emit", &url);
    run("fill", &url);
    let user = *HostKeys::derive(&seed(), &Label::default()).public_key();
    let last = runtime.block_on(host.store().last(user)).expect("the store works").unwrap_or(Seq::ZERO);
    // The witnesses of the device that wrote them follow the messages.
    assert!(last.number() >= number("MESSAGES", 100_000) as u64, "every message is at the host");
    run("sync", &url);
}

fn run(part: &str, url: &str) {
    let program = std::env::current_exe().expect("it has a path");
    let status = Command::new(program).env(PART, part).env(URL, url).stdin(Stdio::null()).status();
    assert!(status.expect("it starts").success(), "{part} failed");
}

async fn open(seed: Seed, store: &std::path::Path, clock: Option<Timestamp>) -> Client<Todos> {
    let mut builder = Client::<Todos>::builder(seed).store(store).host(std::env::var(URL).expect("it is set"));
    if let Some(time) = clock {
        builder = builder.clock(move || time);
    }
    builder.open().await.expect("the client opens")
}

/// Another device of the user writes the account and pushes it.
async fn fill() {
    let folder = tempfile::tempdir().expect("there is room");
    let client = open(seed(), &folder.path().join("fill.redb"), None).await;
    let (messages, bytes) = (number("MESSAGES", 100_000), number("BYTES", 100));
    let text = "x".repeat(bytes.saturating_sub(50));
    let started = Instant::now();
    let mut left = messages;
    while left > 0 {
        let count = left.min(5000);
        client.emit_all(vec![added(&text); count]).await.expect("the disk works");
        left -= count;
    }
    let emitted = started.elapsed();
    while !client.sync().await.expect("the client is open").is_caught_up() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("fill: {messages} emitted in {emitted:.2?}, at the host after {:.2?}; {}", started.elapsed(), peak());
}

/// A new device reads the account.
async fn first_sync() {
    let folder = tempfile::tempdir().expect("there is room");
    let store = folder.path().join("first.redb");
    let before = peak();
    let started = Instant::now();
    let client = open(seed(), &store, None).await;
    client.first_sync().await.expect("the client is open");
    let elapsed = started.elapsed();
    let messages = client.read(|todos| todos.items.len());
    assert_eq!(messages, number("MESSAGES", 100_000));
    let cpu = cpu_time();
    println!("first sync: {messages} messages in {elapsed:.2?} (cpu {cpu:.2?}); {} (at start: {before})", peak());
    client.close().await;
    let started = Instant::now();
    let client = Client::<Todos>::builder(seed()).store(&store).open().await.expect("the client opens");
    println!(
        "reopened in {:.2?}; file {} MiB",
        started.elapsed(),
        std::fs::metadata(&store).map_or(0, |file| file.len() >> 20)
    );
    client.close().await;
}

/// One event at a time, with a host that takes them meanwhile, and without.
async fn emit() {
    let folder = tempfile::tempdir().expect("there is room");
    for (name, has_host) in [("alone", false), ("with a host", true)] {
        let store = folder.path().join(format!("{name}.redb"));
        let client = if has_host {
            open(Seed::from_bytes([8; 32]), &store, None).await
        } else {
            Client::<Todos>::builder(seed()).store(&store).open().await.expect("the client opens")
        };
        let mut times = Vec::new();
        for n in 0..500 {
            let started = Instant::now();
            client.emit(added(format!("item {n}"))).await.expect("the disk works");
            times.push(started.elapsed());
        }
        times.sort();
        println!("emit, {name}: median {:.2?}, 95% {:.2?}, longest {:.2?}", times[250], times[475], times[499]);
        client.close().await;
    }
    let file = std::fs::File::create(folder.path().join("plain")).expect("there is room");
    let mut times: Vec<Duration> = (0..200)
        .map(|n| {
            let started = Instant::now();
            std::os::unix::fs::FileExt::write_at(&file, &[7; 4096], n * 4096).expect("there is room");
            file.sync_data().expect("the disk works");
            started.elapsed()
        })
        .collect();
    times.sort();
    println!("for comparison, one 4 KiB write and fdatasync: median {:.2?}", times[100]);
}

/// Returns the peak of this process's memory, where the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(String::new, |line| format!("peak {}", line.trim()))
}

/// Returns the processor time of this process, where the system tells it.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<i64> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // After the name come the state, which is no number, and eleven fields before the two times, in 1/100 s.
    let ticks = fields.get(10).copied().unwrap_or_default() + fields.get(11).copied().unwrap_or_default();
    Duration::from_millis(ticks.unsigned_abs() * 10)
}
