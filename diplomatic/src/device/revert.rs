//! Writing earlier versions of entities again, so that they count: what undo, redo and restore have in common.
//!
//! Of each entity, the version that is wanted is written once more, or the entity is deleted if nothing was there. The
//! state is the fold of the live messages, so this gives back what those versions made of it, whatever the app.
//!
//! An entity that comes back stands later in the order than before. What was about it meanwhile, from any device, would be
//! applied before it is there; so that is written again after it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::emit::{Emission, EmitError};
use super::mentions::entity_ids;
use crate::log::{Change, LogError, LogReader, LogWriter, StoredMessage, Version};
use crate::order::{Clock, Position};
use crate::standard::{EntityId, Timestamp};

/// What is to count for entities again.
#[derive(Debug, Default)]
pub(super) struct Reversion {
    targets: BTreeMap<EntityId, Target>,
}

/// What is to count for an entity.
#[derive(Debug)]
struct Target {
    /// A message with content; `None` if nothing is to be there.
    message: Option<StoredMessage>,
    version: Version,
    /// Whether it counts already, and is only written again to stand after another.
    is_moved: bool,
    /// If nothing is to be there: the registers that were written after this go, too.
    since: Option<Position>,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) changes: Vec<Change>,
    /// The messages that change what counts for their entities.
    pub(super) positions: BTreeSet<Position>,
}

impl Reversion {
    /// Wants the version that a message is, or nothing, for an entity. If there is nothing, the entity goes with its registers
    /// that were written after `since`.
    pub(super) fn want(
        &mut self,
        reader: &LogReader<'_>,
        entity: EntityId,
        wanted: Option<StoredMessage>,
        since: Option<Position>,
    ) -> Result<(), LogError> {
        let version = match &wanted {
            Some(stored) => reader.version_at(&stored.position)?,
            None => None,
        };
        let message = wanted.filter(|stored| !stored.message.head().is_delete());
        self.targets.insert(entity, Target { message, version, is_moved: false, since });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Adds what has to be written along: the registers of what is deleted, and what is about entities that come back.
    pub(super) fn complete(&mut self, reader: &LogReader<'_>) -> Result<(), LogError> {
        let mut comes_back: HashSet<EntityId> = HashSet::new();
        let mut from: Option<Position> = None;
        let deleted = self.targets.iter().filter(|(_, target)| target.message.is_none());
        let deleted: Vec<_> = deleted.filter_map(|(entity, target)| Some((entity.clone(), target.since?))).collect();
        for (parent, since) in deleted {
            for (register, position) in reader.registers_of(&parent)? {
                if reader.version_at(&position)?.is_some_and(|version| version > since) {
                    let target = Target { message: None, version: None, is_moved: false, since: None };
                    self.targets.entry(register).or_insert(target);
                }
            }
        }
        for (entity, target) in &self.targets {
            let Some(wanted) = target.message.as_ref().filter(|_| !entity.is_derived()) else { continue };
            let is_there = reader.winner(entity)?.is_some_and(|winner| winner.type_name.is_some());
            if !is_there {
                comes_back.insert(entity.clone());
                from = Some(from.map_or(wanted.position, |from| from.min(wanted.position)));
            }
        }
        self.move_along(reader, comes_back, from)
    }

    /// Adds what is about entities that come back. It follows them in the order, and so does what is about that.
    fn move_along(
        &mut self,
        reader: &LogReader<'_>,
        mut moved: HashSet<EntityId>,
        after: Option<Position>,
    ) -> Result<(), LogError> {
        let Some(after) = after else { return Ok(()) };
        let mut latest = reader.latest(Some(&after), None)?;
        loop {
            let page = latest.next()?;
            if page.is_empty() {
                return Ok(());
            }
            for stored in page {
                let entity = stored.message.head().entity();
                let Some(body) = stored.message.body() else { continue };
                if self.targets.contains_key(entity) || reader.is_own_kind(&stored.position.to_bytes())? {
                    continue;
                }
                if entity_ids(body).iter().any(|named| named != entity && moved.contains(named)) {
                    moved.insert(entity.clone());
                    let version = reader.version_at(&stored.position)?;
                    let entity = entity.clone();
                    let stored = StoredMessage { message: stored.message.unshared(), ..stored };
                    self.targets.insert(entity, Target { message: Some(stored), version, is_moved: true, since: None });
                }
            }
        }
    }

    /// Writes it: deletes first, then the contents in the order in which they stood.
    pub(super) fn write(self, writer: &mut LogWriter<'_>, clock: Clock, now: Timestamp) -> Result<Written, EmitError> {
        let mut emission = Emission::new(clock, now, self.targets.len());
        let (mut contents, mut deletes, mut marks) = (Vec::new(), Vec::new(), HashMap::new());
        for (entity, Target { message, version, is_moved, since: _ }) in self.targets {
            marks.insert(entity.clone(), (version, is_moved));
            match message {
                Some(stored) => contents.push(stored),
                None => deletes.push(entity),
            }
        }
        // An entity goes before its registers: the state right before still has all of it.
        deletes.sort_by_key(EntityId::is_derived);
        for entity in deletes {
            emission.insert(writer, entity, false, None, Timestamp::EPOCH)?;
        }
        contents.sort_unstable_by_key(|stored| stored.position);
        for StoredMessage { message, .. } in contents {
            emission.rewrite(writer, &message)?;
        }
        let changes = emission.into_changes();
        let mut positions = BTreeSet::new();
        for change in &changes {
            let Some((version, is_moved)) = marks.get(change.message.head().entity()) else { continue };
            writer.note_restored(&change.position, *version)?;
            if !is_moved {
                positions.insert(change.position);
            }
        }
        Ok(Written { changes, positions })
    }
}
