//! The reference model that every state must agree with: sort the live messages and fold them.

use std::collections::BTreeMap;

use super::quiet::quietly;
use crate::event::{DiplomaticEvent, Draft, EncodeEventError, Target};
use crate::fold::{self, Item, Reading, ReducerPanic, Unread, UnreadEntry, window};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Body, EntityBody, EntityId, Message, Timestamp};

/// The time at which histories begin.
pub(super) const DAWN: Timestamp = Timestamp::from_millis(1_764_000_000_000);

/// Returns the ID of a test's entity number `index`.
///
/// ```
/// use diplomatic::testing::entity;
///
/// assert_eq!(entity(1), entity(1));
/// assert_ne!(entity(1), entity(2));
/// ```
pub fn entity(index: u64) -> EntityId {
    EntityId::new(&index.to_be_bytes(), DAWN)
}

/// Returns the state of every device that has these messages, by its definition: the live messages are sorted and folded,
/// and what cannot be applied counts as if it had not arrived. It is as slow as it is simple.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// use diplomatic::testing::state_of;
/// use diplomatic::{Backing, Device, Seed, Timestamp};
///
/// let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rand::make_rng::<rand::rngs::StdRng>())?;
/// device.emit(Timestamp::now(), &TodoEvent::Added { title: "milk".into() })?;
///
/// let mut messages = Vec::new();
/// device.each_message(|message| messages.push(message.clone()))?;
/// let expected = state_of::<Todos>(&messages);
/// device.read(|todos| assert_eq!(todos.titles, expected.titles));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn state_of<R: Reducer>(messages: &[Message]) -> R {
    quietly(|| state(messages).0).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A panic of the reducer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panicked {
    pub(super) position: Position,
    pub(super) panic: ReducerPanic,
}

/// Returns the latest version of each entity that can be read, in total order.
pub(super) fn live<E: DiplomaticEvent>(messages: &[Message]) -> Vec<&Message> {
    live_without::<E>(messages, &BTreeMap::new())
}

fn live_without<'m, E: DiplomaticEvent>(
    messages: &'m [Message],
    aside: &BTreeMap<Position, ReducerPanic>,
) -> Vec<&'m Message> {
    let mut winners: BTreeMap<&EntityId, &Message> = BTreeMap::new();
    for message in messages {
        if !is_readable::<E>(message) || aside.contains_key(&place(message)) {
            continue;
        }
        let winner = winners.entry(message.head().entity()).or_insert(message);
        if place(winner) < place(message) {
            *winner = message;
        }
    }
    let mut live: Vec<_> = winners.into_values().collect();
    live.sort_by_key(|message| place(message));
    live
}

fn place(message: &Message) -> Position {
    Position::of(message.head())
}

fn is_readable<E: DiplomaticEvent>(message: &Message) -> bool {
    !matches!(Reading::<E>::of(message), Reading::Unknown { .. } | Reading::Unfit { .. })
}

/// Applies a message.
pub(super) fn apply<R: Reducer>(state: &mut R, message: &Message) -> Result<(), Panicked> {
    let Some((event, meta)) = Item::of(message.clone()).into_event() else { return Ok(()) };
    fold::apply(state, event, &meta).map_err(|panic| Panicked { position: place(message), panic })
}

/// Applies messages in the given order; `between` may change the state after each.
pub(super) fn fold_with<R: Reducer>(messages: &[&Message], mut between: impl FnMut(R) -> R) -> Result<R, Panicked> {
    let mut state = R::default();
    for message in messages {
        apply(&mut state, message)?;
        state = between(state);
    }
    Ok(state)
}

/// Applies messages in the given order.
pub(super) fn fold<R: Reducer>(messages: &[&Message]) -> Result<R, Panicked> {
    fold_with(messages, |state| state)
}

