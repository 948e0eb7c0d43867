//! What readers see while many events come, and that none of them waits for all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use diplomatic::{Client, DiplomaticEvent, EntityId, Meta, Reducer};
use diplomatic_simulation::todo::{Event, Todos, added};
use serde::{Deserialize, Serialize};

use crate::device::{Device, caught_up};
use crate::host::{TestHost, new_seed};

const MANY: usize = 20_000;

fn many() -> Vec<Event> {
    (0..MANY).map(|number| added(format!("item {number}"))).collect()
}

/// Reads all the time until it is stopped, and remembers how many items it saw.
struct Watcher {
    stop: Arc<AtomicBool>,
    reading: JoinHandle<Vec<usize>>,
}

impl Watcher {
    fn of(client: &Client<Todos>) -> Self {
        let (client, stop) = (client.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let reading = std::thread::spawn(move || {
            let mut seen = vec![client.read(|todos| todos.items.len())];
            while !stopped.load(Ordering::SeqCst) {
                let now = client.read(|todos| todos.items.len());
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
            }
            seen
        });
        Self { stop, reading }
    }

    fn seen(self) -> Vec<usize> {
        self.stop.store(true, Ordering::SeqCst);
        self.reading.join().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_an_import_grow_and_a_transaction_as_a_whole() {
    let seed = new_seed();
    let [writer, reader] = [Device::new(&seed), Device::new(&seed)];
    let file = writer.path().with_file_name("backup.dpl");
    let writer = writer.builder().open().await.unwrap();
    let watcher = Watcher::of(&writer);
    writer.emit_all(many()).await.unwrap();
    writer.read(|todos| assert_eq!(todos.items.len(), MANY));
    let seen = watcher.seen();
    assert!(seen.iter().all(|items| [0, MANY].contains(items)), "{seen:?}");
    writer.export(&file).await.unwrap();

    let reader = reader.builder().open().await.unwrap();
    let watcher = Watcher::of(&reader);
    reader.import(&file).await.unwrap();
    reader.read(|todos| assert_eq!(todos.items.len(), MANY));
    let seen = watcher.seen();
    // In a transaction, thousands are stored at once. Readers come in between the events of one.
    assert!(seen.is_sorted() && seen.len() > 30, "{} states were seen", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_a_first_sync_in_order() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let [writer, reader] = [Device::new(&seed), Device::new(&seed)];
    let writer = writer.builder().host(host.url()).open().await.unwrap();
    writer.emit_all(many()).await.unwrap();
    caught_up(&writer).await;
    let reader = reader.builder().host(host.url()).open().await.unwrap();
    let watcher = Watcher::of(&reader);
    caught_up(&reader).await;
    reader.read(|todos| assert_eq!(todos.items.len(), MANY));
    assert!(watcher.seen().is_sorted());
}

#[derive(Debug, Clone, DiplomaticEvent)]
#[diplomatic(prefix = "pair")]
enum Pair {
    #[diplomatic(entity = "id")]
    Set { id: EntityId, number: u64 },
    #[diplomatic(deletes = "id")]
    Gone { id: EntityId },
}

/// Both numbers of a pair are always written together.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pairs {
    numbers: std::collections::BTreeMap<EntityId, u64>,
}

impl Reducer for Pairs {
    type Event = Pair;
    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: Pair, _: &Meta) {
        match event {
            Pair::Set { id, number } => drop(self.numbers.insert(id, number)),
            Pair::Gone { id } => drop(self.numbers.remove(&id)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_sees_a_part_of_what_this_device_writes_together() {
    let client = Client::<Pairs>::builder(new_seed()).in_memory().open().await.unwrap();
    let ids: Vec<EntityId> = (0..600).map(|_| EntityId::random()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let reading = std::thread::spawn({
        let (client, stop) = (client.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::SeqCst) {
                client.read(|pairs| {
                    let seen: BTreeSet<u64> = pairs.numbers.values().copied().collect();
                    assert!(seen.len() <= 1, "half of a transaction is shown: {seen:?}");
                    assert!([0, 2, 300, 600].contains(&pairs.numbers.len()), "{}", pairs.numbers.len());
                });
            }
        }
    });
    // Small ones are applied in place, and large ones beside it.
    for (number, size) in (1..).zip([2, 300, 600, 600, 600]) {
        let events = ids[..size].iter().map(|id| Pair::Set { id: id.clone(), number }).collect();
        client.emit_all(events).await.unwrap();
    }
    client.undo().await.unwrap();
    client.undo().await.unwrap();
    let events = ids.iter().map(|id| Pair::Gone { id: id.clone() }).collect();
    client.emit_all(events).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    reading.join().unwrap();
}
