//! What new messages mean for a state: events to apply on top, or a place to fold from again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::fold::Fold;
use crate::event::{DiplomaticEvent, Draft, Shape, Target};
use crate::fold::{Reading, delete_is_event, event_type};
use crate::log::{Change, LogError, LogWriter, Winner};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Content, EntityId, HeadHash, Timestamp};

/// What new messages mean for a state.
pub(super) struct Plan<E> {
    /// The messages that count now, and what counted before them, in the one order.
    pub(super) winners: Vec<NewWinner<E>>,
    /// Where to fold from again: the state as of any later place is wrong. `None`: all go on top.
    pub(super) rewind: Option<Position>,
}

/// A new message that counts for its entity.
pub(super) struct NewWinner<E> {
    pub(super) position: Position,
    pub(super) entity: EntityId,
    pub(super) origin: u32,
    pub(super) reading: Reading<E>,
    /// What counted before the new messages came.
    pub(super) before: Option<Winner>,
}

impl<R: Reducer> Fold<R> {
    /// Plans for new messages, inside the transaction that stores them, and drops the snapshots that they spoil.
    pub(super) fn plan(&self, writer: &mut LogWriter<'_>, changes: Vec<Change>) -> Result<Plan<R::Event>, LogError> {
        let mut winners = new_winners::<R::Event>(changes);
        winners.sort_unstable_by_key(|winner| winner.position);
        if R::IS_EMPTY {
            // The snapshots are an app's, and what its reducer makes of the messages is not known here.
            let doubtful = winners.iter().map(|winner| match winner.before {
                Some(_) => start_of(&winner.entity),
                None => winner.position,
            });
            if let Some(doubtful) = doubtful.min() {
                writer.retain_snapshots(|at, _| *at < doubtful)?;
            }
            return Ok(Plan { winners, rewind: None });
        }
        let mut rewind: Option<Position> = None;
        for winner in &winners {
            let mut from = |position| rewind = Some(rewind.map_or(position, |rewind: Position| rewind.min(position)));
            if self.applied().is_some_and(|applied| winner.position < applied) {
                from(winner.position);
            }
            if let Some(before) = &winner.before
                && !self.replaces(writer, winner, before)?
            {
                from(start_of(&winner.entity));
            }
        }
        if let Some(rewind) = rewind {
            writer.retain_snapshots(|at, _| *at < rewind)?;
        }
        Ok(Plan { winners, rewind })
    }

    /// Tells whether applying the new message on top of a state in which the old one was applied gives the state
    /// without the old one.
    fn replaces(&self, writer: &LogWriter<'_>, new: &NewWinner<R::Event>, before: &Winner) -> Result<bool, LogError> {
        let Some(old_type) = &before.type_name else {
            // A delete that was applied took away more than its entity's own events, and that comes back with it.
            return Ok(matches!(new.reading, Reading::Delete { .. }) || !delete_is_event::<R::Event>(&new.entity));
        };
        let Some(old) = event_type::<R::Event>(old_type) else { return Ok(true) };
        if self.unread().is_quarantined(&before.position) {
            return Ok(true);
        }
        Ok(match &new.reading {
            // Another client may write a type under any entity; what a delete then undoes is for the fold to find out.
            Reading::Delete { .. } => matches!(old.shape, Shape::Fact | Shape::Entity),
            Reading::Event { event_type, event } if *event_type == old.name => match old.shape {
                Shape::Entity | Shape::Singleton => true,
                Shape::Register => same_register(writer, event, new, before)?,
                _ => false,
            },
            Reading::Event { .. } => false,
            Reading::SilentDelete => went_with_its_parent::<R::Event>(writer, &new.entity, before)?,
            Reading::Unknown { .. } | Reading::Unfit { .. } => false,
        })
    }
}

/// Tells whether both events are about the key that their entity is derived from. Another client may write a register's
/// type under any entity, and two of those need not be about the same.
fn same_register<E: DiplomaticEvent>(
    writer: &LogWriter<'_>,
    event: &E,
    new: &NewWinner<E>,
    before: &Winner,
) -> Result<bool, LogError> {
    let stands_there = |event: &E, stored_type: &str| match event.to_draft() {
        Ok(Draft::Content { target: Target::Register { key }, .. }) => {
            EntityId::register(stored_type, &key) == new.entity
        }
        _ => false,
    };
    let Some(old_type) = &before.type_name else { return Ok(false) };
    // Under one derived entity, the new event has the old one's type name too, or it is not at its place.
    if !stands_there(event, old_type) {
        return Ok(false);
    }
    let Some(message) = writer.message(&before.position)? else { return Ok(false) };
    Ok(matches!(Reading::<E>::of(&message), Reading::Event { event, .. } if stands_there(&event, old_type)))
}

/// Tells whether a register went already when the entity on which it hung was deleted after the register's last event.
fn went_with_its_parent<E: DiplomaticEvent>(
    writer: &LogWriter<'_>,
    register: &EntityId,
    last: &Winner,
) -> Result<bool, LogError> {
    let Some(message) = writer.message(&last.position)? else { return Ok(false) };
    let Content::Typed { parent: Some(parent), .. } = Content::of(&message) else { return Ok(false) };
    if !register.is_derived() || !delete_is_event::<E>(&parent) {
        return Ok(false);
    }
    let parent = writer.winner(&parent)?;
    Ok(parent.is_some_and(|parent| parent.type_name.is_none() && parent.position > last.position))
}

/// Returns a place before every message of the entity.
fn start_of(entity: &EntityId) -> Position {
    let changed = if entity.is_derived() { Timestamp::EPOCH } else { entity.created() };
    Position { changed, counter: 0, hash: HeadHash::from_bytes([0; 32]) }
}

/// Of several new messages of one entity, the last counts, and what counted before them all is what it replaces.
fn new_winners<E: DiplomaticEvent>(changes: Vec<Change>) -> Vec<NewWinner<E>> {
    let mut latest: HashMap<EntityId, (Option<Winner>, Change)> = HashMap::with_capacity(changes.len());
    for mut change in changes.into_iter().filter(Change::is_live) {
        let before = change.previous.take();
        match latest.entry(change.message.head().entity().clone()) {
            Entry::Occupied(mut occupied) => occupied.get_mut().1 = change,
            Entry::Vacant(vacant) => {
                vacant.insert((before, change));
            }
        }
    }
    latest
        .into_iter()
        .map(|(entity, (before, change))| NewWinner {
            position: change.position,
            entity,
            origin: change.origin,
            reading: Reading::of(&change.message),
            before,
        })
        .collect()
}
