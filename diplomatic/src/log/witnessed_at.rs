//! Where a host lists the witnesses of devices, and what follows for the holes in its list.
//!
//! A device gives a host its witness only after the host acknowledged everything that the witness covers. So if nothing that
//! the witnesses cover is missing here, a hole before the last witness of every device hides nothing.

use redb::ReadableTable;

use super::error::LogError;
use super::{Log, LogWriter, tables};
use crate::order::Position;
use crate::standard::{Message, Seq};
use crate::witness::{DeviceId, Kind, Witness, kind};

impl LogWriter<'_> {
    /// Notes where a host lists a message, if it is a witness.
    pub(crate) fn note_witness_at(&mut self, link: u32, seq: Seq, message: &Message) -> Result<(), LogError> {
        if kind(message) != Some(Kind::Witness) {
            return Ok(());
        }
        let Some(witness) = Witness::of(message) else { return Ok(()) };
        let key = key(link, &witness.device);
        let mut table = self.transaction.open_table(tables::WITNESSED_AT)?;
        let is_later = table.get(&key)?.is_none_or(|before| before.value() < seq.number());
        if is_later {
            table.insert(&key, seq.number())?;
        }
        Ok(())
    }

    /// Notes where a host lists messages that are here already, as far as they are the framework's own.
    pub(crate) fn note_known(&mut self, link: u32, known: &[(Seq, Position)]) -> Result<(), LogError> {
        let mut own = Vec::new();
        {
            let table = self.transaction.open_table(tables::OWN_KIND)?;
            for (seq, position) in known {
                if table.get(&position.to_bytes())?.is_some() {
                    own.push((*seq, *position));
                }
            }
        }
        let listed: Vec<Position> = own.iter().map(|(_, position)| *position).collect();
        self.note_listed(link, &listed)?;
        for (seq, position) in own {
            if let Some(message) = self.message(&position)? {
                self.note_witness_at(link, seq, &message)?;
            }
        }
        Ok(())
    }
}

impl Log {
    /// Returns the number up to which a host's list holds witnesses of all these devices; zero if there are none.
    pub(crate) fn witnessed_to(&self, link: u32, devices: &[DeviceId]) -> Result<Seq, LogError> {
        self.read(|reader| {
            let table = reader.transaction.open_table(tables::WITNESSED_AT)?;
            let mut least: Option<u64> = None;
            for device in devices {
                let at = table.get(&key(link, device))?.map_or(0, |at| at.value());
                least = Some(least.map_or(at, |least| least.min(at)));
            }
            Ok(least.and_then(Seq::new).unwrap_or(Seq::ZERO))
        })
    }
}

fn key(link: u32, device: &DeviceId) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&link.to_be_bytes());
    key[4..].copy_from_slice(device.as_bytes());
    key
}
