//! The messages of a file in the total order, each in few bytes.

use std::collections::HashMap;
use std::ops::Range;

use crate::order::Position;
use crate::standard::{Encode, HeadHash, OpenedHead, Timestamp};

/// Marks the last message of an entity.
const LAST: u32 = u32::MAX;

/// The number of an item whose place in the index is unknown.
pub(super) const NO_NUMBER: u32 = u32::MAX;

/// The maximum number of messages that can be sorted.
pub(super) const MOST: u64 = LAST as u64;

/// What is kept of a message to sort it and to find it again; 88 MB for a million messages.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    changed: Timestamp,
    counter: u64,
    hash: HeadHash,
    /// Identifies the entity: the first half of the hash of its ID.
    entity: [u8; 16],
    /// The offset of its item in the file.
    item: u64,
    item_len: u32,
    /// The item's place in the index, starting at 0.
    number: u32,
    /// The length of its sealed body, capped at the largest number.
    body_len: u32,
    /// The next message of the same entity, by its place in the order.
    next: u32,
}

impl Entry {
    /// Makes the entry of the item at `item`, which is shorter than 4 GB.
    pub(super) fn new(opened: &OpenedHead, item: Range<u64>, number: u32) -> Self {
        let head = opened.head();
        let mut entity = [0; 16];
        entity.copy_from_slice(&blake3::hash(&head.entity().to_bytes()).as_bytes()[..16]);
        Self {
            changed: head.changed(),
            counter: head.counter(),
            hash: head.hash(),
            entity,
            item: item.start,
            item_len: (item.end - item.start) as u32,
            number,
            body_len: u32::try_from(opened.sealed_body_len()).unwrap_or(u32::MAX),
            next: LAST,
        }
    }

    pub(super) const fn position(&self) -> Position {
        Position { changed: self.changed, counter: self.counter, hash: self.hash }
    }

    /// Returns the bytes of the file that hold the item.
    pub(super) fn item(&self) -> Range<u64> {
        self.item..self.item + u64::from(self.item_len)
    }

    /// Returns the item's place in the index, starting at 0, if it is known.
    pub(super) fn number(&self) -> Option<u32> {
        (self.number != NO_NUMBER).then_some(self.number)
    }

    /// Returns the length of the sealed body; `None` if it is too long to be kept.
    pub(super) fn body_len(&self) -> Option<u64> {
        (self.body_len != u32::MAX).then_some(self.body_len.into())
    }

    /// Returns roughly how many bytes the message takes.
    pub(super) fn weight(&self) -> u64 {
        u64::from(self.item_len) + u64::from(self.body_len)
    }
}

/// The messages of a file in the total order, without duplicates.
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<Entry>);

impl Entries {
    pub(super) fn sort(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by_key(|entry| (entry.position(), entry.number));
        entries.dedup_by_key(|entry| entry.position());
        link(&mut entries);
        Self(entries)
    }

    pub(super) fn as_slice(&self) -> &[Entry] {
        &self.0
    }

    /// Returns how many messages are not later than `until`.
    pub(super) fn count_until(&self, until: Option<Timestamp>) -> usize {
        until.map_or(self.0.len(), |until| self.0.partition_point(|entry| entry.changed <= until))
    }

    /// Returns how many of the messages are not after a position.
    pub(super) fn count_up_to(&self, position: &Position) -> usize {
        self.0.partition_point(|entry| entry.position() <= *position)
    }

    pub(super) fn place_of(&self, position: &Position) -> Option<usize> {
        self.0.binary_search_by_key(position, Entry::position).ok()
    }

    /// Returns for each message that has one the version of its entity right before it, by their places.
    pub(super) fn previous_versions(&self) -> HashMap<u32, u32> {
        let later = self.0.iter().zip(0..).filter(|(entry, _)| entry.next != LAST);
        later.map(|(entry, place)| (entry.next, place)).collect()
    }

    /// Returns whether a message is live among the first `count`.
    pub(super) fn counts_among(&self, place: usize, count: usize) -> bool {
        self.0.get(place).is_some_and(|entry| entry.next as usize >= count)
    }
}

/// Links each message to the next one of its entity.
fn link(entries: &mut [Entry]) {
    let mut by_entity: Vec<([u8; 16], u32)> =
        entries.iter().zip(0..).map(|(entry, place)| (entry.entity, place)).collect();
    by_entity.sort_unstable();
    for pair in by_entity.windows(2) {
        if pair[0].0 == pair[1].0 {
            entries[pair[0].1 as usize].next = pair[1].1;
        }
    }
}
