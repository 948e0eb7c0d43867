//! Commands: what a user asks for, and the events that carry it out.

use diplomatic::EntityId;
use serde::Deserialize;

use crate::{Day, List, OrderKey, Preferences, TodoEvent, Todos, inbox, place};

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Add an item at the end of a list.
    Add {
        /// The list.
        list: EntityId,
        /// What is to be done.
        title: String,
    },
    /// Give an item another title.
    Rename {
        /// The item.
        item: EntityId,
        /// What is to be done.
        title: String,
    },
    /// Give an item other notes.
    Note {
        /// The item.
        item: EntityId,
        /// The notes.
        notes: String,
    },
    /// Say by which day an item has to be done.
    Due {
        /// The item.
        item: EntityId,
        /// The day, if there is one.
        due: Option<Day>,
    },
    /// Tick an item, or take the tick away.
    Tick {
        /// The item.
        item: EntityId,
        /// Whether it is done.
        done: bool,
    },
    /// Move an item, in its list or to another.
    Move {
        /// The item.
        item: EntityId,
        /// The list.
        list: EntityId,
        /// The item to place it before; the end if none.
        before: Option<EntityId>,
    },
    /// Put an item into the archive, or take it out.
    Archive {
        /// The item.
        item: EntityId,
        /// Whether it is in the archive.
        archived: bool,
    },
    /// Delete an item.
    Delete {
        /// The item.
        item: EntityId,
    },
    /// Make a list.
    AddList {
        /// Its name.
        name: String,
    },
    /// Give a list another name.
    RenameList {
        /// The list.
        list: EntityId,
        /// Its name.
        name: String,
    },
    /// Delete a list. Its items stay.
    DeleteList {
        /// The list.
        list: EntityId,
    },
    /// Change how lists are shown.
    Prefer(Preferences),
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The text is empty.
    #[error("{what} needs a name: write at least one letter")]
    Empty {
        /// What needs a name.
        what: &'static str,
    },
    /// The text is too long.
    #[error("{what} has {chars} characters, but at most {most} are allowed: shorten it")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// How long it is.
        chars: usize,
        /// How long it may be.
        most: usize,
    },
    /// The item does not exist.
    #[error("this item is gone: it was deleted, perhaps on another device")]
    NoItem,
    /// The list does not exist.
    #[error("this list is gone: it was deleted, perhaps on another device")]
    NoList,
    /// The inbox cannot be deleted.
    #[error("the inbox is always there: rename it if you like")]
    InboxStays,
}

/// The longest title of an item, and name of a list, in characters.
const MAX_TITLE: usize = 1_000;
/// The longest notes, in characters.
const MAX_NOTES: usize = 50_000;

impl Command {
    /// Returns the events that carry out the command, or none if nothing changes. A new list gets the ID `new`.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn decide(self, todos: &Todos, new: EntityId) -> Result<Vec<TodoEvent>, Refusal> {
        let item_of = |id: &EntityId| todos.item(id).ok_or(Refusal::NoItem);
        let list_of = |id: &EntityId| todos.list(id).ok_or(Refusal::NoList);
        Ok(match self {
            Self::Add { list, title } => {
                let title = one_line("an item", &title)?;
                list_of(&list)?;
                let order = end_of(todos.items_of(&list).last().map(|(_, item)| &item.order));
                vec![TodoEvent::Added { list, title, order }]
            }
            Self::Rename { item, title } => {
                let title = one_line("an item", &title)?;
                unless(item_of(&item)?.title == title, TodoEvent::Renamed { item, title })
            }
            Self::Note { item, notes } => {
                check_length("a note", &notes, MAX_NOTES)?;
                unless(item_of(&item)?.notes == notes, TodoEvent::Noted { item, notes })
            }
            Self::Due { item, due } => unless(item_of(&item)?.due == due, TodoEvent::Due { item, due }),
            Self::Tick { item, done } => unless(item_of(&item)?.done == done, TodoEvent::Ticked { item, done }),
            Self::Archive { item, archived } => {
                unless(item_of(&item)?.archived == archived, TodoEvent::Archived { item, archived })
            }
            Self::Move { item, list, before } => {
                item_of(&item)?;
                list_of(&list)?;
                places(todos, item, &list, before.as_ref())
            }
            Self::Delete { item } => {
                item_of(&item)?;
                vec![TodoEvent::Removed { what: item }]
            }
            Self::AddList { name } => {
                let name = one_line("a list", &name)?;
                let order = end_of(todos.lists().last().map(|(_, list)| &list.order));
                vec![TodoEvent::ListSaved { list: new, name, order }]
            }
            Self::RenameList { list, name } => {
                let name = one_line("a list", &name)?;
                let List { name: old, order } = list_of(&list)?;
                unless(old == name, TodoEvent::ListSaved { list, name, order })
            }
            Self::DeleteList { list } if list == inbox() => return Err(Refusal::InboxStays),
            Self::DeleteList { list } => {
                list_of(&list)?;
                vec![TodoEvent::Removed { what: list }]
            }
            Self::Prefer(preferences) => unless(todos.preferences == preferences, TodoEvent::Preferred(preferences)),
        })
    }
}

/// Skips events that would change nothing here, because they could overwrite changes of other devices.
fn unless(is_so: bool, event: TodoEvent) -> Vec<TodoEvent> {
    if is_so { Vec::new() } else { vec![event] }
}

/// Moves an item before another or to the end, and separates items that had the same place.
fn places(todos: &Todos, item: EntityId, list: &EntityId, next: Option<&EntityId>) -> Vec<TodoEvent> {
    let there = todos.items_of(list);
    let at = |id: &EntityId| there.iter().position(|(other, _)| *other == id);
    // The item is already there: before itself, before its successor, or at the end.
    if let Some(own) = at(&item)
        && let to = next.and_then(at).unwrap_or(there.len())
        && (to == own || to == own + 1)
    {
        return Vec::new();
    }
    let others: Vec<_> = there.iter().filter(|(id, _)| **id != item).map(|(id, item)| (*id, &item.order)).collect();
    let places = place(&item, &others, next).into_iter();
    places.map(|(item, order)| TodoEvent::Placed { item, list: list.clone(), order }).collect()
}

fn end_of(last: Option<&OrderKey>) -> OrderKey {
    OrderKey::between(last, None).unwrap_or_default()
}

/// Turns text, which may have been pasted, into a single line.
fn one_line(what: &'static str, text: &str) -> Result<String, Refusal> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return Err(Refusal::Empty { what });
    }
    check_length(what, &line, MAX_TITLE)?;
    Ok(line)
}

fn check_length(what: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    match text.chars().count() {
        chars if chars > most => Err(Refusal::TooLong { what, chars, most }),
        _ => Ok(()),
    }
}
