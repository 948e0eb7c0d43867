//! How long readers wait while many events come: `cargo bench -p diplomatic-tests --bench reads`. A thread reads all the
//! time, as a user interface does that is never idle, and the longest wait counts. Some of that is the wait for a core: on
//! a machine that has fewer cores than busy threads, whoever slept is not always woken up at once. Where the system tells how
//! long that took, the longest wait for the lock is reported apart from it.
//!
//! `MESSAGES` sets how many come, 100,000 by default. The state is in memory before, and `BEFORE` says how many events it
//! has, 0 by default.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diplomatic::{Client, Seed};
use diplomatic_host::{Host, MemoryStore, Server};
use diplomatic_simulation::todo::{Event, Todos, added};
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

/// A wait for the state.
#[derive(Clone, Copy)]
struct Wait {
    whole: Duration,
    /// Without the time in which the reader could have run, but had no core.
    for_lock: Duration,
}

/// Reads all the time while something is done, and reports the waits.
async fn watched(name: &str, client: &Client<Todos>, act: impl AsyncFnOnce()) {
    let is_done = Arc::new(AtomicBool::new(false));
    let reading = std::thread::spawn({
        let (client, is_done) = (client.clone(), is_done.clone());
        move || {
            let cores = Cores::of_this_thread();
            let (mut waits, mut seen) = (Vec::new(), BTreeSet::new());
            while !is_done.load(Ordering::SeqCst) {
                let (without_core, started) = (cores.waited_for(), Instant::now());
                let count = client.read(|todos| todos.items.len());
                let whole = started.elapsed();
                let for_lock = whole.saturating_sub(cores.waited_for().saturating_sub(without_core));
                waits.push(Wait { whole, for_lock });
                seen.insert(count);
                std::thread::sleep(Duration::from_micros(100));
            }
            (waits, seen.len())
        }
    });
    let started = Instant::now();
    act().await;
    let elapsed = started.elapsed();
    is_done.store(true, Ordering::SeqCst);
    let (waits, seen) = reading.join().expect("it reads");
    println!("{name}: {elapsed:.2?}; {} reads of {seen} states", waits.len());
    report("whole wait", waits.iter().map(|wait| wait.whole).collect());
    report("for the lock", waits.iter().map(|wait| wait.for_lock).collect());
}

fn report(name: &str, mut waits: Vec<Duration>) {
    waits.sort();
    let at = |share: usize| waits[(waits.len() - 1) * share / 10_000];
    let (median, most, longest) = (at(5_000), at(9_990), at(10_000));
    let over = waits.iter().filter(|wait| **wait > Duration::from_millis(1)).count();
    println!("    {name}: median {median:.2?}, 99.9% {most:.2?}, longest {longest:.2?}; {over} longer than 1 ms");
}

/// What the system tells of how long a thread had to wait for a core.
struct Cores(Option<File>);

impl Cores {
    fn of_this_thread() -> Self {
        Self(File::open("/proc/thread-self/schedstat").ok())
    }

    /// Returns the time so far; zero where the system does not tell.
    fn waited_for(&self) -> Duration {
        let mut text = [0; 96];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or_default();
        let text = std::str::from_utf8(&text[..read]).unwrap_or_default();
        Duration::from_nanos(text.split(' ').nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
    }
}
