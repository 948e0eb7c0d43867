//! Bringing entities back to what they were at a point in time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Device;
use super::emit::EmitError;
use super::history::{HistoryEntry, HistoryError};
use super::revert::Reversion;
use crate::log::{LogError, LogReader, StoredMessage};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Content, EntityId, HeadHash, Timestamp};

/// How many messages are read at once.
const PAGE: usize = 1_024;

/// What to bring back, and from when.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Backing, Device, Seed, Timestamp};
/// use diplomatic::history::Restore;
///
/// # let rng: rand::rngs::StdRng = rand::make_rng();
/// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
/// let [eight, nine, ten] = [8, 9, 10].map(|hour| Timestamp::from_millis(1_764_000_000_000 + hour * 3_600_000));
/// let milk = device.emit(eight, &TodoEvent::Added { title: "milk".into() })?;
/// device.emit(nine, &TodoEvent::Removed { todo: milk.clone() })?;
///
/// let restore = Restore::to(eight).entity(milk.clone());
/// assert_eq!(device.restore_preview(&restore)?.len(), 1);
/// device.restore(ten, &restore)?;
/// assert_eq!(device.read(|todos| todos.titles[&milk].clone()), "milk");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    at: Timestamp,
    scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Account,
    Entity(EntityId),
    Subtree(EntityId),
}

impl Restore {
    /// Brings the whole account back to what it was at `time`.
    pub const fn to(time: Timestamp) -> Self {
        Self { at: time, scope: Scope::Account }
    }

    /// Brings back only this entity and its registers.
    #[must_use]
    pub fn entity(self, entity: EntityId) -> Self {
        Self { scope: Scope::Entity(entity), ..self }
    }

    /// Brings back only this entity, its registers, and the entities below it: those whose parent (`pid`) it is or was, and
    /// so on.
    #[must_use]
    pub fn subtree(self, root: EntityId) -> Self {
        Self { scope: Scope::Subtree(root), ..self }
    }
}

/// A change that a restore makes: what counts for an entity now, and what will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RestoreChange<E> {
    /// The entity, or one of its registers.
    pub entity: EntityId,
    /// The message that counts now.
    pub now: HistoryEntry<E>,
    /// The message whose content comes back; `None` if nothing was there.
    pub then: Option<HistoryEntry<E>>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Restored {
    /// The entities and registers that were written again or deleted; none if all was as it had been.
    pub entities: Vec<EntityId>,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// What was there at that time is not known any more.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// It could not be written.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl RestoreError {
    /// Returns whether it may work later, as [`EmitError::is_retryable`] and [`HistoryError::is_retryable`] say.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::History(error) => error.is_retryable(),
            Self::Emit(error) => error.is_retryable(),
        }
    }
}

impl From<LogError> for RestoreError {
    fn from(error: LogError) -> Self {
        Self::Emit(error.into())
    }
}

impl<R: Reducer> Device<R> {
    /// Brings the account, an entity or a subtree back to what it was at a point in time.
    ///
    /// What differs is written as new messages, which are synced like any others. Together they are one transaction, which
    /// can be [undone](Self::undo). Nothing is lost: what counted until now stays in the history.
    ///
    /// # Errors
    ///
    /// [`RestoreError`]; nothing is stored then.
    pub fn restore(&mut self, now: Timestamp, restore: &Restore) -> Result<Restored, RestoreError> {
        self.mend()?;
        let reversion = self.log.read(|reader| {
            let Some(differences) = differences(reader, restore)? else { return Ok(None) };
            let mut reversion = Reversion::default();
            for Difference { entity, then, .. } in differences {
                reversion.want(reader, entity, then, None)?;
            }
            reversion.complete(reader)?;
            Ok(Some(reversion))
        })?;
        let Some(reversion) = reversion else { return Err(self.too_early(restore)?.into()) };
        if reversion.is_empty() {
            return Ok(Restored { entities: Vec::new() });
        }
        Ok(Restored { entities: self.revert(now, reversion, |writer, written| writer.note_transaction(written))? })
    }

    /// Returns what [`restore`](Self::restore) would change, without changing it.
    ///
    /// # Errors
    ///
    /// [`HistoryError`].
    pub fn restore_preview(&self, restore: &Restore) -> Result<Vec<RestoreChange<R::Event>>, HistoryError> {
        let changes = self.log.read(|reader| {
            let Some(differences) = differences(reader, restore)? else { return Ok(None) };
            let mut changes = Vec::with_capacity(differences.len());
            for Difference { entity, now, then } in differences {
                let then = then.filter(|then| !then.message.head().is_delete());
                let mut entries = self.entries(reader, then.into_iter().chain([now]).collect())?;
                let Some(now) = entries.pop() else { continue };
                changes.push(RestoreChange { entity, now, then: entries.pop() });
            }
            Ok(Some(changes))
        })?;
        match changes {
            Some(changes) => Ok(changes),
            None => Err(self.too_early(restore)?),
        }
    }

