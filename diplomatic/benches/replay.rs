//! Export, replay and import of a large file: rates and peak memory.
//!
//! Run with `cargo bench -p diplomatic --bench replay [-- MESSAGES]`. Each measurement is a process of its own, so
//! that peak memory is its own too; of three runs the one with the median time is printed. Processor time stands beside,
//! since it tells more than time on a machine that has other work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use diplomatic::standard::{EntityId, Seed, Timestamp};
use diplomatic::{Backing, Device, DiplomaticEvent, Meta, Reducer, Replay};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "bench")]
enum Event {
    Added {
        title: String,
    },
    #[diplomatic(overwrites = "todo")]
    Renamed {
        todo: EntityId,
        title: String,
    },
}

#[derive(Default, Serialize, Deserialize)]
struct Count {
    events: u64,
    bytes: usize,
}

impl Reducer for Count {
    type Event = Event;

    fn apply(&mut self, event: Event, _: &Meta) {
        self.events += 1;
        self.bytes += match event {
            Event::Added { title } | Event::Renamed { title, .. } => title.len(),
        };
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);
const RUNS: usize = 3;

fn seed() -> Seed {
    Seed::from_bytes([7; 32])
}

fn open(path: &Path) -> Device<Count> {
    Device::open(Backing::file(path), &seed(), StdRng::seed_from_u64(1)).expect("the log opens")
}

/// What is measured, in the order in which one needs the files of the other.
const ACTS: [&str; 6] = ["emit", "export", "open", "fold", "history", "import"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [act, folder, count] => measure(act, Path::new(folder), count.parse().expect("a number of messages")),
        rest => {
            let count = rest.first().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
            let folder = tempfile::tempdir().expect("a folder for the files");
            report(folder.path(), count);
        }
    }
}

fn report(folder: &Path, count: u64) {
    println!("{count} messages with bodies of about 100 bytes; medians of {RUNS} runs");
    for act in ACTS {
        let runs = if act == "emit" { 1 } else { RUNS };
        let mut results: Vec<[f64; 3]> = (0..runs).map(|_| run(act, folder, count)).collect();
        results.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [seconds, processor, peak] = results[runs / 2];
        let rate = count as f64 / seconds;
        println!("{act:8} {seconds:7.2} s ({processor:6.2} s of processors) {rate:9.0} messages/s, peak {peak:4.0} MB");
    }
    let size = std::fs::metadata(folder.join("bench.dpl")).map(|file| file.len()).unwrap_or_default();
    println!("the file has {} MB", size / 1_000_000);
}

fn run(act: &str, folder: &Path, count: u64) -> [f64; 3] {
    let program = std::env::current_exe().expect("this program has a path");
    let output =
        Command::new(program).arg(act).arg(folder).arg(count.to_string()).output().expect("this program runs again");
    assert!(output.status.success(), "{act}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("three numbers");
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    numbers.try_into().expect("three numbers")
}

fn measure(act: &str, folder: &Path, count: u64) {
    let log = folder.join("bench.redb");
    let file = folder.join("bench.dpl");
    let start;
    match act {
        "emit" => {
            start = Instant::now();
            let mut device = open(&log);
            for first in (0..count).step_by(10_000) {
                // With its map, type and key this makes a body of about 100 bytes.
                let last = (first + 10_000).min(count);
                let events: Vec<Event> = (first..last).map(|n| Event::Added { title: format!("{n:065}") }).collect();
                device.emit_all(Timestamp::from_millis(NOW.as_millis() + first), &events).expect("emitting works");
            }
        }
        "export" => {
            let mut device = open(&log);
            start = Instant::now();
            let exported = device.export(&file, &seed()).expect("exporting works");
            assert_eq!(exported.messages, count);
        }
        "open" => {
            start = Instant::now();
            assert_eq!(Replay::open(&file, &seed()).expect("the file opens").len() as u64, count);
        }
        "fold" => {
            start = Instant::now();
            let mut replay = Replay::open(&file, &seed()).expect("the file opens");
            assert_eq!(replay.fold::<Count>(None).expect("the file folds").state.events, count);
        }
        "history" => {
            start = Instant::now();
            let mut replay = Replay::open(&file, &seed()).expect("the file opens");
            assert_eq!(replay.history::<Event>().filter(|event| event.is_ok()).count() as u64, count);
        }
        "import" => {
            let new: PathBuf = folder.join("import.redb");
            let _ = std::fs::remove_file(&new);
            let mut device = open(&new);
            start = Instant::now();
            assert_eq!(device.import(&file, &seed()).expect("importing works").new, count);
        }
        act => panic!("nothing is called {act}"),
    }
    println!("{} {} {}", start.elapsed().as_secs_f64(), processor_seconds(), peak_megabytes());
}

/// Returns the processor time of all threads of this process; 0 where the system does not tell.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // In hundredths, after the name of the program: the 14th field of all is user time, the 15th the system's.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Returns the most memory that this process ever had; 0 where the system does not tell.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or_default() / 1000.0
}
