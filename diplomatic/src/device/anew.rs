//! Roots to be made anew, where a reducer promises that they are independent: instead of going back to a state before a
//! late event, its root is taken out of the state, and what counts of the root is applied in order.

use std::collections::BTreeMap;

use crate::event::DiplomaticEvent;
use crate::fold::{Events, Item, Unread, delete_is_event, read_delete};
use crate::log::{LogError, LogWriter, Winner};
use crate::order::Position;
use crate::reducer::Meta;
use crate::standard::EntityId;

/// More events than this are better folded.
const MOST: usize = 10_000;

/// What has to be made anew.
pub(super) type Roots = BTreeMap<EntityId, Extent>;

/// How much of a root has to be applied again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    /// What comes after a new event.
    AfterNew,
    /// All of it: something that was applied does not count any more.
    All,
}

/// A root that is made anew.
pub(super) struct Anew<E> {
    /// The event that takes the root out of the state, and its metadata; `None` if the new events come last.
    pub(super) delete: Option<(Events<E>, Meta)>,
    /// What is applied then, in total order.
    pub(super) items: Vec<Item<E>>,
}

/// Collects what is to be applied; `None` if that does not make up for a fold.
pub(super) fn collect<E: DiplomaticEvent>(
    writer: &LogWriter<'_>,
    unread: &Unread,
    roots: &Roots,
    is_new: impl Fn(&Position) -> bool,
) -> Result<Option<Vec<Anew<E>>>, LogError> {
    let mut all = Vec::with_capacity(roots.len());
    let mut count = 0;
    for (root, extent) in roots {
        let Some(mut items) = items_of::<E>(writer, unread, root, MOST - count)? else { return Ok(None) };
        let first_new = items.iter().position(|item| is_new(&item.position)).unwrap_or(items.len());
        let comes_last = *extent == Extent::AfterNew && items[first_new..].iter().all(|item| is_new(&item.position));
        let delete = if comes_last {
            items.drain(..first_new);
            None
        } else if root.is_derived() {
            // It has no event but its own.
            return Ok(None);
        } else {
            let Some(delete) = delete_of(root, &items) else { return Ok(None) };
            Some(delete)
        };
        count += items.len();
        all.push(Anew { delete, items });
    }
    Ok(Some(all))
}

/// Returns what counts of a root, in total order; `None` if it is not as this build would write it, or too much.
fn items_of<E: DiplomaticEvent>(
    writer: &LogWriter<'_>,
    unread: &Unread,
    root: &EntityId,
    most: usize,
) -> Result<Option<Vec<Item<E>>>, LogError> {
    let mut positions: Vec<Position> = writer.winner(root)?.into_iter().map(|winner| winner.position).collect();
    if !root.is_derived() {
        let registers = writer.registers_of(root)?;
        let is_there = |winner: &Winner| winner.type_name.is_some();
        positions
            .extend(registers.into_iter().map(|(_, winner)| winner).filter(is_there).map(|winner| winner.position));
    }
    // What cannot be read hides nothing here, or nothing would be made anew.
    positions.retain(|position| !unread.contains(position));
    if positions.len() > most {
        return Ok(None);
    }
    positions.sort_unstable();
    let mut items = Vec::with_capacity(positions.len());
    for position in positions {
        let Some(message) = writer.message(&position)? else { continue };
        let item = Item::with_root(message);
        if !item.is_event() {
            continue;
        }
        if item.root.as_ref() != Some(root) {
            return Ok(None);
        }
        items.push(item);
    }
    Ok(Some(items))
}

/// Returns the event that deletes a root.
fn delete_of<E: DiplomaticEvent>(root: &EntityId, items: &[Item<E>]) -> Option<(Events<E>, Meta)> {
    if !delete_is_event::<E>(root) {
        return None;
    }
    let events = Events::Deletes(read_delete(root).ok()?);
    let changed = items.first().map_or_else(|| root.created(), |item| item.position.changed);
    Some((events, Meta::new(root.clone(), changed, "")))
}
