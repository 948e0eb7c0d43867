//! An app with every shape of event.

use std::collections::BTreeMap;

use diplomatic::standard::{EntityId, Seed, Timestamp};
use diplomatic::{Backing, Device, DeviceConfig, DiplomaticEvent, Meta, Reducer};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
pub(crate) enum Event {
    Added {
        title: String,
    },
    #[diplomatic(overwrites = "todo")]
    Renamed {
        todo: EntityId,
        title: String,
    },
    #[diplomatic(overwrites = "todo")]
    Done {
        todo: EntityId,
        done: bool,
    },
    #[diplomatic(entity = "note")]
    Noted {
        note: EntityId,
        text: String,
    },
    #[diplomatic(deletes = "todo")]
    Removed {
        todo: EntityId,
    },
    #[diplomatic(singleton)]
    Status(String),
    /// The reducer cannot stand it.
    Explosive,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Todos {
    pub(crate) items: BTreeMap<EntityId, (String, bool)>,
    pub(crate) notes: BTreeMap<EntityId, String>,
    pub(crate) status: String,
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
            Event::Explosive => panic!("boom"),
        }
    }
}

pub(crate) fn seed() -> Seed {
    Seed::from_bytes([7; 32])
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + millis)
}

/// Opens a device that keeps its state often.
pub(crate) fn open(backing: &Backing) -> Device<Todos> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 3;
    Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(1), config).unwrap()
}

pub(crate) fn device() -> Device<Todos> {
    open(&Backing::memory())
}

pub(crate) fn added(title: &str) -> Event {
    Event::Added { title: title.into() }
}
