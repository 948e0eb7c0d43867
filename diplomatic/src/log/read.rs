//! Reading the log, as of one moment.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError};

use super::error::LogError;
use super::rows::{
    Link, Winner, decode_link, decode_message, decode_winner, held_key, last_at, overwritten_key, skipped_key,
    split_overwritten_key, split_skipped_key,
};
use super::tables;
use super::vault::{EntityKey, Vault};
use crate::attachment::ChunkName;
use crate::order::{Position, Tick};
use crate::standard::{Bag, EntityId, HeadHash, Label, Message, Timestamp};

/// The log as of one moment.
pub(crate) struct LogReader<'t> {
    pub(super) transaction: &'t ReadTransaction,
    pub(super) vault: &'t Arc<Vault>,
    pub(super) messages: ReadOnlyTable<&'static [u8; 48], &'static [u8]>,
    dropped: ReadOnlyTable<&'static [u8; 48], ()>,
    /// None if it is empty, as in every log of a single device without hosts.
    own_kind: Option<ReadOnlyTable<&'static [u8; 48], ()>>,
    /// None if it is empty, as in every log without attachments.
    pub(super) chunks: Option<ReadOnlyTable<&'static [u8; 32], &'static [u8]>>,
}

/// A message as the log has it.
#[derive(Debug)]
pub(crate) struct StoredMessage {
    pub(crate) position: Position,
    pub(crate) message: Message,
    /// The link that brought it.
    pub(crate) origin: u32,
}

/// A message that waits for a host.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) position: Position,
    /// The message, sealed for the host.
    pub(crate) bag: Bag,
    pub(crate) is_chunk: bool,
}

/// How much is looked at of a queue; one message at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    pub(crate) bags: usize,
    pub(crate) bytes: usize,
}

impl<'t> LogReader<'t> {
    pub(super) fn new(transaction: &'t ReadTransaction, vault: &'t Arc<Vault>) -> Result<Self, LogError> {
        let messages = transaction.open_table(tables::MESSAGES)?;
        let dropped = transaction.open_table(tables::DROPPED)?;
        let own_kind = transaction.open_table(tables::OWN_KIND)?;
        let own_kind = (!own_kind.is_empty()?).then_some(own_kind);
        let chunks = transaction.open_table(tables::CHUNKS)?;
        let chunks = (!chunks.is_empty()?).then_some(chunks);
        Ok(Self { transaction, vault, messages, dropped, own_kind, chunks })
    }

    pub(crate) fn contains(&self, position: &Position) -> Result<bool, LogError> {
        Ok(self.messages.get(&position.to_bytes())?.is_some())
    }

    /// Tells whether a message is here, or was and compaction dropped it. The body of a chunk need not be here.
    pub(crate) fn knows(&self, position: &Position) -> Result<bool, LogError> {
        Ok(self.contains(position)? || self.was_dropped(&position.to_bytes())? || self.knows_chunk(position)?)
    }

    pub(super) fn was_dropped(&self, key: &[u8; 48]) -> Result<bool, LogError> {
        Ok(self.dropped.get(key)?.is_some())
    }

    /// Returns the horizon: without the messages that compaction dropped, the state as of this position and of later
    /// ones is what it was, and that of earlier ones is not.
    pub(crate) fn horizon(&self) -> Result<Option<Position>, LogError> {
        let meta = self.transaction.open_table(tables::META)?;
        let Some(value) = meta.get("horizon")? else { return Ok(None) };
        let damaged = |_| LogError::DamagedValue { table: "meta-1" };
        Ok(Some(Position::from_bytes(value.value().try_into().map_err(damaged)?)))
    }

    /// Returns the largest reading of the clock in the log that is not after `time`.
    pub(crate) fn latest_at(&self, time: Timestamp) -> Result<Option<Tick>, LogError> {
        let last = self.messages.range::<&[u8; 48]>(..=&last_at(time))?.next_back().transpose()?;
        Ok(last.map(|(key, _)| Position::from_bytes(key.value()).tick()))
    }

    /// Tells whether the fold of the app that last had the log open could not apply a message.
    pub(crate) fn is_unapplied(&self, position: &Position) -> Result<bool, LogError> {
        Ok(self.transaction.open_table(tables::UNAPPLIED)?.get(&position.to_bytes())?.is_some())
    }

