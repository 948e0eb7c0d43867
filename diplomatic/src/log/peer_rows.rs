//! The rows about devices, as a transaction reads and writes them.

use std::ops::Bound;

use redb::{ReadableTable, ReadableTableMetadata};
use serde::Serialize;

use super::error::LogError;
use super::peers::{Absent, PeerRecord, WitnessRow, split_witness_key, witness_key};
use super::tables;
use super::write::LogWriter;
use crate::order::Position;
use crate::witness::DeviceId;

/// Of more devices than this, nothing is noted.
const MOST_DEVICES: u64 = 1_000;
/// More absent messages than this are not told apart.
const MOST_ABSENT: u64 = 100_000;

impl LogWriter<'_> {
    pub(super) fn rows_after(
        &self,
        device: &DeviceId,
        n: u64,
        most: usize,
    ) -> Result<Vec<(u64, WitnessRow)>, LogError> {
        let table = self.transaction.open_table(tables::WITNESSES)?;
        let (after, last) = (witness_key(device, n), witness_key(device, u64::MAX));
        let rows = table.range::<&[u8; 24]>((Bound::Excluded(&after), Bound::Included(&last)))?.take(most);
        rows.map(|row| {
            let (key, sealed) = row?;
            Ok((split_witness_key(key.value()), self.vault.open_row("witnesses-1", key.value(), sealed.value())?))
        })
        .collect()
    }

    pub(super) fn witness_row(&self, device: &DeviceId, n: u64) -> Result<Option<WitnessRow>, LogError> {
        let table = self.transaction.open_table(tables::WITNESSES)?;
        let key = witness_key(device, n);
        let row = table.get(&key)?.map(|sealed| self.vault.open_row("witnesses-1", &key, sealed.value()));
        row.transpose()
    }

    pub(super) fn put_row(&mut self, key: &[u8; 24], row: &WitnessRow) -> Result<(), LogError> {
        let value = self.seal_row("witnesses-1", key, row);
        self.transaction.open_table(tables::WITNESSES)?.insert(key, value.as_slice())?;
        Ok(())
    }

    pub(super) fn is_one_too_many(&self, device: &DeviceId) -> Result<bool, LogError> {
        let table = self.transaction.open_table(tables::PEERS)?;
        Ok(table.len()? >= MOST_DEVICES && table.get(device.as_bytes())?.is_none())
    }

    pub(super) fn peer(&self, device: &DeviceId) -> Result<Option<PeerRecord>, LogError> {
        let table = self.transaction.open_table(tables::PEERS)?;
        let key = device.as_bytes();
        let record = table.get(key)?.map(|sealed| self.vault.open_row("peers-1", key, sealed.value()));
        record.transpose()
    }

    pub(super) fn all_peers(&self) -> Result<Vec<(DeviceId, PeerRecord)>, LogError> {
        let table = self.transaction.open_table(tables::PEERS)?;
        let rows = table.iter()?.map(|row| {
            let (key, sealed) = row?;
            Ok((DeviceId::from_bytes(*key.value()), self.vault.open_row("peers-1", key.value(), sealed.value())?))
        });
        rows.collect()
    }

    pub(super) fn put_peer(&mut self, device: &DeviceId, record: &PeerRecord) -> Result<(), LogError> {
        let value = self.seal_row("peers-1", device.as_bytes(), record);
        self.transaction.open_table(tables::PEERS)?.insert(device.as_bytes(), value.as_slice())?;
        self.are_peers_changed = true;
        Ok(())
    }

    pub(super) fn absent_of(&self, is_wanted: impl Fn(&Absent) -> bool) -> Result<Vec<([u8; 48], Absent)>, LogError> {
        let table = self.transaction.open_table(tables::ABSENT)?;
        let mut found = Vec::new();
        for row in table.iter()? {
            let (key, sealed) = row?;
            let absent = self.vault.open_row("absent-1", key.value(), sealed.value())?;
            if is_wanted(&absent) {
                found.push((*key.value(), absent));
            }
        }
        Ok(found)
    }

    pub(super) fn put_absent(&mut self, key: &[u8; 48], absent: &Absent) -> Result<(), LogError> {
        let value = self.seal_row("absent-1", key, absent);
        let mut table = self.transaction.open_table(tables::ABSENT)?;
        if table.len()? < MOST_ABSENT || table.get(key)?.is_some() {
            table.insert(key, value.as_slice())?;
            self.has_absent = true;
            self.are_peers_changed = true;
        }
        Ok(())
    }

    /// Notes that a message is here now, or need not be.
    pub(super) fn no_longer_absent(&mut self, key: &[u8; 48]) -> Result<(), LogError> {
        if self.transaction.open_table(tables::ABSENT)?.remove(key)?.is_some() {
            self.are_peers_changed = true;
        }
        Ok(())
    }

    /// Notes that a host lists the framework's own messages, which are here. It withholds what its witnesses name.
    pub(super) fn note_listed(&mut self, link: u32, listed: &[Position]) -> Result<(), LogError> {
        if !self.has_absent {
            return Ok(());
        }
        for position in listed {
            for (key, mut absent) in self.absent_of(|absent| absent.witness == *position)? {
                if !absent.links.contains(&link) {
                    absent.links.push(link);
                    self.put_absent(&key, &absent)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn seal_row(&mut self, table: &str, key: &[u8], row: &impl Serialize) -> Vec<u8> {
        let value = rmp_serde::to_vec(row).expect("plain data serializes");
        let vault = self.vault;
        vault.seal(table, key, &value, self.rng())
    }
}
