//! What a message is to an event enum.

use super::content::Content;
use crate::event::{DecodeEventError, DiplomaticEvent, EventType, Shape, Stored};
use crate::standard::{EntityId, Message};

/// What a message is to an event enum.
pub(crate) enum Reading<E> {
    Event {
        event: E,
        event_type: &'static str,
    },
    Delete {
        event: E,
    },
    /// A delete that no event stands for: that of a register or singleton, or any if the enum has no such variant.
    SilentDelete,
    Unknown {
        type_name: String,
    },
    Unfit {
        reason: String,
    },
}

impl<E: DiplomaticEvent> Reading<E> {
    pub(crate) fn of(message: &Message) -> Self {
        let entity = message.head().entity();
        match Content::of(message) {
            Content::Delete if !delete_is_event::<E>(entity) => Self::SilentDelete,
            Content::Delete => match E::from_stored(Stored::Delete { entity }) {
                Ok(event) => Self::Delete { event },
                Err(error) => Self::Unfit { reason: error.to_string() },
            },
            Content::Typed { type_name, payload, .. } => {
                let stored = Stored::Content { type_name, entity, payload };
                match (E::from_stored(stored), event_type::<E>(type_name)) {
                    (Ok(event), Some(known)) => Self::Event { event, event_type: known.name },
                    (Ok(_), None) | (Err(DecodeEventError::UnknownType), _) => {
                        Self::Unknown { type_name: type_name.to_owned() }
                    }
                    (Err(error), _) => Self::Unfit { reason: error.to_string() },
                }
            }
            Content::Opaque => Self::Unknown { type_name: String::new() },
        }
    }
}

pub(crate) fn event_type<E: DiplomaticEvent>(type_name: &str) -> Option<&'static EventType> {
    E::TYPES.iter().find(|known| known.name == type_name)
}

/// Tells whether a delete of this entity is an event of the enum.
pub(crate) fn delete_is_event<E: DiplomaticEvent>(entity: &EntityId) -> bool {
    !entity.is_derived() && E::TYPES.iter().any(|known| known.shape == Shape::Delete)
}
