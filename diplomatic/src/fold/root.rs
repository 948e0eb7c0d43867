//! What a message is about: an entity, with its registers.

use super::Reading;
use crate::event::{DiplomaticEvent, Draft, Target};
use crate::standard::{Content, EntityId, Message};

/// Returns the root of an event: for a register, the entity on which it hangs; otherwise, and for a register on its own,
/// the message's entity.
///
/// It is `None` where this build would not write the event like that. Other clients may write a register's type under any
/// entity, or without its parent, and then the log does not tell what the event is about.
pub(crate) fn root_of<E: DiplomaticEvent>(message: &Message, reading: &Reading<E>) -> Option<EntityId> {
    let entity = message.head().entity();
    let event = match reading {
        Reading::Event { event, .. } => event,
        Reading::Delete { .. } => return Some(entity.clone()),
        _ => return None,
    };
    let Content::Typed { type_name, parent: written, .. } = Content::of(message) else { return None };
    let Ok(Draft::Content { target, parent, .. }) = event.to_draft() else { return None };
    let is_home = match target {
        Target::Fresh => !entity.is_derived(),
        Target::Entity(named) => named == *entity && !entity.is_derived(),
        Target::Register { key } => EntityId::register(type_name, &key) == *entity && parent == written,
        Target::Singleton => EntityId::singleton(type_name) == *entity,
    };
    let hangs_on = parent.filter(|_| entity.is_derived()).filter(|parent| !parent.is_derived());
    is_home.then(|| hangs_on.unwrap_or_else(|| entity.clone()))
}
