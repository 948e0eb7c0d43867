//! What compaction drops of the framework's own messages, and what it tells other devices of the rest.

use redb::ReadableTable;

use super::error::LogError;
use super::peers::witness_key;
use super::rows::{held_key, overwritten_key};
use super::tables;
use super::write::LogWriter;
use crate::order::Position;
use crate::witness::Witness;

impl LogWriter<'_> {
    /// Drops a message of the framework's own, which does not count and which every host has; tells whether it did. A
    /// witness stays while anything that it names is here or should be.
    pub(super) fn forget_own_kind(&mut self, position: &Position) -> Result<bool, LogError> {
        let key = position.to_bytes();
        for link in self.links() {
            if self.transaction.open_table(tables::HELD)?.get(&held_key(link.number, &key))?.is_some() {
                return Ok(false);
            }
        }
        let Some(message) = self.message(position)? else { return Ok(false) };
        if let Some(witness) = Witness::of(&message) {
            for named in &witness.named {
                if !self.was_dropped(&named.to_bytes())? {
                    return Ok(false);
                }
            }
            self.note_dropped_of(&witness)?;
            let mut rows = self.transaction.open_table(tables::WITNESSES)?;
            rows.remove(&witness_key(&witness.device, witness.emitted.n))?;
        }
        self.transaction.open_table(tables::OWN_KIND)?.remove(&key)?;
        let entity_key = self.vault.entity_key(message.head().entity());
        self.drop_message(&message, &key, &overwritten_key(&entity_key, &key))?;
        Ok(true)
    }

    /// Notes which messages that witnesses name compaction has dropped, to tell other devices.
    pub(crate) fn note_dropped_names(&mut self) -> Result<(), LogError> {
        let witnesses: Vec<Position> = {
            let table = self.transaction.open_table(tables::OWN_KIND)?;
            table.iter()?.map(|row| Ok(Position::from_bytes(row?.0.value()))).collect::<Result<_, LogError>>()?
        };
        for position in witnesses {
            if let Some(message) = self.message(&position)?
                && let Some(witness) = Witness::of(&message)
            {
                self.note_dropped_of(&witness)?;
            }
        }
        Ok(())
    }

    fn note_dropped_of(&mut self, witness: &Witness) -> Result<(), LogError> {
        let mut record = self.peer(&witness.device)?.unwrap_or_default();
        let mut is_new = false;
        for (number, named) in (witness.before() + 1..).zip(&witness.named) {
            if self.was_dropped(&named.to_bytes())? {
                is_new |= record.dropped.add(number, number);
            }
        }
        if is_new {
            self.note_dropped_news()?;
            self.put_peer(&witness.device, &record)?;
        }
        Ok(())
    }

    /// Makes a witness due, though nothing may have been emitted.
    pub(super) fn note_dropped_news(&self) -> Result<(), LogError> {
        self.transaction.open_table(tables::META)?.insert("dropped-news", [1].as_slice())?;
        Ok(())
    }
}
