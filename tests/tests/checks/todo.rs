//! An app with every shape of event, and a reducer that keeps its promises.

use std::collections::BTreeMap;

use diplomatic::testing::Dice;
use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
pub(crate) enum TodoEvent {
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
    /// Every one counts.
    Visited {
        by: String,
    },
    /// Stands by itself, whether or not there is such a todo.
    #[diplomatic(overwrites = "todo")]
    Pinned {
        todo: EntityId,
        pinned: bool,
    },
}

pub(crate) fn any_event(entities: &[EntityId], dice: &mut Dice) -> TodoEvent {
    let todo = dice.pick(entities).clone();
    match dice.below(8) {
        0 => TodoEvent::Added { title: dice.word() },
        1 => TodoEvent::Renamed { todo, title: dice.word() },
        2 => TodoEvent::Done { todo, done: dice.percent(50) },
        3 => TodoEvent::Noted { note: todo, text: dice.word() },
        4 => TodoEvent::Removed { todo },
        5 => TodoEvent::Visited { by: dice.word() },
        6 => TodoEvent::Pinned { todo, pinned: dice.percent(50) },
        _ => TodoEvent::Status(dice.word()),
    }
}

/// The state of all reducers here, right and wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Items {
    pub(crate) titles: BTreeMap<EntityId, (String, bool)>,
    pub(crate) notes: BTreeMap<EntityId, String>,
    pub(crate) pins: BTreeMap<EntityId, bool>,
    pub(crate) visits: BTreeMap<EntityId, u64>,
    pub(crate) status: String,
    pub(crate) count: u64,
    pub(crate) log: Vec<String>,
}

impl Items {
    /// Applies an event as is right.
    pub(crate) fn apply(&mut self, event: TodoEvent, at: &Meta) {
        match event {
            TodoEvent::Added { title } => {
                self.titles.insert(at.entity.clone(), (title, false));
            }
            TodoEvent::Renamed { todo, title } => {
                if let Some(item) = self.titles.get_mut(&todo) {
                    item.0 = title;
                }
            }
            TodoEvent::Done { todo, done } => {
                if let Some(item) = self.titles.get_mut(&todo) {
                    item.1 = done;
                }
            }
            TodoEvent::Noted { note, text } => {
                self.notes.insert(note, text);
            }
            TodoEvent::Removed { todo } => {
                self.titles.remove(&todo);
                self.notes.remove(&todo);
                self.visits.remove(&todo);
                self.pins.remove(&todo);
            }
            TodoEvent::Visited { .. } => *self.visits.entry(at.entity.clone()).or_default() += 1,
            TodoEvent::Pinned { todo, pinned } => {
                self.pins.insert(todo, pinned);
            }
            TodoEvent::Status(status) => self.status = status,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Todos(pub(crate) Items);

impl Reducer for Todos {
    type Event = TodoEvent;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        self.0.apply(event, at);
    }
}
