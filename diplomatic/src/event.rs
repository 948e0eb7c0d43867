//! What can happen: the bridge between an app's enum and the standard's messages.
//!
//! `#[derive(DiplomaticEvent)]` implements [`DiplomaticEvent`]; nobody needs to write it by hand.

use crate::standard::{EntityId, Message};

/// An enum of things that can happen, one event type a variant.
///
/// Derive it; the attributes are described at [the derive macro](macro@crate::DiplomaticEvent).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of events",
    note = "put `#[derive(DiplomaticEvent)]` on the enum"
)]
pub trait DiplomaticEvent: Sized + Send + Sync + 'static {
    /// The event types, in the order of the variants.
    const TYPES: &'static [EventType];

    /// Whether every message is an event of this enum, of whatever type: it is given to
    /// [`from_stored`](Self::from_stored) as [`Stored::Message`]. Only [`RawEvent`](crate::raw::RawEvent) does so.
    #[doc(hidden)]
    const READS_ALL: bool = false;

    /// Returns what is to be written for this event.
    ///
    /// # Errors
    ///
    /// [`EncodeEventError`], when a field does not serialize.
    fn to_draft(&self) -> Result<Draft, EncodeEventError>;

    /// Reads an event back.
    ///
    /// # Errors
    ///
    /// [`DecodeEventError`], when this enum has no variant for it, or its payload does not fit the variant.
    fn from_stored(stored: Stored<'_>) -> Result<Self, DecodeEventError>;
}

/// One variant of an event enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventType {
    /// The name in messages, such as `todo.renamed`; for a delete, which has none there, the name it would have.
    pub name: &'static str,
    /// How the event becomes a message.
    pub shape: Shape,
    /// The fields that say what a register or an entity is about, in their order; none for the other shapes.
    pub key: &'static [&'static str],
    /// The names in messages of earlier builds that are read as this variant.
    pub was: &'static [&'static str],
}

impl EventType {
    /// Describes a variant.
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, key: &[], was: &[] }
    }

    /// Says what the register or entity is about.
    #[must_use]
    pub const fn keyed_by(self, key: &'static [&'static str]) -> Self {
        Self { key, ..self }
    }

    /// Says what the type was called before.
    #[must_use]
    pub const fn formerly(self, was: &'static [&'static str]) -> Self {
        Self { was, ..self }
    }

    /// Tells whether messages with this type name are of this type: it is its name, or was.
    pub fn is_called(&self, type_name: &str) -> bool {
        self.name == type_name || self.was.contains(&type_name)
    }
}

/// How an event becomes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// Happened; every one counts. Gets a fresh entity id.
    Fact,
    /// The latest per key counts.
    Register,
    /// A whole-object upsert: the latest per entity counts.
    Entity,
    /// Removes an entity and the registers that hang on it.
    Delete,
    /// The latest of its type counts: one value for the account.
    Singleton,
}

/// What an event asks to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draft {
    /// A message with content.
    Content {
        /// The event type's name.
        type_name: &'static str,
        /// What the message is about.
        target: Target,
        /// The fields, as one MessagePack value.
        payload: Vec<u8>,
        /// The group (`gid`), if the variant names one.
        group: Option<String>,
        /// The parent entity (`pid`), if the variant names one.
        parent: Option<EntityId>,
    },
    /// A message with this very body.
    Bare {
        /// What the message is about; a new entity if it is not said.
        entity: Option<EntityId>,
        /// The body.
        body: Vec<u8>,
    },
    /// A tombstone.
    Delete {
        /// The entity that goes.
        entity: EntityId,
    },
}

/// What a message with content is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A new entity.
    Fresh,
    /// The register for a key: the key fields as a MessagePack array.
    Register {
        /// The array's bytes.
        key: Vec<u8>,
    },
    /// This entity.
    Entity(EntityId),
    /// The one value of the event's type.
    Singleton,
}

/// A stored message, as an event enum reads it.
#[derive(Debug, Clone, Copy)]
pub enum Stored<'a> {
    /// A message with content.
    Content {
        /// The event type's name.
        type_name: &'a str,
        /// What the message is about.
        entity: &'a EntityId,
        /// The fields, as one MessagePack value; nil where the message has none.
        payload: &'a [u8],
    },
    /// A tombstone.
    Delete {
        /// The entity that went.
        entity: &'a EntityId,
    },
    /// A whole message, for an enum that [reads all](DiplomaticEvent::READS_ALL).
    #[doc(hidden)]
    Message(&'a Message),
}

/// An event that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the fields of `{type_name}` do not serialize: {reason}")]
pub struct EncodeEventError {
    /// The event type's name.
    pub type_name: &'static str,
    /// What the serializer said.
    pub reason: String,
}

/// A stored message that is not an event of the enum at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeEventError {
    /// No variant has this type: another app's, or a newer build's.
    #[error("this build knows no event type of this name")]
    UnknownType,
    /// The payload does not fit the variant.
    #[error("the payload does not fit `{type_name}`: {reason}")]
    Payload {
        /// The event type's name.
        type_name: &'static str,
        /// What the deserializer said.
        reason: String,
    },
}
