//! Where a fold takes its messages from.

#[cfg(feature = "store")]
use super::root_of;
use super::{Reading, UnreadEntry, weight};
use crate::event::DiplomaticEvent;
use crate::order::Position;
use crate::reducer::Meta;
use crate::standard::{Content, EntityId, Message};

/// A message, as an event enum reads it.
pub(crate) struct Item<E> {
    pub(crate) position: Position,
    pub(crate) reading: Reading<E>,
    /// Its [root](super::root_of), if that was asked for.
    pub(crate) root: Option<EntityId>,
    /// What it was read from. A reducer consumes the event, so whoever may have to apply it again reads it again.
    pub(crate) message: Message,
}

impl<E: DiplomaticEvent> Item<E> {
    /// Reads a message.
    pub(crate) fn of(message: Message) -> Self {
        let (position, reading) = (Position::of(message.head()), Reading::of(&message));
        Self { position, reading, root: None, message }
    }

    /// Reads a message, and finds out its root.
    #[cfg(feature = "store")]
    pub(crate) fn with_root(message: Message) -> Self {
        let item = Self::of(message);
        Self { root: root_of(&item.message, &item.reading), ..item }
    }

    /// Reads a message for the fold of one root. One about another root leaves nothing to apply, but it still hides the
    /// earlier versions of its entity: a register that moved away does not come back.
    pub(crate) fn within(message: Message, root: &EntityId) -> Self {
        let item = Self::of(message);
        let is_within = Content::of(&item.message).root(item.entity()).is_some_and(|its| its == *root);
        if item.is_event() && !is_within { Self { reading: Reading::Foreign, ..item } } else { item }
    }

    /// Reads a message once more that was [consumed](Self::consume).
    pub(crate) fn again(consumed: Consumed) -> Self {
        let Consumed { message, root } = consumed;
        Self { root, ..Self::of(message) }
    }
}

impl<E> Item<E> {
    pub(crate) fn entity(&self) -> &EntityId {
        self.message.head().entity()
    }

    /// Returns about how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        weight(&self.message)
    }

    /// Returns what the message is instead of something to apply; `None` if it can be.
    pub(crate) fn unread(&self) -> Option<UnreadEntry> {
        match &self.reading {
            Reading::Event { .. } | Reading::Delete { .. } | Reading::SilentDelete | Reading::Foreign => None,
            Reading::Unknown { type_name } => Some(UnreadEntry::unknown(self.entity().clone(), type_name.clone())),
            Reading::Unfit { error } => Some(UnreadEntry::unfit(self.entity().clone(), self.position.changed, error)),
        }
    }

    /// Tells whether there is anything to apply.
    pub(crate) const fn is_event(&self) -> bool {
        matches!(self.reading, Reading::Event { .. } | Reading::Delete { .. })
    }

    /// Takes the event out, with what is known of it beside its fields.
    pub(crate) fn into_event(self) -> Option<(Events<E>, Meta)> {
        self.consume().map(|(events, meta, _)| (events, meta))
    }

    /// Takes the event out like [`into_event`](Self::into_event), and keeps what it was read from.
    pub(crate) fn consume(self) -> Option<(Events<E>, Meta, Consumed)> {
        let Self { position, reading, root, message } = self;
        let (events, event_type) = match reading {
            Reading::Event { event, event_type } => (Events::One(event), event_type),
            Reading::Delete { events } => (Events::Deletes(events), ""),
            _ => return None,
        };
        let meta = Meta::of(message.head().entity().clone(), position, event_type);
        Some((events, meta, Consumed { message, root }))
    }
}

/// What a message is applied as.
pub(crate) enum Events<E> {
    One(E),
    /// A delete, as each of the variants that delete.
    Deletes(Vec<E>),
}

/// A message whose event was applied.
pub(crate) struct Consumed {
    pub(crate) message: Message,
    root: Option<EntityId>,
}

impl Consumed {
    /// Makes it something that can be kept.
    #[cfg(feature = "store")]
    pub(super) fn unshared(self) -> Self {
        Self { message: self.message.unshared(), ..self }
    }

    pub(crate) const fn position(&self) -> Position {
        Position::of(self.message.head())
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
