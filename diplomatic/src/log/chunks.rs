//! Chunks of attachments: messages whose bodies need not be here, inside one transaction.
//!
//! They are kept apart from all other messages. So whoever reads the log for its events never meets one, and nobody
//! mistakes a body that is not here for one that is missing.

use std::collections::HashSet;

use redb::{ReadableTable, TableHandle};

use super::error::LogError;
use super::vault::Vault;
use super::write::LogWriter;
use super::{THIS_DEVICE, tables};
use crate::attachment::ChunkName;
use crate::order::Position;
use crate::standard::{Body, Decode, Head, HeadHash, Message, Reader, put_varint};

/// A message about a chunk as a key: a keyed hash of its position. Chunks of the same bytes are the same messages, and the
/// file does not tell which they are.
pub(crate) type ChunkKey = [u8; 32];

pub(super) fn chunk_key(vault: &Vault, position: &Position) -> ChunkKey {
    vault.hash(&position.to_bytes())
}

/// Returns the key of a chunk at a host, or in its queue.
pub(super) fn at_link(link: u32, key: &ChunkKey) -> [u8; 36] {
    let mut at = [0; 36];
    at[..4].copy_from_slice(&link.to_be_bytes());
    at[4..].copy_from_slice(key);
    at
}

/// Returns the first and the last of the keys of a link.
pub(super) fn of_link(link: u32) -> ([u8; 36], [u8; 36]) {
    (at_link(link, &[0; 32]), at_link(link, &[0xff; 32]))
}

pub(super) fn split_at_link(at: &[u8; 36]) -> ChunkKey {
    *at.last_chunk().expect("a key of this table has 36 bytes")
}

/// A number with a mark, as the tables of queues and places have it.
pub(super) fn marked(number: u64, is_marked: bool) -> [u8; 9] {
    let mut value = [0; 9];
    value[..8].copy_from_slice(&number.to_be_bytes());
    value[8] = u8::from(is_marked);
    value
}

pub(super) fn split_marked(value: &[u8; 9]) -> (u64, bool) {
    let (number, mark) = value.split_first_chunk().expect("a value of this table has 9 bytes");
    (u64::from_be_bytes(*number), mark != [0])
}

/// The last messages about a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Latest {
    pub(super) body: Option<ChunkKey>,
    pub(super) delete: Option<ChunkKey>,
}

impl Latest {
    pub(super) fn decode(value: &[u8; 64]) -> Self {
        let (keys, _) = value.as_chunks::<32>();
        let key = |key: &ChunkKey| (*key != [0; 32]).then_some(*key);
        Self { body: key(&keys[0]), delete: key(&keys[1]) }
    }

    fn encode(self) -> [u8; 64] {
        let mut value = [0; 64];
        value[..32].copy_from_slice(&self.body.unwrap_or_default());
        value[32..].copy_from_slice(&self.delete.unwrap_or_default());
        value
    }
}

pub(super) fn encode_chunk(origin: u32, head: &Head) -> Vec<u8> {
    let mut value = Vec::with_capacity(head.as_bytes().len() + 8);
    put_varint(&mut value, u64::from(origin));
    value.extend_from_slice(head.as_bytes());
    value
}

pub(super) fn open_chunk(vault: &Vault, key: &ChunkKey, sealed: &[u8]) -> Result<Head, LogError> {
    let value = vault.open("chunks-1", key, sealed)?;
    let mut reader = Reader::new(&value);
    let head = reader.varint().and_then(|_| Head::decode(reader.rest()));
    head.map_err(|_| LogError::DamagedValue { table: "chunks-1" })
}

pub(super) fn open_body(vault: &Vault, key: &ChunkKey, head: Head, sealed: &[u8]) -> Result<Message, LogError> {
    let body = vault.open("chunk-bodies-1", key, sealed)?;
    Message::join(head, Body::new(body)).map_err(|_| LogError::DamagedValue { table: "chunk-bodies-1" })
}

