//! From events to messages.

use std::time::Duration;

use super::batch::Pushed;
use super::mentions::entity_ids;
use crate::attachment::{ChunkName, is_chunk_type};
use crate::event::{DecodeEventError, DiplomaticEvent, Draft, EncodeEventError, Shape, Target};
use crate::fold::{ReducerPanic, event_type};
use crate::log::{Change, LogError, LogFailure, LogWriter, THIS_DEVICE, Winner};
use crate::order::{Clock, Position, Tick, after};
use crate::standard::{Body, EntityBody, EntityId, HeadError, Message, Timestamp};
use crate::witness::is_own_type;

/// Why an event could not be emitted. Neither it nor the events emitted with it are stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// A field cannot be serialized.
    #[error(transparent)]
    Encode(#[from] EncodeEventError),
    /// The entity's time or counter has reached the end of the format's range.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The event cannot be read back from its serialized form.
    #[error("the event cannot be read back: {0}")]
    Unreadable(DecodeEventError),
    /// The reducer panicked on the event.
    #[error(transparent)]
    Panicked(#[from] ReducerPanic),
    /// The event refers to something further in the future than the clock follows, and the clock is configured to
    /// [refuse](Clock::refuse_beyond) that.
    #[error(
        "the event refers to something dated {} s ahead of this device's clock: wait until then, write it anew, or set \
         the clock that is wrong",
        ahead.as_secs()
    )]
    TooFarAhead {
        /// How far ahead of this device's time the event would be.
        ahead: Duration,
    },
    /// The entity's ID looks like that of a register or singleton: 16 bytes, or a type's name after its length, created at
    /// the epoch.
    #[error(
        "{entity} looks like the id of a register or a singleton, and cannot be written or deleted as an entity: use the \
         id that `emit` returned, or make one by `EntityId::from_uuid` or with the time of creation"
    )]
    DerivedEntity {
        /// The event's entity.
        entity: EntityId,
    },
    /// The event's type is one of the framework's own: by such messages devices tell one another what they have emitted, and
    /// attachments are made of them. Apps do not see them.
    #[error("messages of the type {type_name} are the framework's own: give the event another type name")]
    ReservedType {
        /// The name of the type.
        type_name: String,
    },
    /// The entity is a part of an attachment.
    #[error("{entity} is a part of an attachment, and cannot be written or deleted by an event")]
    PartOfAttachment {
        /// The event's entity.
        entity: EntityId,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl EmitError {
    /// Returns whether the same event can be written later: once the disk works or has room again, or once the time has come
    /// that the event would have to follow ([`TooFarAhead`](Self::TooFarAhead)). Otherwise the event, or the program, has
    /// to be changed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Log(error) => error.is_retryable(),
            Self::TooFarAhead { .. } => true,
            Self::Encode(_)
            | Self::Head(_)
            | Self::Unreadable(_)
            | Self::Panicked(_)
            | Self::DerivedEntity { .. }
            | Self::ReservedType { .. }
            | Self::PartOfAttachment { .. } => false,
        }
    }
}

impl LogFailure for EmitError {
    fn is_storage(&self) -> bool {
        matches!(self, Self::Log(error) if error.is_storage())
    }
}

/// Writes events in order, and returns the new messages.
pub(super) fn write_events<E: DiplomaticEvent>(
    writer: &mut LogWriter<'_>,
    clock: Clock,
    now: Timestamp,
    events: Vec<Pushed>,
) -> Result<Vec<Change>, EmitError> {
    let mut emission = Emission::new(clock, now, events.len());
    for Pushed { draft, entity, is_new } in events {
        match draft {
            Draft::Delete { .. } => {
                check_not_derived::<E>(writer, &entity)?;
                emission.delete(writer, entity)?;
            }
            Draft::Bare { body, key, .. } => {
                let typed = EntityBody::decode(&body).map(|body| body.type_name);
                check_type(entity.singleton_type().or(typed.ok()).unwrap_or_default())?;
                emission.write(writer, entity, is_new, body, &key)?;
            }
            Draft::Content { type_name, target, payload, group, parent } => {
                check_type(type_name)?;
                let body = match target {
                    Target::Singleton => payload,
                    _ => EntityBody { type_name, payload: &payload, group: group.as_deref(), parent }.to_bytes(),
                };
                if let Target::Entity(_) = target {
                    check_not_derived::<E>(writer, &entity)?;
                }
                let key = if let Target::Register { key } = target { key } else { Vec::new() };
                emission.write(writer, entity, is_new, body, &key)?;
            }
        }
    }
    Ok(emission.into_changes())
}

/// Refuses an entity whose ID looks like that of a register or singleton, unless another client has written content of
/// ours there. Nobody could tell later what it was, so its delete would not be an event. A tool without types may write
/// back what it has read, including registers.
fn check_not_derived<E: DiplomaticEvent>(writer: &LogWriter<'_>, entity: &EntityId) -> Result<(), EmitError> {
    if E::READS_ALL || !entity.is_derived() {
        return Ok(());
    }
    if let Some(Winner { type_name: Some(type_name), .. }) = writer.winner(entity)?
        && event_type::<E>(&type_name).is_some_and(|known| matches!(known.shape, Shape::Fact | Shape::Entity))
    {
        return Ok(());
    }
    Err(EmitError::DerivedEntity { entity: entity.clone() })
}