    /// Hands on the place of every message, in the total order, without opening any.
    pub(crate) fn each_position(&self, mut act: impl FnMut(Position) -> Result<(), LogError>) -> Result<(), LogError> {
        for row in self.messages.iter()? {
            act(Position::from_bytes(row?.0.value()))?;
        }
        Ok(())
    }

    pub(crate) fn message(&self, position: &Position) -> Result<Option<StoredMessage>, LogError> {
        let key = position.to_bytes();
        let Some(sealed) = self.messages.get(&key)? else { return Ok(None) };
        self.open_message(&key, sealed.value()).map(Some)
    }

    /// Hands on every message, in the total order, also those that do not count.
    pub(crate) fn each(&self, mut act: impl FnMut(StoredMessage)) -> Result<(), LogError> {
        for row in self.messages.iter()? {
            let (key, sealed) = row?;
            act(self.open_message(key.value(), sealed.value())?);
        }
        Ok(())
    }

    /// Returns up to `limit` messages after `after`, in the total order; those of the framework only if `is_full`.
    pub(crate) fn page_after(
        &self,
        after: Option<&Position>,
        limit: usize,
        is_full: bool,
    ) -> Result<Vec<StoredMessage>, LogError> {
        let start = after.map(|after| after.to_bytes());
        let start = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = Vec::new();
        for row in self.messages.range::<&[u8; 48]>((start, Bound::Unbounded))? {
            if page.len() >= limit {
                break;
            }
            let (key, sealed) = row?;
            check_order(page.last().map(|last: &StoredMessage| &last.position).or(after), key.value())?;
            if is_full || !self.is_own_kind(key.value())? {
                let stored = self.open_message(key.value(), sealed.value())?;
                // Versions before format 6 took chunks for messages like any others.
                if is_full || ChunkName::of(stored.message.head()).is_none() {
                    page.push(stored);
                }
            }
        }
        Ok(page)
    }

    /// Tells whether a message is the framework's own.
    pub(crate) fn is_own_kind(&self, key: &[u8; 48]) -> Result<bool, LogError> {
        match &self.own_kind {
            Some(own_kind) => Ok(own_kind.get(key)?.is_some()),
            None => Ok(false),
        }
    }

    /// Returns how many messages there are and were.
    pub(crate) fn known_count(&self) -> Result<u64, LogError> {
        Ok(self.messages.len()? + self.dropped.len()? + self.chunk_count()?)
    }

    /// Returns the hash of every message that is known: those that are here or were, and chunks that hosts have.
    pub(crate) fn known_hashes(&self) -> Result<Vec<HeadHash>, LogError> {
        let mut hashes = Vec::new();
        for row in self.messages.iter()? {
            hashes.push(Position::from_bytes(row?.0.value()).hash);
        }
        for row in self.dropped.iter()? {
            hashes.push(Position::from_bytes(row?.0.value()).hash);
        }
        self.each_chunk(|head, _| {
            hashes.push(head.hash());
            Ok(())
        })?;
        Ok(hashes)
    }

    /// Returns how many messages there are, but for the framework's own.
    pub(crate) fn message_count(&self) -> Result<u64, LogError> {
        let own_kind = self.own_kind.as_ref().map_or(Ok(0), ReadableTableMetadata::len)?;
        Ok(self.messages.len()?.saturating_sub(own_kind))
    }

    /// Returns the message that counts for an entity.
    pub(crate) fn winner(&self, entity: &EntityId) -> Result<Option<Winner>, LogError> {
        self.winner_of(&self.vault.entity_key(entity))
    }

    pub(super) fn winner_of(&self, key: &EntityKey) -> Result<Option<Winner>, LogError> {
        let entities = self.transaction.open_table(tables::ENTITIES)?;
        let Some(sealed) = entities.get(key)? else { return Ok(None) };
        decode_winner(&self.vault.open("entities-1", key, sealed.value())?).map(Some)
    }

