//! A large state, of which snapshots are made beside the work.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use diplomatic::compact::Keep;
use diplomatic::standard::{EntityId, Label, Message, Seq};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DeviceConfig, Meta, Reducer};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::fold::{event, sort_and_fold};
use crate::todo::{Event, Todos, added, at, seed};

/// The todos, and more than is serialized while somebody waits.
#[derive(Clone, Serialize, Deserialize)]
struct Large {
    todos: Todos,
    rest: Vec<String>,
    is_counted: bool,
}

thread_local! {
    /// How many events were applied by this thread.
    static APPLIED: Cell<usize> = const { Cell::new(0) };
}

/// How many events were applied after this one to make snapshots.
const COUNTED: &str = "from here on, snapshots are counted";
static APPLIED_BESIDE: AtomicUsize = AtomicUsize::new(0);

impl Default for Large {
    fn default() -> Self {
        Self { todos: Todos::default(), rest: (0..40_000).map(|n| format!("{n:010}")).collect(), is_counted: false }
    }
}

impl Reducer for Large {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        APPLIED.set(APPLIED.get() + 1);
        if self.is_counted && thread::current().name() == Some("snapshot") {
            APPLIED_BESIDE.fetch_add(1, Ordering::Relaxed);
        }
        self.is_counted |= matches!(&event, Event::Added { title } if title == COUNTED);
        self.todos.apply(event, at);
    }
}

fn open(backing: &Backing) -> Device<Large> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 2;
    let mut device = Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(1), config).unwrap();
    device.link_host(&Label::default()).unwrap();
    device
}

fn stored(device: &Device<Large>) -> Vec<Message> {
    let mut messages = Vec::new();
    device.each_message(|message| messages.push(message.clone())).unwrap();
    messages
}

fn title(rng: &mut StdRng) -> String {
    format!("{:020} ", rng.random::<u64>()).repeat(500)
}

fn any_event(rng: &mut StdRng, todos: &[EntityId]) -> Event {
    let todo = todos.get(rng.random_range(0..todos.len().max(1))).cloned();
    match (rng.random_range(0..6), todo) {
        (0..3, Some(todo)) => Event::Renamed { todo, title: title(rng) },
        (3, Some(todo)) => Event::Removed { todo },
        _ => added(&title(rng)),
    }
}

/// Lives through a history in which snapshots are begun, spoiled and finished at any moment.
fn live_through(number: u64) {
    let mut rng = StdRng::seed_from_u64(number);
    let backing = Backing::memory();
    let mut device = open(&backing);
    for step in 0..60_u64 {
        let todos: Vec<EntityId> = device.read(|state| state.todos.items.keys().cloned().collect());
        let new = any_event(&mut rng, &todos);
        match rng.random_range(0..12) {
            0..7 => drop(device.emit(at(1_000 * step), &new).unwrap()),
            7..10 => {
                let changed = at(rng.random_range(0..1_000 * step + 2));
                let todo = EntityId::new(&[step as u8; 8], at(0));
                let (entity, body) = event(&todo, &new);
                let changed = changed.max(entity.created());
                let messages =
                    vec![Arrival { seq: Seq::ZERO, message: Message::new(entity, changed, 0, body).unwrap() }];
                let more = rng.random_bool(0.3);
                device.session_log(1).receive(Received { messages, more, ..Received::default() }).unwrap();
                device.session_log(1).catch_up().unwrap();
            }
            10 => {
                drop(device);
                device = open(&backing);
            }
            _ => {
                let time = at(rng.random_range(0..1_000 * step + 2));
                let mut then = stored(&device);
                then.retain(|message| message.head().changed() <= time);
                assert!(device.state_at(time).unwrap().todos == sort_and_fold(&then), "history {number}, step {step}");
            }
        }
        let messages = stored(&device);
        assert!(device.read(|state| state.todos == sort_and_fold(&messages)), "history {number}, step {step}");
    }
    drop(device);
    let mut device = open(&backing);
    let messages = stored(&device);
    assert!(device.read(|state| state.todos == sort_and_fold(&messages)), "history {number}");
    assert!(!device.compact(Keep::Everything).unwrap().is_busy);
    assert_eq!(device.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn a_large_state_is_the_fold_of_the_live_messages_whenever_it_is_kept() {
    (0..12).for_each(live_through);
}

#[test]
fn a_large_state_is_not_folded_from_the_start_when_it_is_opened_and_its_snapshots_share_what_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.redb");
    let mut rng = StdRng::seed_from_u64(1);
    let mut device = open(&Backing::file(&path));
    for number in 0..300 {
        device.emit(at(number), &added(&title(&mut rng))).unwrap();
    }
    drop(device);
    let before = APPLIED.get();
    let device = open(&Backing::file(&path));
    assert_eq!(device.read(|state| state.todos.items.len()), 300);
    assert!(APPLIED.get() - before < 150, "{}", APPLIED.get() - before);
    drop(device);
    // The messages have 3 MB.
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < 24 << 20, "{size}");
}

#[test]
fn late_events_one_after_the_other_do_not_each_have_a_snapshot_made_that_the_next_one_spoils() {
    const EVENTS: u64 = 100;
    const LATE: u64 = 40;
    let backing = Backing::memory();
    let mut rng = StdRng::seed_from_u64(1);
    let mut device = open(&backing);
    device.emit(at(0), &added(COUNTED)).unwrap();
    for number in 1..EVENTS {
        device.emit(at(1_000 * number), &added(&title(&mut rng))).unwrap();
    }
    let before = APPLIED_BESIDE.load(Ordering::Relaxed);
    for number in 0..LATE {
        let todo = EntityId::new(&number.to_be_bytes(), at(number + 1));
        let (entity, body) = event(&todo, &added("late"));
        let message = Message::new(entity, at(number + 1), 0, body).unwrap();
        let messages = vec![Arrival { seq: Seq::ZERO, message }];
        device.session_log(1).receive(Received { messages, ..Received::default() }).unwrap();
    }
    drop(device);
    let beside = APPLIED_BESIDE.load(Ordering::Relaxed) - before;
    // One may have been under way, a few are begun meanwhile, and the last is made when the device is closed.
    assert!(beside < 6 * (EVENTS + LATE) as usize, "{beside}");
    APPLIED.set(0);
    let device = open(&backing);
    assert_eq!(device.read(|state| state.todos.items.len() as u64), EVENTS + LATE);
    assert!(APPLIED.get() < 10, "the state was kept when the device was closed: {}", APPLIED.get());
}
