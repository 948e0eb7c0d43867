//! The state: a user's lists.

use std::collections::BTreeMap;

use diplomatic::{EntityId, Meta, Reducer, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Day, OrderKey, TodoEvent};

/// Everything that a device shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Todos {
    items: BTreeMap<EntityId, Item>,
    lists: BTreeMap<EntityId, List>,
    /// How lists are shown.
    pub preferences: Preferences,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its list, which may have been deleted on this device or another.
    pub list: EntityId,
    /// Its place in the list.
    pub order: OrderKey,
    /// What is to be done.
    pub title: String,
    /// Notes; empty for none.
    #[serde(default)]
    pub notes: String,
    /// The due date.
    #[serde(default)]
    pub due: Option<Day>,
    /// Whether it is done.
    #[serde(default)]
    pub done: bool,
    /// Whether it is in the archive.
    #[serde(default)]
    pub archived: bool,
}

/// A list of items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// Its name.
    pub name: String,
    /// Its place among the lists.
    pub order: OrderKey,
}

/// How lists are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preferences {
    /// Whether ticked items are hidden.
    #[serde(default)]
    pub hide_done: bool,
}

/// Returns the ID of the list that every account has from the start. It is fixed, because if the first run created the
/// list, two devices that have not met yet would create two of them.
pub fn inbox() -> EntityId {
    EntityId::new(b"todo inbox", Timestamp::EPOCH)
}

impl Todos {
    /// Returns the lists in order, starting with the inbox, which exists even if nobody saved it.
    pub fn lists(&self) -> Vec<(EntityId, List)> {
        let mut lists: Vec<_> = self.lists.iter().map(|(id, list)| (id.clone(), list.clone())).collect();
        if !self.lists.contains_key(&inbox()) {
            lists.push((inbox(), List::inbox()));
        }
        // Two devices may give two lists the same place. Then their IDs decide, on every device.
        lists.sort_by(|(one, a), (other, b)| {
            (*one != inbox(), &a.order, one).cmp(&(*other != inbox(), &b.order, other))
        });
        lists
    }

    /// Returns a list.
    pub fn list(&self, id: &EntityId) -> Option<List> {
        self.lists.get(id).cloned().or_else(|| (*id == inbox()).then(List::inbox))
    }

    /// Returns an item.
    pub fn item(&self, id: &EntityId) -> Option<&Item> {
        self.items.get(id)
    }

    /// Returns the items of a list in order, including archived ones.
    pub fn items_of(&self, list: &EntityId) -> Vec<(&EntityId, &Item)> {
        self.sorted(|item| item.list == *list)
    }

    /// Returns the items whose list was deleted, perhaps on another device while this one added items.
    pub fn items_without_list(&self) -> Vec<(&EntityId, &Item)> {
        self.sorted(|item| self.list(&item.list).is_none())
    }

    fn sorted(&self, is_wanted: impl Fn(&Item) -> bool) -> Vec<(&EntityId, &Item)> {
        let mut items: Vec<_> = self.items.iter().filter(|(_, item)| is_wanted(item)).collect();
        items.sort_by_key(|(id, item)| (&item.order, *id));
        items
    }
}

impl List {
    fn inbox() -> Self {
        Self { name: "Inbox".to_owned(), order: OrderKey::default() }
    }
}

impl Reducer for Todos {
    type Event = TodoEvent;

    const VERSION: u32 = 2;

    /// Items and lists know nothing of each other but their IDs.
    const INDEPENDENT_ROOTS: bool = true;

    /// Events about items that do not exist do nothing, because the item was deleted on another device.
    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        match event {
            TodoEvent::Added { list, title, order } => {
                self.items.insert(at.entity.clone(), Item::new(list, order, title));
            }
            TodoEvent::Renamed { item, title } => self.change(&item, |item| item.title = title),
            TodoEvent::Noted { item, notes } => self.change(&item, |item| item.notes = notes),
            TodoEvent::Due { item, due } => self.change(&item, |item| item.due = due),
            TodoEvent::Ticked { item, done } => self.change(&item, |item| item.done = done),
            TodoEvent::Archived { item, archived } => self.change(&item, |item| item.archived = archived),
            TodoEvent::Placed { item, list, order } => self.change(&item, |item| {
                item.list = list;
                item.order = order;
            }),
            TodoEvent::ListSaved { list, name, order } => {
                self.lists.insert(list, List { name, order });
            }
            TodoEvent::Removed { what } => {
                self.items.remove(&what);
                self.lists.remove(&what);
            }
            TodoEvent::Preferred(preferences) => self.preferences = preferences,
        }
    }
}

impl Todos {
    fn change(&mut self, item: &EntityId, change: impl FnOnce(&mut Item)) {
        if let Some(item) = self.items.get_mut(item) {
            change(item);
        }
    }
}

impl Item {
    /// Makes a newly added item.
    pub const fn new(list: EntityId, order: OrderKey, title: String) -> Self {
        Self { list, order, title, notes: String::new(), due: None, done: false, archived: false }
    }
}
