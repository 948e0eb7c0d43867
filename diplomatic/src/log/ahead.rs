//! The messages that lie after a time.

use std::ops::Bound;

use redb::{ReadableTable, ReadableTableMetadata};

use super::THIS_DEVICE;
use super::error::LogError;
use super::read::{LogReader, StoredMessage};
use crate::order::Position;
use crate::standard::Timestamp;

/// How many messages of this device's own are passed over in search of one that came from elsewhere.
const MOST_PASSED_OVER: usize = 1_000;

/// What tells whether the messages are the same as before, without looking at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    messages: u64,
    pub(crate) last: Position,
}

impl LogReader<'_> {
    /// Returns how many messages there are and which is the last; `None` for an empty log.
    pub(crate) fn extent(&self) -> Result<Option<Extent>, LogError> {
        let Some((last, _)) = self.messages.last()? else { return Ok(None) };
        Ok(Some(Extent { messages: self.messages.len()?, last: Position::from_bytes(last.value()) }))
    }

    /// Counts the messages of apps after `time`, and returns the first of them. Opens none.
    pub(crate) fn count_after(&self, time: Timestamp) -> Result<Option<(u64, Position)>, LogError> {
        let mut found: Option<(u64, Position)> = None;
        for row in self.messages.range::<&[u8; 48]>(after(&end_of(time)))? {
            let (key, _) = row?;
            if self.is_own_kind(key.value())? {
                continue;
            }
            let (count, _) = found.get_or_insert_with(|| (0, Position::from_bytes(key.value())));
            *count += 1;
        }
        Ok(found)
    }

    /// Returns the last message of an app after `time` that came from elsewhere, or else the last of all: what this device wrote
    /// there may only follow what it had seen.
    pub(crate) fn last_brought_after(&self, time: Timestamp) -> Result<Option<StoredMessage>, LogError> {
        let mut last = None;
        for row in self.messages.range::<&[u8; 48]>(after(&end_of(time)))?.rev().take(MOST_PASSED_OVER) {
            let (key, sealed) = row?;
            if self.is_own_kind(key.value())? {
                continue;
            }
            let stored = self.open_message(key.value(), sealed.value())?;
            if stored.origin != THIS_DEVICE {
                return Ok(Some(stored));
            }
            last.get_or_insert(stored);
        }
        Ok(last)
    }
}

/// Returns a key after all those of a time.
fn end_of(time: Timestamp) -> [u8; 48] {
    let mut key = [0xff; 48];
    key[..8].copy_from_slice(&time.as_millis().to_be_bytes());
    key
}

fn after(key: &[u8; 48]) -> (Bound<&[u8; 48]>, Bound<&[u8; 48]>) {
    (Bound::Excluded(key), Bound::Unbounded)
}
