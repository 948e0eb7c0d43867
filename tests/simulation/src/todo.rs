//! An app with every shape of event.

use std::collections::BTreeMap;

use diplomatic::event::Stored;
use diplomatic::standard::{EntityBody, EntityId, Message};
use diplomatic::{DiplomaticEvent, Meta, Position, Reducer};
use serde::{Deserialize, Serialize};

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
pub enum Event {
    /// A fact.
    Added {
        /// What is to be done.
        title: String,
    },
    /// A register.
    #[diplomatic(overwrites = "todo")]
    Renamed {
        /// The item.
        todo: EntityId,
        /// What is to be done.
        title: String,
    },
    /// Another register of the same entity.
    #[diplomatic(overwrites = "todo")]
    Done {
        /// The item.
        todo: EntityId,
        /// Whether it is done.
        done: bool,
    },
    /// A whole entity.
    #[diplomatic(entity = "note")]
    Noted {
        /// The note.
        note: EntityId,
        /// What it says.
        text: String,
    },
    /// A delete.
    #[diplomatic(deletes = "todo")]
    Removed {
        /// The item or note.
        todo: EntityId,
    },
    /// A singleton.
    #[diplomatic(singleton)]
    Status(String),
}

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todos {
    /// The items: title, and whether it is done.
    pub items: BTreeMap<EntityId, (String, bool)>,
    /// The notes.
    pub notes: BTreeMap<EntityId, String>,
    /// The status line.
    pub status: String,
}

impl Todos {
    /// Returns the titles of the items, sorted.
    pub fn titles(&self) -> Vec<String> {
        let mut titles: Vec<_> = self.items.values().map(|(title, _)| title.clone()).collect();
        titles.sort();
        titles
    }
}

impl Reducer for Todos {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Added { title } => {
                self.items.insert(at.entity.clone(), (title, false));
            }
            Event::Renamed { todo, title } => {
                if let Some(item) = self.items.get_mut(&todo) {
                    item.0 = title;
                }
            }
            Event::Done { todo, done } => {
                if let Some(item) = self.items.get_mut(&todo) {
                    item.1 = done;
                }
            }
            Event::Noted { note, text } => {
                self.notes.insert(note, text);
            }
            Event::Removed { todo } => {
                self.items.remove(&todo);
                self.notes.remove(&todo);
            }
            Event::Status(text) => self.status = text,
        }
    }
}

/// Returns the event that adds an item.
pub fn added(title: impl Into<String>) -> Event {
    Event::Added { title: title.into() }
}

/// Folds messages in the plainest way: of each entity the last counts, and those are applied in their order.
pub fn sort_and_fold<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Todos {
    let mut winners: BTreeMap<EntityId, &Message> = BTreeMap::new();
    for message in messages {
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
            let head = message.head();
            todos.apply(event, &Meta::new(head.entity().clone(), head.changed(), ""));
        }
    }
    todos
}

fn event_of(message: &Message) -> Option<Event> {
    let entity = message.head().entity();
    let stored = match (message.body(), entity.singleton_type()) {
        (None, _) if entity.is_derived() => return None,
        (None, _) => return Event::from_delete(entity).pop(),
        (Some(payload), Some(type_name)) => Stored::Content { type_name, entity, payload },
        (Some(body), None) => {
            let EntityBody { type_name, payload, .. } = EntityBody::decode(body).ok()?;
            return Event::from_stored(Stored::Content { type_name, entity, payload }).ok();
        }
    };
    Event::from_stored(stored).ok()
}
