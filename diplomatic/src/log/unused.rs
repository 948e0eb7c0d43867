//! Dropping chunks that nothing refers to, inside one transaction.

use std::collections::HashSet;
use std::ops::Bound;

use redb::ReadableTable;

use super::chunks::{ChunkKey, Latest, at_link, open_body};
use super::error::LogError;
use super::read::LogReader;
use super::vault::EntityKey;
use super::write::LogWriter;
use super::{THIS_DEVICE, tables};
use crate::attachment::ChunkName;
use crate::order::{Position, after};
use crate::standard::{Body, Head, Message, Timestamp};

/// Where the file says when it was looked through last.
const LOOKED_AT: &str = "looked-for-unused";

/// How often the grace period doubles at most.
const MOST_DOUBLED: u64 = 16;

/// What became of some chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unused {
    /// How many were dropped, and how many bytes that frees here.
    pub(crate) dropped: u64,
    pub(crate) bytes: u64,
    /// How many have not been unused for long enough.
    pub(crate) waiting: u64,
    /// Whether something was queued.
    pub(crate) has_news: bool,
}

/// Some chunks of the log, and where the next ones begin.
pub(crate) struct ChunkPage {
    /// Those of them about which something may have to be noted.
    pub(crate) odd: Vec<EntityKey>,
    pub(crate) next: Option<EntityKey>,
}

impl LogReader<'_> {
    /// Looks at up to `limit` chunks after `after` for those that are not `used`, and for those that were deleted or counted
    /// as unused and are used.
    pub(crate) fn odd_chunks(
        &self,
        used: &HashSet<ChunkName>,
        after: Option<&EntityKey>,
        limit: usize,
    ) -> Result<ChunkPage, LogError> {
        let mut page = ChunkPage { odd: Vec::new(), next: None };
        let unused = self.transaction.open_table(tables::CHUNK_UNUSED)?;
        let latest = self.transaction.open_table(tables::CHUNK_LATEST)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (count, row) in latest.range::<&EntityKey>((start, Bound::Unbounded))?.enumerate() {
            let (entity, value) = row?;
            let last = Latest::decode(value.value());
            if let Some(key) = last.body
                && let Some(head) = self.chunk_head(&key)?
            {
                let is_used = ChunkName::of(&head).is_some_and(|name| used.contains(&name));
                if !is_used || last.delete.is_some() || unused.get(&key)?.is_some() {
                    page.odd.push(*entity.value());
                }
            }
            if count + 1 == limit {
                page.next = Some(*entity.value());
                break;
            }
        }
        Ok(page)
    }

    /// Returns when the log was last looked through for unused chunks.
    pub(crate) fn looked_at(&self) -> Result<Option<Timestamp>, LogError> {
        let meta = self.transaction.open_table(tables::META)?;
        let millis = meta.get(LOOKED_AT)?.and_then(|at| at.value().try_into().ok()).map(u64::from_be_bytes);
        Ok(millis.map(Timestamp::from_millis))
    }
}

