//! What a person's lists are, after all that happened.

use std::collections::BTreeMap;

use diplomatic::{EntityId, Meta, Reducer, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Day, OrderKey, TodoEvent};

/// Everything that a device shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Todos {
    items: BTreeMap<EntityId, Item>,
    lists: BTreeMap<EntityId, List>,
    /// How the person wants to see all of it.
    pub preferences: Preferences,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The list in which it stands. That list may be gone, on this device or another.
    pub list: EntityId,
    /// Where it stands in the list.
    pub order: OrderKey,
    /// What is to be done.
    pub title: String,
    /// Notes; empty for none.
    #[serde(default)]
    pub notes: String,
    /// The day by which it has to be done.
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
    /// Where it stands among the lists.
    pub order: OrderKey,
}

/// How the person wants to see all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preferences {
    /// Whether what is done is out of sight.
    #[serde(default)]
    pub hide_done: bool,
}

/// Returns the list that every account has from the start, under a name that all devices know: were it made by the first
/// run, two devices that have not met yet would make two of them.
pub fn inbox() -> EntityId {
    EntityId::new(b"todo inbox", Timestamp::EPOCH)
}

impl Todos {
    /// Returns the lists in their order: the inbox first, which is there though nobody saved it.
    pub fn lists(&self) -> Vec<(EntityId, List)> {
        let mut lists: Vec<_> = self.lists.iter().map(|(id, list)| (id.clone(), list.clone())).collect();
        if !self.lists.contains_key(&inbox()) {
            lists.push((inbox(), List::inbox()));
        }
        // Two devices may give the same order to two lists, and then their ids decide, everywhere alike.
        lists.sort_by(|(one, a), (other, b)| {
            (*one != inbox(), &a.order, one).cmp(&(*other != inbox(), &b.order, other))
        });
        lists
    }

    /// Returns a list that is there.
    pub fn list(&self, id: &EntityId) -> Option<List> {
        self.lists.get(id).cloned().or_else(|| (*id == inbox()).then(List::inbox))
    }

    /// Returns a list that somebody saved; the inbox may be there without.
    pub(crate) fn saved_list(&self, id: &EntityId) -> Option<&List> {
        self.lists.get(id)
    }

    /// Returns an item that is there.
    pub fn item(&self, id: &EntityId) -> Option<&Item> {
        self.items.get(id)
    }

    /// Returns the items of a list in their order, also those in the archive.
    pub fn items_of(&self, list: &EntityId) -> Vec<(&EntityId, &Item)> {
        self.sorted(|item| item.list == *list)
    }

    /// Returns the items whose list is gone: another device may have deleted it while this one filled it.
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

    const VERSION: u32 = 1;

    /// What is about an item that is not there does nothing: the item was deleted on another device.
    fn apply(&mut self, event: &TodoEvent, at: &Meta) {
        match event {
            TodoEvent::Added { list, title, order } => {
                self.items.insert(at.entity.clone(), Item::new(list.clone(), order.clone(), title.clone()));
            }
            TodoEvent::Renamed { item, title } => self.change(item, |item| item.title.clone_from(title)),
            TodoEvent::Noted { item, notes } => self.change(item, |item| item.notes.clone_from(notes)),
            TodoEvent::Due { item, due } => self.change(item, |item| item.due = *due),
            TodoEvent::Ticked { item, done } => self.change(item, |item| item.done = *done),
            TodoEvent::Archived { item, archived } => self.change(item, |item| item.archived = *archived),
            TodoEvent::Placed { item, list, order } => self.change(item, |item| {
                item.list.clone_from(list);
                item.order.clone_from(order);
            }),
            TodoEvent::Restored { id, item } => drop(self.items.insert(id.clone(), item.clone())),
            TodoEvent::ListSaved { list, name, order } => {
                self.lists.insert(list.clone(), List { name: name.clone(), order: order.clone() });
            }
            TodoEvent::Removed { what } => {
                self.items.remove(what);
                self.lists.remove(what);
            }
            TodoEvent::Preferred(preferences) => self.preferences = *preferences,
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
    /// Makes an item as it is when it was just added.
    pub const fn new(list: EntityId, order: OrderKey, title: String) -> Self {
        Self { list, order, title, notes: String::new(), due: None, done: false, archived: false }
    }
}
