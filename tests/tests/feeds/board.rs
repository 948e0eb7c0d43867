//! An app with everything that a root can be made of: cards on lists, which move.

use std::collections::{BTreeMap, BTreeSet};

use diplomatic::standard::{Body, EntityBody, EntityId, HeadHash, Message, Seq, Timestamp};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DeviceConfig, DiplomaticEvent, Meta, Position, Reducer, Seed};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "board")]
pub(crate) enum Event {
    Added {
        title: String,
    },
    #[diplomatic(overwrites = "card")]
    Renamed {
        card: EntityId,
        title: String,
    },
    /// Hangs on the list, and moves with it from root to root.
    #[diplomatic(overwrites = "card", pid = "list")]
    Placed {
        card: EntityId,
        list: Option<EntityId>,
    },
    #[diplomatic(overwrites = "name")]
    Set {
        name: String,
        value: u64,
    },
    #[diplomatic(deletes = "card")]
    Removed {
        card: EntityId,
    },
}

/// A card, which may be a list for others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) title: String,
    pub(crate) holds: BTreeSet<EntityId>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Board {
    pub(crate) cards: BTreeMap<EntityId, Card>,
    pub(crate) settings: BTreeMap<String, u64>,
}

impl Reducer for Board {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Added { title } => self.cards.entry(at.entity.clone()).or_default().title = title,
            Event::Renamed { card, title } => {
                if let Some(card) = self.cards.get_mut(&card) {
                    card.title = title;
                }
            }
            Event::Placed { card, list } => {
                for list in self.cards.values_mut() {
                    list.holds.remove(&card);
                }
                if let Some(list) = list.as_ref().and_then(|list| self.cards.get_mut(list)) {
                    list.holds.insert(card);
                }
            }
            Event::Set { name, .. } if name == "boom" => panic!("boom"),
            Event::Set { name, value } => drop(self.settings.insert(name, value)),
            Event::Removed { card } => drop(self.cards.remove(&card)),
        }
    }
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + millis)
}

pub(crate) fn seed() -> Seed {
    Seed::from_bytes([7; 32])
}

pub(crate) fn open(backing: &Backing, rng: u64) -> Device<Board> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 3;
    Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(rng), config).unwrap()
}

pub(crate) fn card(number: u64) -> EntityId {
    EntityId::new(&number.to_be_bytes(), at(0))
}

pub(crate) fn added(title: &str) -> Event {
    Event::Added { title: title.into() }
}

pub(crate) fn renamed(card: &EntityId, title: &str) -> Event {
    Event::Renamed { card: card.clone(), title: title.into() }
}

pub(crate) fn placed(card: &EntityId, list: &EntityId) -> Event {
    Event::Placed { card: card.clone(), list: Some(list.clone()) }
}

/// Writes a message as another device does; without a body, a delete.
pub(crate) fn message(entity: &EntityId, millis: u64, counter: u64, body: Option<EntityBody<'_>>) -> Message {
    let body = body.map(|body| Body::new(body.to_bytes()).unwrap());
    Message::new(entity.clone(), at(millis), counter, body).unwrap()
}

/// Writes the message of an event about `entity`, as another device does.
pub(crate) fn written(event: &Event, entity: &EntityId, millis: u64, counter: u64) -> Message {
    use diplomatic::event::{Draft, Target};
    match event.to_draft().unwrap() {
        Draft::Content { type_name, target, payload, group, parent } => {
            let entity = match target {
                Target::Register { key } => EntityId::register(type_name, &key),
                _ => entity.clone(),
            };
            let body = EntityBody { type_name, payload: &payload, group: group.as_deref(), parent };
            message(&entity, millis, counter, Some(body))
        }
        Draft::Delete { entity } => message(&entity, millis, counter, None),
        Draft::Bare { .. } => unreachable!("the events have types"),
    }
}

/// Receives messages as from a host.
pub(crate) fn receive<R: Reducer>(device: &mut Device<R>, messages: Vec<Message>) {
    let messages = messages.into_iter().map(|message| Arrival { seq: Seq::ZERO, message }).collect();
    device.session_log(1).receive(Received { messages, ..Received::default() }).unwrap();
}

/// What counts of each root, in the total order, by the definition and with no thought to what it costs.
pub(crate) type Roots = BTreeMap<EntityId, Vec<HeadHash>>;

pub(crate) fn roots<R: Reducer>(device: &Device<R>) -> Roots {
    let mut latest: BTreeMap<EntityId, (Position, Option<EntityId>)> = BTreeMap::new();
    device
        .each_message(|message| {
            // In the total order, so the last one that can be read counts.
            let (entity, position) = (message.head().entity(), Position::of(message.head()));
            let root = match message.body().map(EntityBody::decode) {
                None => None,
                Some(Ok(body)) if is_readable(&body) => {
                    let hangs_on = body.parent.filter(|parent| entity.is_derived() && !parent.is_derived());
                    Some(hangs_on.unwrap_or_else(|| entity.clone()))
                }
                Some(_) => return,
            };
            latest.insert(entity.clone(), (position, root));
        })
        .unwrap();
    let mut live: Vec<(Position, EntityId)> =
        latest.into_values().filter_map(|(position, root)| Some((position, root?))).collect();
    live.sort_unstable();
    let mut roots = Roots::new();
    for (position, root) in live {
        roots.entry(root).or_default().push(position.hash);
    }
    roots
}

/// Messages of an unknown type, and those with the payload nil, cannot be read.
fn is_readable(body: &EntityBody<'_>) -> bool {
    body.type_name.starts_with("board.") && body.payload != EntityBody::NIL
}