impl LogWriter<'_> {
    /// Stores a message about a chunk, or the body of one that was only listed, and queues it for every host that does not
    /// have it, as far as is known. Tells whether anything is new.
    pub(super) fn insert_chunk(&mut self, name: &ChunkName, message: &Message, origin: u32) -> Result<bool, LogError> {
        let again = match origin {
            THIS_DEVICE if !message.head().is_delete() => self.after_its_delete(name, message)?,
            _ => None,
        };
        let message = again.as_ref().unwrap_or(message);
        let (head, position) = (message.head(), Position::of(message.head()));
        let key = chunk_key(self.vault, &position);
        if origin == THIS_DEVICE {
            // Whoever attaches it is about to refer to it.
            self.transaction.open_table(tables::CHUNK_UNUSED)?.remove(&key)?;
        }
        let is_known = self.transaction.open_table(tables::CHUNKS)?.get(&key)?.is_some();
        if is_known && (head.is_delete() || self.has_body(&key)?) {
            return Ok(false);
        }
        if !is_known {
            self.put_chunk(name, head, &key, origin)?;
        }
        if let Some(body) = message.body() {
            let mut bodies = self.transaction.open_table(tables::CHUNK_BODIES)?;
            let value = self.vault.seal(bodies.name(), &key, body, self.rng);
            bodies.insert(&key, value.as_slice())?;
            self.keep(name, &key, head.body_len())?;
            self.transaction.open_table(tables::CHUNK_WANTED)?.remove(&key)?;
        }
        let places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        for link in self.links().iter().filter(|link| link.is_linked) {
            let at = at_link(link.number, &key);
            let brought_it = origin == link.number && origin != THIS_DEVICE;
            if !brought_it && places.get(&at)?.is_none() {
                self.queue_chunk(&at, head.body_len())?;
            }
        }
        self.new_chunks += 1;
        Ok(true)
    }

    /// Notes a chunk that a host lists and whose body stays there for now.
    pub(crate) fn list_chunk(&mut self, head: &Head, link: u32, seq: u64) -> Result<(), LogError> {
        let Some(name) = ChunkName::of(head) else { return Ok(()) };
        let key = chunk_key(self.vault, &Position::of(head));
        if self.transaction.open_table(tables::CHUNKS)?.get(&key)?.is_none() {
            self.put_chunk(&name, head, &key, link)?;
        }
        self.put_place(link, &key, seq)
    }

    /// Notes where a host lists a message, if it is a chunk.
    pub(crate) fn note_place(&mut self, position: &Position, link: u32, seq: u64) -> Result<(), LogError> {
        if !self.has_chunks()? {
            return Ok(());
        }
        let key = chunk_key(self.vault, position);
        let is_chunk = self.transaction.open_table(tables::CHUNKS)?.get(&key)?.is_some();
        if is_chunk { self.put_place(link, &key, seq) } else { Ok(()) }
    }

    /// A place that is listed again is no more likely to deliver than before.
    fn put_place(&mut self, link: u32, key: &ChunkKey, seq: u64) -> Result<(), LogError> {
        let mut places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        let at = at_link(link, key);
        let is_new = places.get(&at)?.is_none_or(|place| split_marked(place.value()).0 != seq);
        if is_new {
            places.insert(&at, &marked(seq, false))?;
        }
        Ok(())
    }

    /// Notes that a host lists a chunk and does not deliver its body.
    pub(crate) fn note_undelivered(&mut self, position: &Position, link: u32) -> Result<(), LogError> {
        let at = at_link(link, &chunk_key(self.vault, position));
        let mut places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        let seq = places.get(&at)?.map(|place| split_marked(place.value()).0);
        if let Some(seq) = seq {
            places.insert(&at, &marked(seq, true))?;
        }
        Ok(())
    }

    /// Has the bodies of chunks fetched that are known and not here, also from hosts that did not deliver them before.
    pub(crate) fn want_chunks(&mut self, keys: &[ChunkKey]) -> Result<(), LogError> {
        for key in keys {
            let Some(head) = self.chunk_head(key)? else { continue };
            if head.is_delete() || self.has_body(key)? {
                continue;
            }
            self.transaction.open_table(tables::CHUNK_WANTED)?.insert(key, head.body_len())?;
            let mut places = self.transaction.open_table(tables::CHUNK_PLACES)?;
            for link in self.links() {
                let at = at_link(link.number, key);
                let place = places.get(&at)?.map(|place| split_marked(place.value()));
                if let Some((seq, true)) = place {
                    places.insert(&at, &marked(seq, false))?;
                }
            }
        }
        Ok(())
    }

    /// Has a host asked again for the bodies of chunks that it lists and did not deliver.
    pub(crate) fn ask_again(&mut self, link: u32, positions: &[Position]) -> Result<(), LogError> {
        let mut places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        for position in positions {
            let at = at_link(link, &chunk_key(self.vault, position));
            let seq = places.get(&at)?.map(|place| split_marked(place.value()).0);
            if let Some(seq) = seq {
                places.insert(&at, &marked(seq, false))?;
            }
        }
        Ok(())
    }

    fn put_chunk(&mut self, name: &ChunkName, head: &Head, key: &ChunkKey, origin: u32) -> Result<(), LogError> {
        let entity_key = self.vault.entity_key(&name.entity());
        let mut latest = self.transaction.open_table(tables::CHUNK_LATEST)?;
        let mut last = latest.get(&entity_key)?.map_or(Latest::default(), |value| Latest::decode(value.value()));
        let slot = if head.is_delete() { &mut last.delete } else { &mut last.body };
        let before = slot.as_ref().map(|before| self.chunk_head(before)).transpose()?.flatten();
        if before.is_none_or(|before| Position::of(&before) < Position::of(head)) {
            *slot = Some(*key);
            latest.insert(&entity_key, &last.encode())?;
        }
        let mut chunks = self.transaction.open_table(tables::CHUNKS)?;
        let value = self.vault.seal(chunks.name(), key, &encode_chunk(origin, head), self.rng);
        chunks.insert(key, value.as_slice())?;
        Ok(())
    }

    pub(super) fn chunk_head(&self, key: &ChunkKey) -> Result<Option<Head>, LogError> {
        match self.transaction.open_table(tables::CHUNKS)?.get(key)? {
            Some(sealed) => open_chunk(self.vault, key, sealed.value()).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn has_body(&self, key: &ChunkKey) -> Result<bool, LogError> {
        Ok(self.transaction.open_table(tables::CHUNK_BODIES)?.get(key)?.is_some())
    }

    fn has_chunks(&self) -> Result<bool, LogError> {
        Ok(self.transaction.open_table(tables::CHUNKS)?.first()?.is_some())
    }

    fn queue_chunk(&self, at: &[u8; 36], len: u64) -> Result<bool, LogError> {
        let mut queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        let is_new = queue.get(at)?.is_none();
        if is_new {
            queue.insert(at, &marked(len, false))?;
        }
        Ok(is_new)
    }

    /// Takes a chunk off a host's queue; one that is sent again although the host lists it stays if it `is_listed`.
    pub(super) fn dequeue_chunk(&self, link: u32, position: &Position, is_listed: bool) -> Result<(), LogError> {
        let mut queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        if queue.first()?.is_none() {
            return Ok(());
        }
        let at = at_link(link, &chunk_key(self.vault, position));
        let is_again = queue.get(&at)?.is_some_and(|value| split_marked(value.value()).1);
        if !(is_listed && is_again) {
            queue.remove(&at)?;
        }
        Ok(())
    }

    /// Queues a chunk for a host until the host acknowledges it, even if the host lists it. Tells whether it is here.
    pub(super) fn queue_chunk_again(&self, link: u32, position: &Position) -> Result<bool, LogError> {
        let key = chunk_key(self.vault, position);
        let Some(head) = self.chunk_head(&key)? else { return Ok(false) };
        if !head.is_delete() && !self.has_body(&key)? {
            return Ok(false);
        }
        let mut queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        queue.insert(&at_link(link, &key), &marked(head.body_len(), true))?;
        Ok(true)
    }

    /// Queues for a link every chunk that is here and that its host does not list, and forgets where it listed the others.
    /// Returns how many did not wait already.
    pub(super) fn queue_chunks_except(&self, link: u32, listed: &HashSet<HeadHash>) -> Result<u64, LogError> {
        let chunks = self.transaction.open_table(tables::CHUNKS)?;
        let mut queued = 0;
        for row in chunks.iter()? {
            let (key, sealed) = row?;
            let head = open_chunk(self.vault, key.value(), sealed.value())?;
            if listed.contains(&head.hash()) {
                continue;
            }
            let at = at_link(link, key.value());
            self.transaction.open_table(tables::CHUNK_PLACES)?.remove(&at)?;
            if head.is_delete() || self.has_body(key.value())? {
                queued += u64::from(self.queue_chunk(&at, head.body_len())?);
            }
        }
        Ok(queued)
    }

    /// Forgets which chunks wait for a link's host, and where it lists them.
    pub(super) fn drop_chunk_queue(&self, link: u32) -> Result<(), LogError> {
        let (first, last) = of_link(link);
        for table in [tables::CHUNK_QUEUE, tables::CHUNK_PLACES] {
            self.transaction.open_table(table)?.retain_in::<&[u8; 36], _>(&first..=&last, |_, _| false)?;
        }
        Ok(())
    }
}
