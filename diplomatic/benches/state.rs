//! A state of real size: what late events, merges, undo and a look at yesterday cost, and how large the file becomes.
//!
//! Run with `cargo bench -p diplomatic --bench state [-- ITEMS]`. The state is a list of todos of 1 KB each, 50,000
//! unless said otherwise, that were added over the last thirty days. Each measurement is a process of its own on a copy
//! of the same file; where it says "median", the longest stands beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use diplomatic::standard::{EntityId, Label, Message, Seed, Seq, Timestamp};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DeviceConfig, DiplomaticEvent, Meta, Reducer};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "bench")]
enum Event {
    Added {
        title: String,
        note: String,
    },
    #[diplomatic(overwrites = "todo")]
    Done {
        todo: EntityId,
        done: bool,
    },
    #[diplomatic(deletes = "todo")]
    Removed {
        todo: EntityId,
    },
}

#[derive(Serialize, Deserialize)]
struct Todo {
    title: String,
    note: String,
    done: bool,
}

/// The list; 1 KB an item.
#[derive(Default, Serialize, Deserialize)]
struct Todos(BTreeMap<EntityId, Todo>);

impl Reducer for Todos {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Added { title, note } => {
                let todo = Todo { title, note, done: false };
                self.0.insert(at.entity.clone(), todo);
            }
            Event::Done { todo, done } => {
                if let Some(todo) = self.0.get_mut(&todo) {
                    todo.done = done;
                }
            }
            Event::Removed { todo } => {
                self.0.remove(&todo);
            }
        }
    }
}

/// The list, with the promise that its items are independent of each other, which they are.
#[derive(Default, Serialize, Deserialize)]
struct Independent(Todos);

impl Reducer for Independent {
    type Event = Event;

    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: Event, at: &Meta) {
        self.0.apply(event, at);
    }
}

impl AsRef<Todos> for Independent {
    fn as_ref(&self) -> &Todos {
        &self.0
    }
}

impl AsRef<Self> for Todos {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// How many there are: a state of a few bytes.
#[derive(Default, Serialize, Deserialize)]
struct Tally(u64);

impl Reducer for Tally {
    type Event = Event;

    fn apply(&mut self, event: Event, _: &Meta) {
        match event {
            Event::Added { .. } => self.0 += 1,
            Event::Done { .. } => {}
            Event::Removed { .. } => self.0 -= 1,
        }
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);
const DAY: u64 = 24 * 3600 * 1000;
const MILLION: u64 = 1_000_000;
/// How many items are added at once.
const BATCH: u64 = 50;

fn seed() -> Seed {
    Seed::from_bytes([7; 32])
}

fn open<R: Reducer>(path: &Path) -> Device<R> {
    Device::open(Backing::file(path), &seed(), StdRng::seed_from_u64(1)).expect("the log opens")
}

/// Opens a log for which no snapshot is ever taken.
fn open_bare<R: Reducer>(path: &Path) -> Device<R> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = u64::MAX;
    Device::open_with(Backing::file(path), &seed(), StdRng::seed_from_u64(1), config).expect("the log opens")
}

fn added(n: u64) -> Event {
    let word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Event::Added { title: format!("todo number {n}"), note: format!("{word:016x} ").repeat(57) }
}

/// What is measured, in the order in which one needs the files of the other.
const ACTS: [&str; 15] = [
    "build",
    "open",
    "late",
    "late-independent",
    "emit-bare",
    "emit",
    "undo",
    "state_at",
    "merge-20000",
    "merge-40000",
    "merge-independent",
    "build-million",
    "undo-million",
    "build-panics",
    "open-panics",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [act, folder, items] => measure(act, Path::new(folder), items.parse().expect("a number of items")),
        rest => {
            let items: u64 = rest.first().and_then(|items| items.parse().ok()).unwrap_or(50_000);
            let folder = tempfile::tempdir().expect("a folder for the files");
            println!("a list of {items} todos of 1 KB");
            ACTS.iter().for_each(|act| run(act, folder.path(), items));
        }
    }
}

fn run(act: &str, folder: &Path, items: u64) {
    let program = std::env::current_exe().expect("this program has a path");
    let output =
        Command::new(program).arg(act).arg(folder).arg(items.to_string()).output().expect("this program runs again");
    assert!(output.status.success(), "{act}: {}", String::from_utf8_lossy(&output.stderr));
    print!("{act:14} {}", String::from_utf8_lossy(&output.stdout));
}

