//! Writing to the log, inside one transaction.

use std::collections::HashSet;

use rand_core::CryptoRng;
use redb::{ReadableTable, ReadableTableMetadata, Table, TableHandle, WriteTransaction};

use super::arrivals::Arriving;
use super::error::LogError;
use super::rows::{
    Link, Winner, decode_message, decode_winner, encode_link, encode_message, encode_winner, held_keys, last_at,
    overwritten_key, register_key, register_keys, skipped_key,
};
use super::sealing::{SealedMessage, SealedRows};
use super::vault::{EntityKey, Vault};
use super::{StoredMessage, THIS_DEVICE, tables};
use crate::attachment::ChunkName;
use crate::order::{Position, Tick};
use crate::standard::{Content, Decode, Encode, EntityId, HeadHash, Label, Message, Timestamp};
use crate::witness::kind;

type Keyed<'t, const N: usize> = Table<'t, &'static [u8; N], &'static [u8]>;

/// One transaction on the log.
pub(crate) struct LogWriter<'t> {
    pub(super) transaction: &'t WriteTransaction,
    pub(super) vault: &'t Vault,
    pub(super) rng: &'t mut dyn CryptoRng,
    links: &'t [Link],
    pub(super) messages: Keyed<'t, 48>,
    pub(super) entities: Keyed<'t, 32>,
    superseded: Table<'t, &'static [u8; 48], ()>,
    pub(super) overwritten: Table<'t, &'static [u8; 80], ()>,
    dropped: Table<'t, &'static [u8; 48], ()>,
    registers: Keyed<'t, 64>,
    has_index: bool,
    /// One for each link, in their order; `None` for one whose host was unlinked.
    queues: Vec<Option<Keyed<'t, 48>>>,
    /// Whether this device makes witnesses of what it emits.
    pub(super) are_witnesses_made: bool,
    /// What no witness covers yet, and the number of the next; opened when it is first needed.
    pub(super) emitted: Option<Emitted<'t>>,
    /// What it takes to note arrivals; opened when something arrives.
    pub(super) arriving: Option<Arriving<'t>>,
    /// Whether a witness names anything that is not here.
    pub(super) has_absent: bool,
    /// Whether what is known of other devices has changed.
    pub(super) are_peers_changed: bool,
    /// How many chunks came, of which at most the heads were here.
    pub(crate) new_chunks: u64,
}

type Emitted<'t> = (Table<'t, u64, &'static [u8; 56]>, u64);

/// A message that is new in the log.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) position: Position,
    pub(crate) message: Message,
    /// What counted for the entity before.
    pub(crate) previous: Option<Winner>,
}

impl<'t> LogWriter<'t> {
    pub(super) fn new(
        transaction: &'t WriteTransaction,
        vault: &'t Vault,
        rng: &'t mut dyn CryptoRng,
        links: &'t [Link],
        are_witnesses_made: bool,
    ) -> Result<Self, LogError> {
        let queues = links
            .iter()
            .map(|link| {
                let name = tables::queue_name(link.number);
                Ok(link.is_linked.then(|| transaction.open_table(tables::queue(&name))).transpose()?)
            })
            .collect::<Result<_, LogError>>()?;
        let has_index = transaction.open_table(tables::META)?.get("index")?.is_some();
        let has_absent = !transaction.open_table(tables::ABSENT)?.is_empty()?;
        Ok(Self {
            transaction,
            vault,
            rng,
            links,
            messages: transaction.open_table(tables::MESSAGES)?,
            entities: transaction.open_table(tables::ENTITIES)?,
            superseded: transaction.open_table(tables::SUPERSEDED)?,
            overwritten: transaction.open_table(tables::OVERWRITTEN)?,
            dropped: transaction.open_table(tables::DROPPED)?,
            registers: transaction.open_table(tables::REGISTERS)?,
            has_index,
            queues,
            are_witnesses_made,
            emitted: None,
            arriving: None,
            has_absent,
            are_peers_changed: false,
            new_chunks: 0,
        })
    }

    pub(crate) fn rng(&mut self) -> &mut dyn CryptoRng {
        self.rng
    }

