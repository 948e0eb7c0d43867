//! Messages of the log, many at a time, to be opened on other threads.

use std::ops::{Bound, Range};

use redb::Range as Rows;

use super::error::LogError;
use super::read::{LogReader, StoredMessage};
use super::rows::decode_message;
use super::vault::Vault;
use crate::order::Position;

/// How many messages make a batch, unless they are large.
const MESSAGES: usize = 256;

/// How many bytes the messages of a batch have; one more may begin below that.
const BYTES: usize = 256 << 10;

/// Every message after a position, batch by batch, in the total order.
pub(crate) struct Batches<'t> {
    rows: Rows<'static, &'static [u8; 48], &'static [u8]>,
    vault: &'t Vault,
}

/// Some messages as they stand in the log, sealed.
pub(crate) struct Batch<'t> {
    keys: Vec<([u8; 48], Range<usize>)>,
    values: Vec<u8>,
    vault: &'t Vault,
}

impl LogReader<'_> {
    /// Returns every message after `after`, in the total order, to be opened elsewhere.
    pub(crate) fn batches(&self, after: Option<&Position>) -> Result<Batches<'_>, LogError> {
        let start = after.map(|after| after.to_bytes());
        let start = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.messages.range::<&[u8; 48]>((start, Bound::Unbounded))?;
        Ok(Batches { rows, vault: self.vault })
    }
}

impl<'t> Batches<'t> {
    /// Returns the next messages; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Batch<'t>>, LogError> {
        let (mut keys, mut values) = (Vec::with_capacity(MESSAGES), Vec::with_capacity(BYTES / 2));
        while keys.len() < MESSAGES && values.len() < BYTES {
            let Some(row) = self.rows.next() else { break };
            let (key, value) = row?;
            let start = values.len();
            values.extend_from_slice(value.value());
            keys.push((*key.value(), start..values.len()));
        }
        Ok((!keys.is_empty()).then_some(Batch { keys, values, vault: self.vault }))
    }
}

impl Batch<'_> {
    /// Opens the messages, one by one.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Result<StoredMessage, LogError>> {
        self.keys.iter().map(|(key, place)| {
            let value = self.vault.open("messages-1", key, &self.values[place.clone()])?;
            let (origin, message) = decode_message(&value)?;
            Ok(StoredMessage { position: Position::from_bytes(key), message, origin })
        })
    }
}