fn measure(act: &str, folder: &Path, items: u64) {
    let base = folder.join("base.redb");
    let copy = folder.join("copy.redb");
    if act != "build" && !act.contains("million") && !act.contains("panics") {
        std::fs::copy(&base, &copy).expect("the log can be copied");
    }
    let result = match act {
        "build" => {
            build(&mut open_bare(&folder.join("bare.redb")), items);
            let start = Instant::now();
            build(&mut open(&base), items);
            format!("{}; {}", seconds(start.elapsed()), sizes(&base, &folder.join("bare.redb")))
        }
        "open" => {
            let times = times(7, || assert_eq!(open::<Todos>(&copy).read(|todos| todos.0.len() as u64), items));
            spread(times)
        }
        "late" => {
            let times = late::<Todos>(&copy, items);
            format!("{}; {}", spread(times), sizes(&copy, &folder.join("bare.redb")))
        }
        "late-independent" => {
            let times = late::<Independent>(&copy, items);
            format!("{}; {}", spread(times), sizes(&copy, &folder.join("bare.redb")))
        }
        "emit-bare" => {
            let emitted = folder.join("bare-emitted.redb");
            std::fs::copy(folder.join("bare.redb"), &emitted).expect("the log can be copied");
            spread(emit(&mut open_bare(&emitted), items))
        }
        "emit" => {
            let times = emit(&mut open(&copy), items);
            format!("{}; {}", spread(times), sizes(&copy, &folder.join("bare-emitted.redb")))
        }
        "undo" => spread(undo::<Todos>(&mut open(&copy))),
        "state_at" => {
            let device = open::<Todos>(&copy);
            let yesterday = Timestamp::from_millis(NOW.as_millis() - DAY);
            let count = (0..items).filter(|n| time_of(n - n % BATCH, items) <= yesterday).count();
            spread(times(7, || {
                let then = device.state_at(yesterday).expect("the state of then can be told");
                assert_eq!(then.0.len(), count);
            }))
        }
        "merge-20000" => merge::<Todos>(folder, 20_000),
        "merge-40000" => merge::<Todos>(folder, 40_000),
        "merge-independent" => merge::<Independent>(folder, 40_000),
        "build-panics" => {
            panics(&folder.join("ordinary.redb"), false);
            panics(&folder.join("panics.redb"), true);
            String::new()
        }
        "open-panics" => {
            std::panic::set_hook(Box::new(|_| ()));
            let time = |name| times(1, || drop(open::<Frail>(&folder.join(name))))[0];
            let (ordinary, panics) = (time("ordinary.redb"), time("panics.redb"));
            format!("{} of 200,000 ordinary events, {} if 1,000 panic", seconds(ordinary), seconds(panics))
        }
        "build-million" => {
            let start = Instant::now();
            let mut device = open::<Tally>(&folder.join("million.redb"));
            for first in (0..MILLION).step_by(10_000) {
                let events: Vec<Event> =
                    (first..first + 10_000).map(|n| Event::Added { title: format!("{n}"), note: "n".into() }).collect();
                let now = Timestamp::from_millis(NOW.as_millis() - MILLION + first);
                device.emit_all(now, &events).expect("emitting works");
            }
            seconds(start.elapsed())
        }
        "undo-million" => spread(undo::<Tally>(&mut open(&folder.join("million.redb")))),
        act => panic!("nothing is called {act}"),
    };
    println!("{result}, peak {:.0} MB", peak_megabytes());
}

/// Adds the items, evenly over the last thirty days.
fn build(device: &mut Device<Todos>, items: u64) {
    device.link_host(&Label::default()).expect("a host can be linked");
    for first in (0..items).step_by(BATCH as usize) {
        let events: Vec<Event> = (first..items.min(first + BATCH)).map(added).collect();
        device.emit_all(time_of(first, items), &events).expect("emitting works");
    }
}

/// When an item was added.
fn time_of(n: u64, items: u64) -> Timestamp {
    let ago = 30 * DAY * (items - n) / items;
    Timestamp::from_millis(NOW.as_millis() - ago)
}

/// Ticks of items, each as late as can be: at a time right after the item's own, all over the history.
fn late<R: Reducer<Event = Event> + AsRef<Todos>>(path: &Path, items: u64) -> Vec<Duration> {
    let mut device = open::<R>(path);
    let all: Vec<EntityId> = device.read(|todos| todos.as_ref().0.keys().cloned().collect());
    (0..20)
        .map(|n| {
            let todo = all[(n * items / 20) as usize].clone();
            let at = todo.created().plus(Duration::from_millis(1));
            let messages = vec![arrival(&Event::Done { todo: todo.clone(), done: true }, at, n)];
            let start = Instant::now();
            device.session_log(1).receive(Received { messages, ..Received::default() }).expect("receiving works");
            let time = start.elapsed();
            assert!(device.read(|todos| todos.as_ref().0[&todo].done));
            time
        })
        .collect()
}

/// A message as it comes from a host.
fn arrival(event: &Event, changed: Timestamp, n: u64) -> Arrival {
    use diplomatic::event::{Draft, Target};
    use diplomatic::standard::{Body, EntityBody};
    let draft = event.to_draft().expect("the event serializes");
    let Draft::Content { type_name, target, payload, group, parent } = draft else {
        panic!("no deletes here");
    };
    let entity = match target {
        Target::Register { key } => EntityId::register(type_name, &key),
        _ => EntityId::fresh(&mut StdRng::seed_from_u64(n + (1 << 40)), changed),
    };
    let body = EntityBody { type_name, payload: &payload, group: group.as_deref(), parent }.to_bytes();
    let message = Message::new(entity, changed, 1, Body::new(body)).expect("a head describes it");
    Arrival { seq: Seq::new(n + 1).expect("small"), message }
}

