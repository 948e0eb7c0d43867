//! The versions of each entity, in order and one by one, and those that an app's fold could not apply.

use std::ops::Bound;

use redb::{ReadableTable, TableError};

use super::error::LogError;
use super::read::{LogReader, StoredMessage, check_order};
use super::rows::{overwritten_key, register_keys, split_overwritten_key};
use super::tables;
use super::write::LogWriter;
use crate::order::Position;
use crate::standard::{Content, Decode, EntityId};

/// Where messages are that a fold could not apply, and why.
type Unapplied = Vec<(Position, Vec<u8>)>;

/// After so many bytes a page is full.
const PAGE_BYTES: usize = 4 << 20;

impl LogReader<'_> {
    /// Returns up to `limit` messages after `after`, in total order: those of which no later version of their entity is
    /// before `before`.
    pub(crate) fn latest_page(
        &self,
        after: Option<&Position>,
        before: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, LogError> {
        let (start, end) = (after.map(|after| after.to_bytes()), before.map(|before| before.to_bytes()));
        let start = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        if after.zip(before).is_some_and(|(after, before)| after >= before) {
            return Ok(Vec::new());
        }
        let superseded = self.transaction.open_table(tables::SUPERSEDED)?;
        let mut superseded = superseded.range::<&[u8; 48]>((start, end))?;
        let mut next_superseded = || Ok::<_, LogError>(superseded.next().transpose()?.map(|(key, _)| *key.value()));
        // Both tables are in the same order, so that one pass over each tells which messages are superseded.
        let mut passed = next_superseded()?;
        let mut page: Vec<StoredMessage> = Vec::new();
        let mut bytes = 0;
        for row in self.messages.range::<&[u8; 48]>((start, end))? {
            if page.len() >= limit || bytes >= PAGE_BYTES {
                break;
            }
            let (key, sealed) = row?;
            let key = key.value();
            check_order(page.last().map(|last| &last.position).or(after), key)?;
            while passed.as_ref().is_some_and(|passed| passed < key) {
                passed = next_superseded()?;
            }
            let is_superseded = passed.as_ref() == Some(key);
            if is_superseded && before.is_none() {
                continue;
            }
            let stored = self.open_message(key, sealed.value())?;
            if is_superseded && let Some(before) = before {
                let later = self.next_version(stored.message.head().entity(), &stored.position)?;
                if later.is_some_and(|later| later < *before) {
                    continue;
                }
            }
            bytes += sealed.value().len();
            page.push(stored);
        }
        Ok(page)
    }

    /// Returns the version of an entity right before a position.
    pub(crate) fn version_before(
        &self,
        entity: &EntityId,
        position: &Position,
    ) -> Result<Option<StoredMessage>, LogError> {
        let key = self.vault.entity_key(entity);
        let overwritten = self.transaction.open_table(tables::OVERWRITTEN)?;
        let (first, end) = (overwritten_key(&key, &[0; 48]), overwritten_key(&key, &position.to_bytes()));
        match overwritten.range::<&[u8; 80]>(&first..&end)?.next_back().transpose()? {
            Some((row, _)) => self.message(&split_overwritten_key(row.value())),
            None => Ok(None),
        }
    }

    /// Returns a root's own entity and the registers that hang on it or ever did.
    pub(crate) fn entities_of_root(&self, root: &EntityId) -> Result<Vec<EntityId>, LogError> {
        let mut entities = vec![root.clone()];
        if !root.is_derived() {
            entities.extend(self.registers_ever_of(root)?);
        }
        Ok(entities)
    }

    /// Returns the registers whose parent an entity is or ever was.
    fn registers_ever_of(&self, parent: &EntityId) -> Result<Vec<EntityId>, LogError> {
        let table = self.transaction.open_table(tables::REGISTERS)?;
        let (first, last) = register_keys(&self.vault.entity_key(parent));
        let mut registers = Vec::new();
        for row in table.range::<&[u8; 64]>(&first..=&last)? {
            let (key, sealed) = row?;
            let bytes = self.vault.open("registers-1", key.value(), sealed.value())?;
            registers.push(EntityId::decode(&bytes).map_err(|_| LogError::DamagedValue { table: "registers-1" })?);
        }
        Ok(registers)
    }

    /// Returns the registers that are there and whose parent an entity is, and where what counts for each is.
    pub(crate) fn registers_of(&self, parent: &EntityId) -> Result<Vec<(EntityId, Position)>, LogError> {
        let mut registers = Vec::new();
        for register in self.registers_ever_of(parent)? {
            let Some(winner) = self.winner(&register)? else { continue };
            let Some(stored) = self.message(&winner.position)? else { continue };
            // Under another parent it may stand if it was deleted in between.
            if Content::of(&stored.message).parent() == Some(parent) {
                registers.push((register, winner.position));
            }
        }
        Ok(registers)
    }

    /// Returns where the version of an entity is that comes right after a position.
    fn next_version(&self, entity: &EntityId, position: &Position) -> Result<Option<Position>, LogError> {
        let key = self.vault.entity_key(entity);
        let overwritten = self.transaction.open_table(tables::OVERWRITTEN)?;
        let (start, last) = (overwritten_key(&key, &position.to_bytes()), overwritten_key(&key, &[0xff; 48]));
        let range = (Bound::Excluded(&start), Bound::Included(&last));
        match overwritten.range::<&[u8; 80]>(range)?.next().transpose()? {
            Some((row, _)) => Ok(Some(split_overwritten_key(row.value()))),
            None => Ok(self.winner_of(&key)?.map(|winner| winner.position).filter(|winner| winner > position)),
        }
    }

    /// Returns what the fold with this fingerprint could not apply; `None` if it was another that folded last.
    pub(crate) fn unapplied(&self, fingerprint: &[u8; 32]) -> Result<Option<Unapplied>, LogError> {
        let table = match self.transaction.open_table(tables::UNAPPLIED) {
            Ok(table) => table,
            // A file of format 1 that is only read.
            Err(TableError::TableDoesNotExist(_)) => return Ok(Some(Vec::new())),
            Err(error) => return Err(error.into()),
        };
        let mut unapplied = Vec::new();
        for row in table.iter()? {
            let (key, sealed) = row?;
            let value = self.vault.open("unapplied-1", key.value(), sealed.value())?;
            match value.split_first_chunk::<32>() {
                Some((found, why)) if found == fingerprint => {
                    unapplied.push((Position::from_bytes(key.value()), why.to_vec()));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(unapplied))
    }
}

impl LogWriter<'_> {
    /// Returns where the versions of an entity are that do not count, in total order.
    pub(crate) fn superseded_of(&self, entity: &EntityId) -> Result<Vec<Position>, LogError> {
        let entity = self.vault.entity_key(entity);
        let (first, last) = (overwritten_key(&entity, &[0; 48]), overwritten_key(&entity, &[0xff; 48]));
        let rows = self.overwritten.range::<&[u8; 80]>(&first..=&last)?;
        rows.map(|row| Ok(split_overwritten_key(row?.0.value()))).collect()
    }

    /// Notes that the fold with this fingerprint could not apply a message, and why.
    pub(crate) fn put_unapplied(
        &mut self,
        position: &Position,
        fingerprint: &[u8; 32],
        why: &[u8],
    ) -> Result<(), LogError> {
        let key = position.to_bytes();
        let value = [fingerprint, why].concat();
        let vault = self.vault;
        let value = vault.seal("unapplied-1", &key, &value, self.rng());
        self.transaction.open_table(tables::UNAPPLIED)?.insert(&key, value.as_slice())?;
        Ok(())
    }

    pub(crate) fn remove_unapplied(&mut self, position: &Position) -> Result<(), LogError> {
        self.transaction.open_table(tables::UNAPPLIED)?.remove(&position.to_bytes())?;
        Ok(())
    }

    /// Forgets what any fold could not apply.
    pub(crate) fn clear_unapplied(&mut self) -> Result<(), LogError> {
        self.transaction.open_table(tables::UNAPPLIED)?.retain(|_, _| false)?;
        Ok(())
    }
}
