//! A device's log as a fold reads it.

use crate::event::DiplomaticEvent;
use crate::fold::{Item, Kept, Reading, Source, weight};
use crate::log::{A_FILE, Link, Log, LogError, StoredMessage, THIS_DEVICE};
use crate::order::Position;
use crate::reducer::Origin;
use crate::standard::EntityId;

/// How many messages are opened together at most.
const PAGE: usize = 1_024;

/// A device's log as a fold reads it, or the part of it before a moment.
pub(super) struct LogSource<'a> {
    log: &'a Log,
    before: Option<Position>,
    /// Of which fold the kept states are of use.
    fingerprint: Option<[u8; 32]>,
}

impl<'a> LogSource<'a> {
    /// Reads the whole log, and may start from a state that the fold with this fingerprint kept.
    pub(super) const fn new(log: &'a Log, fingerprint: [u8; 32]) -> Self {
        Self { log, before: None, fingerprint: Some(fingerprint) }
    }

    /// Reads what is before a position, as if nothing else were in the log. `None` is the whole log.
    pub(super) const fn before(log: &'a Log, before: Option<Position>) -> Self {
        Self { log, before, fingerprint: None }
    }

    fn read<E: DiplomaticEvent>(&self, stored: StoredMessage) -> Item<E> {
        let StoredMessage { position, message, origin } = stored;
        let entity = message.head().entity().clone();
        Item {
            position,
            entity,
            origin: origin_of(self.log.links(), origin),
            reading: Reading::of(&message),
            weight: weight(&message),
        }
    }
}

impl<E: DiplomaticEvent> Source<E> for LogSource<'_> {
    type Error = LogError;

    fn page(&mut self, after: Option<&Position>) -> Result<Vec<Item<E>>, LogError> {
        let page = self.log.read(|reader| reader.latest_page(after, self.before.as_ref(), PAGE))?;
        Ok(page.into_iter().map(|stored| self.read(stored)).collect())
    }

    fn earlier(&mut self, entity: &EntityId, position: &Position) -> Result<Option<Item<E>>, LogError> {
        let stored = self.log.read(|reader| reader.version_before(entity, position))?;
        Ok(stored.map(|stored| self.read(stored)))
    }

    fn item(&mut self, position: &Position) -> Result<Option<Item<E>>, LogError> {
        let stored = self.log.read(|reader| reader.message(position))?;
        Ok(stored.map(|stored| self.read(stored)))
    }

    fn kept_before(&mut self, before: Option<&Position>) -> Result<Option<Kept>, LogError> {
        let Some(fingerprint) = &self.fingerprint else { return Ok(None) };
        let kept = self.log.read(|reader| reader.snapshot_before(before, fingerprint))?;
        Ok(kept.map(|kept| Kept { at: kept.at, state: kept.state }))
    }
}

/// Returns how a message came that the link with this number brought.
pub(super) fn origin_of(links: &[Link], number: u32) -> Origin {
    match links.iter().find(|link| link.number == number) {
        None if number == A_FILE => Origin::File,
        Some(link) if number != THIS_DEVICE => Origin::Host(link.label.clone()),
        _ => Origin::ThisDevice,
    }
}