    fn too_early(&self, restore: &Restore) -> Result<HistoryError, LogError> {
        let end = end_of(restore.at);
        Ok(HistoryError::BeforeHorizon { horizon: self.horizon()?.unwrap_or(end) })
    }
}

/// An entity for which something else counted.
struct Difference {
    entity: EntityId,
    now: StoredMessage,
    then: Option<StoredMessage>,
}

/// Returns a place after every message of this time.
fn end_of(time: Timestamp) -> Position {
    let next = time.plus(Duration::from_millis(1));
    let hash = if next > time { [0; 32] } else { [0xff; 32] };
    let counter = if next > time { 0 } else { u64::MAX };
    Position { changed: next, counter, hash: HeadHash::from_bytes(hash) }
}

/// Returns what differs from then, in the order in which it was changed first; `None` if compaction dropped some of it.
fn differences(reader: &LogReader<'_>, restore: &Restore) -> Result<Option<Vec<Difference>>, LogError> {
    let end = end_of(restore.at);
    if reader.horizon()?.is_some_and(|horizon| restore.at < horizon.changed) {
        return Ok(None);
    }
    let (mut seen, mut differences) = (HashSet::new(), Vec::new());
    let mut after = Some(end);
    while let Some(from) = after {
        let page = reader.page_after(Some(&from), PAGE, false)?;
        after = page.last().map(|last| last.position);
        for stored in page {
            let entity = stored.message.head().entity();
            if seen.insert(entity.clone())
                && let Some(difference) = difference(reader, entity, &end)?
            {
                differences.push(difference);
            }
        }
    }
    let mut scope = InScope { reader, scope: &restore.scope, known: HashMap::new() };
    let mut wanted = Vec::new();
    for difference in differences {
        if scope.has(&difference)? {
            wanted.push(difference);
        }
    }
    Ok(Some(wanted))
}

/// Returns what counted for an entity, if that differs from what counts now.
fn difference(reader: &LogReader<'_>, entity: &EntityId, end: &Position) -> Result<Option<Difference>, LogError> {
    let Some(winner) = reader.winner(entity)? else { return Ok(None) };
    let Some(now) = reader.message(&winner.position)? else { return Ok(None) };
    let then = reader.version_before(entity, end)?;
    let body_then = then.as_ref().and_then(|then| then.message.body());
    let is_same = now.message.body() == body_then;
    Ok((!is_same).then(|| Difference { entity: entity.clone(), now, then }))
}

/// Tells what belongs to what is to be brought back.
struct InScope<'a, 'l> {
    reader: &'a LogReader<'l>,
    scope: &'a Scope,
    /// Whether an entity is below the root.
    known: HashMap<EntityId, bool>,
}

impl InScope<'_, '_> {
    fn has(&mut self, difference: &Difference) -> Result<bool, LogError> {
        match self.scope {
            Scope::Account => Ok(true),
            Scope::Entity(root) if difference.entity == *root => Ok(true),
            Scope::Entity(root) => {
                Ok(difference.entity.is_derived() && parents(self.reader, &difference.entity)?.contains(root))
            }
            Scope::Subtree(root) => {
                let root = root.clone();
                self.is_below(&difference.entity, &root)
            }
        }
    }

    /// Tells whether an entity is the root, or has a parent that is below it. Parents may form a circle.
    fn is_below(&mut self, entity: &EntityId, root: &EntityId) -> Result<bool, LogError> {
        let (mut visited, mut open) = (HashSet::new(), vec![entity.clone()]);
        let mut is_below = false;
        while let Some(next) = open.pop() {
            if next == *root || self.known.get(&next) == Some(&true) {
                is_below = true;
                break;
            }
            if self.known.get(&next) != Some(&false) && visited.insert(next.clone()) {
                open.extend(parents(self.reader, &next)?);
            }
        }
        self.known.insert(entity.clone(), is_below);
        if !is_below {
            self.known.extend(visited.into_iter().map(|entity| (entity, false)));
        }
        Ok(is_below)
    }
}

/// Returns the parents that an entity has or had.
fn parents(reader: &LogReader<'_>, entity: &EntityId) -> Result<BTreeSet<EntityId>, LogError> {
    let versions = reader.messages_of(entity)?;
    Ok(versions.iter().filter_map(|stored| Content::of(&stored.message).parent().cloned()).collect())
}
