//! The reference model that every state must agree with: sort the live messages and fold them.

use std::collections::BTreeMap;

use crate::event::{DiplomaticEvent, Draft, EncodeEventError, Target};
use crate::fold::{Reading, Unread, apply};
use crate::order::Position;
use crate::reducer::{Origin, Reducer};
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

/// A panic of the reducer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panicked {
    pub(super) position: Position,
    pub(super) reason: String,
}

/// Returns the live messages in the total order.
pub(super) fn live(messages: &[Message]) -> Vec<&Message> {
    let mut winners: BTreeMap<&EntityId, &Message> = BTreeMap::new();
    for message in messages {
        let winner = winners.entry(message.head().entity()).or_insert(message);
        if Position::of(winner.head()) < Position::of(message.head()) {
            *winner = message;
        }
    }
    let mut live: Vec<_> = winners.into_values().collect();
    live.sort_by_key(|message| Position::of(message.head()));
    live
}

/// Applies messages in the given order; `between` may change the state after each.
pub(super) fn fold_with<R: Reducer>(
    messages: &[&Message],
    origin: &Origin,
    mut between: impl FnMut(R) -> R,
) -> Result<(R, Unread), Panicked> {
    let (mut state, mut unread) = (R::default(), Unread::default());
    for message in messages {
        let position = Position::of(message.head());
        let reading = Reading::of(message);
        apply(&mut state, &mut unread, &position, message.head().entity(), reading, || origin.clone())
            .map_err(|reason| Panicked { position, reason })?;
        state = between(state);
    }
    Ok((state, unread))
}

/// Applies messages in the given order.
pub(super) fn fold<R: Reducer>(messages: &[&Message]) -> Result<(R, Unread), Panicked> {
    fold_with(messages, &Origin::ThisDevice, |state| state)
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
