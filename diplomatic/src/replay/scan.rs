//! Reading a whole index, front to back: first its hash, then its items.

use std::io::{Read, Seek};
use std::num::NonZero;
use std::ops::Range;

use super::entries::{Entry, MOST};
use super::layout::Layout;
use super::source::Source;
use super::{Damage, DamageCause, ReplayError};
use crate::parallel;
use crate::standard::export::{IndexCheck, IndexItem, ItemError, ItemOpener};
use crate::standard::{Decode, DecodeError, Reader};

/// How much of an index is read at once.
const CHUNK: u64 = 1 << 20;

/// An item longer than this is none: heads have some hundred bytes.
const LONGEST_ITEM: u64 = 16 << 20;

/// How many items are opened together.
const BATCH: usize = 4096;

/// Checks an index against its hash; what returns opens its items.
pub(super) fn check_index<F: Read + Seek>(
    source: &mut Source<F>,
    layout: &Layout,
    mut check: IndexCheck,
) -> Result<ItemOpener, ReplayError> {
    let mut place = layout.index.start;
    while place < layout.index.end {
        let chunk = source.read_some(place, CHUNK.min(layout.index.end - place))?;
        check.update(&chunk);
        place += chunk.len() as u64;
    }
    check.finish().map_err(|_| ReplayError::Damaged(Damage::new(layout.index.clone(), DamageCause::IndexHash)))
}

/// Opens the heads of a checked index.
pub(super) fn scan<F: Read + Seek>(
    source: &mut Source<F>,
    layout: &Layout,
    opener: &ItemOpener,
    threads: NonZero<usize>,
) -> Result<Vec<Entry>, ReplayError> {
    let mut items = IndexItems::new(source, layout.index.clone());
    // The header's count is not to be believed; an item that opens has at least this many bytes.
    let most = (layout.index.end - layout.index.start) / 52;
    let mut entries = Vec::with_capacity(usize::try_from(layout.head.count().min(most).min(MOST)).unwrap_or_default());
    let mut taken = 0;
    let produce = || {
        let batch = items.take_batch()?;
        let first = taken;
        taken += batch.len() as u64;
        if taken > MOST {
            return Err(ReplayError::TooManyMessages { most: MOST });
        }
        Ok((!batch.is_empty()).then_some((first as u32, batch)))
    };
    let open = |(first, batch): (u32, Vec<(Range<u64>, IndexItem)>)| {
        let open = |((bytes, item), number): ((Range<u64>, IndexItem), u32)| match opener.open_head(&item) {
            Ok(head) => Ok(Entry::new(&head, bytes, number)),
            Err(error) => Err(Damage::of_item(bytes, Some(number.into()), error.into())),
        };
        batch.into_iter().zip(first..).map(open).collect::<Result<Vec<Entry>, Damage>>()
    };
    parallel::pipeline(threads, produce, open, |batch| {
        entries.extend(batch.map_err(ReplayError::Damaged)?);
        Ok(())
    })?;
    let (announced, found) = (layout.head.count(), entries.len() as u64);
    if announced != found {
        return Err(ReplayError::Damaged(Damage::new(layout.header(), DamageCause::Count { announced, found })));
    }
    Ok(entries)
}

/// The items of an index as its layout shows them.
struct IndexItems<'a, F> {
    source: &'a mut Source<F>,
    /// What was not read yet.
    left: Range<u64>,
    buffer: Vec<u8>,
    /// How much of the buffer was taken.
    taken: usize,
    count: u64,
}

impl<'a, F: Read + Seek> IndexItems<'a, F> {
    const fn new(source: &'a mut Source<F>, index: Range<u64>) -> Self {
        Self { source, left: index, buffer: Vec::new(), taken: 0, count: 0 }
    }

    /// Returns the next items and where they stand; none at the end.
    fn take_batch(&mut self) -> Result<Vec<(Range<u64>, IndexItem)>, ReplayError> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            if self.taken == self.buffer.len() && self.left.is_empty() {
                break;
            }
            let mut reader = Reader::new(&self.buffer[self.taken..]);
            match IndexItem::read(&mut reader) {
                Ok(item) => {
                    let start = self.place();
                    self.taken = self.buffer.len() - reader.rest().len();
                    batch.push((start..self.place(), item));
                    self.count += 1;
                }
                Err(error) if error.is_incomplete() && !self.left.is_empty() => self.read_on(error)?,
                Err(error) => return Err(self.damage(error)),
            }
        }
        Ok(batch)
    }

    /// Returns where in the file the next item stands.
    const fn place(&self) -> u64 {
        self.left.start - (self.buffer.len() - self.taken) as u64
    }

    fn read_on(&mut self, error: DecodeError) -> Result<(), ReplayError> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let have = self.buffer.len() as u64;
        if have > LONGEST_ITEM {
            return Err(self.damage(error));
        }
        // An item that is longer than a chunk doubles what is read.
        let more = have.max(CHUNK).min(self.left.end - self.left.start);
        self.source.read(self.left.start..self.left.start + more, &mut self.buffer)?;
        self.left.start += more;
        Ok(())
    }

    fn damage(&self, error: DecodeError) -> ReplayError {
        ReplayError::Damaged(Damage::of_item(self.place()..self.left.end, Some(self.count), ItemError::Index(error)))
    }
}