    /// Returns the hosts that were ever linked.
    pub(crate) const fn links(&self) -> &'t [Link] {
        self.links
    }

    /// Stores a message and queues it for every host but the one that brought it; `None` if it is here already, or
    /// was and compaction dropped it, or if it is a chunk of an attachment, which changes nothing else.
    pub(crate) fn insert(&mut self, message: Message, origin: u32) -> Result<Option<Change>, LogError> {
        let stored = StoredMessage { position: Position::of(message.head()), message, origin };
        self.insert_sealed(SealedMessage { stored, rows: SealedRows::default() })
    }

    /// Stores a message like [`insert`](Self::insert), of which rows may be sealed already.
    pub(crate) fn insert_sealed(&mut self, sealed: SealedMessage) -> Result<Option<Change>, LogError> {
        let SealedMessage { stored: StoredMessage { position, message, origin }, rows } = sealed;
        let key = position.to_bytes();
        if self.knows(&key)? {
            return Ok(None);
        }
        if let Some(name) = ChunkName::of(message.head()) {
            self.insert_chunk(&name, &message, origin)?;
            return Ok(None);
        }
        let value = match rows.message {
            Some(value) => value,
            None => self.vault.seal(self.messages.name(), &key, &encode_message(origin, &message), self.rng),
        };
        self.messages.insert(&key, value.as_slice())?;
        if self.has_absent {
            self.no_longer_absent(&key)?;
        }
        match kind(&message) {
            // A host gets these once it has everything else.
            Some(kind) => self.take_own_kind(kind, &message, position, origin)?,
            None => {
                for (link, queue) in self.links.iter().zip(&mut self.queues) {
                    if let Some(queue) = queue
                        && (origin == THIS_DEVICE || link.number != origin)
                    {
                        queue.insert(&key, [].as_slice())?;
                    }
                }
            }
        }
        let previous = self.settle(&message, position, rows.winner)?;
        Ok(Some(Change { position, message, previous }))
    }

    /// Tells whether a message is here, or was and compaction dropped it.
    pub(super) fn knows(&self, key: &[u8; 48]) -> Result<bool, LogError> {
        Ok(self.messages.get(key)?.is_some() || self.was_dropped(key)?)
    }

    pub(super) fn was_dropped(&self, key: &[u8; 48]) -> Result<bool, LogError> {
        Ok(self.dropped.get(key)?.is_some())
    }

    /// Decides which message of the entity counts now, and returns what counted before.
    fn settle(
        &mut self,
        message: &Message,
        position: Position,
        row: Option<Vec<u8>>,
    ) -> Result<Option<Winner>, LogError> {
        let entity = message.head().entity();
        let entity_key = self.vault.entity_key(entity);
        let previous = self.winner_at(&entity_key)?;
        if let Some(previous) = previous.as_ref() {
            let loser = previous.position.min(position).to_bytes();
            self.superseded.insert(&loser, ())?;
            self.overwritten.insert(&overwritten_key(&entity_key, &loser), ())?;
        }
        let content = Content::of(message);
        if previous.as_ref().is_none_or(|previous| previous.position < position) {
            let value = match row {
                Some(value) => value,
                None => {
                    let value = encode_winner(&position, content.type_name());
                    self.vault.seal(self.entities.name(), &entity_key, &value, self.rng)
                }
            };
            self.entities.insert(&entity_key, value.as_slice())?;
            if self.has_index {
                self.reindex(message, previous.as_ref().map(|previous| &previous.position))?;
            }
        }
        let is_new_parent = self.attach(entity, &entity_key, &content)?;
        self.note_arrival(message, position, &entity_key, previous.as_ref(), is_new_parent)?;
        Ok(previous)
    }

    /// Enters a register under its parent; false if it stood there before. A message without a parent may always be the
    /// first of its kind.
    ///
    /// So a register stands under every parent that it ever had: [`registers_of`](Self::registers_of) passes over those
    /// that it has no more.
    pub(super) fn attach(
        &mut self,
        register: &EntityId,
        entity_key: &EntityKey,
        content: &Content<'_>,
    ) -> Result<bool, LogError> {
        let Content::Typed { parent: Some(parent), .. } = content else { return Ok(true) };
        if !register.is_derived() {
            return Ok(true);
        }
        let key = register_key(&self.vault.entity_key(parent), entity_key);
        if self.registers.get(&key)?.is_some() {
            return Ok(false);
        }
        let value = self.vault.seal(self.registers.name(), &key, &register.to_bytes(), self.rng);
        self.registers.insert(&key, value.as_slice())?;
        Ok(true)
    }

    fn parent_of(&self, position: &Position) -> Result<Option<EntityId>, LogError> {
        let Some(message) = self.message(position)? else { return Ok(None) };
        Ok(match Content::of(&message) {
            Content::Typed { parent, .. } => parent,
            Content::Delete | Content::Opaque => None,
        })
    }

    /// Returns the message that counts for an entity.
    pub(crate) fn winner(&self, entity: &EntityId) -> Result<Option<Winner>, LogError> {
        self.winner_at(&self.vault.entity_key(entity))
    }

    /// Reads where the message that counts is out of an entity's sealed value.
    pub(super) fn winner_position(&self, key: &EntityKey, sealed: &[u8]) -> Result<Position, LogError> {
        decode_winner(&self.vault.open("entities-1", key, sealed)?).map(|winner| winner.position)
    }

    pub(super) fn winner_at(&self, key: &EntityKey) -> Result<Option<Winner>, LogError> {
        let Some(sealed) = self.entities.get(key)? else { return Ok(None) };
        decode_winner(&self.vault.open("entities-1", key, sealed.value())?).map(Some)
    }

    /// Returns the registers whose parent an entity is now, or was when they were deleted, and what counts for each.
    pub(crate) fn registers_of(&self, parent: &EntityId) -> Result<Vec<(EntityId, Winner)>, LogError> {
        let parent_key = self.vault.entity_key(parent);
        let (first, last) = register_keys(&parent_key);
        let mut registers = Vec::new();
        for row in self.registers.range::<&[u8; 64]>(&first..=&last)? {
            let (key, sealed) = row?;
            let bytes = self.vault.open("registers-1", key.value(), sealed.value())?;
            let register = EntityId::decode(&bytes).map_err(|_| LogError::DamagedValue { table: "registers-1" })?;
            let Some(winner) = self.winner(&register)? else { continue };
            if winner.type_name.is_none() || self.parent_of(&winner.position)?.as_ref() == Some(parent) {
                registers.push((register, winner));
            }
        }
        Ok(registers)
    }

    /// Returns the largest reading of the clock in the log that is not after `time`.
    pub(crate) fn latest_at(&self, time: Timestamp) -> Result<Option<Tick>, LogError> {
        let last = self.messages.range::<&[u8; 48]>(..=&last_at(time))?.next_back().transpose()?;
        Ok(last.map(|(key, _)| Position::from_bytes(key.value()).tick()))
    }

    fn queue_of(&mut self, link: u32) -> Option<&mut Keyed<'t, 48>> {
        let index = self.links.iter().position(|other| other.number == link)?;
        self.queues.get_mut(index)?.as_mut()
    }

    /// Takes messages that a host has acknowledged off its queue.
    pub(crate) fn dequeue<'p>(
        &mut self,
        link: u32,
        positions: impl IntoIterator<Item = &'p Position>,
    ) -> Result<(), LogError> {
        self.take_off(link, positions, false)
    }

    /// Takes messages that a host lists off its queue, but for those that are sent again although it lists them.
    pub(crate) fn dequeue_listed<'p>(
        &mut self,
        link: u32,
        positions: impl IntoIterator<Item = &'p Position>,
    ) -> Result<(), LogError> {
        self.take_off(link, positions, true)
    }

    fn take_off<'p>(
        &mut self,
        link: u32,
        positions: impl IntoIterator<Item = &'p Position>,
        are_listed: bool,
    ) -> Result<(), LogError> {
        for position in positions {
            let key = position.to_bytes();
            self.dequeue_chunk(link, position, are_listed)?;
            let Some(queue) = self.queue_of(link) else { return Ok(()) };
            let mark = queue.remove(&key)?.map(|mark| mark.value() == tables::AGAIN);
            match mark {
                Some(true) if are_listed => drop(queue.insert(&key, tables::AGAIN)?),
                Some(_) => {}
                None if self.is_own_kind(position)? => self.no_longer_held(link, &key)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Queues a message for a link's host.
    pub(super) fn queue_one(&mut self, link: u32, key: &[u8; 48]) -> Result<(), LogError> {
        if let Some(queue) = self.queue_of(link)
            && queue.get(key)?.is_none()
        {
            queue.insert(key, [].as_slice())?;
        }
        Ok(())
    }

    /// Queues a message for a link's host until the host acknowledges it, even if the host lists it. Tells whether it is here.
    pub(crate) fn queue_again(&mut self, link: u32, position: &Position) -> Result<bool, LogError> {
        let key = position.to_bytes();
        let is_here = self.messages.get(&key)?.is_some();
        if !is_here {
            return self.queue_chunk_again(link, position);
        }
        if let Some(queue) = self.queue_of(link) {
            queue.insert(&key, tables::AGAIN)?;
        }
        Ok(is_here)
    }

    pub(crate) fn message(&self, position: &Position) -> Result<Option<Message>, LogError> {
        Ok(self.stored_message(position)?.map(|stored| stored.message))
    }

    pub(crate) fn stored_message(&self, position: &Position) -> Result<Option<StoredMessage>, LogError> {
        let key = position.to_bytes();
        let Some(sealed) = self.messages.get(&key)? else { return Ok(None) };
        let (origin, message) = decode_message(&self.vault.open("messages-1", &key, sealed.value())?)?;
        Ok(Some(StoredMessage { position: *position, message, origin }))
    }

    /// Drops a message that does not count and that no host waits for, and remembers its position; tells whether it
    /// did. From `successor` on, the state is the same without the message.
    pub(crate) fn forget(&mut self, position: &Position, successor: &Position) -> Result<bool, LogError> {
        let key = position.to_bytes();
        for queue in self.queues.iter().flatten() {
            if queue.get(&key)?.is_some() {
                return Ok(false);
            }
        }
        if self.is_own_kind(position)? {
            return self.forget_own_kind(position);
        }
        let Some(message) = self.message(position)? else { return Ok(false) };
        let entity_key = self.vault.entity_key(message.head().entity());
        self.drop_message(&message, &key, &overwritten_key(&entity_key, &key))?;
        let mut meta = self.transaction.open_table(tables::META)?;
        let successor = successor.to_bytes();
        let is_later = meta.get("horizon")?.is_none_or(|horizon| *horizon.value() < successor[..]);
        if is_later {
            meta.insert("horizon", successor.as_slice())?;
        }
        Ok(true)
    }

    pub(super) fn drop_message(
        &mut self,
        message: &Message,
        key: &[u8; 48],
        overwritten: &[u8; 80],
    ) -> Result<(), LogError> {
        self.keep_change_of(key, message)?;
        self.messages.remove(key)?;
        self.superseded.remove(key)?;
        self.overwritten.remove(overwritten)?;
        self.transaction.open_table(tables::RESTORED)?.remove(key)?;
        self.transaction.open_table(tables::UNAPPLIED)?.remove(key)?;
        self.dropped.insert(key, ())?;
        Ok(())
    }

    /// Writes down a link and how far its host was read.
    pub(crate) fn put_link(&mut self, number: u32, label: &Label, cursor: &[u8]) -> Result<(), LogError> {
        let key = number.to_be_bytes();
        let mut links = self.transaction.open_table(tables::LINKS)?;
        let value = self.vault.seal(links.name(), &key, &encode_link(label, cursor), self.rng);
        links.insert(&key, value.as_slice())?;
        Ok(())
    }

    /// Queues every message of the log for a link, but for the `listed`. Those of the framework come after
    /// the others. Returns how many did not wait already.
    pub(crate) fn queue_except(&mut self, link: u32, listed: &HashSet<HeadHash>) -> Result<u64, LogError> {
        let name = tables::queue_name(link);
        let index = self.links.iter().position(|other| other.number == link);
        let own_kind = self.transaction.open_table(tables::OWN_KIND)?;
        let (mut held, mut witnesses) = (Vec::new(), Vec::new());
        let mut new;
        let queue = match index.and_then(|index| self.queues[index].as_mut()) {
            Some(queue) => queue,
            None => {
                new = self.transaction.open_table(tables::queue(&name))?;
                &mut new
            }
        };
        let mut queued = 0;
        for row in self.messages.iter()? {
            let key = row?.0;
            let position = Position::from_bytes(key.value());
            let is_own_kind = own_kind.get(key.value())?.is_some();
            if listed.contains(&position.hash) {
                if is_own_kind {
                    witnesses.push(position);
                }
            } else if is_own_kind {
                if queue.get(key.value())?.is_none() {
                    held.push(*key.value());
                }
            } else if queue.get(key.value())?.is_none() {
                queue.insert(key.value(), [].as_slice())?;
                queued += 1;
            }
        }
        drop(own_kind);
        for key in held {
            queued += u64::from(self.hold(link, &key)?);
        }
        self.note_listed(link, &witnesses)?;
        queued += self.queue_chunks_except(link, listed)?;
        Ok(queued)
    }

    /// Drops the queue of a link, and what is held back for it.
    pub(crate) fn drop_queue(&mut self, link: u32) -> Result<(), LogError> {
        if let Some(index) = self.links.iter().position(|other| other.number == link) {
            // A table that is open cannot be deleted.
            self.queues[index] = None;
        }
        self.transaction.delete_table(tables::queue(&tables::queue_name(link)))?;
        let (first, last) = held_keys(link);
        self.transaction.open_table(tables::HELD)?.retain_in::<&[u8; 52], _>(&first..=&last, |_, ()| false)?;
        self.drop_chunk_queue(link)
    }

    /// Notes a bag that could not be read.
    pub(crate) fn put_skipped(&mut self, link: u32, seq: u64, note: &[u8]) -> Result<(), LogError> {
        let key = skipped_key(link, seq);
        let mut table = self.transaction.open_table(tables::SKIPPED)?;
        let value = self.vault.seal(table.name(), &key, note, self.rng);
        table.insert(&key, value.as_slice())?;
        Ok(())
    }

    pub(crate) fn remove_skipped(&mut self, link: u32, seq: u64) -> Result<(), LogError> {
        self.transaction.open_table(tables::SKIPPED)?.remove(&skipped_key(link, seq))?;
        Ok(())
    }

    pub(crate) fn forget_skipped(&mut self, link: u32) -> Result<(), LogError> {
        let (first, last) = (skipped_key(link, 0), skipped_key(link, u64::MAX));
        let mut table = self.transaction.open_table(tables::SKIPPED)?;
        table.retain_in::<&[u8; 12], _>(&first..=&last, |_, _| false)?;
        Ok(())
    }
}
