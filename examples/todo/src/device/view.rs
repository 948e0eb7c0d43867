//! The lists as the page draws them.

use diplomatic::EntityId;
use serde::Serialize;

use crate::{Item, Preferences, Todos, inbox};

/// The lists as the page draws them, in order.
#[derive(Debug, PartialEq, Serialize)]
pub struct View {
    lists: Vec<ListView>,
    preferences: Preferences,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListView {
    /// `None` for items whose list was deleted.
    id: Option<EntityId>,
    name: String,
    is_inbox: bool,
    items: Vec<ItemView>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ItemView {
    id: EntityId,
    #[serde(flatten)]
    item: Item,
}

impl View {
    pub(super) fn of(todos: &Todos) -> Self {
        let view = |items: Vec<(&EntityId, &Item)>| {
            items.into_iter().map(|(id, item)| ItemView { id: id.clone(), item: item.clone() }).collect::<Vec<_>>()
        };
        let lists = todos.lists().into_iter().map(|(id, list)| ListView {
            is_inbox: id == inbox(),
            name: list.name,
            items: view(todos.items_of(&id)),
            id: Some(id),
        });
        let strays = view(todos.items_without_list());
        let strays = (!strays.is_empty()).then(|| ListView {
            id: None,
            name: "No list".to_owned(),
            is_inbox: false,
            items: strays,
        });
        Self { lists: lists.chain(strays).collect(), preferences: todos.preferences }
    }
}
