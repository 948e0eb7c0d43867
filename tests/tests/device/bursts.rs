//! Messages that come in bursts: stored at once, folded at the end; and late ones whose root alone is made anew.

use diplomatic::standard::{EntityId, Label, Message, Seq};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DeviceConfig, EmitError, Meta, Reducer};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::fold::{Recipe, bake, quietly, recipe, sort_and_fold};
use crate::todo::{Event, Todos, added, at, seed};

/// The todos, with the promise that they are independent of each other, which they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Independent(Todos);

impl Reducer for Independent {
    type Event = Event;

    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: Event, at: &Meta) {
        self.0.apply(event, at);
    }
}

/// A state that holds the todos.
trait Shows: Reducer<Event = Event> {
    fn todos(&self) -> &Todos;
}

impl Shows for Todos {
    fn todos(&self) -> &Todos {
        self
    }
}

impl Shows for Independent {
    fn todos(&self) -> &Todos {
        &self.0
    }
}

fn open<R: Reducer>(backing: &Backing, snapshot_events: u64) -> Device<R> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = snapshot_events;
    let mut device = Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(1), config).unwrap();
    device.link_host(&Label::default()).unwrap();
    device
}

fn receive<R: Reducer>(device: &mut Device<R>, messages: &[Message], more: bool) {
    let messages = messages.iter().map(|message| Arrival { seq: Seq::ZERO, message: message.clone() }).collect();
    device.session_log(1).receive(Received { messages, more, ..Received::default() }).unwrap();
}

fn stored<R: Reducer>(device: &Device<R>) -> Vec<Message> {
    let mut messages = Vec::new();
    device.each_message(|message| messages.push(message.clone())).unwrap();
    messages
}

fn shown<R: Shows>(device: &Device<R>) -> Todos {
    device.read(|state| state.todos().clone())
}

#[derive(Debug, Clone)]
enum Act {
    Receive { size: usize, more: bool },
    CatchUp,
    Restart,
    Emit { kind: u8, todo: u8 },
    LookBack { later: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..8_usize, any::<bool>()).prop_map(|(size, more)| Act::Receive { size, more }),
        1 => Just(Act::CatchUp),
        1 => Just(Act::Restart),
        2 => (0..5_u8, 0..3_u8).prop_map(|(kind, todo)| Act::Emit { kind, todo }),
        1 => (0..16_u64).prop_map(|later| Act::LookBack { later }),
    ]
}

fn emit<R: Shows>(device: &mut Device<R>, kind: u8, todo: u8) {
    let todo = EntityId::new(&[todo; 8], at(u64::from(todo)));
    let event = match kind {
        0 => added("emitted"),
        1 => Event::Renamed { todo, title: "emitted".into() },
        2 => Event::Done { todo, done: true },
        3 => Event::Removed { todo },
        _ => Event::Explosive,
    };
    let before = stored(device);
    match device.emit(at(8), &event) {
        Ok(_) => {
            let after = stored(device);
            let new: Vec<&Message> = after.iter().filter(|message| !before.contains(message)).collect();
            let last = |messages: &[Message]| messages.last().map(|message| message.head().changed());
            assert!(last(&before) <= new.first().map(|new| new.head().changed()), "it sorts after all that was seen");
        }
        Err(EmitError::Panicked { .. }) => assert_eq!(stored(device), before),
        Err(error) => panic!("{error}"),
    }
}

