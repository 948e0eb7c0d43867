//! Where a fold takes its messages from.

use super::{Reading, UnreadEntry};
#[cfg(feature = "store")]
use super::{root_of, weight};
#[cfg(feature = "store")]
use crate::event::DiplomaticEvent;
use crate::order::Position;
use crate::reducer::{Meta, Origin};
use crate::standard::EntityId;
#[cfg(feature = "store")]
use crate::standard::Message;

/// A message, as an event enum reads it.
pub(crate) struct Item<E> {
    pub(crate) position: Position,
    pub(crate) entity: EntityId,
    pub(crate) origin: Origin,
    pub(crate) reading: Reading<E>,
    /// Its [root](super::root_of), if that was asked for.
    pub(crate) root: Option<EntityId>,
    /// About how many bytes it takes.
    pub(crate) weight: usize,
}

#[cfg(feature = "store")]
impl<E: DiplomaticEvent> Item<E> {
    /// Reads a message, and finds out its root if asked to.
    pub(crate) fn of(message: &Message, origin: Origin, wants_root: bool) -> Self {
        let reading = Reading::of(message);
        let root = if wants_root { root_of(message, &reading) } else { None };
        let (position, entity) = (Position::of(message.head()), message.head().entity().clone());
        Self { position, entity, origin, reading, root, weight: weight(message) }
    }
}

impl<E> Item<E> {
    /// Returns what the message is instead of something to apply; `None` if it can be.
    pub(crate) fn unread(&self) -> Option<UnreadEntry> {
        match &self.reading {
            Reading::Event { .. } | Reading::Delete { .. } | Reading::SilentDelete | Reading::OwnKind => None,
            Reading::Unknown { type_name } => Some(UnreadEntry::unknown(self.entity.clone(), type_name.clone())),
            Reading::Unfit { reason } => {
                Some(UnreadEntry::unfit(self.entity.clone(), self.position.changed, reason.clone()))
            }
        }
    }

    /// Returns the event, and what is known of it beside its fields.
    pub(crate) fn event(&self) -> Option<(&E, Meta)> {
        let (event, event_type) = match &self.reading {
            Reading::Event { event, event_type } => (event, *event_type),
            Reading::Delete { event } => (event, ""),
            _ => return None,
        };
        Some((event, Meta::new(self.entity.clone(), self.position.changed, event_type, self.origin.clone())))
    }
}

/// A state as of a position, serialized.
pub(crate) struct Kept {
    pub(crate) at: Position,
    pub(crate) state: Vec<u8>,
    /// Whether the root of every event before is known.
    pub(crate) is_tidy: bool,
    /// About how many bytes the messages have from which it was folded.
    pub(crate) folded: u64,
}

/// Where a fold takes its messages from: a log or a file, or the part of one up to a moment.
pub(crate) trait Source<E> {
    /// Why messages cannot be read.
    type Error;

    /// Returns the next messages after `after` that are the latest of their entities, in total order; none at the end.
    fn page(&mut self, after: Option<&Position>) -> Result<Vec<Item<E>>, Self::Error>;

    /// Returns the version of an entity right before the one at `position`.
    fn earlier(&mut self, entity: &EntityId, position: &Position) -> Result<Option<Item<E>>, Self::Error>;

    /// Returns one message.
    fn item(&mut self, position: &Position) -> Result<Option<Item<E>>, Self::Error>;

    /// Returns the last state that was kept as of a position before `before`, or of all.
    fn kept_before(&mut self, before: Option<&Position>) -> Result<Option<Kept>, Self::Error>;
}