impl LogWriter<'_> {
    /// Notes when the log was looked through for unused chunks.
    pub(crate) fn note_look(&mut self, now: Timestamp) -> Result<(), LogError> {
        self.transaction.open_table(tables::META)?.insert(LOOKED_AT, now.as_millis().to_be_bytes().as_slice())?;
        Ok(())
    }

    /// Drops those of some chunks that are not among the `used`, if they were not for `grace` milliseconds, and tells other
    /// devices by deletes. Of those that are used again, what another device deleted is written again, and if this one
    /// `keeps_all` and does not have it, it is fetched.
    ///
    /// Where devices do not agree, because a build of one of them reads less, each time takes twice as long as the last.
    pub(crate) fn drop_unused(
        &mut self,
        chunks: &[EntityKey],
        used: &HashSet<ChunkName>,
        keeps_all: bool,
        now: Timestamp,
        grace: u64,
    ) -> Result<Unused, LogError> {
        let mut report = Unused::default();
        let new_before = self.new_chunks;
        for entity in chunks {
            let Some((key, head, last)) = self.latest_body(entity)? else { continue };
            let Some(name) = ChunkName::of(&head) else { continue };
            let deleted = last.delete.map(|key| self.chunk_head(&key)).transpose()?.flatten();
            let deleted = deleted.filter(|deleted| Position::of(deleted) > Position::of(&head));
            let mut unused = self.transaction.open_table(tables::CHUNK_UNUSED)?;
            if used.contains(&name) {
                unused.remove(&key)?;
                drop(unused);
                if let Some(deleted) = deleted {
                    if keeps_all && !self.has_body(&key)? && self.has_place(&key)? {
                        self.want_chunks(&[key])?;
                        report.has_news = true;
                    }
                    self.write_again(&name, &key, head, &deleted)?;
                }
                continue;
            }
            let is_here = self.has_body(&key)?;
            if deleted.is_some() && !is_here {
                unused.remove(&key)?;
                continue;
            }
            let grace = grace.saturating_mul(1 << (head.counter() / 2).min(MOST_DOUBLED));
            let since = unused.get(&key)?.map(|since| since.value());
            if since.is_none_or(|since| since.saturating_add(grace) > now.as_millis()) {
                if since.is_none_or(|since| since > now.as_millis()) {
                    unused.insert(&key, now.as_millis())?;
                }
                report.waiting += 1;
                continue;
            }
            unused.remove(&key)?;
            drop(unused);
            report.dropped += 1;
            report.bytes += if is_here { head.body_len() } else { 0 };
            self.drop_body(&key)?;
            if deleted.is_none() {
                self.delete_chunk(&name, &head)?;
            }
        }
        report.has_news |= self.new_chunks > new_before;
        Ok(report)
    }

    /// Returns the last message with a body of a chunk, and the last messages about it.
    fn latest_body(&self, entity: &EntityKey) -> Result<Option<(ChunkKey, Head, Latest)>, LogError> {
        let Some(last) = self.latest_of(entity)? else { return Ok(None) };
        let Some(key) = last.body else { return Ok(None) };
        Ok(self.chunk_head(&key)?.map(|head| (key, head, last)))
    }

    fn latest_of(&self, entity: &EntityKey) -> Result<Option<Latest>, LogError> {
        let latest = self.transaction.open_table(tables::CHUNK_LATEST)?;
        Ok(latest.get(entity)?.map(|value| Latest::decode(value.value())))
    }

    /// Tells whether a linked host lists a chunk.
    fn has_place(&self, key: &ChunkKey) -> Result<bool, LogError> {
        let places = self.transaction.open_table(tables::CHUNK_PLACES)?;
        for link in self.links().iter().filter(|link| link.is_linked) {
            if places.get(&at_link(link.number, key))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops the body of a chunk from this device, and from what waits for hosts.
    fn drop_body(&mut self, key: &ChunkKey) -> Result<(), LogError> {
        self.transaction.open_table(tables::CHUNK_BODIES)?.remove(key)?;
        self.transaction.open_table(tables::CHUNK_KEPT)?.remove(key)?;
        self.transaction.open_table(tables::CHUNK_WANTED)?.remove(key)?;
        let mut queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        for link in self.links() {
            queue.remove(&at_link(link.number, key))?;
        }
        Ok(())
    }

    /// Deletes a chunk. All devices that do so write the same message.
    fn delete_chunk(&mut self, name: &ChunkName, head: &Head) -> Result<(), LogError> {
        if let Ok(delete) = Message::new(name.entity(), after(head.changed()), head.counter() + 1, None) {
            self.insert_chunk(name, &delete, THIS_DEVICE)?;
        }
        Ok(())
    }

    /// Writes a chunk again that was deleted, after the delete. All devices that do so write the same message.
    fn write_again(&mut self, name: &ChunkName, key: &ChunkKey, head: Head, deleted: &Head) -> Result<(), LogError> {
        let message = match self.transaction.open_table(tables::CHUNK_BODIES)?.get(key)? {
            Some(sealed) => open_body(self.vault, key, head, sealed.value())?,
            // It is still to be had at the hosts that list it.
            None => return Ok(()),
        };
        if let Some(again) = after_delete(&message, deleted) {
            self.insert_chunk(name, &again, THIS_DEVICE)?;
            self.drop_body(key)?;
        }
        Ok(())
    }

    /// Returns the message to store for a chunk of this device's: one after its delete, if there is one.
    pub(super) fn after_its_delete(&self, name: &ChunkName, message: &Message) -> Result<Option<Message>, LogError> {
        let Some(last) = self.latest_of(&self.vault.entity_key(&name.entity()))? else { return Ok(None) };
        let heads = [last.delete, last.body].map(|key| key.map(|key| self.chunk_head(&key)).transpose());
        let [deleted, body] = heads;
        let Some(deleted) = deleted?.flatten() else { return Ok(None) };
        if body?.flatten().is_some_and(|body| Position::of(&body) > Position::of(&deleted)) {
            return Ok(None);
        }
        Ok(after_delete(message, &deleted))
    }
}

fn after_delete(message: &Message, deleted: &Head) -> Option<Message> {
    let body = Body::new(message.body()?);
    let (changed, counter) = (after(deleted.changed()), deleted.counter() + 1);
    Message::new(deleted.entity().clone(), changed, counter, body).ok()
}
