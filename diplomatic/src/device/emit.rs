//! From events to messages.

use super::plan::Plan;
use crate::event::{DiplomaticEvent, Draft, EncodeEventError, Target};
use crate::fold::Reading;
use crate::log::{Change, LogError, LogFailure, LogWriter, THIS_DEVICE};
use crate::order::{Clock, Position, Tick};
use crate::standard::{Body, EntityBody, EntityId, HeadError, Message, Timestamp};

/// Why an event cannot be emitted. Nothing of it, nor of those emitted together with it, is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// A field does not serialize.
    #[error(transparent)]
    Encode(#[from] EncodeEventError),
    /// The entity's time is at the end of what can be told.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The event does not read back from what it serializes to.
    #[error("the event cannot be read back: {reason}")]
    Unreadable {
        /// What the deserializer said.
        reason: String,
    },
    /// The reducer panicked over the event.
    #[error("{reason}")]
    Panicked {
        /// That it panicked, and its message.
        reason: String,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl LogFailure for EmitError {
    fn is_storage(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_storage())
    }
}

/// Writes events in their order, and returns what each is about and the new messages.
pub(super) fn write_events<E: DiplomaticEvent>(
    writer: &mut LogWriter<'_>,
    clock: Clock,
    now: Timestamp,
    events: &[E],
) -> Result<(Vec<EntityId>, Vec<Change>), EmitError> {
    let mut emission = Emission { clock, now, latest: None, changes: Vec::with_capacity(events.len()) };
    let entities = events
        .iter()
        .map(|event| match event.to_draft()? {
            Draft::Delete { entity } => emission.delete(writer, entity),
            Draft::Bare { entity: Some(entity), body } => emission.write(writer, entity, Body::new(body)),
            Draft::Bare { entity: None, body } => {
                let entity = emission.fresh(writer)?;
                emission.write(writer, entity, Body::new(body))
            }
            Draft::Content { type_name, target, payload, group, parent } => {
                let body = match target {
                    Target::Singleton => payload,
                    _ => EntityBody { type_name, payload: &payload, group: group.as_deref(), parent }.to_bytes(),
                };
                let entity = match target {
                    Target::Fresh => emission.fresh(writer)?,
                    Target::Register { key } => EntityId::register(type_name, &key),
                    Target::Entity(entity) => entity,
                    Target::Singleton => EntityId::singleton(type_name),
                };
                emission.write(writer, entity, Body::new(body))
            }
        })
        .collect::<Result<_, _>>()?;
    Ok((entities, emission.changes))
}

/// Checks that what is written reads back, before it is durable.
pub(super) fn check_readable<E>(plan: &Plan<E>) -> Result<(), EmitError> {
    for winner in &plan.winners {
        if let Reading::Unfit { reason } = &winner.reading {
            return Err(EmitError::Unreadable { reason: reason.clone() });
        }
    }
    Ok(())
}

/// Events that are emitted together.
struct Emission {
    clock: Clock,
    now: Timestamp,
    /// The largest reading within the clock's bound: looked up once, then kept up to date.
    latest: Option<Option<Tick>>,
    changes: Vec<Change>,
}

impl Emission {
    /// Deletes the entity, then its registers: the state right before the delete still has all of it.
    fn delete(&mut self, writer: &mut LogWriter<'_>, entity: EntityId) -> Result<EntityId, EmitError> {
        let entity = self.write(writer, entity, None)?;
        for register in writer.registers_of(&entity)? {
            let is_live = writer.winner(&register)?.is_some_and(|winner| winner.type_name.is_some());
            if is_live {
                self.write(writer, register, None)?;
            }
        }
        Ok(entity)
    }

    fn fresh(&mut self, writer: &mut LogWriter<'_>) -> Result<EntityId, LogError> {
        let tick = self.tick(writer, Timestamp::EPOCH, None)?;
        Ok(EntityId::fresh(writer.rng(), tick.changed))
    }

    fn write(
        &mut self,
        writer: &mut LogWriter<'_>,
        entity: EntityId,
        body: Option<Body>,
    ) -> Result<EntityId, EmitError> {
        let last = writer.winner(&entity)?.map(|winner| winner.position.tick());
        let tick = self.tick(writer, entity.created(), last)?;
        let message = Message::new(entity.clone(), tick.changed, tick.counter, body)?;
        if tick.changed <= self.bound() {
            self.latest = Some(self.latest.flatten().max(Some(tick)));
        }
        let position = Position::of(message.head());
        let change = writer.insert(message, THIS_DEVICE)?;
        debug_assert!(change.is_some(), "the clock gave {position:?} twice");
        self.changes.extend(change);
        Ok(entity)
    }

    fn tick(&mut self, writer: &LogWriter<'_>, created: Timestamp, last: Option<Tick>) -> Result<Tick, LogError> {
        let bound = self.bound();
        let latest = match self.latest {
            Some(latest) => latest,
            None => *self.latest.insert(writer.latest_at(bound)?),
        };
        self.clock.next(self.now, created, last, |time| if time == bound { Ok(latest) } else { writer.latest_at(time) })
    }

    /// Up to where the clock is followed.
    fn bound(&self) -> Timestamp {
        self.now.plus(self.clock.max_ahead)
    }
}
