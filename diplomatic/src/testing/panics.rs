//! Messages that cannot be applied leave the state as if they had not arrived: a device against the definition.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::model;
use super::quiet::quietly;
use crate::DiplomaticEvent;
use crate::device::{Device, DeviceConfig, EmitError};
use crate::event::{Draft, Target};
use crate::log::Backing;
use crate::order::Position;
use crate::raw::Raw;
use crate::reducer::{Meta, Reducer};
use crate::standard::{Body, EntityBody, EntityId, Label, Message, Seed, Seq, Timestamp};
use crate::sync::{Arrival, Received, SyncLog};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "frail")]
enum Event {
    /// Something on which others build. It is never written over: a reducer keeps the promise of `overwrites` only if
    /// whether it panics over something else does not depend on a version that is written over.
    Base { number: u8 },
    /// Something that closes a subject for good.
    Closed { subject: u8 },
    /// An item; it panics without its base.
    Added { title: String, base: Option<u8> },
    #[diplomatic(overwrites = "item")]
    Renamed { item: EntityId, title: String, base: Option<u8> },
    #[diplomatic(entity = "note")]
    Noted { note: EntityId, text: String, base: Option<u8> },
    #[diplomatic(singleton)]
    Mood(String),
    /// It panics after its subject was closed.
    Cheered { subject: u8 },
    #[diplomatic(deletes = "item")]
    Removed { item: EntityId },
}

/// What an older build knew.
#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "frail")]
enum OldEvent {
    Added {
        title: String,
        base: Option<u8>,
    },
    #[diplomatic(singleton)]
    Mood(String),
}

/// A state whose reducer panics; if `DIRTY`, after it has changed something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Frail<const DIRTY: bool> {
    tries: u32,
    bases: BTreeSet<u8>,
    items: BTreeMap<EntityId, String>,
    notes: BTreeMap<EntityId, String>,
    mood: String,
    closed: BTreeSet<u8>,
    cheers: Vec<u8>,
}

impl<const DIRTY: bool> Frail<DIRTY> {
    fn check(&mut self, is_well: bool) {
        if !is_well {
            self.tries += u32::from(DIRTY);
            panic!("boom");
        }
    }

    fn stands_on(&mut self, base: Option<u8>) {
        let is_well = base.is_none_or(|base| self.bases.contains(&base));
        self.check(is_well);
    }
}

impl<const DIRTY: bool> Reducer for Frail<DIRTY> {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Base { number } => drop(self.bases.insert(number)),
            Event::Added { title, base } => {
                self.stands_on(base);
                self.items.insert(at.entity.clone(), title);
            }
            Event::Renamed { item, title, base } => {
                self.stands_on(base);
                if let Some(old) = self.items.get_mut(&item) {
                    *old = title;
                }
            }
            Event::Noted { note, text, base } => {
                self.stands_on(base);
                self.notes.insert(note, text);
            }
            Event::Mood(mood) => {
                self.check(mood != "boom");
                self.mood = mood;
            }
            Event::Closed { subject } => drop(self.closed.insert(subject)),
            Event::Cheered { subject } => {
                self.check(!self.closed.contains(&subject));
                self.cheers.push(subject);
            }
            Event::Removed { item } => {
                self.items.remove(&item);
                self.notes.remove(&item);
            }
        }
    }
}

/// A state of things that are independent of each other, over which the reducer panics now and then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Lone(Frail<true>);

impl Reducer for Lone {
    type Event = Event;

    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Added { base, .. } | Event::Renamed { base, .. } | Event::Noted { base, .. } => {
                self.0.check(base != Some(2));
                self.0.bases = base.into_iter().collect();
                self.0.apply(event, at);
                self.0.bases.clear();
            }
            Event::Mood(_) | Event::Removed { .. } => self.0.apply(event, at),
            Event::Base { .. } | Event::Closed { .. } | Event::Cheered { .. } => {}
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Old {
    titles: Vec<String>,
    mood: String,
}

impl Reducer for Old {
    type Event = OldEvent;

