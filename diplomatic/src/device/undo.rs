//! Undo and redo, by transactions of this device.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Device;
use super::emit::EmitError;
use super::history::HistoryEntry;
use super::revert::{Reversion, Written};
use crate::log::{LogError, LogReader, LogWriter, Transaction};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{EntityId, Timestamp};

/// A transaction that can be undone or redone. A menu shows what is in it:
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Backing, Device, Seed, Timestamp};
/// use diplomatic::history::Happened;
///
/// # let rng: rand::rngs::StdRng = rand::make_rng();
/// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
/// let milk = device.emit(Timestamp::now(), &TodoEvent::Added { title: "milk".into() })?;
/// device.emit(Timestamp::now(), &TodoEvent::Renamed { todo: milk, title: "oat milk".into() })?;
///
/// let undoable = device.can_undo()?.expect("something was done");
/// let words = match &undoable.events[0].what {
///     Happened::Event(TodoEvent::Added { .. }) => "Undo add",
///     Happened::Event(TodoEvent::Renamed { .. }) => "Undo rename",
///     _ => "Undo",
/// };
/// assert_eq!(words, "Undo rename");
/// // Or in the words of the types.
/// assert_eq!(undoable.to_string(), "todo.renamed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Undoable<E> {
    /// What the device wrote together, in the total order, but for the deletes of registers that went with their entity.
    pub events: Vec<HistoryEntry<E>>,
}

/// The types of the events.
impl<E> fmt::Display for Undoable<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.events.first() else { return f.write_str("nothing") };
        f.write_str(if first.meta.event_type.is_empty() { "delete" } else { first.meta.event_type })?;
        match self.events.len() - 1 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What was undone or redone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Undone {
    /// The entities that are as they were.
    pub entities: Vec<EntityId>,
    /// The entities that were left alone, since something else was written there meanwhile.
    pub kept: Vec<EntityId>,
}

/// Why nothing was undone or redone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// This device has done nothing that still counts and is not undone; or, for redo, has undone nothing since it did
    /// something else.
    #[error("there is nothing left of what this device did")]
    Nothing,
    /// Compaction dropped what was there before.
    #[error("compaction dropped what was there before, so this cannot be taken back")]
    BeforeHorizon {
        /// What was done from this position on can be taken back.
        horizon: Position,
    },
    /// What was there before could not be written again.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl UndoError {
    /// Returns whether it may work later, as [`EmitError::is_retryable`] says.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Emit(error) if error.is_retryable())
    }
}

impl From<LogError> for UndoError {
    fn from(error: LogError) -> Self {
        Self::Emit(error.into())
    }
}

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Undo,
    Redo,
}

impl Way {
    /// Returns the messages of a transaction that this way takes back.
    fn takes_back(self, transaction: &Transaction) -> &[Position] {
        match self {
            Self::Undo => &transaction.wrote,
            Self::Redo => &transaction.undid,
        }
    }
}

impl<R: Reducer> Device<R> {
    /// Undoes the last transaction of this device that still counts and is not undone: everything that one call of
    /// [`emit_all`](Self::emit_all), [`transact`](Self::transact), [`restore`](Self::restore) or [`emit`](Self::emit)
    /// wrote. It survives restarts which events these are.
    ///
    /// Each entity is as it was before, which is written as new messages and synced like any others. What another device
    /// wrote meanwhile stays: an entity that has something newer is left alone, and one that was deleted comes back with
    /// what others wrote about it.
    ///
    /// # Errors
    ///
    /// [`UndoError`]; nothing is stored then.
    pub fn undo(&mut self, now: Timestamp) -> Result<Undone, UndoError> {
        self.go(now, Way::Undo)
    }

    /// Redoes what was [undone](Self::undo) last, if this device has done nothing else since.
    ///
    /// # Errors
    ///
    /// [`UndoError`]; nothing is stored then.
    pub fn redo(&mut self, now: Timestamp) -> Result<Undone, UndoError> {
        self.go(now, Way::Redo)
    }

