//! How fast the program is with 50,000 notes, or as many as `NOTES` says: `cargo bench -p notes`.

#![allow(clippy::unwrap_used, reason = "a benchmark that panics says where")]

#[cfg(unix)]
#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use diplomatic::Seed;
use indicatif::ProgressBar;
use notes::account::Account;
use notes::demo::make_notes;
use notes::device::Device;
use notes::index::Search;

fn main() {
    let count: u64 = std::env::var("NOTES").map_or(50_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let seed = Seed::random();
    seed.store_new(data.join("seed")).unwrap();
    let device = Device::open(Account { seed, directory: data.clone() }, None).unwrap();
    time("write", || make_notes(&device, count, &ProgressBar::hidden()).unwrap());
    time("index", || device.catch_up(|_| ()).unwrap());
    for query in ["", "w", "wi", "window", "window bicycle", "zzz", "dinner 49999"] {
        let search = Search::typed(query);
        let times = (0..51).map(|_| {
            let started = Instant::now();
            device.index().search(&search, 0, 60).unwrap();
            started.elapsed()
        });
        println!("search {query:?}: median {:.2?}", median(times.collect()));
    }
    device.close();
    drop(device);
    for name in ["notes.redb", "notes.sqlite"] {
        println!("{name}: {} MB", fs::metadata(data.join(name)).unwrap().len() / 1_000_000);
    }
    start(&data, count);
}

/// Starts the program on a terminal of its own.
#[cfg(unix)]
fn start(data: &Path, count: u64) {
    let mut memory = Vec::new();
    let times = (0..11).map(|_| {
        let terminal = support::open(data, None);
        let took = terminal.wait_for(&format!("{count} notes"));
        std::thread::sleep(Duration::from_millis(500));
        memory.extend(terminal.memory());
        assert!(terminal.quit().success());
        took
    });
    println!("start: median {:.2?} until the notes are on the screen", median(times.collect()));
    memory.sort_unstable();
    if let Some(memory) = memory.get(memory.len() / 2) {
        println!("memory: {memory} MB resident");
    }
}

#[cfg(not(unix))]
fn start(_: &Path, _: u64) {}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn time(what: &str, act: impl FnOnce()) {
    let started = Instant::now();
    act();
    println!("{what}: {:.2?}", started.elapsed());
}
