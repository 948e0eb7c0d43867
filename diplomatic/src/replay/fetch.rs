//! Opening messages by their entries, many at a time.

use std::collections::HashMap;
use std::io::{Read, Result, Seek};
use std::num::NonZero;
use std::ops::Range;

use super::Damage;
use super::entries::Entry;
use super::source::{Pieces, Source};
use crate::parallel;
use crate::standard::export::{IndexItem, ItemError, ItemOpener};
use crate::standard::{Decode, Message, OpenBagError, OpenedHead, Reader, SealedBody};

/// What it takes to open messages of a file.
pub(super) struct Vaults<F> {
    pub(super) source: Source<F>,
    pub(super) opener: ItemOpener,
    /// Where the bodies stand.
    pub(super) bodies: Range<u64>,
    /// Where bodies stand that are not where the index says, by the place of their items.
    pub(super) moved: HashMap<u64, Range<u64>>,
    pub(super) threads: NonZero<usize>,
}

/// A message of a file, or why there is none.
pub(super) type Fetched = std::result::Result<Message, Damage>;

/// Messages as they stand in a file, sealed.
#[derive(Debug)]
pub(super) struct Sealed {
    items: Pieces,
    bodies: Pieces,
}

/// What it takes to open messages that were read; threads can share it.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    opener: &'a ItemOpener,
    bodies: &'a Range<u64>,
    moved: &'a HashMap<u64, Range<u64>>,
    threads: NonZero<usize>,
}

impl<F: Read + Seek> Vaults<F> {
    /// Opens messages, makes of each what `make` says, and returns that in their order. All of them are in memory at
    /// once.
    pub(super) fn fetch<T: Send>(
        &mut self,
        entries: &[&Entry],
        make: impl Fn(&Entry, Fetched) -> T + Sync,
    ) -> Result<Vec<T>> {
        let sealed = self.read(entries)?;
        Ok(self.opening().open(entries, &sealed, make))
    }

    /// Reads messages, to be opened elsewhere. Their heads are read once more, since to keep them all would take too much
    /// memory.
    pub(super) fn read(&mut self, entries: &[&Entry]) -> Result<Sealed> {
        let items: Vec<Range<u64>> = entries.iter().map(|entry| entry.item()).collect();
        let items = self.source.read_ranges(&items)?;
        let opening = self.opening();
        let bodies: Vec<Range<u64>> =
            entries.iter().enumerate().map(|(number, entry)| opening.body_to_read(entry, items.get(number))).collect();
        let bodies = self.source.read_ranges(&bodies)?;
        Ok(Sealed { items, bodies })
    }

    /// Returns which bytes of the file should hold an entry's body, as far as the index is to be believed.
    pub(super) fn body_of(&mut self, entry: &Entry) -> Result<Option<Range<u64>>> {
        if let Some(body) = self.moved.get(&entry.item().start) {
            return Ok(Some(body.clone()));
        }
        let mut bytes = Vec::new();
        self.source.read(entry.item(), &mut bytes)?;
        let item = IndexItem::read(&mut Reader::new(&bytes)).ok();
        Ok(item.map(|item| self.bodies.start + item.body().start..self.bodies.start + item.body().end))
    }
}

impl<F> Vaults<F> {
    pub(super) const fn opening(&self) -> Opening<'_> {
        let Self { source: _, opener, bodies, moved, threads } = self;
        Opening { opener, bodies, moved, threads: *threads }
    }
}

impl Opening<'_> {
    /// Opens messages that were read, makes of each what `make` says, and returns that in their order.
    pub(super) fn open<T: Send>(
        self,
        entries: &[&Entry],
        sealed: &Sealed,
        make: impl Fn(&Entry, Fetched) -> T + Sync,
    ) -> Vec<T> {
        let numbered: Vec<(usize, &Entry)> = entries.iter().copied().enumerate().collect();
        parallel::map(self.threads, numbered, |(number, entry)| {
            make(entry, self.open_one(entry, sealed.items.get(number), sealed.bodies.get(number)))
        })
    }

    fn open_one(self, entry: &Entry, item: &[u8], body: &[u8]) -> Fetched {
        let damage = |bytes, error| Damage::of_item(bytes, number_of(entry), error);
        // Its own end was not certain where the item was found among damage: let what follows it be.
        let item =
            IndexItem::read(&mut Reader::new(item)).map_err(|error| damage(entry.item(), ItemError::Index(error)))?;
        let head = self.opener.open_head(&item).map_err(|error| damage(entry.item(), error.into()))?;
        let place = match self.moved.get(&entry.item().start) {
            Some(body) => body.clone(),
            None => body_place(&item.body(), self.bodies, &head).map_err(|error| damage(entry.item(), error))?,
        };
        head.open_body(&SealedBody::from_bytes(body.to_vec())).map_err(|error| damage(place, error.into()))
    }

    /// Returns which bytes of the file hold an entry's body; none if they cannot be it.
    fn body_to_read(self, entry: &Entry, item: &[u8]) -> Range<u64> {
        if let Some(body) = self.moved.get(&entry.item().start) {
            return body.clone();
        }
        let Ok(item) = IndexItem::read(&mut Reader::new(item)) else { return 0..0 };
        let Range { start, end } = item.body();
        let has_its_length = match entry.body_len() {
            Some(len) => end - start == len,
            None => end - start >= u64::from(u32::MAX),
        };
        if has_its_length && end <= self.bodies.end - self.bodies.start {
            self.bodies.start + start..self.bodies.start + end
        } else {
            0..0
        }
    }
}

/// Returns which bytes of the file hold a body that the index has at `body`, counted from the start of `bodies`.
fn body_place(body: &Range<u64>, bodies: &Range<u64>, head: &OpenedHead) -> std::result::Result<Range<u64>, ItemError> {
    let len = body.end - body.start;
    let room = bodies.end - bodies.start;
    if body.end > room {
        return Err(ItemError::BodyOutOfBounds { offset: body.start, len, bodies: room });
    }
    // The head knows how long its sealed body is: one of another length cannot be it, and was not read.
    if len != head.sealed_body_len() {
        return Err(OpenBagError::HashMismatch.into());
    }
    Ok(bodies.start + body.start..bodies.start + body.end)
}

fn number_of(entry: &Entry) -> Option<u64> {
    entry.number().map(u64::from)
}