    /// Returns what [`undo`](Self::undo) would undo; `None` if there is nothing, or compaction dropped what was before.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn can_undo(&self) -> Result<Option<Undoable<R::Event>>, LogError> {
        self.can_go(Way::Undo)
    }

    /// Returns what [`redo`](Self::redo) would redo.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn can_redo(&self) -> Result<Option<Undoable<R::Event>>, LogError> {
        self.can_go(Way::Redo)
    }

    fn can_go(&self, way: Way) -> Result<Option<Undoable<R::Event>>, LogError> {
        self.log.read(|reader| {
            let Some(transaction) = next(reader, way)? else { return Ok(None) };
            if beyond_horizon(reader, way.takes_back(&transaction))?.is_some() {
                return Ok(None);
            }
            let mut messages = Vec::new();
            for position in &transaction.wrote {
                messages.extend(reader.message(position)?);
            }
            // The tombstones of registers go with that of their entity.
            messages
                .retain(|stored| !stored.message.head().is_delete() || !stored.message.head().entity().is_derived());
            Ok(Some(Undoable { events: self.entries(reader, messages)? }))
        })
    }

    fn go(&mut self, now: Timestamp, way: Way) -> Result<Undone, UndoError> {
        self.mend()?;
        let found = self.log.read(|reader| {
            let Some(transaction) = next(reader, way)? else { return Ok(None) };
            let back = way.takes_back(&transaction);
            let horizon = beyond_horizon(reader, back)?;
            let (mut reversion, kept) = reversion(reader, back)?;
            reversion.complete(reader)?;
            Ok(Some((transaction.number, horizon, reversion, kept)))
        })?;
        let Some((number, horizon, reversion, kept)) = found else { return Err(UndoError::Nothing) };
        if let Some(horizon) = horizon {
            return Err(UndoError::BeforeHorizon { horizon });
        }
        let entities = self.revert(now, reversion, |writer, written| match way {
            Way::Undo => writer.note_undone(number, written),
            Way::Redo => writer.note_redone(number, written),
        })?;
        Ok(Undone { entities, kept })
    }

    /// Writes earlier versions again, and returns the entities.
    pub(super) fn revert(
        &mut self,
        now: Timestamp,
        reversion: Reversion,
        note: impl FnOnce(&mut LogWriter<'_>, &[Position]) -> Result<(), LogError>,
    ) -> Result<Vec<EntityId>, EmitError> {
        let mut entities = Vec::new();
        self.write_by(false, |writer, clock| {
            let Written { changes, positions } = reversion.write(writer, clock, now)?;
            note(writer, &positions.iter().copied().collect::<Vec<_>>())?;
            let meant = changes.iter().filter(|change| positions.contains(&change.position));
            entities = meant.map(|change| change.message.head().entity().clone()).collect();
            Ok(changes)
        })?;
        Ok(entities)
    }
}

/// Returns the next transaction that can be undone or redone, passing over those of which nothing counts any more.
fn next(reader: &LogReader<'_>, way: Way) -> Result<Option<Transaction>, LogError> {
    let (mut before, mut found) = (None, None);
    while let Some(transaction) = reader.transaction_before(before)? {
        before = Some(transaction.number);
        // Those that were undone come last.
        match way {
            Way::Undo if transaction.is_undone() => continue,
            Way::Redo if !transaction.is_undone() => break,
            _ => {}
        }
        if counts(reader, way.takes_back(&transaction))? {
            found = Some(transaction);
            if way == Way::Undo {
                break;
            }
        }
    }
    Ok(found)
}

/// Tells whether any of these messages still counts for its entity.
fn counts(reader: &LogReader<'_>, messages: &[Position]) -> Result<bool, LogError> {
    for position in messages {
        if let Some(stored) = reader.message(position)?
            && counts_for(reader, stored.message.head().entity(), position)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tells whether the version that a message wrote is what counts for its entity: itself, or what undo or redo wrote in
/// its place since.
fn counts_for(reader: &LogReader<'_>, entity: &EntityId, position: &Position) -> Result<bool, LogError> {
    let Some(winner) = reader.winner(entity)? else { return Ok(false) };
    Ok(winner.position == *position || reader.version_at(&winner.position)? == reader.version_at(position)?)
}

fn beyond_horizon(reader: &LogReader<'_>, messages: &[Position]) -> Result<Option<Position>, LogError> {
    let Some(horizon) = reader.horizon()? else { return Ok(None) };
    Ok(messages.iter().any(|position| *position <= horizon).then_some(horizon))
}

/// Returns what takes messages back, and the entities that have something newer.
fn reversion(reader: &LogReader<'_>, messages: &[Position]) -> Result<(Reversion, Vec<EntityId>), LogError> {
    let (mut reversion, mut kept) = (Reversion::default(), Vec::new());
    let mut ordered = messages.to_vec();
    ordered.sort_unstable();
    // Of each entity, the first message has what was there before right before it, and the last one is what counts.
    let mut spans: Vec<(EntityId, Position, Position)> = Vec::new();
    let mut places = HashMap::new();
    for position in ordered {
        let Some(stored) = reader.message(&position)? else { continue };
        let entity = stored.message.head().entity();
        match places.get(entity) {
            Some(&place) => {
                let span: &mut (EntityId, Position, Position) = &mut spans[place];
                span.2 = position;
            }
            None => {
                places.insert(entity.clone(), spans.len());
                spans.push((entity.clone(), position, position));
            }
        }
    }
    for (entity, first, last) in spans {
        if counts_for(reader, &entity, &last)? {
            let before = reader.version_before(&entity, &first)?;
            reversion.want(reader, entity, before, Some(first))?;
        } else {
            kept.push(entity);
        }
    }
    Ok((reversion, kept))
}
