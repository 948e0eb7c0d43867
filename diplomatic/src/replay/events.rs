//! Iterators over the events and messages of a file.

use std::fmt;
use std::io::{Read, Seek};
use std::iter::FusedIterator;
use std::ops::Range;
use std::vec;

use super::entries::{Entries, Entry};
use super::fetch::{Fetched, Vaults};
use super::{Damage, Replay, ReplayError};
use crate::event::DiplomaticEvent;
use crate::fold::{self, Item, Unread};
use crate::order::Position;
use crate::reducer::Meta;
use crate::standard::Message;

/// The maximum number of messages opened at once.
const BATCH: usize = 4096;

/// The maximum size of the messages opened at once; a single one may be larger.
const BATCH_BYTES: u64 = 8 << 20;

/// A selection of a file's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// The live ones among the first `n`.
    CountingAmong(usize),
}

/// Iterates over the messages of a file in batches.
pub(super) struct Walk<'a, F> {
    pub(super) entries: &'a Entries,
    pub(super) vaults: &'a mut Vaults<F>,
    pub(super) which: Which,
    pub(super) left: Range<usize>,
}

impl<F: Read + Seek> Walk<'_, F> {
    /// Opens the next messages and maps each with `make`, which also gets its place in the order. Empty at the end.
    pub(super) fn next_batch<T: Send>(
        &mut self,
        make: impl Fn(&Entry, Fetched) -> T + Sync,
    ) -> Result<Vec<(usize, T)>, ReplayError> {
        self.next_wanted(Self::counts, make)
    }

    /// Does the same for the messages that `is_wanted` selects.
    pub(super) fn next_wanted<T: Send>(
        &mut self,
        is_wanted: impl FnMut(&Self, usize) -> bool,
        make: impl Fn(&Entry, Fetched) -> T + Sync,
    ) -> Result<Vec<(usize, T)>, ReplayError> {
        let places = self.choose(is_wanted);
        let entries: Vec<&Entry> = places.iter().map(|&place| &self.entries.as_slice()[place]).collect();
        let made = self.vaults.fetch(&entries, make)?;
        Ok(places.into_iter().zip(made).collect())
    }

    /// Returns the places of the next messages that `is_wanted` says, as many as are opened together.
    pub(super) fn choose(&mut self, mut is_wanted: impl FnMut(&Self, usize) -> bool) -> Vec<usize> {
        let mut places = Vec::new();
        let mut bytes = 0_u64;
        while let Some(entry) = self.entries.as_slice()[self.left.clone()].first().filter(|_| places.len() < BATCH) {
            if is_wanted(self, self.left.start) {
                bytes = bytes.saturating_add(entry.weight());
                if bytes > BATCH_BYTES && !places.is_empty() {
                    break;
                }
                places.push(self.left.start);
            }
            self.left.start += 1;
        }
        places
    }

    fn counts(&self, place: usize) -> bool {
        match self.which {
            Which::All => true,
            Which::CountingAmong(count) => self.entries.counts_among(place, count),
        }
    }
}

/// Decodes a message as an event. This part of the work runs on several threads.
pub(super) fn read_entry<E: DiplomaticEvent>(_: &Entry, message: Fetched) -> Result<Item<E>, Damage> {
    message.map(Item::of)
}

/// An event of an export file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed<E> {
    /// The event.
    pub event: E,
    /// The event's metadata.
    pub meta: Meta,
    /// The event's place in the total order.
    pub position: Position,
    /// Whether it is live: nothing in the file overwrites or deletes it.
    pub counts: bool,
}

/// The events of an export file in the total order; see [`Replay::events`] and [`Replay::history`].
///
/// Messages that are not events of the enum are skipped and counted in [`unread`](Self::unread). A damaged message is
/// an error, after which the iteration continues.
pub struct Events<'a, F, E> {
    walk: Walk<'a, F>,
    batch: vec::IntoIter<(usize, Result<Item<E>, Damage>)>,
    /// The other events that the last delete is.
    more: vec::IntoIter<Replayed<E>>,
    unread: Unread,
}

impl<'a, F: Read + Seek, E: DiplomaticEvent> Events<'a, F, E> {
    pub(super) fn new(replay: &'a mut Replay<F>, which: Which, left: Range<usize>) -> Self {
        let (batch, more) = (Vec::new().into_iter(), Vec::new().into_iter());
        Self { walk: replay.walk(which, left), batch, more, unread: Unread::default() }
    }

    /// Returns the skipped messages so far.
    pub const fn unread(&self) -> &Unread {
        &self.unread
    }

    fn replayed(&mut self, place: usize, item: Item<E>) -> Option<Replayed<E>> {
        let position = item.position;
        if let Some(entry) = item.unread() {
            self.unread.note(position, entry);
        }
        let (events, meta) = item.into_event()?;
        let counts = match self.walk.which {
            Which::All => self.walk.entries.counts_among(place, self.walk.entries.as_slice().len()),
            Which::CountingAmong(_) => true,
        };
        match events {
            fold::Events::One(event) => Some(Replayed { event, meta, position, counts }),
            fold::Events::Deletes(events) => {
                let replayed = |event| Replayed { event, meta: meta.clone(), position, counts };
                self.more = events.into_iter().map(replayed).collect::<Vec<_>>().into_iter();
                self.more.next()
            }
        }
    }
}

impl<F: Read + Seek, E: DiplomaticEvent> Iterator for Events<'_, F, E> {
    type Item = Result<Replayed<E>, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(replayed) = self.more.next() {
            return Some(Ok(replayed));
        }
        loop {
            match self.batch.next() {
                Some((place, Ok(read))) => {
                    if let Some(replayed) = self.replayed(place, read) {
                        return Some(Ok(replayed));
                    }
                }
                Some((_, Err(damage))) => return Some(Err(ReplayError::Damaged(damage))),
                None => match self.walk.next_batch(read_entry) {
                    Ok(batch) if batch.is_empty() => return None,
                    Ok(batch) => self.batch = batch.into_iter(),
                    Err(error) => {
                        // What cannot be read would be tried for ever.
                        self.walk.left = 0..0;
                        return Some(Err(error));
                    }
                },
            }
        }
    }
}

impl<F: Read + Seek, E: DiplomaticEvent> FusedIterator for Events<'_, F, E> {}

impl<F, E> fmt::Debug for Events<'_, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("which", &self.walk.which).field("left", &self.walk.left).finish_non_exhaustive()
    }
}

/// The messages of an export file in the total order; see [`Replay::messages`].
pub struct Messages<'a, F> {
    walk: Walk<'a, F>,
    batch: vec::IntoIter<(usize, Fetched)>,
}

impl<'a, F: Read + Seek> Messages<'a, F> {
    pub(super) fn new(replay: &'a mut Replay<F>) -> Self {
        let left = 0..replay.len();
        Self { walk: replay.walk(Which::All, left), batch: Vec::new().into_iter() }
    }
}

impl<F: Read + Seek> Iterator for Messages<'_, F> {
    type Item = Result<Message, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.batch.len() == 0 {
            match self.walk.next_batch(|_, message| message) {
                Ok(batch) => self.batch = batch.into_iter(),
                Err(error) => {
                    self.walk.left = 0..0;
                    return Some(Err(error));
                }
            }
        }
        self.batch.next().map(|(_, message)| message.map_err(ReplayError::Damaged))
    }
}

impl<F: Read + Seek> FusedIterator for Messages<'_, F> {}

impl<F> fmt::Debug for Messages<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("left", &self.walk.left).finish_non_exhaustive()
    }
}