    /// Returns every message of an entity, in the total order.
    pub(crate) fn messages_of(&self, entity: &EntityId) -> Result<Vec<StoredMessage>, LogError> {
        let key = self.vault.entity_key(entity);
        let overwritten = self.transaction.open_table(tables::OVERWRITTEN)?;
        let (first, last) = (overwritten_key(&key, &[0; 48]), overwritten_key(&key, &[0xff; 48]));
        let mut positions = Vec::new();
        for row in overwritten.range::<&[u8; 80]>(&first..=&last)? {
            positions.push(split_overwritten_key(row?.0.value()));
        }
        positions.extend(self.winner(entity)?.map(|winner| winner.position));
        positions.iter().filter_map(|position| self.message(position).transpose()).collect()
    }

    /// Returns the first message of an entity after `after` that `is_wanted`.
    pub(crate) fn version_after(
        &self,
        entity: &EntityId,
        after: &Position,
        mut is_wanted: impl FnMut(&StoredMessage) -> Result<bool, LogError>,
    ) -> Result<Option<Position>, LogError> {
        let mut check = |position: Position| -> Result<Option<Position>, LogError> {
            let Some(stored) = self.message(&position)? else { return Ok(None) };
            Ok(is_wanted(&stored)?.then_some(position))
        };
        let key = self.vault.entity_key(entity);
        let overwritten = self.transaction.open_table(tables::OVERWRITTEN)?;
        let (first, last) = (overwritten_key(&key, &after.to_bytes()), overwritten_key(&key, &[0xff; 48]));
        for row in overwritten.range::<&[u8; 80]>((Bound::Excluded(&first), Bound::Included(&last)))? {
            if let Some(found) = check(split_overwritten_key(row?.0.value()))? {
                return Ok(Some(found));
            }
        }
        match self.winner_of(&key)? {
            Some(winner) if winner.position > *after => check(winner.position),
            _ => Ok(None),
        }
    }

