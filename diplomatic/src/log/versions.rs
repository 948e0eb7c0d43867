//! The versions of each entity, in order and one by one, and those that an app's fold could not apply.

use redb::{ReadableTable, TableError};

use super::error::LogError;
use super::read::{LogReader, StoredMessage};
use super::rows::{overwritten_key, register_keys, split_overwritten_key};
use super::tables;
use super::write::LogWriter;
use crate::order::Position;
use crate::standard::{Content, Decode, EntityId};

/// Where messages are that a fold could not apply, and why.
type Unapplied = Vec<(Position, Vec<u8>)>;

impl LogReader<'_> {
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
