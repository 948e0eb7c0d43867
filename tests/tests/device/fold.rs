//! The state is a pure function of the messages that count.

use std::collections::BTreeMap;

use diplomatic::event::{Draft, Stored, Target};
use diplomatic::standard::{Body, EntityBody, EntityId, Label, Message, Seq, Timestamp};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DiplomaticEvent, Meta, Position, Reducer};
use proptest::prelude::*;

use crate::todo::{Event, Todos, added, at, device, open};

/// The ten lines that every incremental engine has to agree with.
pub(crate) fn sort_and_fold(messages: &[Message]) -> Todos {
    let mut winners: BTreeMap<EntityId, &Message> = BTreeMap::new();
    for message in messages.iter().filter(|message| is_applicable(message)) {
        let winner = winners.entry(message.head().entity().clone()).or_insert(message);
        if Position::of(winner.head()) < Position::of(message.head()) {
            *winner = message;
        }
    }
    let mut live: Vec<_> = winners.into_values().collect();
    live.sort_by_key(|message| Position::of(message.head()));
    let mut todos = Todos::default();
    for message in live {
        if let Some(event) = event_of(message) {
            todos.apply(event, &meta(message));
        }
    }
    todos
}

/// What cannot be applied leaves the state as if it had not arrived.
fn is_applicable(message: &Message) -> bool {
    message.head().is_delete() || event_of(message).is_some_and(|event| event != Event::Explosive)
}

fn event_of(message: &Message) -> Option<Event> {
    let entity = message.head().entity();
    let stored = match message.body() {
        None if entity.is_derived() => return None,
        None => return Event::from_delete(entity).pop(),
        Some(payload) => match entity.singleton_type() {
            Some(type_name) => Stored::Content { type_name, entity, payload },
            None => {
                let body = EntityBody::decode(payload).ok()?;
                return Event::from_stored(Stored::Content {
                    type_name: body.type_name,
                    entity,
                    payload: body.payload,
                })
                .ok();
            }
        },
    };
    Event::from_stored(stored).ok()
}

fn meta(message: &Message) -> Meta {
    Meta::new(message.head().entity().clone(), message.head().changed(), "")
}

/// What a message is made from: small numbers, so that entities, times and counters meet often.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    entity: u8,
    kind: u8,
    later: u64,
    counter: u64,
    text: u8,
}

pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    (0..3_u8, 0..12_u8, 0..12_u64, 0..2_u64, 0..3_u8).prop_map(|(entity, kind, later, counter, text)| Recipe {
        entity,
        kind,
        later,
        counter,
        text,
    })
}

pub(crate) fn bake(recipe: &Recipe) -> Message {
    let Recipe { entity, kind, later, counter, text } = *recipe;
    let todo = EntityId::new(&[entity; 8], at(u64::from(entity)));
    let text = format!("text {text}");
    let other =
        |type_name: &str, payload: &[u8]| (todo.clone(), Body::new(EntityBody::new(type_name, payload).to_bytes()));
    let register = |type_name: &str| EntityId::register(type_name, &rmp_serde::to_vec_named(&(todo.clone(),)).unwrap());
    let (entity, body) = match kind {
        0 | 1 => event(&todo, &added(&text)),
        2 | 3 => event(&todo, &Event::Renamed { todo: todo.clone(), title: text }),
        4 => event(&todo, &Event::Done { todo: todo.clone(), done: true }),
        5 => event(&todo, &Event::Noted { note: todo.clone(), text }),
        6 => event(&todo, &Event::Status(text)),
        7 => event(&todo, &Event::Explosive),
        8 => (register("todo.renamed"), None),
        9 => other("from.the.future", b"\x01"),
        10 => other("todo.added", b"\x01"),
        _ => (todo, None),
    };
    Message::new(entity, at(3 + later), counter, body).unwrap()
}

/// Writes an event as a client of the standard may: facts, too, can be written over.
pub(crate) fn event(todo: &EntityId, event: &Event) -> (EntityId, Option<Body>) {
    let Draft::Content { type_name, target, payload, group, parent } = event.to_draft().unwrap() else {
        return (todo.clone(), None);
    };
    let entity = match target {
        Target::Fresh => todo.clone(),
        Target::Register { key } => EntityId::register(type_name, &key),
        Target::Entity(entity) => entity,
        _ => return (EntityId::singleton(type_name), Body::new(payload)),
    };
    let body = EntityBody { type_name, payload: &payload, group: group.as_deref(), parent };
    (entity, Body::new(body.to_bytes()))
}

pub(crate) fn receive<R: Reducer>(device: &mut Device<R>, link: u32, messages: &[Message]) {
    let messages = messages.iter().map(|message| Arrival { seq: Seq::ZERO, message: message.clone() }).collect();
    device.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&str>().copied().unwrap_or_default(),
    }
}

