//! Undo.

use super::Device;
use super::emit::{EmitError, write_events};
use super::history::Past;
use super::source::origin_of;
use crate::event::DiplomaticEvent;
use crate::fold::Reading;
use crate::log::{LogError, LogWriter, StoredMessage, Winner};
use crate::order::Position;
use crate::reducer::{Meta, Origin, Reducer};
use crate::standard::{EntityId, Timestamp};

/// Events that other events can undo.
pub trait Undo<S>: DiplomaticEvent {
    /// Returns the events that undo this one, given the state before it; `None` if that is impossible.
    ///
    /// ```
    /// # use diplomatic::{DiplomaticEvent, EntityId, Meta, Undo};
    /// # use std::collections::BTreeMap;
    /// #[derive(DiplomaticEvent)]
    /// enum TodoEvent {
    ///     Added { title: String },
    ///     #[diplomatic(overwrites = "todo")]
    ///     Renamed { todo: EntityId, title: String },
    ///     #[diplomatic(deletes = "todo")]
    ///     Removed { todo: EntityId },
    /// }
    ///
    /// impl Undo<BTreeMap<EntityId, String>> for TodoEvent {
    ///     fn inverse(&self, at: &Meta, before: &BTreeMap<EntityId, String>) -> Option<Vec<Self>> {
    ///         Some(match self {
    ///             Self::Added { .. } => vec![Self::Removed { todo: at.entity.clone() }],
    ///             Self::Renamed { todo, .. } => {
    ///                 vec![Self::Renamed { todo: todo.clone(), title: before.get(todo)?.clone() }]
    ///             }
    ///             Self::Removed { todo } => vec![Self::Added { title: before.get(todo)?.clone() }],
    ///         })
    ///     }
    /// }
    /// ```
    fn inverse(&self, at: &Meta, before: &S) -> Option<Vec<Self>>;
}

/// Why nothing was undone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// This device has emitted nothing, or everything has been undone.
    #[error("there is nothing left to undo that this device did")]
    Nothing,
    /// Another event, perhaps from another device, has overwritten it.
    #[error("something newer has overwritten what this device did last")]
    Overtaken {
        /// The entity of both.
        entity: EntityId,
    },
    /// The event has no inverse.
    #[error("what this device did last cannot be undone")]
    Irreversible {
        /// The event's entity.
        entity: EntityId,
    },
    /// Compaction dropped messages that the state before the event depends on.
    #[error("compaction dropped the state before the last event of this device, so the event cannot be undone")]
    BeforeHorizon {
        /// States from this position on are available.
        horizon: Position,
    },
    /// The inverse could not be emitted.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl From<LogError> for UndoError {
    fn from(error: LogError) -> Self {
        Self::Emit(error.into())
    }
}

impl<R: Reducer> Device<R>
where
    R::Event: Undo<R>,
{
    /// Undoes the last event that this device emitted and has not undone yet, by emitting its [inverse](Undo::inverse).
    /// Returns the entities of the inverse.
    ///
    /// # Errors
    ///
    /// [`UndoError`]; nothing is stored then. If the event was overwritten or has no inverse, later calls skip it and undo
    /// the event before it.
    pub fn undo(&mut self, now: Timestamp) -> Result<Vec<EntityId>, UndoError> {
        loop {
            let undoing = self.start_undo()?;
            let inverse = undoing.inverse();
            if let Some(entities) = self.finish_undo(now, &undoing, inverse)? {
                return Ok(entities);
            }
        }
    }

    /// Returns what is to be undone, so that its inverse is found while the device goes on.
    pub(crate) fn start_undo(&mut self) -> Result<Undoing<R>, UndoError> {
        self.mend()?;
        let stored = self.last_to_undo()?;
        Ok(Undoing { origin: origin_of(self.log.links(), stored.origin), past: self.past()?, stored })
    }

    /// Emits the inverse of an event; `None` if that is not the last one to undo any more.
    pub(crate) fn finish_undo(
        &mut self,
        now: Timestamp,
        undoing: &Undoing<R>,
        inverse: Result<Vec<R::Event>, UndoError>,
    ) -> Result<Option<Vec<EntityId>>, UndoError> {
        let Undoing { stored, .. } = undoing;
        self.mend()?;
        if self.last_to_undo()?.position != stored.position {
            return Ok(None);
        }
        let entity = stored.message.head().entity().clone();
        let counts = self.log.read(|reader| {
            // What an undo emitted since does not stand in the way of undoing more.
            Ok(match reader.winner(&entity)?.map(|winner| winner.position) {
                Some(winner) => winner == stored.position || reader.is_undone(&winner)?,
                None => false,
            })
        })?;
        let inverse = match if counts { inverse } else { Err(UndoError::Overtaken { entity }) } {
            Err(error @ (UndoError::Overtaken { .. } | UndoError::Irreversible { .. })) => {
                self.log.write(|writer| writer.mark_undone(&stored.position))?;
                return Err(error);
            }
            inverse => inverse?,
        };
        let emitted = self.emit_by(|writer, clock| {
            let (entities, changes) = write_events(writer, clock, now, &inverse)?;
            writer.mark_undone(&stored.position)?;
            changes.iter().try_for_each(|change| writer.mark_undone(&change.position))?;
            if stored.message.head().is_delete() {
                mark_tombstones_undone(writer, stored)?;
            }
            Ok((entities, changes))
        })?;
        Ok(Some(emitted))
    }

    fn last_to_undo(&self) -> Result<StoredMessage, UndoError> {
        self.log.read(|reader| reader.last_to_undo())?.ok_or(UndoError::Nothing)
    }
}

/// An event that is being undone.
pub(crate) struct Undoing<R> {
    stored: StoredMessage,
    origin: Origin,
    past: Past<R>,
}

impl<R: Reducer> Undoing<R>
where
    R::Event: Undo<R>,
{
    /// Returns the events that undo it.
    pub(crate) fn inverse(&self) -> Result<Vec<R::Event>, UndoError> {
        let Self { stored, origin, past } = self;
        let entity = stored.message.head().entity().clone();
        let (event, event_type) = match Reading::<R::Event>::of(&stored.message) {
            Reading::Event { event, event_type } => (event, event_type),
            Reading::Delete { event } => (event, ""),
            _ => return Err(UndoError::Irreversible { entity }),
        };
        if let Some(horizon) = past.horizon()?
            && stored.position <= horizon
        {
            return Err(UndoError::BeforeHorizon { horizon });
        }
        let before = past.state_before(Some(stored.position))?;
        let meta = Meta::new(entity.clone(), stored.position.changed, event_type, origin.clone());
        event.inverse(&meta, &before).ok_or(UndoError::Irreversible { entity })
    }
}

/// The tombstones of registers that came with a delete do not prevent undoing the registers' events.
fn mark_tombstones_undone(writer: &mut LogWriter<'_>, delete: &StoredMessage) -> Result<(), LogError> {
    for (_, winner) in writer.registers_of(delete.message.head().entity())? {
        if let Winner { position, type_name: None } = winner
            && position > delete.position
        {
            writer.mark_undone(&position)?;
        }
    }
    Ok(())
}
