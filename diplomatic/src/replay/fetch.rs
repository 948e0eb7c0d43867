//! Opening messages by their entries, many at a time.

use std::collections::HashMap;
use std::io::{Read, Result, Seek};
use std::num::NonZero;
use std::ops::Range;

use super::entries::Entry;
use super::source::Source;
use super::{Damage, parallel};
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

/// An item whose head is open, and the bytes of the file that hold its body.
type Opened = (OpenedHead, Range<u64>);

impl<F: Read + Seek> Vaults<F> {
    /// Opens messages, makes of each what `make` says, and returns that in their order. All of them are in memory at
    /// once.
    pub(super) fn fetch<T: Send>(
        &mut self,
        entries: &[&Entry],
        make: impl Fn(&Entry, Fetched) -> T + Sync,
    ) -> Result<Vec<T>> {
        let heads = self.open_heads(entries)?;
        let bodies: Vec<Range<u64>> =
            heads.iter().map(|head| head.as_ref().map_or(0..0, |(_, body)| body.clone())).collect();
        let pieces = self.source.read_ranges(&bodies)?;
        let numbered = entries.iter().zip(heads).enumerate().collect();
        Ok(parallel::map(self.threads, numbered, |(number, (entry, head))| {
            let message = head.and_then(|(head, body): Opened| {
                let sealed = SealedBody::from_bytes(pieces.get(number).to_vec());
                head.open_body(&sealed).map_err(|error| Damage::of_item(body, number_of(entry), error.into()))
            });
            make(entry, message)
        }))
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

    /// Opens heads once more, since to keep them all would take too much memory.
    fn open_heads(&mut self, entries: &[&Entry]) -> Result<Vec<std::result::Result<Opened, Damage>>> {
        let items: Vec<Range<u64>> = entries.iter().map(|entry| entry.item()).collect();
        let pieces = self.source.read_ranges(&items)?;
        let Self { opener, bodies, moved, threads, .. } = self;
        let numbered: Vec<(usize, &Entry)> = entries.iter().copied().enumerate().collect();
        Ok(parallel::map(*threads, numbered, |(number, entry)| {
            let damage = |bytes, error| Damage::of_item(bytes, number_of(entry), error);
            // Its own end was not certain where the item was found among damage: let what follows it be.
            let item = IndexItem::read(&mut Reader::new(pieces.get(number)))
                .map_err(|error| damage(entry.item(), ItemError::Index(error)))?;
            let head = opener.open_head(&item).map_err(|error| damage(entry.item(), error.into()))?;
            let place = match moved.get(&entry.item().start) {
                Some(body) => body.clone(),
                None => body_place(&item.body(), bodies, &head).map_err(|error| damage(entry.item(), error))?,
            };
            Ok((head, place))
        }))
    }
}

/// Returns which bytes of the file hold a body that the index has at `body`, counted from the start of `bodies`.
fn body_place(body: &Range<u64>, bodies: &Range<u64>, head: &OpenedHead) -> std::result::Result<Range<u64>, ItemError> {
    let len = body.end - body.start;
    let room = bodies.end - bodies.start;
    if body.end > room {
        return Err(ItemError::BodyOutOfBounds { offset: body.start, len, bodies: room });
    }
    // The head knows how long its sealed body is: one of another length cannot be it, and is not read.
    if len != head.sealed_body_len() {
        return Err(OpenBagError::HashMismatch.into());
    }
    Ok(bodies.start + body.start..bodies.start + body.end)
}

fn number_of(entry: &Entry) -> Option<u64> {
    entry.number().map(u64::from)
}