/// Panics of the reducer are part of the histories and need not be printed.
pub(crate) fn quietly<T>(act: impl FnOnce() -> T) -> T {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic_text(panic.payload()) != "boom" {
                print(panic);
            }
        }));
    });
    act()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn state_is_the_fold_of_the_live_messages_however_they_arrive(
        recipes in proptest::collection::vec(recipe(), 0..40),
        order in any::<u64>(),
        batches in proptest::collection::vec((1..6_usize, prop::bool::weighted(0.2)), 40),
    ) {
        let mut messages: Vec<Message> = recipes.iter().map(bake).collect();
        messages.sort_by_key(|message| blake3::hash(&[message.head().as_bytes(), &order.to_be_bytes()].concat()).to_hex());

        let backing = Backing::memory();
        let mut device = open(&backing);
        let link = device.link_host(&Label::default()).unwrap();
        let mut arrived = 0;
        for (size, restarts) in batches {
            let until = (arrived + size).min(messages.len());
            quietly(|| receive(&mut device, link, &messages[arrived..until]));
            arrived = until;
            if restarts {
                drop(device);
                device = quietly(|| open(&backing));
            }
            prop_assert_eq!(device.read(Clone::clone), sort_and_fold(&messages[..arrived]));
        }
        let unread = device.unread().clone();
        drop(device);
        let device = quietly(|| open(&backing));
        prop_assert_eq!(device.read(Clone::clone), sort_and_fold(&messages[..arrived]));
        prop_assert_eq!(device.unread(), &unread);
    }
}

#[test]
fn late_rename_of_a_deleted_todo_leaves_nothing_behind() {
    let mut device = device();
    let link = device.link_host(&Label::default()).unwrap();
    let todo = device.emit(at(10), &added("milk")).unwrap();
    device.emit(at(30), &Event::Removed { todo: todo.clone() }).unwrap();
    let (register, body) = event(&todo, &Event::Renamed { todo: todo.clone(), title: "bread".into() });
    receive(&mut device, link, &[Message::new(register, at(20), 0, body).unwrap()]);
    assert_eq!(device.read(Clone::clone), Todos::default());
}

#[test]
fn a_state_with_an_unknown_event_takes_it_up_when_the_type_is_known() {
    #[derive(DiplomaticEvent)]
    #[diplomatic(prefix = "todo")]
    enum Narrow {
        #[diplomatic(singleton)]
        Status(String),
    }
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Line(String);
    impl Reducer for Line {
        type Event = Narrow;
        fn apply(&mut self, Narrow::Status(text): Narrow, _: &Meta) {
            self.0 = text;
        }
    }
    let backing = Backing::memory();
    let mut old =
        Device::<Todos>::open(backing.clone(), &crate::todo::seed(), rand::make_rng::<rand::rngs::StdRng>()).unwrap();
    old.emit(at(1), &added("milk")).unwrap();
    drop(old);

    let mut narrow =
        Device::<Line>::open(backing.clone(), &crate::todo::seed(), rand::make_rng::<rand::rngs::StdRng>()).unwrap();
    assert_eq!(narrow.unread().unknown().collect::<Vec<_>>(), [("todo.added", 1)]);
    narrow.emit(at(2), &Narrow::Status("hi".into())).unwrap();
    drop(narrow);

    let device = open(&backing);
    assert_eq!(device.read(|todos| (todos.items.len(), todos.status.clone())), (1, "hi".into()));
    assert_eq!(device.unread().unknown().count(), 0);
}

#[test]
fn an_event_that_the_reducer_cannot_apply_is_quarantined_and_blocks_nothing() {
    let backing = Backing::memory();
    let mut device = open(&backing);
    let link = device.link_host(&Label::default()).unwrap();
    device.emit(at(1), &added("milk")).unwrap();
    let (entity, body) = event(&EntityId::new(b"explosive", at(2)), &Event::Explosive);
    quietly(|| receive(&mut device, link, &[Message::new(entity, at(2), 0, body).unwrap()]));
    device.emit(at(3), &added("bread")).unwrap();
    assert_eq!(device.read(|todos| todos.items.len()), 2);
    let reasons =
        |device: &Device<Todos>| device.unread().quarantined().map(|one| one.reason.to_string()).collect::<Vec<_>>();
    assert_eq!(reasons(&device), ["the reducer panicked: boom"]);
    drop(device);
    let device = quietly(|| open(&backing));
    assert_eq!(device.read(|todos| todos.items.len()), 2);
    assert_eq!(reasons(&device), ["the reducer panicked: boom"]);
}

#[test]
fn times_of_meta_are_the_messages() {
    let mut device = device();
    let todo = device.emit(at(10), &added("milk")).unwrap();
    assert_eq!(todo.created(), at(10));
    assert_eq!(Timestamp::EPOCH, EntityId::singleton("todo.status").created());
}
