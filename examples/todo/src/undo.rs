//! Undo.

use diplomatic::{Meta, Undo};

use crate::{Item, List, TodoEvent, Todos};

impl Undo<Todos> for TodoEvent {
    fn inverse(&self, at: &Meta, before: &Todos) -> Option<Vec<Self>> {
        let back = match self {
            Self::Added { .. } => Self::Removed { what: at.entity.clone() },
            Self::Renamed { item, .. } => Self::Renamed { item: item.clone(), title: before.item(item)?.title.clone() },
            Self::Noted { item, .. } => Self::Noted { item: item.clone(), notes: before.item(item)?.notes.clone() },
            Self::Due { item, .. } => Self::Due { item: item.clone(), due: before.item(item)?.due },
            Self::Ticked { item, .. } => Self::Ticked { item: item.clone(), done: before.item(item)?.done },
            Self::Archived { item, .. } => Self::Archived { item: item.clone(), archived: before.item(item)?.archived },
            Self::Placed { item, .. } => {
                let Item { list, order, .. } = before.item(item)?;
                Self::Placed { item: item.clone(), list: list.clone(), order: order.clone() }
            }
            Self::Restored { id: what, .. } | Self::ListSaved { list: what, .. } | Self::Removed { what } => {
                match (before.item(what), before.saved_list(what)) {
                    (Some(item), _) => Self::Restored { id: what.clone(), item: item.clone() },
                    (None, Some(List { name, order })) => {
                        Self::ListSaved { list: what.clone(), name: name.clone(), order: order.clone() }
                    }
                    // Without a previous value there is nothing to restore.
                    (None, None) if matches!(self, Self::Removed { .. }) => return None,
                    (None, None) => Self::Removed { what: what.clone() },
                }
            }
            Self::Preferred(_) => Self::Preferred(before.preferences),
        };
        Some(vec![back])
    }
}
