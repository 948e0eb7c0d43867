//! The device alone: emitting, receiving, opening. Run with `cargo bench -p diplomatic --bench device`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use diplomatic::standard::{EntityId, Label, Message, Seed, Seq, Timestamp};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DiplomaticEvent, Meta, Reducer};
use divan::{Bencher, counter::ItemsCount};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

fn main() {
    divan::main();
}

#[derive(Clone, DiplomaticEvent)]
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

fn open(path: &Path) -> Device<Count> {
    let seed = Seed::from_bytes([7; 32]);
    Device::open(Backing::file(path), &seed, StdRng::seed_from_u64(1)).expect("a new file opens")
}

fn linked(folder: &tempfile::TempDir) -> Device<Count> {
    let mut device = open(&folder.path().join("bench.redb"));
    device.link_host(&Label::default()).expect("a host can be linked");
    device
}

fn facts(count: usize) -> Vec<Event> {
    // With its map, type and key this makes a body of about 100 bytes.
    (0..count).map(|n| Event::Added { title: format!("{n:065}") }).collect()
}

#[divan::bench(args = [1, 100, 10_000])]
fn emit_all(bencher: Bencher<'_, '_>, count: usize) {
    let events = facts(count);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| {
            let folder = tempfile::tempdir().expect("a folder for the file");
            (linked(&folder), folder)
        })
        .bench_values(|(mut device, folder)| {
            device.emit_all(NOW, &events).expect("emitting works");
            (device, folder)
        });
}

/// Messages as they come from a host: opened and checked, in batches of a thousand.
fn arrivals(count: u64) -> Vec<Vec<Arrival>> {
    use diplomatic::standard::{Body, EntityBody};
    let mut rng = StdRng::seed_from_u64(2);
    let messages: Vec<Arrival> = (1..=count)
        .map(|n| {
            let now = Timestamp::from_millis(NOW.as_millis() + n);
            let payload = [b"\x81\xa5title\xd9\x41".to_vec(), format!("{n:065}").into_bytes()].concat();
            let body = Body::new(EntityBody::new("bench.added", &payload).to_bytes());
            let message = Message::new(EntityId::fresh(&mut rng, now), now, 0, body).expect("a head describes it");
            Arrival { seq: Seq::new(n).expect("small"), message }
        })
        .collect();
    messages.chunks(1000).map(<[Arrival]>::to_vec).collect()
}

#[divan::bench(args = [10_000, 100_000], sample_count = 5)]
fn receive(bencher: Bencher<'_, '_>, count: u64) {
    let batches = arrivals(count);
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| {
            let folder = tempfile::tempdir().expect("a folder for the file");
            (linked(&folder), folder, batches.clone())
        })
        .bench_values(|(mut device, folder, batches)| {
            let mut log = device.session_log(1);
            for messages in batches {
                log.receive(Received { messages, ..Received::default() }).expect("receiving works");
            }
            assert_eq!(device.read(|count| count.events), count);
            (device, folder)
        });
}

/// The same events in another state, for which there is no snapshot.
#[derive(Default, Serialize, Deserialize)]
struct Anew(Count);

impl Reducer for Anew {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        self.0.apply(event, at);
    }
}

const MILLION: u64 = 1_000_000;

/// A log of a million events, made once a run.
fn million() -> &'static Path {
    static FILE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FILE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder for the file");
        let path = folder.path().join("million.redb");
        let mut device = open(&path);
        device.link_host(&Label::default()).expect("a host can be linked");
        let mut log = device.session_log(1);
        for messages in arrivals(MILLION) {
            log.receive(Received { messages, ..Received::default() }).expect("receiving works");
        }
        drop(device);
        (folder, path)
    });
    path
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn open_a_million_with_snapshot(bencher: Bencher<'_, '_>) {
    let path = million();
    bencher.bench_local(|| assert_eq!(open(path).read(|count| count.events), MILLION));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn open_a_million_without_snapshot(bencher: Bencher<'_, '_>) {
    let path = million();
    bencher
        .with_inputs(|| {
            let copy = tempfile::NamedTempFile::new().expect("a file for the copy");
            std::fs::copy(path, copy.path()).expect("the log can be copied");
            copy
        })
        .bench_local_values(|copy| {
            let seed = Seed::from_bytes([7; 32]);
            let device = Device::<Anew>::open(Backing::file(copy.path()), &seed, StdRng::seed_from_u64(1));
            assert_eq!(device.expect("the copy opens").read(|anew| anew.0.events), MILLION);
            copy
        });
}

/// An event that comes as late as five thousand others after it.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn late_event_in_a_million(bencher: Bencher<'_, '_>) {
    let copy = tempfile::NamedTempFile::new().expect("a file for the copy");
    std::fs::copy(million(), copy.path()).expect("the log can be copied");
    let mut device = open(copy.path());
    let mut rng = StdRng::seed_from_u64(9);
    bencher
        .with_inputs(|| {
            use diplomatic::standard::{Body, EntityBody};
            let changed = Timestamp::from_millis(NOW.as_millis() + MILLION - 5_000);
            let body = Body::new(EntityBody::new("bench.added", b"\x81\xa5title\xa4late").to_bytes());
            let message = Message::new(EntityId::fresh(&mut rng, changed), changed, 0, body);
            vec![Arrival { seq: Seq::ZERO, message: message.expect("a head describes it") }]
        })
        .bench_local_values(|messages| {
            device.session_log(1).receive(Received { messages, ..Received::default() }).expect("receiving works");
        });
}

/// A list of todos, as the fold alone sees it.
#[divan::bench(sample_count = 10)]
fn fold_a_million_in_memory(bencher: Bencher<'_, '_>) {
    #[derive(Default, Serialize, Deserialize)]
    struct Todos(BTreeMap<EntityId, String>);
    impl Reducer for Todos {
        type Event = Event;
        fn apply(&mut self, event: Event, at: &Meta) {
            match event {
                Event::Added { title } => {
                    self.0.insert(at.entity.clone(), title);
                }
                Event::Renamed { todo, title } => {
                    if let Some(old) = self.0.get_mut(&todo) {
                        *old = title;
                    }
                }
            }
        }
    }
    let mut rng = StdRng::seed_from_u64(3);
    let meta = |entity: &EntityId| Meta::new(entity.clone(), NOW, "bench");
    let entities: Vec<EntityId> = (0..1_000).map(|_| EntityId::fresh(&mut rng, NOW)).collect();
    let events: Vec<(Event, Meta)> = (0..MILLION as usize)
        .map(|n| {
            let todo = &entities[n % 1_000];
            let title = "milk".to_owned();
            let event = if n < 1_000 { Event::Added { title } } else { Event::Renamed { todo: todo.clone(), title } };
            (event, meta(todo))
        })
        .collect();
    let inputs = || (Todos::default(), events.clone());
    bencher.counter(ItemsCount::new(MILLION)).with_inputs(inputs).bench_local_values(|(mut todos, events)| {
        events.into_iter().for_each(|(event, meta)| todos.apply(event, &meta));
        todos
    });
}