    /// Returns up to `limit` messages that do not count, of those after `after` and not after `until`.
    pub(crate) fn superseded_page(
        &self,
        after: Option<&Position>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Position>, LogError> {
        let table = self.transaction.open_table(tables::SUPERSEDED)?;
        let start = after.map(|after| after.to_bytes());
        let start = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut positions = Vec::new();
        for row in table.range::<&[u8; 48]>((start, Bound::Unbounded))?.take(limit) {
            let key = row?.0;
            check_order(positions.last().or(after), key.value())?;
            let position = Position::from_bytes(key.value());
            if position.changed > until {
                break;
            }
            positions.push(position);
        }
        Ok(positions)
    }

    pub(super) fn open_message(&self, key: &[u8; 48], sealed: &[u8]) -> Result<StoredMessage, LogError> {
        let (origin, message) = decode_message(&self.vault.open("messages-1", key, sealed)?)?;
        Ok(StoredMessage { position: Position::from_bytes(key), message, origin })
    }

    /// Returns every host that was ever linked.
    pub(crate) fn links(&self) -> Result<Vec<Link>, LogError> {
        let table = self.transaction.open_table(tables::LINKS)?;
        table
            .iter()?
            .map(|row| {
                let (key, sealed) = row?;
                self.open_link(key.value(), sealed.value())
            })
            .collect()
    }

    /// Returns the host with this label, if it is linked.
    pub(crate) fn link_of(&self, label: &Label) -> Result<Option<Link>, LogError> {
        Ok(self.links()?.into_iter().find(|link| link.is_linked && *link.label == *label))
    }

    pub(super) fn open_link(&self, key: &[u8; 4], sealed: &[u8]) -> Result<Link, LogError> {
        let number = u32::from_be_bytes(*key);
        decode_link(number, &self.vault.open("links-1", key, sealed)?, self.has_queue(number)?)
    }

    /// Returns whether a link has a queue, which one whose host was unlinked has not.
    fn has_queue(&self, link: u32) -> Result<bool, LogError> {
        match self.transaction.open_table(tables::queue(&tables::queue_name(link))) {
            Ok(_) => Ok(true),
            Err(TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns how many messages wait for a link's host.
    pub(crate) fn queue_len(&self, link: u32) -> Result<u64, LogError> {
        Ok(self.queue(link)?.len()?)
    }

    /// Returns how many messages wait for a link's host, but for the framework's own.
    pub(crate) fn pending(&self, link: u32) -> Result<u64, LogError> {
        let (queue, chunks) = (self.queue(link)?, self.chunks_to_send(link)?.chunks);
        let len = queue.len()?;
        let Some(own_kind) = &self.own_kind else { return Ok(len + chunks) };
        // The shorter of the two is gone through.
        let mut both = 0;
        if len <= own_kind.len()? {
            for row in queue.iter()? {
                both += u64::from(own_kind.get(row?.0.value())?.is_some());
            }
        } else {
            for row in own_kind.iter()? {
                both += u64::from(queue.get(row?.0.value())?.is_some());
            }
        }
        Ok(len - both + chunks)
    }

    /// Returns how many messages are neither `listed` nor queued for a link's host.
    pub(crate) fn unlisted(&self, link: u32, listed: &HashSet<HeadHash>) -> Result<u64, LogError> {
        let queue = self.queue(link)?;
        let held = self.transaction.open_table(tables::HELD)?;
        let mut unlisted = 0;
        for row in self.messages.iter()? {
            let key = row?.0;
            if !listed.contains(&Position::from_bytes(key.value()).hash)
                && queue.get(key.value())?.is_none()
                && held.get(&held_key(link, key.value()))?.is_none()
            {
                unlisted += 1;
            }
        }
        Ok(unlisted + self.unlisted_chunks(link, listed)?)
    }

    /// Tells whether a message waits for a link's host, or is held back until the host has everything else.
    pub(crate) fn is_queued(&self, link: u32, position: &Position) -> Result<bool, LogError> {
        let key = position.to_bytes();
        let held = self.transaction.open_table(tables::HELD)?;
        Ok(self.queue(link)?.get(&key)?.is_some()
            || held.get(&held_key(link, &key))?.is_some()
            || self.is_chunk_queued(link, position)?)
    }

    pub(super) fn queue(&self, link: u32) -> Result<ReadOnlyTable<&'static [u8; 48], &'static [u8]>, LogError> {
        Ok(self.transaction.open_table(tables::queue(&tables::queue_name(link)))?)
    }

    /// Returns the first queued messages after `after`, sealed by `seal`. Chunks come after all others.
    pub(crate) fn outgoing(
        &self,
        link: u32,
        after: Option<Position>,
        limits: QueueLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Queued>, LogError> {
        if let Some(after) = &after
            && self.knows_chunk(after)?
        {
            return self.outgoing_chunks(link, Some(after), limits, seal);
        }
        let start = after.map(Position::to_bytes);
        let start = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut outgoing = Vec::new();
        let mut bytes = 0;
        for row in self.queue(link)?.range::<&[u8; 48]>((start, Bound::Unbounded))? {
            if outgoing.len() >= limits.bags {
                break;
            }
            let position = Position::from_bytes(row?.0.value());
            let Some(stored) = self.message(&position)? else { continue };
            let bag = seal(&stored.message);
            bytes += bag_size(&bag);
            if bytes > limits.bytes && !outgoing.is_empty() {
                break;
            }
            outgoing.push(Queued { position, bag, is_chunk: false });
        }
        if outgoing.is_empty() { self.outgoing_chunks(link, None, limits, seal) } else { Ok(outgoing) }
    }

    /// Returns the bags of a link's host that could not be read: the number of each, and what was noted about it.
    pub(crate) fn skipped(&self, number: u32) -> Result<Vec<(u64, Vec<u8>)>, LogError> {
        let table = self.transaction.open_table(tables::SKIPPED)?;
        let (first, last) = (skipped_key(number, 0), skipped_key(number, u64::MAX));
        table
            .range::<&[u8; 12]>(&first..=&last)?
            .map(|row| {
                let (key, sealed) = row?;
                let note = self.vault.open("skipped-1", key.value(), sealed.value())?;
                Ok((split_skipped_key(key.value()), note))
            })
            .collect()
    }
}

/// Refuses a row that does not come after the one before. In a damaged file the rows after a place need not be after it,
/// and whoever reads page by page would never come to an end.
pub(super) fn check_order(before: Option<&Position>, key: &[u8; 48]) -> Result<(), LogError> {
    if before.is_some_and(|before| before.to_bytes() >= *key) { Err(LogError::Damaged) } else { Ok(()) }
}

pub(super) fn bag_size(bag: &Bag) -> usize {
    // The signature, the kdm and two lengths beside the two ciphertexts.
    80 + bag.head.head.as_bytes().len() + bag.body.as_bytes().len()
}
