//! How much of attachments is here, and making room for more.

use redb::ReadableTable;

use super::chunk_reading::ChunkCount;
use super::chunks::{ChunkKey, at_link, open_chunk, split_marked};
use super::error::LogError;
use super::read::LogReader;
use super::tables;
use super::write::LogWriter;
use crate::attachment::ChunkName;

/// How many chunks are evicted in one transaction.
const BATCH: usize = 256;
/// Where the file counts how often chunks were opened.
const OPENED: &str = "opened";

/// What came of making room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Evicted {
    /// What is here now.
    pub(crate) kept: ChunkCount,
    /// Whether there is more to evict.
    pub(crate) more: bool,
}

/// A row of what is kept: when it was opened last, and its length.
pub(super) fn split_kept(value: &[u8; 16]) -> (u64, u64) {
    let (numbers, _) = value.as_chunks::<8>();
    (u64::from_be_bytes(numbers[0]), u64::from_be_bytes(numbers[1]))
}

fn join_kept(opened: u64, len: u64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&opened.to_be_bytes());
    value[8..].copy_from_slice(&len.to_be_bytes());
    value
}

impl LogReader<'_> {
    /// Returns how many chunks are here that may be left at a host.
    pub(crate) fn kept_chunks(&self) -> Result<ChunkCount, LogError> {
        let mut kept = ChunkCount::default();
        if self.chunks.is_some() {
            for row in self.transaction.open_table(tables::CHUNK_KEPT)?.iter()? {
                kept.chunks += 1;
                kept.bytes += split_kept(row?.1.value()).1;
            }
        }
        Ok(kept)
    }

    /// Returns those of some chunks that not every linked host lists.
    pub(crate) fn not_everywhere(&self, keys: Vec<ChunkKey>) -> Result<Vec<ChunkKey>, LogError> {
        let places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        let links = self.links()?;
        let mut others = Vec::new();
        for key in keys {
            for link in links.iter().filter(|link| link.is_linked) {
                if places.get(&at_link(link.number, &key))?.is_none() {
                    others.push(key);
                    break;
                }
            }
        }
        Ok(others)
    }
}

impl LogWriter<'_> {
    /// Counts a chunk whose body is here from now on. It counts as opened just now.
    pub(super) fn keep(&mut self, name: &ChunkName, key: &ChunkKey, len: u64) -> Result<(), LogError> {
        if name.may_be_left(len) {
            let opened = self.next_opening()?;
            self.transaction.open_table(tables::CHUNK_KEPT)?.insert(key, &join_kept(opened, len))?;
        }
        Ok(())
    }

    /// Counts all chunks whose bodies are here.
    pub(super) fn keep_all(&mut self) -> Result<(), LogError> {
        let mut here = Vec::new();
        {
            let chunks = self.transaction.open_table(tables::CHUNKS)?;
            for row in chunks.iter()? {
                let (key, sealed) = row?;
                let head = open_chunk(self.vault, key.value(), sealed.value())?;
                if let Some(name) = ChunkName::of(&head)
                    && self.has_body(key.value())?
                {
                    here.push((name, *key.value(), head.body_len()));
                }
            }
        }
        here.into_iter().try_for_each(|(name, key, len)| self.keep(&name, &key, len))
    }

    /// Notes that chunks were opened.
    #[cfg(feature = "_client")]
    pub(crate) fn note_opened(&mut self, keys: &[ChunkKey]) -> Result<(), LogError> {
        let opened = self.next_opening()?;
        let mut kept = self.transaction.open_table(tables::CHUNK_KEPT)?;
        for key in keys {
            let len = kept.get(key)?.map(|value| split_kept(value.value()).1);
            if let Some(len) = len {
                kept.insert(key, &join_kept(opened, len))?;
            }
        }
        Ok(())
    }

    fn next_opening(&mut self) -> Result<u64, LogError> {
        let mut meta = self.transaction.open_table(tables::META)?;
        let last = meta.get(OPENED)?.and_then(|count| count.value().try_into().ok()).map_or(0, u64::from_be_bytes);
        let next = last.saturating_add(1);
        meta.insert(OPENED, next.to_be_bytes().as_slice())?;
        Ok(next)
    }

    /// Drops bodies of chunks, those first that were not opened for longest, until at most so many bytes of them are here. Only
    /// those go that every linked host has.
    pub(crate) fn evict(&mut self, most: u64) -> Result<Evicted, LogError> {
        let mut rows = Vec::new();
        for row in self.transaction.open_table(tables::CHUNK_KEPT)?.iter()? {
            let (key, value) = row?;
            let (opened, len) = split_kept(value.value());
            rows.push((opened, *key.value(), len));
        }
        let mut kept = ChunkCount { chunks: rows.len() as u64, bytes: rows.iter().map(|(_, _, len)| len).sum() };
        if kept.bytes <= most {
            return Ok(Evicted { kept, more: false });
        }
        // Some more, so that the next one that comes finds room.
        let most = most - most / 10;
        rows.sort_unstable();
        let mut evicted = 0;
        for (_, key, len) in rows {
            if kept.bytes <= most {
                break;
            }
            if !self.is_at_every_host(&key)? {
                continue;
            }
            if evicted == BATCH {
                return Ok(Evicted { kept, more: true });
            }
            self.transaction.open_table(tables::CHUNK_BODIES)?.remove(&key)?;
            self.transaction.open_table(tables::CHUNK_KEPT)?.remove(&key)?;
            kept = ChunkCount { chunks: kept.chunks - 1, bytes: kept.bytes - len };
            evicted += 1;
        }
        Ok(Evicted { kept, more: false })
    }

    /// Tells whether every linked host has acknowledged or listed a chunk and did not fail to deliver it. Without a host, none
    /// has.
    fn is_at_every_host(&self, key: &ChunkKey) -> Result<bool, LogError> {
        let places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        let queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        let mut is_anywhere = false;
        for link in self.links().iter().filter(|link| link.is_linked) {
            let at = at_link(link.number, key);
            let delivers = places.get(&at)?.is_some_and(|place| !split_marked(place.value()).1);
            if !delivers || queue.get(&at)?.is_some() {
                return Ok(false);
            }
            is_anywhere = true;
        }
        Ok(is_anywhere)
    }
}
