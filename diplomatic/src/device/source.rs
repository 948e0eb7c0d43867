//! A device's log as a fold reads it.

use crate::event::DiplomaticEvent;
use crate::fold::{Item, Kept, Source};
use crate::log::{Log, LogError, LogReader, LogView, Snapshot, StoredMessage};
use crate::order::Position;
use crate::standard::EntityId;

/// How many messages are opened together at most.
const PAGE: usize = 1_024;

/// A device's log as a fold reads it, or the part of it before a moment.
pub(super) struct LogSource<'a> {
    log: Readable<'a>,
    before: Option<Position>,
    /// Of which fold the kept states are of use.
    fingerprint: [u8; 32],
    /// Whether it is read as of a moment of the past.
    is_past: bool,
    wants_roots: bool,
}

/// A log, or a view of one.
enum Readable<'a> {
    Log(&'a Log),
    View(&'a LogView),
}

impl Readable<'_> {
    fn read<T>(&self, act: impl FnOnce(&LogReader<'_>) -> Result<T, LogError>) -> Result<T, LogError> {
        match self {
            Self::Log(log) => log.read(act),
            Self::View(view) => view.read(act),
        }
    }
}

impl<'a> LogSource<'a> {
    /// Reads the whole log, and may start from a state that the fold with this fingerprint kept.
    pub(super) fn new(log: &'a Log, fingerprint: [u8; 32], wants_roots: bool) -> Self {
        Self { log: Readable::Log(log), before: None, fingerprint, is_past: false, wants_roots }
    }

    /// Reads a view of a log like that.
    pub(super) const fn of_view(view: &'a LogView, fingerprint: [u8; 32], wants_roots: bool) -> Self {
        Self { log: Readable::View(view), before: None, fingerprint, is_past: false, wants_roots }
    }

    /// Reads what is before a position, as if nothing else were in the log. `None` is the whole log.
    pub(super) const fn before(view: &'a LogView, fingerprint: [u8; 32], before: Option<Position>) -> Self {
        Self { log: Readable::View(view), before, fingerprint, is_past: true, wants_roots: false }
    }

    fn read<E: DiplomaticEvent>(&self, stored: StoredMessage) -> Item<E> {
        if self.wants_roots { Item::with_root(stored.message) } else { Item::of(stored.message) }
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
        // What was folded later lacks what counted at the time.
        let before = before.into_iter().chain(&self.before).min();
        let kept = self.log.read(|reader| reader.snapshot_before(before, &self.fingerprint, self.is_past))?;
        Ok(kept.map(|Snapshot { at, state, note }| Kept { at, state, is_tidy: note.is_tidy, folded: note.folded }))
    }
}