fn check_type(type_name: &str) -> Result<(), EmitError> {
    if is_own_type(type_name) || is_chunk_type(type_name) {
        Err(EmitError::ReservedType { type_name: type_name.to_owned() })
    } else {
        Ok(())
    }
}

/// Events that are emitted together.
pub(super) struct Emission {
    clock: Clock,
    now: Timestamp,
    /// The latest time that the clock follows.
    bound: Timestamp,
    /// The largest tick within the bound: looked up once, then kept up to date.
    latest: Option<Option<Tick>>,
    /// Whether the log has anything beyond the bound: looked up once, then kept up to date.
    has_beyond: Option<bool>,
    changes: Vec<Change>,
}

impl Emission {
    pub(super) fn new(clock: Clock, now: Timestamp, events: usize) -> Self {
        let now = now.min(Timestamp::MAX);
        let (bound, changes) = (clock.bound(now), Vec::with_capacity(events));
        Self { clock, now, bound, latest: None, has_beyond: None, changes }
    }

    /// Writes a message of the framework's own.
    pub(super) fn write_own_kind(
        &mut self,
        writer: &mut LogWriter<'_>,
        entity: EntityId,
        body: Vec<u8>,
    ) -> Result<(), EmitError> {
        self.insert(writer, entity, false, Body::new(body), Timestamp::EPOCH).map(drop)
    }

    /// Writes the content of a message again.
    pub(super) fn rewrite(&mut self, writer: &mut LogWriter<'_>, message: &Message) -> Result<(), EmitError> {
        let body = message.body().unwrap_or_default().to_vec();
        self.write(writer, message.head().entity().clone(), false, body, &[])
    }

    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// Deletes the entity, then its registers: the state right before the delete still has all of it.
    fn delete(&mut self, writer: &mut LogWriter<'_>, entity: EntityId) -> Result<(), EmitError> {
        let mut registers = Vec::new();
        let mut earliest = Timestamp::EPOCH;
        for (register, winner) in writer.registers_of(&entity)? {
            if winner.type_name.is_some() {
                registers.push(register);
                earliest = earliest.max(self.after_beyond(&winner));
            }
        }
        let deleted = self.insert(writer, entity, false, None, earliest)?;
        for register in registers {
            self.insert(writer, register, false, None, deleted)?;
        }
        Ok(())
    }

    /// Writes content about an entity. `key` is what else the event refers to.
    fn write(
        &mut self,
        writer: &mut LogWriter<'_>,
        entity: EntityId,
        is_new: bool,
        body: Vec<u8>,
        key: &[u8],
    ) -> Result<(), EmitError> {
        let mut earliest = Timestamp::EPOCH;
        if self.has_beyond(writer)? {
            for referred in entity_ids(&body).iter().chain(&entity_ids(key)) {
                if let Some(last) = writer.winner(referred)? {
                    earliest = earliest.max(self.after_beyond(&last));
                }
            }
        }
        self.insert(writer, entity, is_new, Body::new(body), earliest).map(drop)
    }

    /// Returns the earliest time of an event that refers to an entity, given its latest message. Messages within the bound
    /// are followed anyway.
    fn after_beyond(&self, last: &Winner) -> Timestamp {
        if last.position.changed > self.bound { after(last.position.changed) } else { Timestamp::EPOCH }
    }

    /// Writes a message, and returns its time.
    pub(super) fn insert(
        &mut self,
        writer: &mut LogWriter<'_>,
        entity: EntityId,
        is_new: bool,
        body: Option<Body>,
        earliest: Timestamp,
    ) -> Result<Timestamp, EmitError> {
        let earliest = earliest.max(entity.created());
        let last = if is_new { None } else { writer.winner(&entity)?.map(|winner| winner.position.tick()) };
        let tick = self.tick(writer, earliest, last)?;
        if tick.changed > self.bound && self.clock.refuse_beyond {
            return Err(EmitError::TooFarAhead { ahead: tick.changed.since(self.now) });
        }
        let message = Message::new(entity, tick.changed, tick.counter, body)?;
        if ChunkName::of(message.head()).is_some() {
            return Err(EmitError::PartOfAttachment { entity: message.head().entity().clone() });
        }
        if tick.changed <= self.bound {
            self.latest = Some(self.latest.flatten().max(Some(tick)));
        } else {
            self.has_beyond = Some(true);
        }
        let position = Position::of(message.head());
        let change = writer.insert(message, THIS_DEVICE)?;
        debug_assert!(change.is_some(), "the clock gave {position:?} twice");
        self.changes.extend(change);
        writer.note_emitted(&position, self.now)?;
        Ok(tick.changed)
    }

    fn tick(&mut self, writer: &LogWriter<'_>, earliest: Timestamp, last: Option<Tick>) -> Result<Tick, LogError> {
        let bound = self.bound;
        let latest = match self.latest {
            Some(latest) => latest,
            None => *self.latest.insert(writer.latest_at(bound)?),
        };
        let seen = |time| if time == bound { Ok(latest) } else { writer.latest_at(time) };
        self.clock.next(self.now, earliest, last, seen)
    }

    fn has_beyond(&mut self, writer: &LogWriter<'_>) -> Result<bool, LogError> {
        if let Some(has_beyond) = self.has_beyond {
            return Ok(has_beyond);
        }
        let latest = writer.latest_at(Timestamp::MAX)?;
        Ok(*self.has_beyond.insert(latest.is_some_and(|latest| latest.changed > self.bound)))
    }
}
