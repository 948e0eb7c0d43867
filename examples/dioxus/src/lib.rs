//! A shopping list: the events, the state, and what the page and its worker agree on.

use std::collections::BTreeMap;

use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
use serde::{Deserialize, Serialize};

/// What happens to a list. JSON carries it from the page to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DiplomaticEvent)]
#[diplomatic(prefix = "groceries")]
pub enum GroceryEvent {
    Added {
        name: String,
    },
    #[diplomatic(overwrites = "item")]
    Ticked {
        item: EntityId,
        is_in_cart: bool,
    },
    #[diplomatic(deletes = "item")]
    Removed {
        item: EntityId,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub name: String,
    pub is_in_cart: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Groceries {
    items: BTreeMap<EntityId, Item>,
}

impl Reducer for Groceries {
    type Event = GroceryEvent;

    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: GroceryEvent, at: &Meta) {
        match event {
            GroceryEvent::Added { name } => {
                self.items.insert(at.entity.clone(), Item { name, is_in_cart: false });
            }
            GroceryEvent::Ticked { item, is_in_cart } => {
                if let Some(item) = self.items.get_mut(&item) {
                    item.is_in_cart = is_in_cart;
                }
            }
            GroceryEvent::Removed { item } => {
                self.items.remove(&item);
            }
        }
    }
}

/// What the page shows: the items in order of their names.
pub type List = Vec<(EntityId, Item)>;

impl Groceries {
    /// Returns what the page shows.
    pub fn list(&self) -> List {
        let mut list: List = self.items.iter().map(|(id, item)| (id.clone(), item.clone())).collect();
        list.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        list
    }
}

/// What the page tells its worker at first, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Configuration {
    pub seed: String,
    pub host: Option<String>,
}
