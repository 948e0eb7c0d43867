// The app of the examples in the documentation, as on its first page; they include it in hidden lines.

use std::collections::BTreeMap;

use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
pub enum TodoEvent {
    Added { title: String },
    #[diplomatic(overwrites = "todo")]
    Renamed { todo: EntityId, title: String },
    #[diplomatic(deletes = "todo")]
    Removed { todo: EntityId },
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Todos {
    pub titles: BTreeMap<EntityId, String>,
}

impl Reducer for Todos {
    type Event = TodoEvent;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        match event {
            TodoEvent::Added { title } => {
                self.titles.insert(at.entity.clone(), title);
            }
            TodoEvent::Renamed { todo, title } => {
                if let Some(old) = self.titles.get_mut(&todo) {
                    *old = title;
                }
            }
            TodoEvent::Removed { todo } => {
                self.titles.remove(&todo);
            }
        }
    }
}