fn live_through<R: Shows>(recipes: &[Recipe], order: u64, acts: &[Act], snapshot_events: u64) {
    let mut messages: Vec<Message> = recipes.iter().map(bake).collect();
    messages.sort_by_key(|message| blake3::hash(&[message.head().as_bytes(), &order.to_be_bytes()].concat()).to_hex());
    let backing = Backing::memory();
    let mut device = open::<R>(&backing, snapshot_events);
    let mut arrived = 0;
    for act in acts {
        let before = shown(&device);
        let mut is_behind = false;
        match *act {
            Act::Receive { size, more } => {
                let until = (arrived + size).min(messages.len());
                receive(&mut device, &messages[arrived..until], more);
                arrived = until;
                is_behind = more;
            }
            Act::CatchUp => device.session_log(1).catch_up().unwrap(),
            Act::Restart => {
                drop(device);
                device = open(&backing, snapshot_events);
            }
            Act::Emit { kind, todo } => emit(&mut device, kind, todo),
            Act::LookBack { later } => {
                let mut then = stored(&device);
                then.retain(|message| message.head().changed() <= at(later));
                assert_eq!(*device.state_at(at(later)).unwrap().todos(), sort_and_fold(&then));
                is_behind = true;
            }
        }
        let now = sort_and_fold(&stored(&device));
        let shown = shown(&device);
        assert!(shown == now || is_behind && shown == before, "after {act:?}: {shown:#?}\nis not\n{now:#?}");
    }
    receive(&mut device, &messages[arrived..], false);
    assert_eq!(shown(&device), sort_and_fold(&stored(&device)));
    let unread = device.unread().clone();
    drop(device);
    let device = open::<R>(&backing, snapshot_events);
    assert_eq!(shown(&device), sort_and_fold(&stored(&device)));
    assert_eq!(device.unread(), &unread);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_burst_shows_the_state_of_before_or_of_now_and_ends_with_that_of_now(
        recipes in prop::collection::vec(recipe(), 0..40),
        order in any::<u64>(),
        acts in prop::collection::vec(act(), 1..30),
        snapshot_events in 1..6_u64,
    ) {
        quietly(|| live_through::<Todos>(&recipes, order, &acts, snapshot_events));
    }

    #[test]
    fn so_does_one_of_a_reducer_whose_roots_are_independent(
        recipes in prop::collection::vec(recipe(), 0..40),
        order in any::<u64>(),
        acts in prop::collection::vec(act(), 1..30),
        snapshot_events in 1..6_u64,
    ) {
        quietly(|| live_through::<Independent>(&recipes, order, &acts, snapshot_events));
    }
}

/// Counts how often it applies an event on this thread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Counting<const INDEPENDENT: bool>(Todos);

thread_local! {
    static APPLIED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl<const INDEPENDENT: bool> Reducer for Counting<INDEPENDENT> {
    type Event = Event;

    const INDEPENDENT_ROOTS: bool = INDEPENDENT;

    fn apply(&mut self, event: Event, at: &Meta) {
        APPLIED.set(APPLIED.get() + 1);
        self.0.apply(event, at);
    }
}

fn applied(act: impl FnOnce()) -> usize {
    let before = APPLIED.get();
    act();
    APPLIED.get() - before
}

fn late(todo: &EntityId, title: &str) -> Message {
    let event = Event::Renamed { todo: todo.clone(), title: title.into() };
    let (entity, body) = crate::fold::event(todo, &event);
    Message::new(entity, todo.created().plus(std::time::Duration::from_millis(1)), 0, body).unwrap()
}

#[test]
fn a_late_event_costs_a_burst_one_fold_and_an_independent_root_its_own_events() {
    const ITEMS: usize = 300;
    let items: Vec<Event> = (0..ITEMS).map(|n| added(&format!("{n}"))).collect();

    let mut device = open::<Counting<false>>(&Backing::memory(), 1_000_000);
    let todos = device.emit_all(at(1), &items).unwrap();
    device.emit(at(5), &added("last")).unwrap();
    let count = applied(|| {
        for todo in &todos[..20] {
            receive(&mut device, &[late(todo, "late")], true);
        }
        device.session_log(1).catch_up().unwrap();
    });
    assert_eq!(count, ITEMS + 1 + 20);

    let mut device = open::<Counting<true>>(&Backing::memory(), 1_000_000);
    let todos = device.emit_all(at(1), &items).unwrap();
    let done: Vec<Event> = todos.iter().map(|todo| Event::Done { todo: todo.clone(), done: true }).collect();
    device.emit_all(at(5), &done).unwrap();
    let count = applied(|| {
        for todo in &todos[..20] {
            receive(&mut device, &[late(todo, "late")], false);
        }
    });
    // It is deleted, added, renamed and done.
    assert_eq!(count, 4 * 20);
    assert!(device.read(|state| todos[..20].iter().all(|todo| state.0.items[todo] == ("late".into(), true))));
}