/// Emits two fifths as many new items as there are, ten at a time.
fn emit(device: &mut Device<Todos>, items: u64) -> Vec<Duration> {
    (0..items / 25)
        .map(|n| {
            let events: Vec<Event> = (0..10).map(|m| added(items + n * 10 + m)).collect();
            let start = Instant::now();
            device.emit_all(Timestamp::from_millis(NOW.as_millis() + n), &events).expect("emitting works");
            start.elapsed()
        })
        .collect()
}

/// Takes back the last emit, many times: each time it is a new one.
fn undo<R: Reducer<Event = Event>>(device: &mut Device<R>) -> Vec<Duration> {
    (0..11)
        .map(|n| {
            let now = Timestamp::from_millis(NOW.as_millis() + n);
            device.emit(now, &added(n)).expect("emitting works");
            let start = Instant::now();
            device.undo(now).expect("undoing works");
            start.elapsed()
        })
        .collect()
}

/// Two devices that were offline meet: one gets what the other emitted in the same hours, as a host lists it.
fn merge<R: Reducer<Event = Event> + AsRef<Todos>>(folder: &Path, count: u64) -> String {
    let mut device = open::<R>(&folder.join("copy.redb"));
    let all: Vec<EntityId> = device.read(|todos| todos.as_ref().0.keys().cloned().collect());
    let event = |n: u64| match n % 2 {
        0 => added(n + (1 << 32)),
        _ => Event::Done { todo: all[(n * 7919) as usize % all.len()].clone(), done: n.is_multiple_of(3) },
    };
    for first in (0..count).step_by(500) {
        let events: Vec<Event> = (first..first + 500).map(event).collect();
        device.emit_all(Timestamp::from_millis(NOW.as_millis() + first), &events).expect("emitting works");
    }
    let messages: Vec<Arrival> =
        (0..count).map(|n| arrival(&event(n + 1), Timestamp::from_millis(NOW.as_millis() + n), n)).collect();
    let start = Instant::now();
    let mut log = device.session_log(1);
    for messages in messages.chunks(1_000) {
        log.receive(Received { messages: messages.to_vec(), more: true, ..Received::default() })
            .expect("receiving works");
    }
    log.catch_up().expect("folding works");
    let time = start.elapsed();
    assert_eq!(device.read(|todos| todos.as_ref().0.len() as u64), all.len() as u64 + count);
    seconds(time)
}

/// A count whose reducer panics over some events.
#[derive(Default, Serialize, Deserialize)]
struct Frail(u64);

impl Reducer for Frail {
    type Event = Event;

    fn apply(&mut self, event: Event, _: &Meta) {
        if let Event::Added { note, .. } = event {
            assert!(note != "panic", "it cannot be applied");
            self.0 += 1;
        }
    }
}

/// Stores 200,000 events of which the reducer of another build panics over 1,000, or none.
fn panics(path: &Path, panics: bool) {
    let mut device = open::<Tally>(path);
    for first in (0..200_000_u64).step_by(10_000) {
        let note = |n: u64| if panics && n.is_multiple_of(200) { "panic" } else { "n" };
        let event = |n: u64| Event::Added { title: format!("{n}"), note: note(n).into() };
        let events: Vec<Event> = (first..first + 10_000).map(event).collect();
        device.emit_all(Timestamp::from_millis(NOW.as_millis() + first), &events).expect("emitting works");
    }
}

fn times(runs: usize, mut act: impl FnMut()) -> Vec<Duration> {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            act();
            start.elapsed()
        })
        .collect()
}

fn seconds(time: Duration) -> String {
    format!("{:7.2} s", time.as_secs_f64())
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, most, longest) = (times[times.len() / 2], times[times.len() * 99 / 100], times[times.len() - 1]);
    let [median, most, longest] = [median, most, longest].map(millis);
    format!("{median:7.1} ms median, {most:7.1} ms for 99 %, {longest:7.1} ms the longest of {}", times.len())
}

/// Returns how much of the disk a file takes, beside that of the same log without snapshots. redb doubles the length of a file
/// that is full, and the new half takes nothing until it is written.
fn sizes(file: &Path, bare: &Path) -> String {
    let length = std::fs::metadata(file).map_or(0, |file| file.len()) as f64 / 1e6;
    let (all, bare) = (taken(file), taken(bare));
    format!("the file takes {all:.0} MB, {:.2} times the log's {bare:.0} MB, and is {length:.0} MB long", all / bare)
}

fn taken(path: &Path) -> f64 {
    let file = std::fs::metadata(path).expect("the file is there");
    #[cfg(unix)]
    let bytes = std::os::unix::fs::MetadataExt::blocks(&file) * 512;
    #[cfg(not(unix))]
    let bytes = file.len();
    bytes as f64 / 1e6
}

/// Returns the most memory that this process ever had; 0 where the system does not tell.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or_default() / 1000.0
}
