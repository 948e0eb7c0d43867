//! The device alone: emitting, receiving, opening. Run with `cargo bench -p diplomatic --bench device`.

use std::path::Path;

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

    fn apply(&mut self, event: &Event, _: &Meta) {
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
