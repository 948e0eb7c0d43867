//! A device's log as a fold reads it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::event::DiplomaticEvent;
use crate::fold::{Item, Kept, Source};
use crate::log::{LatestMessages, Log, LogError, LogReader, LogView, Snapshot, StoredMessage};
use crate::order::Position;
use crate::standard::EntityId;

/// A device's log as a fold reads it, or the part of it before a moment.
pub(super) struct LogSource<'a> {
    log: Readable<'a>,
    before: Option<Position>,
    /// Of which fold the kept states are of use.
    fingerprint: [u8; 32],
    /// Whether it is read as of a moment of the past.
    is_past: bool,
    wants_roots: bool,
    /// The messages that count, and after which of them the next page begins.
    latest: Option<(Option<Position>, LatestMessages)>,
    is_stopped: Option<&'a AtomicBool>,
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
    pub(super) const fn new(log: &'a Log, fingerprint: [u8; 32], wants_roots: bool) -> Self {
        Self::of(Readable::Log(log), fingerprint, wants_roots)
    }

    /// Reads a view of a log like that.
    pub(super) const fn of_view(view: &'a LogView, fingerprint: [u8; 32], wants_roots: bool) -> Self {
        Self::of(Readable::View(view), fingerprint, wants_roots)
    }

    /// Reads what is before a position, as if nothing else were in the log. `None` is the whole log.
    pub(super) fn before(view: &'a LogView, fingerprint: [u8; 32], before: Option<Position>) -> Self {
        Self { before, is_past: true, ..Self::of_view(view, fingerprint, false) }
    }

    const fn of(log: Readable<'a>, fingerprint: [u8; 32], wants_roots: bool) -> Self {
        Self { log, before: None, fingerprint, is_past: false, wants_roots, latest: None, is_stopped: None }
    }

    /// Fails once this is set.
    pub(super) fn until(self, is_stopped: &'a AtomicBool) -> Self {
        Self { is_stopped: Some(is_stopped), ..self }
    }

    fn read<E: DiplomaticEvent>(&self, stored: StoredMessage) -> Item<E> {
        if self.wants_roots { Item::with_root(stored.message) } else { Item::of(stored.message) }
    }
}

impl<E: DiplomaticEvent> Source<E> for LogSource<'_> {
    type Error = LogError;

    fn page(&mut self, after: Option<&Position>) -> Result<Vec<Item<E>>, LogError> {
        if self.is_stopped.is_some_and(|is_stopped| is_stopped.load(Ordering::Relaxed)) {
            return Err(LogError::Closed);
        }
        // After a failure, or from another place, it begins anew.
        let begun = self.latest.take().filter(|(next, _)| next.as_ref() == after);
        let (page, latest) = self.log.read(|reader| {
            let mut latest = match begun {
                Some((_, latest)) => latest,
                None => reader.latest(after, self.before.as_ref())?,
            };
            Ok((latest.next()?, latest))
        })?;
        self.latest = page.last().map(|last| (Some(last.position), latest));
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
