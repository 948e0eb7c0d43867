//! Which messages this device wrote together, and which of them were undone: what undo and redo go by.

use redb::{ReadableTable, ReadableTableMetadata};

use super::error::LogError;
use super::read::LogReader;
use super::tables;
use super::write::LogWriter;
use crate::order::Position;

/// So many transactions are remembered, and so many messages of them; the last one is whatever its size.
const MOST_TRANSACTIONS: u64 = 1_000;
const MOST_MESSAGES: u64 = 100_000;

/// What stands for "nothing was there".
const NOTHING: [u8; 48] = [0; 48];

/// A transaction of this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) number: u64,
    /// What it wrote, or what redid it.
    pub(crate) wrote: Vec<Position>,
    /// What undid it; none if it is not undone.
    pub(crate) undid: Vec<Position>,
}

impl Transaction {
    pub(crate) const fn is_undone(&self) -> bool {
        !self.undid.is_empty()
    }
}

/// The version of an entity that counts: the position at which it was written first, whoever wrote it again since to undo
/// or redo something; `None` if nothing is there.
pub(crate) type Version = Option<Position>;

impl LogReader<'_> {
    /// Returns the transaction with the largest number below `before`, or of all.
    pub(crate) fn transaction_before(&self, before: Option<u64>) -> Result<Option<Transaction>, LogError> {
        let table = self.transaction.open_table(tables::TRANSACTIONS)?;
        let end = key(before.unwrap_or(u64::MAX), Part::Wrote, 0);
        let Some((last, _)) = table.range::<&[u8; 13]>(..&end)?.next_back().transpose()? else { return Ok(None) };
        let number = number_of(last.value());
        let mut transaction = Transaction { number, wrote: Vec::new(), undid: Vec::new() };
        let (first, last) = (key(number, Part::Wrote, 0), key(number, Part::Undid, u32::MAX));
        for row in table.range::<&[u8; 13]>(&first..=&last)? {
            let (key, value) = row?;
            let part =
                if key.value()[8] == Part::Wrote as u8 { &mut transaction.wrote } else { &mut transaction.undid };
            part.push(Position::from_bytes(value.value()));
        }
        Ok(Some(transaction))
    }

    /// Returns which version a message is.
    pub(crate) fn version_at(&self, position: &Position) -> Result<Version, LogError> {
        let table = self.transaction.open_table(tables::RESTORED)?;
        Ok(match table.get(&position.to_bytes())? {
            None => Some(*position),
            Some(value) if *value.value() == NOTHING => None,
            Some(value) => Some(Position::from_bytes(value.value())),
        })
    }
}

impl LogWriter<'_> {
    /// Notes what this device wrote together. What was undone before cannot be redone any more.
    pub(crate) fn note_transaction(&mut self, wrote: &[Position]) -> Result<(), LogError> {
        if wrote.is_empty() {
            return Ok(());
        }
        let mut table = self.transaction.open_table(tables::TRANSACTIONS)?;
        let mut next = 1;
        loop {
            let last = table.last()?.map(|(last, _)| *last.value());
            let Some(last) = last else { break };
            let number = number_of(&last);
            next = next.max(number + 1);
            if last[8] == Part::Wrote as u8 {
                break;
            }
            table.retain_in::<&[u8; 13], _>(&key(number, Part::Wrote, 0)..=&last, |_, _| false)?;
        }
        for (index, position) in (0..).zip(wrote) {
            table.insert(&key(next, Part::Wrote, index), &position.to_bytes())?;
        }
        let first = table.first()?.map_or(next, |(first, _)| number_of(first.value()));
        let oldest = if table.len()? > MOST_MESSAGES { next - 1 } else { next.saturating_sub(MOST_TRANSACTIONS) };
        // Many at once are dropped as quickly as one.
        if table.len()? > MOST_MESSAGES || oldest.saturating_sub(first) > MOST_TRANSACTIONS {
            table.retain_in::<&[u8; 13], _>(..&key(oldest, Part::Wrote, 0), |_, _| false)?;
        }
        Ok(())
    }

    /// Notes what undid a transaction.
    pub(crate) fn note_undone(&mut self, number: u64, undid: &[Position]) -> Result<(), LogError> {
        self.replace_part(number, Part::Undid, undid)
    }

    /// Notes what redid a transaction.
    pub(crate) fn note_redone(&mut self, number: u64, wrote: &[Position]) -> Result<(), LogError> {
        self.replace_part(number, Part::Undid, &[])?;
        self.replace_part(number, Part::Wrote, wrote)
    }

    fn replace_part(&self, number: u64, part: Part, positions: &[Position]) -> Result<(), LogError> {
        let mut table = self.transaction.open_table(tables::TRANSACTIONS)?;
        let (first, last) = (key(number, part, 0), key(number, part, u32::MAX));
        table.retain_in::<&[u8; 13], _>(&first..=&last, |_, _| false)?;
        for (index, position) in (0..).zip(positions) {
            table.insert(&key(number, part, index), &position.to_bytes())?;
        }
        Ok(())
    }

    /// Notes that a message writes an earlier version again.
    pub(crate) fn note_restored(&mut self, position: &Position, version: Version) -> Result<(), LogError> {
        let value = version.map_or(NOTHING, Position::to_bytes);
        self.transaction.open_table(tables::RESTORED)?.insert(&position.to_bytes(), &value)?;
        Ok(())
    }
}

/// A part of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Wrote = 0,
    Undid = 1,
}

fn key(number: u64, part: Part, index: u32) -> [u8; 13] {
    let mut key = [0; 13];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8] = part as u8;
    key[9..].copy_from_slice(&index.to_be_bytes());
    key
}

fn number_of(key: &[u8; 13]) -> u64 {
    let (number, _) = key.split_first_chunk::<8>().expect("a key of this table has 13 bytes");
    u64::from_be_bytes(*number)
}
