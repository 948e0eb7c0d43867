//! Dropping chunks that nothing refers to, inside one transaction.

use std::collections::HashSet;

use redb::ReadableTable;

use super::chunks::{ChunkKey, Latest, at_link, open_body};
use super::error::LogError;
use super::write::LogWriter;
use super::{THIS_DEVICE, tables};
use crate::attachment::ChunkName;
use crate::order::{Position, after};
use crate::standard::{Body, Head, Message, Timestamp};

/// What became of the chunks that nothing refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unused {
    /// How many were dropped, and how many bytes that frees here.
    pub(crate) dropped: u64,
    pub(crate) bytes: u64,
    /// How many have not been unused for long enough.
    pub(crate) waiting: u64,
}

impl LogWriter<'_> {
    /// Drops the chunks that are not among the `used`, if they were not for `grace` milliseconds, and tells other devices by
    /// deletes. Of those that are used again, what another device deleted is written again.
    pub(crate) fn drop_unused(
        &mut self,
        used: &HashSet<ChunkName>,
        now: Timestamp,
        grace: u64,
    ) -> Result<Unused, LogError> {
        let mut report = Unused::default();
        for (key, head, last) in self.latest_bodies()? {
            let Some(name) = ChunkName::of(&head) else { continue };
            let deleted = last.delete.map(|key| self.chunk_head(&key)).transpose()?.flatten();
            let deleted = deleted.filter(|deleted| Position::of(deleted) > Position::of(&head));
            let mut unused = self.transaction.open_table(tables::CHUNK_UNUSED)?;
            if used.contains(&name) {
                unused.remove(&key)?;
                drop(unused);
                if let Some(deleted) = deleted {
                    self.write_again(&name, &key, head, &deleted)?;
                }
                continue;
            }
            let is_here = self.has_body(&key)?;
            if deleted.is_some() && !is_here {
                unused.remove(&key)?;
                continue;
            }
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
                self.delete_chunk(&name, &head, now)?;
            }
        }
        Ok(report)
    }

    /// Returns the last message with a body of each chunk, and the last messages about it.
    fn latest_bodies(&self) -> Result<Vec<(ChunkKey, Head, Latest)>, LogError> {
        let mut found = Vec::new();
        for row in self.transaction.open_table(tables::CHUNK_LATEST)?.iter()? {
            let last = Latest::decode(row?.1.value());
            if let Some(key) = last.body
                && let Some(head) = self.chunk_head(&key)?
            {
                found.push((key, head, last));
            }
        }
        Ok(found)
    }

    /// Drops the body of a chunk from this device, and from what waits for hosts.
    fn drop_body(&mut self, key: &ChunkKey) -> Result<(), LogError> {
        self.transaction.open_table(tables::CHUNK_BODIES)?.remove(key)?;
        self.transaction.open_table(tables::CHUNK_WANTED)?.remove(key)?;
        let mut queue = self.transaction.open_table(tables::CHUNK_QUEUE)?;
        for link in self.links() {
            queue.remove(&at_link(link.number, key))?;
        }
        Ok(())
    }

    fn delete_chunk(&mut self, name: &ChunkName, head: &Head, now: Timestamp) -> Result<(), LogError> {
        let changed = now.max(after(head.changed())).min(Timestamp::MAX);
        if let Ok(delete) = Message::new(name.entity(), changed, head.counter() + 1, None) {
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
        let key = self.vault.entity_key(&name.entity());
        let last = match self.transaction.open_table(tables::CHUNK_LATEST)?.get(&key)? {
            Some(value) => Latest::decode(value.value()),
            None => return Ok(None),
        };
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