    fn apply(&mut self, event: OldEvent, _: &Meta) {
        match event {
            OldEvent::Added { title, .. } => self.titles.push(title),
            OldEvent::Mood(mood) => self.mood = mood,
        }
    }
}

fn at(step: u64) -> Timestamp {
    // Three steps are an hour, so that histories have several windows.
    Timestamp::from_millis(1_764_000_000_000 + step * 1_200_000)
}

/// What a message is made from: small numbers, so that entities, times and counters meet often.
#[derive(Debug, Clone)]
struct Recipe {
    entity: u8,
    kind: u8,
    base: Option<u8>,
    step: u64,
    counter: u64,
    text: u8,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let base = prop::option::weighted(0.5, 0..3_u8);
    (0..3_u8, 0..20_u8, base, 0..14_u64, 0..2_u64, 0..3_u8)
        .prop_map(|(entity, kind, base, step, counter, text)| Recipe { entity, kind, base, step, counter, text })
}

fn event_of(recipe: &Recipe) -> Option<Event> {
    let Recipe { entity, kind, base, text, .. } = *recipe;
    let item = EntityId::new(&[entity; 8], at(0));
    let title = format!("text {text}");
    Some(match kind {
        0..2 => Event::Base { number: text },
        2..4 => Event::Added { title, base },
        4..8 => Event::Renamed { item, title, base },
        8..11 => Event::Noted { note: item, text: title, base },
        11..13 => Event::Mood(["good", "bad", "boom"][usize::from(text)].into()),
        13 => Event::Closed { subject: text },
        14..16 => Event::Cheered { subject: text },
        _ => return None,
    })
}

fn bake(recipe: &Recipe) -> Message {
    let Recipe { entity, kind, step, counter, text, .. } = *recipe;
    let item = EntityId::new(&[entity; 8], at(0));
    let register = EntityId::register("frail.renamed", &rmp_serde::to_vec_named(&(item.clone(),)).unwrap());
    let typed = |type_name: &str, payload: &[u8]| Body::new(EntityBody::new(type_name, payload).to_bytes());
    let (entity, body) = match (event_of(recipe), kind) {
        // Facts are about entities of their own, and now and then two about one.
        (Some(event @ (Event::Base { .. } | Event::Closed { .. } | Event::Cheered { .. })), _) => {
            let id = EntityId::new(&[20 + kind, text, entity, counter as u8], at(0));
            written(&event, Some(id))
        }
        (Some(event), _) => written(&event, Some(item)),
        (None, 16) => (item, None),
        (None, 17) => (register, typed("frail.renamed", b"\x01")),
        (None, 18) => (if text == 0 { register } else { item }, typed("frail.of.a.later.build", b"\xc0")),
        (None, _) => (item, typed("frail.noted", b"\x81\xa4text\x01")),
    };
    Message::new(entity, at(1 + step), counter, body).unwrap()
}

fn written(event: &Event, fact: Option<EntityId>) -> (EntityId, Option<Body>) {
    let message = match event.to_draft().unwrap() {
        Draft::Content { target: Target::Fresh, .. } => model::message(event, fact.as_ref(), at(1), 0).unwrap(),
        _ => model::message(event, None, at(1), 0).unwrap(),
    };
    (message.head().entity().clone(), message.body().and_then(Body::new))
}

/// What is done with the next messages.
#[derive(Debug, Clone)]
enum Act {
    Receive,
    /// More is about to come.
    ReceivePart,
    /// A tool that does not know the events stores them.
    ReceiveRaw,
    /// An older build stores them.
    ReceiveOld,
    Emit(Recipe),
}

fn act() -> impl Strategy<Value = (Act, usize, bool)> {
    let act = prop_oneof![
        6 => Just(Act::Receive),
        3 => Just(Act::ReceivePart),
        1 => Just(Act::ReceiveRaw),
        1 => Just(Act::ReceiveOld),
        2 => recipe().prop_map(Act::Emit),
    ];
    (act, 1..8_usize, prop::bool::weighted(0.3))
}

fn open<R: Reducer>(backing: &Backing) -> Device<R> {
    let config = DeviceConfig { snapshot_events: 2, ..DeviceConfig::default() };
    Device::open_with(backing.clone(), &Seed::from_bytes([7; 32]), StdRng::seed_from_u64(3), config).unwrap()
}

fn receive<R: Reducer>(device: &mut Device<R>, messages: &[Message], more: bool) {
    let link = device.link_host(&Label::default()).unwrap();
    let messages = messages.iter().map(|message| Arrival { seq: Seq::ZERO, message: message.clone() }).collect();
    device.session_log(link).receive(Received { messages, more, ..Received::default() }).unwrap();
}

fn agree<R: Reducer + PartialEq + std::fmt::Debug + Clone>(device: &Device<R>) {
    let (state, unread) = model::state::<R>(&device.stored().unwrap());
    assert_eq!(device.read(Clone::clone), state);
    assert_eq!(device.unread(), &unread);
}

fn happen<R>(recipes: &[Recipe], order: u64, acts: &[(Act, usize, bool)])
where
    R: Reducer<Event = Event> + PartialEq + std::fmt::Debug + Clone,
{
    let mut messages: Vec<Message> = recipes.iter().map(bake).collect();
    let place = |message: &Message| blake3::hash(&[message.head().as_bytes(), &order.to_be_bytes()].concat()).to_hex();
    messages.sort_by_key(place);
    messages.dedup_by_key(|message| Position::of(message.head()));
    let backing = Backing::memory();
    let mut device = open::<R>(&backing);
    let mut arrived = 0;
    for (act, size, restarts) in acts {
        let until = (arrived + size).min(messages.len());
        let batch = &messages[arrived..until];
        match act {
            Act::Receive => receive(&mut device, batch, false),
            Act::ReceivePart => receive(&mut device, batch, true),
            Act::ReceiveRaw => {
                drop(device);
                receive(&mut open::<Raw>(&backing), batch, false);
                device = open(&backing);
            }
            Act::ReceiveOld => {
                drop(device);
                let mut old = open::<Old>(&backing);
                receive(&mut old, batch, false);
                agree(&old);
                drop(old);
                device = open(&backing);
            }
            Act::Emit(recipe) => {
                let event =
                    event_of(recipe).unwrap_or(Event::Removed { item: EntityId::new(&[recipe.entity; 8], at(0)) });
                let before = device.stored().unwrap();
                match device.emit(at(recipe.step + 2), &event) {
                    Ok(_) => {}
                    Err(EmitError::Panicked { .. }) => assert_eq!(device.stored().unwrap(), before),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        if !matches!(act, Act::Emit(_)) {
            arrived = until;
        }
        if !matches!(act, Act::ReceivePart) {
            agree(&device);
        }
        if *restarts {
            drop(device);
            device = open(&backing);
            agree(&device);
        }
    }
    receive(&mut device, &messages[arrived..], false);
    agree(&device);
}

fn quiet<T>(act: impl FnOnce() -> T) -> T {
    quietly(act).unwrap_or_else(|panic| panic!("the device panicked: {}", crate::fold::panic_message(&*panic)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_cannot_be_applied_leaves_the_state_as_if_it_had_not_arrived(
        recipes in prop::collection::vec(recipe(), 0..60),
        order in any::<u64>(),
        acts in prop::collection::vec(act(), 1..30),
    ) {
        quiet(|| happen::<Frail<false>>(&recipes, order, &acts));
    }

    #[test]
    fn so_does_what_panics_after_it_has_changed_the_state(
        recipes in prop::collection::vec(recipe(), 0..60),
        order in any::<u64>(),
        acts in prop::collection::vec(act(), 1..30),
    ) {
        quiet(|| happen::<Frail<true>>(&recipes, order, &acts));
    }

    #[test]
    fn so_does_what_panics_among_independent_roots(
        recipes in prop::collection::vec(recipe(), 0..60),
        order in any::<u64>(),
        acts in prop::collection::vec(act(), 1..30),
    ) {
        quiet(|| happen::<Lone>(&recipes, order, &acts));
    }
}