/// Returns the state that every device with these messages has, and what it cannot apply: by the definition, and with
/// no thought to what it costs.
pub(super) fn state<R: Reducer>(messages: &[Message]) -> (R, Unread) {
    let mut aside = BTreeMap::new();
    loop {
        let mut found = BTreeMap::new();
        let mut skipped = BTreeMap::new();
        let mut applied = Vec::new();
        let mut state = R::default();
        let mut ends = None;
        let live = live_without::<R::Event>(messages, &aside);
        for message in &live {
            let position = place(message);
            if ends.is_some_and(|ends| window(&position) > ends) {
                break;
            }
            let Err(Panicked { panic, .. }) = apply(&mut state, message) else {
                applied.push(*message);
                continue;
            };
            state = fold(&applied).expect("it could be applied before");
            if has_earlier::<R::Event>(messages, message) {
                ends = ends.or(Some(window(&position)));
                found.insert(position, panic);
            } else {
                skipped.insert(position, panic);
            }
        }
        if found.is_empty() {
            return (state, unread::<R::Event>(messages, &live, &aside, &skipped));
        }
        aside.append(&mut found);
    }
}

/// Tells whether there is an earlier version that can be read.
fn has_earlier<E: DiplomaticEvent>(messages: &[Message], than: &Message) -> bool {
    let mut same = messages.iter().filter(|message| message.head().entity() == than.head().entity());
    same.any(|message| is_readable::<E>(message) && place(message) < place(than))
}

fn unread<E: DiplomaticEvent>(
    messages: &[Message],
    live: &[&Message],
    aside: &BTreeMap<Position, ReducerPanic>,
    skipped: &BTreeMap<Position, ReducerPanic>,
) -> Unread {
    let mut unread = Unread::default();
    for message in messages {
        let (position, entity) = (place(message), message.head().entity().clone());
        let counts = live.iter().find(|live| *live.head().entity() == entity).map(|live| place(live));
        let panicked = |panic: &ReducerPanic| UnreadEntry::panicked(entity.clone(), position.changed, panic.clone());
        if let Some(panic) = skipped.get(&position) {
            unread.note(position, panicked(panic));
        } else if counts.is_none_or(|counts| position > counts) {
            let entry = match (Reading::<E>::of(message), aside.get(&position)) {
                (Reading::Unknown { type_name }, _) => UnreadEntry::unknown(entity, type_name),
                (Reading::Unfit { error }, _) => UnreadEntry::unfit(entity, position.changed, &error),
                (_, Some(panic)) => panicked(panic),
                _ => continue,
            };
            unread.note(position, entry.with_stand_in(counts));
        }
    }
    unread
}

/// Writes an event as any client of the standard may: about `entity` if given, otherwise about the event's own entity,
/// which for a fact is the first of all entities.
pub(super) fn message<E: DiplomaticEvent>(
    event: &E,
    about: Option<&EntityId>,
    changed: Timestamp,
    counter: u64,
) -> Result<Message, EncodeEventError> {
    let (entity, body) = match event.to_draft()? {
        Draft::Delete { entity } => (about.cloned().unwrap_or(entity), None),
        Draft::Bare { entity: named, body, .. } => {
            (about.cloned().or(named).unwrap_or_else(|| entity(0)), Body::new(body))
        }
        Draft::Content { type_name, target: Target::Singleton, payload, .. } if about.is_none() => {
            (EntityId::singleton(type_name), Body::new(payload))
        }
        Draft::Content { type_name, target, payload, group, parent } => {
            let body = EntityBody { type_name, payload: &payload, group: group.as_deref(), parent }.to_bytes();
            let entity = match (about, target) {
                (Some(about), _) => about.clone(),
                (None, Target::Register { key }) => EntityId::register(type_name, &key),
                (None, Target::Entity(entity)) => entity,
                (None, _) => entity(0),
            };
            (entity, Body::new(body))
        }
    };
    let changed = changed.max(entity.created());
    Ok(Message::new(entity, changed, counter, body).expect("a test's times and bodies are small"))
}

/// Writes a delete.
pub(super) fn tombstone(entity: EntityId, changed: Timestamp, counter: u64) -> Message {
    let changed = changed.max(entity.created());
    Message::new(entity, changed, counter, None).expect("a test's times are small")
}
