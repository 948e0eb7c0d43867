//! Events: how an app's enum maps to the standard's messages.
//!
//! `#[derive(DiplomaticEvent)]` implements [`DiplomaticEvent`], so apps rarely need the other types in this module.

use crate::standard::{EntityId, Message};

/// An enum of events; each variant is one event type.
///
/// Use [the derive macro](macro@crate::DiplomaticEvent) to implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of events",
    note = "put `#[derive(DiplomaticEvent)]` on the enum"
)]
pub trait DiplomaticEvent: Sized + Send + Sync + 'static {
    /// The event types, in the order of the variants.
    const TYPES: &'static [EventType];

    /// Whether every message of any type is an event of this enum. If so, [`from_stored`](Self::from_stored) gets
    /// [`Stored::Message`]. Only [`RawEvent`](crate::raw::RawEvent) does this.
    #[doc(hidden)]
    const READS_ALL: bool = false;

    /// Returns the message to write for this event.
    ///
    /// # Errors
    ///
    /// [`EncodeEventError`] if a field cannot be serialized.
    fn to_draft(&self) -> Result<Draft, EncodeEventError>;

    /// Returns the events that the delete of an entity is. A delete is stored without its type, so there is one for each
    /// variant that deletes, and none if there is no such variant. They are applied one after another.
    fn from_delete(entity: &EntityId) -> Vec<Self> {
        let _ = entity;
        Vec::new()
    }

    /// Reads an event back.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`] if this enum has no variant for it, or the payload does not match the variant.
    fn from_stored(stored: Stored<'_>) -> Result<Self, DecodeEventError>;
}

/// One variant of an event enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventType {
    /// The name in messages, such as `todo.renamed`. Deletes carry no name; this is the name they would have.
    pub name: &'static str,
    /// How the event becomes a message.
    pub shape: Shape,
    /// The key fields of a register, or the ID field of an entity, in order; empty for the other shapes.
    pub key: &'static [&'static str],
    /// The names in messages of earlier builds.
    pub was: &'static [&'static str],
}

impl EventType {
    /// Describes a variant.
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, key: &[], was: &[] }
    }

    /// Sets the key fields.
    #[must_use]
    pub const fn keyed_by(self, key: &'static [&'static str]) -> Self {
        Self { key, ..self }
    }

    /// Sets the former names.
    #[must_use]
    pub const fn formerly(self, was: &'static [&'static str]) -> Self {
        Self { was, ..self }
    }

    /// Returns whether this is the name of the type, or a former one.
    pub fn is_called(&self, type_name: &str) -> bool {
        self.name == type_name || self.was.contains(&type_name)
    }
}

/// How an event becomes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// A fact: every event counts. Each creates a new entity.
    Fact,
    /// A register: the latest event per key counts.
    Register,
    /// A whole-object upsert: the latest event per entity counts.
    Entity,
    /// Deletes an entity and its registers.
    Delete,
    /// One value per account: the latest event of the type counts.
    Singleton,
}

/// The message to write for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draft {
    /// A message with content.
    Content {
        /// The event type's name.
        type_name: &'static str,
        /// The entity.
        target: Target,
        /// The fields, as one MessagePack value.
        payload: Vec<u8>,
        /// The group (`gid`), if the variant names one.
        group: Option<String>,
        /// The parent entity (`pid`), if the variant names one.
        parent: Option<EntityId>,
    },
    /// A message with exactly this body.
    Bare {
        /// The entity; a new one if `None`.
        entity: Option<EntityId>,
        /// The body.
        body: Vec<u8>,
        /// The MessagePack that the entity is derived from, if it is a register: what the key names, the message
        /// sorts after.
        key: Vec<u8>,
    },
    /// A tombstone.
    Delete {
        /// The deleted entity.
        entity: EntityId,
    },
}

/// The entity of a message with content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A new entity.
    Fresh,
    /// The register for a key: the key fields as a MessagePack array.
    Register {
        /// The array's bytes.
        key: Vec<u8>,
    },
    /// An existing entity, or one with a chosen ID.
    Entity(EntityId),
    /// The singleton of the event's type.
    Singleton,
}

/// A stored message to decode as an event.
#[derive(Debug, Clone, Copy)]
pub enum Stored<'a> {
    /// A message with content.
    Content {
        /// The event type's name.
        type_name: &'a str,
        /// The entity.
        entity: &'a EntityId,
        /// The fields, as one MessagePack value; nil where the message has none.
        payload: &'a [u8],
    },
    /// A whole message, for an enum that [reads all messages](DiplomaticEvent::READS_ALL).
    #[doc(hidden)]
    Message(&'a Message),
}

/// Why an event could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fields of `{type_name}` do not serialize: {fault}")]
pub struct EncodeEventError {
    /// The event type's name.
    pub type_name: &'static str,
    /// What is wrong with the fields.
    pub fault: PayloadFault,
}

/// What is wrong with the fields of an event, or with the bytes that should be them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadFault {
    /// The bytes end before the value does.
    #[error("it is cut short")]
    CutShort,
    /// There are bytes after the value.
    #[error("it goes on after the end of the value")]
    Trailing,
    /// Arrays and maps are nested too deep.
    #[error("it is nested more than {most} levels deep")]
    TooDeep {
        /// How deep they may be.
        most: usize,
    },
    /// The bytes are not MessagePack.
    #[error("it is not MessagePack")]
    NotMessagePack,
    /// A register's key holds a float.
    #[error("a register's key holds a float: 1.0 and 1 would be different keys")]
    FloatInKey,
    /// A field does not serialize, or the payload does not fit the fields. This is what serde says, in its words.
    #[error("{0}")]
    Serde(Box<str>),
    /// An upcast made an event of another variant.
    #[error("`{function}` made an event of another variant")]
    OtherVariant {
        /// The function.
        function: &'static str,
    },
    /// The app's code that reads the event panicked, with this message.
    #[error("reading it panicked: {0}")]
    Panicked(Box<str>),
}

/// Why a stored message is not an event of an enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeEventError {
    /// No variant has this type. It may be another app's, or a newer build's.
    #[error("this build does not know the event type")]
    UnknownType,
    /// The payload does not match the variant.
    #[error("the payload does not match `{type_name}`: {fault}")]
    Payload {
        /// The event type's name.
        type_name: &'static str,
        /// What does not match.
        fault: PayloadFault,
    },
}

crate::standard::never_retryable::never_retryable!(EncodeEventError, PayloadFault, DecodeEventError);
