//! Chunks of attachments, as of one moment.

use std::collections::HashSet;
use std::ops::Bound;

use redb::{ReadableTable, ReadableTableMetadata};

use super::chunks::{
    ChunkKey, Latest, at_link, chunk_key, of_link, open_body, open_chunk, split_at_link, split_marked,
};
use super::error::LogError;
use super::read::{LogReader, QueueLimits, Queued, bag_size};
use super::tables;
use crate::attachment::ChunkName;
use crate::order::Position;
use crate::standard::{Bag, Head, HeadHash, Message};

/// Where a chunk that is not here could come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    /// Nothing referred to it any more.
    Removed,
    /// Every host that lists it was asked and did not deliver it.
    Withheld,
    AtHosts,
}

/// What is known of a chunk that is not here, and where it could come from.
pub(crate) type Whereabouts = (Option<(ChunkKey, Head)>, Place);

/// Some chunks, and how many bytes they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChunkCount {
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
}

impl LogReader<'_> {
    /// Returns a chunk, if it is here.
    pub(crate) fn chunk(&self, name: &ChunkName) -> Result<Option<Message>, LogError> {
        let Some((key, head)) = self.latest_chunk(name)? else {
            // Versions before format 6 took it for a message like any other.
            let Some(winner) = self.winner(&name.entity())? else { return Ok(None) };
            return Ok(self.message(&winner.position)?.map(|stored| stored.message));
        };
        self.chunk_message(&key, head)
    }

    /// Returns where a chunk could come from, with its last message if that is known, and what to
    /// [want](super::LogWriter::want_chunks) it by; `None` if it is here.
    pub(crate) fn chunk_place(&self, name: &ChunkName) -> Result<Option<Whereabouts>, LogError> {
        match self.latest_chunk(name)? {
            Some((key, _)) if self.has_chunk_body(&key)? => Ok(None),
            Some((key, head)) => {
                let place = self.place_of(&key)?;
                let was_removed = place == Place::Nowhere && self.is_deleted(name, &head)?;
                Ok(Some((Some((key, head)), if was_removed { Place::Removed } else { place })))
            }
            None if self.chunk(name)?.is_some() => Ok(None),
            None => {
                let place = if self.last_delete(name)?.is_some() { Place::Removed } else { Place::Nowhere };
                Ok(Some((None, place)))
            }
        }
    }

    /// Returns the last message of a chunk that has a body. One that was deleted since is still to be had where it is.
    fn latest_chunk(&self, name: &ChunkName) -> Result<Option<(ChunkKey, Head)>, LogError> {
        let entity_key = self.vault.entity_key(&name.entity());
        let latest = self.transaction.open_table(tables::CHUNK_LATEST)?;
        let key = latest.get(&entity_key)?.and_then(|value| Latest::decode(value.value()).body);
        let Some(key) = key else { return Ok(None) };
        Ok(self.chunk_head(&key)?.map(|head| (key, head)))
    }

    /// Returns the key of a chunk's last message with a body.
    #[cfg(feature = "_client")]
    pub(crate) fn chunk_key_of(&self, name: &ChunkName) -> Result<Option<ChunkKey>, LogError> {
        Ok(self.latest_chunk(name)?.map(|(key, _)| key))
    }

    /// Returns the key of the last delete of a chunk.
    fn last_delete(&self, name: &ChunkName) -> Result<Option<ChunkKey>, LogError> {
        let latest = self.transaction.open_table(tables::CHUNK_LATEST)?;
        let last = latest.get(&self.vault.entity_key(&name.entity()))?;
        Ok(last.and_then(|value| Latest::decode(value.value()).delete))
    }

    fn is_deleted(&self, name: &ChunkName, body: &Head) -> Result<bool, LogError> {
        let delete = self.last_delete(name)?.map(|key| self.chunk_head(&key)).transpose()?.flatten();
        Ok(delete.is_some_and(|delete| Position::of(&delete) > Position::of(body)))
    }

    /// Returns the chunks that are not here, and that were not deleted.
    pub(crate) fn absent_chunks(&self) -> Result<Vec<ChunkKey>, LogError> {
        let mut absent = Vec::new();
        if self.chunks.is_none() {
            return Ok(absent);
        }
        let bodies = self.transaction.open_table(tables::CHUNK_BODIES)?;
        for row in self.transaction.open_table(tables::CHUNK_LATEST)?.iter()? {
            let Latest { body: Some(key), delete } = Latest::decode(row?.1.value()) else { continue };
            if bodies.get(&key)?.is_some() {
                continue;
            }
            let position = |key| Ok::<_, LogError>(self.chunk_head(key)?.as_ref().map(Position::of));
            let deleted = delete.as_ref().map(position).transpose()?.flatten();
            if deleted < position(&key)? {
                absent.push(key);
            }
        }
        Ok(absent)
    }

    fn place_of(&self, key: &ChunkKey) -> Result<Place, LogError> {
        let places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        let mut place = Place::Nowhere;
        for link in self.links()?.iter().filter(|link| link.is_linked) {
            match places.get(&at_link(link.number, key))?.map(|place| split_marked(place.value())) {
                Some((_, false)) => return Ok(Place::AtHosts),
                Some((_, true)) => place = Place::Withheld,
                None => {}
            }
        }
        Ok(place)
    }

    pub(super) fn chunk_head(&self, key: &ChunkKey) -> Result<Option<Head>, LogError> {
        let chunks = self.transaction.open_table(tables::CHUNKS)?;
        let Some(sealed) = chunks.get(key)? else { return Ok(None) };
        open_chunk(self.vault, key, sealed.value()).map(Some)
    }

    /// Returns the message of a head, if its body is here or it has none.
    fn chunk_message(&self, key: &ChunkKey, head: Head) -> Result<Option<Message>, LogError> {
        if head.is_delete() {
            return Ok(Message::join(head, None).ok());
        }
        let bodies = self.transaction.open_table(tables::CHUNK_BODIES)?;
        let Some(sealed) = bodies.get(key)? else { return Ok(None) };
        open_body(self.vault, key, head, sealed.value()).map(Some)
    }

    /// Tells whether a message is a chunk that is known.
    pub(crate) fn knows_chunk(&self, position: &Position) -> Result<bool, LogError> {
        match &self.chunks {
            Some(chunks) => Ok(chunks.get(&chunk_key(self.vault, position))?.is_some()),
            None => Ok(false),
        }
    }

    /// Tells whether nothing of a message is lacking: it is known, and if it is a chunk, its body is here.
    pub(crate) fn lacks_nothing_of(&self, position: &Position) -> Result<bool, LogError> {
        if !self.knows_chunk(position)? {
            return self.knows(position);
        }
        let key = chunk_key(self.vault, position);
        let is_delete = self.chunk_head(&key)?.is_some_and(|head| head.is_delete());
        Ok(is_delete || self.has_chunk_body(&key)?)
    }

    fn has_chunk_body(&self, key: &ChunkKey) -> Result<bool, LogError> {
        Ok(self.transaction.open_table(tables::CHUNK_BODIES)?.get(key)?.is_some())
    }

    /// Hands on every chunk that is here, and every delete of one.
    pub(crate) fn each_chunk_here<E: From<LogError>>(
        &self,
        mut act: impl FnMut(Message) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(chunks) = &self.chunks else { return Ok(()) };
        for row in chunks.iter().map_err(LogError::from)? {
            let (key, sealed) = row.map_err(LogError::from)?;
            let head = open_chunk(self.vault, key.value(), sealed.value())?;
            if let Some(message) = self.chunk_message(key.value(), head)? {
                act(message)?;
            }
        }
        Ok(())
    }

    /// Returns how many chunks are known.
    pub(crate) fn chunk_count(&self) -> Result<u64, LogError> {
        self.chunks.as_ref().map_or(Ok(0), |chunks| Ok(chunks.len()?))
    }

    /// Hands on the head of every chunk that is known, and whether the message is here.
    pub(crate) fn each_chunk(&self, mut act: impl FnMut(Head, bool) -> Result<(), LogError>) -> Result<(), LogError> {
        let Some(chunks) = &self.chunks else { return Ok(()) };
        let bodies = self.transaction.open_table(tables::CHUNK_BODIES)?;
        for row in chunks.iter()? {
            let (key, sealed) = row?;
            let head = open_chunk(self.vault, key.value(), sealed.value())?;
            let is_here = head.is_delete() || bodies.get(key.value())?.is_some();
            act(head, is_here)?;
        }
        Ok(())
    }

    /// Tells whether the last word about the chunk of a message is a delete.
    pub(crate) fn is_chunk_deleted(&self, head: &Head) -> Result<bool, LogError> {
        ChunkName::of(head).map_or(Ok(false), |name| self.is_deleted(&name, head))
    }

    /// Returns how many chunks that are here are neither `listed` nor queued for a link's host.
    pub(super) fn unlisted_chunks(&self, link: u32, listed: &HashSet<HeadHash>) -> Result<u64, LogError> {
        let mut unlisted = 0;
        self.each_chunk(|head, is_here| {
            if is_here && !listed.contains(&head.hash()) && !self.is_chunk_queued(link, &Position::of(&head))? {
                unlisted += 1;
            }
            Ok(())
        })?;
        Ok(unlisted)
    }

    pub(super) fn is_chunk_queued(&self, link: u32, position: &Position) -> Result<bool, LogError> {
        let queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        Ok(queue.get(&at_link(link, &chunk_key(self.vault, position)))?.is_some())
    }

    /// Returns which chunks wait for a link's host.
    pub(crate) fn chunks_to_send(&self, link: u32) -> Result<ChunkCount, LogError> {
        let (first, last) = of_link(link);
        let mut count = ChunkCount::default();
        if self.chunks.is_some() {
            for row in self.transaction.open_table(tables::CHUNK_QUEUE)?.range::<&[u8; 36]>(&first..=&last)? {
                count.chunks += 1;
                count.bytes += split_marked(row?.1.value()).0;
            }
        }
        Ok(count)
    }

    /// Returns which chunks are to be fetched.
    pub(crate) fn chunks_to_fetch(&self) -> Result<ChunkCount, LogError> {
        let mut count = ChunkCount::default();
        if self.chunks.is_some() {
            for row in self.transaction.open_table(tables::CHUNK_WANTED)?.iter()? {
                count.chunks += 1;
                count.bytes += row?.1.value();
            }
        }
        Ok(count)
    }

    /// Returns those of some chunks that are not to be fetched yet.
    pub(crate) fn not_wanted(&self, keys: &[ChunkKey]) -> Result<Vec<ChunkKey>, LogError> {
        let wanted = self.transaction.open_table(tables::CHUNK_WANTED)?;
        let mut others = Vec::new();
        for key in keys {
            if wanted.get(key)?.is_none() {
                others.push(*key);
            }
        }
        Ok(others)
    }

    /// Returns up to `limit` chunks that are to be fetched and that a link's host does not deliver, nor any other.
    pub(crate) fn undelivered_chunks(&self, link: u32, limit: usize) -> Result<Vec<Position>, LogError> {
        let mut undelivered = Vec::new();
        if self.chunks.is_none() {
            return Ok(undelivered);
        }
        let places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        for row in self.transaction.open_table(tables::CHUNK_WANTED)?.iter()? {
            if undelivered.len() >= limit {
                break;
            }
            let key = *row?.0.value();
            if places.get(&at_link(link, &key))?.is_some_and(|place| !split_marked(place.value()).1)
                || self.place_of(&key)? == Place::AtHosts
            {
                continue;
            }
            undelivered.extend(self.chunk_head(&key)?.as_ref().map(Position::of));
        }
        Ok(undelivered)
    }

    /// Tells whether a host lists a chunk and may deliver it.
    pub(crate) fn is_to_be_had(&self, position: &Position) -> Result<bool, LogError> {
        Ok(self.place_of(&chunk_key(self.vault, position))? == Place::AtHosts)
    }

    /// Returns chunks to fetch from a link's host: the number of each, and its head. Hosts begin at different ends, so that
    /// two of them bring different chunks.
    pub(crate) fn chunks_wanted(&self, link: u32, limits: QueueLimits) -> Result<Vec<(u64, Head)>, LogError> {
        let (mut wanted, mut bytes) = (Vec::new(), 0);
        if self.chunks.is_none() {
            return Ok(wanted);
        }
        let places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        let table = self.transaction.open_table(tables::CHUNK_WANTED)?;
        let mut rows = table.iter()?;
        loop {
            let row = if link.is_multiple_of(2) { rows.next_back() } else { rows.next() };
            let Some(row) = row else { return Ok(wanted) };
            let (key, len) = row?;
            let place = places.get(&at_link(link, key.value()))?.map(|place| split_marked(place.value()));
            let Some((seq, false)) = place else { continue };
            let Some(head) = self.chunk_head(key.value())? else { continue };
            bytes += usize::try_from(len.value()).unwrap_or(usize::MAX);
            if !wanted.is_empty() && (bytes > limits.bytes || wanted.len() >= limits.bags) {
                return Ok(wanted);
            }
            wanted.push((seq, head));
        }
    }

    /// Returns the first chunks in a link's queue after `after`, sealed by `seal`; from the first on if `after` is none.
    pub(super) fn outgoing_chunks(
        &self,
        link: u32,
        after: Option<&Position>,
        limits: QueueLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Queued>, LogError> {
        let (first, last) = of_link(link);
        let after = match after {
            Some(after) if self.knows_chunk(after)? => Some(at_link(link, &chunk_key(self.vault, after))),
            _ => None,
        };
        let start = after.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
        let (mut outgoing, mut bytes) = (Vec::new(), 0);
        let queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        for row in queue.range::<&[u8; 36]>((start, Bound::Included(&last)))? {
            if outgoing.len() >= limits.bags {
                break;
            }
            let key = split_at_link(row?.0.value());
            let Some(head) = self.chunk_head(&key)? else { continue };
            let Some(message) = self.chunk_message(&key, head)? else { continue };
            let bag = seal(&message);
            bytes += bag_size(&bag);
            if bytes > limits.bytes && !outgoing.is_empty() {
                break;
            }
            outgoing.push(Queued { position: Position::of(message.head()), bag, is_chunk: true });
        }
        Ok(outgoing)
    }
}
