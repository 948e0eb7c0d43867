//! What a message is to an event enum.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(any(target_family = "wasm", test))]
use super::crashed;
use super::panic_message;
use crate::attachment::ChunkName;
use crate::event::{DecodeEventError, DiplomaticEvent, EventType, PayloadFault, Shape, Stored};
use crate::standard::{Content, EntityId, Message};
use crate::witness::kind;

/// What a message is to an event enum.
pub(crate) enum Reading<E> {
    Event {
        event: E,
        event_type: &'static str,
    },
    Delete {
        /// One for each variant that deletes.
        events: Vec<E>,
    },
    /// A delete that no event stands for: that of a register or singleton, or any if the enum has no such variant.
    SilentDelete,
    /// Nothing to apply: a message of the framework's own, or about another root than the one that is folded.
    Foreign,
    Unknown {
        type_name: String,
    },
    Unfit {
        error: DecodeEventError,
    },
}

impl<E: DiplomaticEvent> Reading<E> {
    pub(crate) fn of(message: &Message) -> Self {
        #[cfg(any(target_family = "wasm", test))]
        if crashed::has_crashed(message.head().hash()) {
            let fault = PayloadFault::Panicked(crashed::REASON.into());
            let known = match Content::of(message) {
                Content::Typed { type_name, .. } => event_type::<E>(type_name),
                Content::Delete | Content::Opaque => None,
            };
            let type_name = known.map_or("", |known| known.name);
            return Self::Unfit { error: DecodeEventError::Payload { type_name, fault } };
        }
        #[cfg(any(target_family = "wasm", test))]
        return crashed::at_work(message.head().hash(), || Self::of_sound(message));
        #[cfg(not(any(target_family = "wasm", test)))]
        Self::of_sound(message)
    }

    fn of_sound(message: &Message) -> Self {
        if kind(message).is_some() || ChunkName::of(message.head()).is_some() {
            return Self::Foreign;
        }
        Self::of_any_kind(message)
    }

    /// Reads a message as if the framework had none of its own.
    pub(crate) fn of_any_kind(message: &Message) -> Self {
        if E::READS_ALL {
            return Self::of_any(message);
        }
        let entity = message.head().entity();
        match Content::of(message) {
            Content::Delete if !delete_is_event::<E>(entity) => Self::SilentDelete,
            Content::Delete => match read_delete(entity) {
                Ok(events) => Self::Delete { events },
                Err(error) => Self::Unfit { error },
            },
            Content::Typed { type_name, payload, .. } => {
                let stored = Stored::Content { type_name, entity, payload };
                match (read_event(stored), event_type::<E>(type_name)) {
                    (Ok(event), Some(known)) => Self::Event { event, event_type: known.name },
                    (Ok(_), None) | (Err(DecodeEventError::UnknownType), _) => {
                        Self::Unknown { type_name: type_name.to_owned() }
                    }
                    (Err(error), _) => Self::Unfit { error },
                }
            }
            Content::Opaque => Self::Unknown { type_name: String::new() },
        }
    }

    /// Returns the type of an event; that of deletes is empty.
    pub(crate) const fn event_type(&self) -> Option<&'static str> {
        match self {
            Self::Event { event_type, .. } => Some(event_type),
            Self::Delete { .. } => Some(""),
            Self::SilentDelete | Self::Foreign | Self::Unknown { .. } | Self::Unfit { .. } => None,
        }
    }

    /// Reads a message for an enum that reads all.
    fn of_any(message: &Message) -> Self {
        match read_event(Stored::Message(message)) {
            Ok(event) if message.head().is_delete() => Self::Delete { events: vec![event] },
            Ok(event) => Self::Event { event, event_type: "" },
            Err(error) => Self::Unfit { error },
        }
    }
}

/// Reads an event; the code that does it is the app's in part, and may panic.
pub(crate) fn read_event<E: DiplomaticEvent>(stored: Stored<'_>) -> Result<E, DecodeEventError> {
    catch_unwind(AssertUnwindSafe(|| E::from_stored(stored))).unwrap_or_else(|panic| {
        let type_name = match stored {
            Stored::Content { type_name, .. } => event_type::<E>(type_name).map_or("", |known| known.name),
            Stored::Message(_) => "",
        };
        Err(DecodeEventError::Payload { type_name, fault: PayloadFault::Panicked(panic_message(&*panic).into()) })
    })
}

/// Reads a delete; the error is what the app's code said when it panicked.
pub(crate) fn read_delete<E: DiplomaticEvent>(entity: &EntityId) -> Result<Vec<E>, DecodeEventError> {
    catch_unwind(AssertUnwindSafe(|| E::from_delete(entity))).map_err(|panic| {
        let fault = PayloadFault::Panicked(panic_message(&*panic).into());
        let known = E::TYPES.iter().find(|known| known.shape == Shape::Delete);
        DecodeEventError::Payload { type_name: known.map_or("", |known| known.name), fault }
    })
}

pub(crate) fn event_type<E: DiplomaticEvent>(type_name: &str) -> Option<&'static EventType> {
    E::TYPES.iter().find(|known| known.is_called(type_name))
}

/// Tells whether a delete of this entity is an event of the enum.
pub(crate) fn delete_is_event<E: DiplomaticEvent>(entity: &EntityId) -> bool {
    !entity.is_derived() && E::TYPES.iter().any(|known| known.shape == Shape::Delete)
}
