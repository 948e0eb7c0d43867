//! What hosts get of the framework's own messages, and this device's witnesses.
//!
//! A device's messages have numbers, in the order of emission. A witness names those of its numbers that came since the
//! device's witness before.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::error::LogError;
use super::peers::{PeerRecord, WitnessRow, join_emitted, split_emitted, split_witness_key, witness_key};
use super::rows::{decode_message, held_key, held_keys};
use super::write::LogWriter;
use super::{THIS_DEVICE, tables};
use crate::order::Position;
use crate::standard::{Message, Timestamp};
use crate::witness::{Count, DeviceId, Kind, MOST_NAMED, Witness};

/// How many of the held messages a host gets at once.
const MOST_GIVEN: usize = 64;

impl LogWriter<'_> {
    /// Notes what this device emitted, so that its next witness covers it.
    pub(crate) fn note_emitted(&mut self, position: &Position, now: Timestamp) -> Result<(), LogError> {
        if !self.are_witnesses_made || self.is_own_kind(position)? {
            return Ok(());
        }
        let emitted = match &mut self.emitted {
            Some(emitted) => emitted,
            None => {
                let table = self.transaction.open_table(tables::EMITTED)?;
                let next = table.last()?.map_or(0, |(last, _)| last.value() + 1);
                self.emitted.insert((table, next))
            }
        };
        emitted.0.insert(emitted.1, &join_emitted(position, now))?;
        emitted.1 += 1;
        Ok(())
    }

    /// Tells whether a message here is the framework's own.
    pub(crate) fn is_own_kind(&self, position: &Position) -> Result<bool, LogError> {
        Ok(self.transaction.open_table(tables::OWN_KIND)?.get(&position.to_bytes())?.is_some())
    }

    /// Takes up a message of the framework's own that is new in the log.
    pub(super) fn take_own_kind(
        &mut self,
        kind: Kind,
        message: &Message,
        position: Position,
        origin: u32,
    ) -> Result<(), LogError> {
        let key = position.to_bytes();
        self.transaction.open_table(tables::OWN_KIND)?.insert(&key, ())?;
        for link in self.links().iter().filter(|link| link.is_linked) {
            if origin == THIS_DEVICE || link.number != origin {
                self.hold(link.number, &key)?;
            }
        }
        match kind {
            Kind::Witness => self.take_witness(message, position, origin),
            Kind::Want => self.take_want(message, position),
        }
    }

    /// Keeps a message of the framework's own back until a host has everything else.
    pub(super) fn hold(&self, link: u32, position: &[u8; 48]) -> Result<bool, LogError> {
        Ok(self.transaction.open_table(tables::HELD)?.insert(&held_key(link, position), ())?.is_none())
    }

    pub(super) fn no_longer_held(&self, link: u32, position: &[u8; 48]) -> Result<(), LogError> {
        self.transaction.open_table(tables::HELD)?.remove(&held_key(link, position))?;
        Ok(())
    }

    /// Queues what is held for a host, which must have everything else, and tells whether there was anything.
    ///
    /// This device's own witnesses come last, and only when nothing else is held: they vouch for what they have seen.
    pub(crate) fn give_held(&mut self, link: u32) -> Result<bool, LogError> {
        let (mut given, mut own) = (Vec::new(), Vec::new());
        let held: Vec<[u8; 52]> = {
            let table = self.transaction.open_table(tables::HELD)?;
            let (first, last) = held_keys(link);
            let rows = table.range::<&[u8; 52]>(&first..=&last)?;
            rows.map(|row| Ok(*row?.0.value())).collect::<Result<_, LogError>>()?
        };
        for key in held {
            let (_, position) = key.split_last_chunk::<48>().expect("a key of this table has 52 bytes");
            let stored = self.stored(position)?;
            match stored {
                None => self.no_longer_held(link, position)?,
                Some((_, message)) if !self.has_all_of(&message)? => {}
                Some((THIS_DEVICE, _)) => own.push(*position),
                Some(_) => given.push(*position),
            }
            if given.len() >= MOST_GIVEN {
                break;
            }
        }
        if given.is_empty() {
            given = own;
            given.truncate(MOST_GIVEN);
        }
        for position in &given {
            self.no_longer_held(link, position)?;
            self.queue_one(link, position)?;
        }
        Ok(!given.is_empty())
    }

    fn stored(&self, key: &[u8; 48]) -> Result<Option<(u32, Message)>, LogError> {
        let Some(sealed) = self.messages.get(key)? else { return Ok(None) };
        decode_message(&self.vault.open("messages-1", key, sealed.value())?).map(Some)
    }

    /// Tells whether everything that a witness names is here, or was.
    fn has_all_of(&self, message: &Message) -> Result<bool, LogError> {
        if !self.has_absent {
            return Ok(true);
        }
        let Some(witness) = Witness::of(message) else { return Ok(true) };
        for position in &witness.named {
            if !self.knows(&position.to_bytes())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns this device's ID. It is drawn when it is first needed.
    pub(crate) fn device_id(&mut self) -> Result<DeviceId, LogError> {
        let known = {
            let meta = self.transaction.open_table(tables::META)?;
            meta.get("device")?.and_then(|id| id.value().try_into().ok()).map(DeviceId::from_bytes)
        };
        match known {
            Some(id) => Ok(id),
            None => self.renew_device(),
        }
    }

    /// Gives this device a new ID: another device uses the old one, since one of the two is a copy of the other. What no
    /// witness covers yet is told under the new ID.
    pub(crate) fn renew_device(&mut self) -> Result<DeviceId, LogError> {
        let id = DeviceId::fresh(self.rng());
        self.transaction.open_table(tables::META)?.insert("device", id.as_bytes().as_slice())?;
        self.are_peers_changed = true;
        Ok(id)
    }

    /// Returns the next witness of this device; `None` if there is nothing to tell.
    pub(crate) fn next_witness(&mut self, name: Option<&str>) -> Result<Option<Witness>, LogError> {
        let device = self.device_id()?;
        let named: Vec<Position> = {
            let table = self.transaction.open_table(tables::EMITTED)?;
            let rows = table.iter()?.take(MOST_NAMED);
            rows.map(|row| Ok(split_emitted(row?.1.value()).0)).collect::<Result<_, LogError>>()?
        };
        let has_news = self.transaction.open_table(tables::META)?.remove("dropped-news")?.is_some();
        if named.is_empty() && !has_news {
            return Ok(None);
        }
        let emitted = self.peer(&device)?.unwrap_or_default().verified.then(&named);
        let (mut seen, mut dropped) = (BTreeMap::new(), BTreeMap::new());
        for (peer, record) in self.all_peers()? {
            let count = if peer == device { Count::default() } else { self.complete_count(&peer, &record)? };
            if count.n > 0 {
                seen.insert(peer, count);
            }
            if !record.dropped.is_empty() {
                dropped.insert(peer, record.dropped);
            }
        }
        Ok(Some(Witness { device, emitted, named, seen, dropped, name: name.map(str::to_owned) }))
    }

    /// Returns how much of a device is here without anything missing.
    fn complete_count(&self, device: &DeviceId, record: &PeerRecord) -> Result<Count, LogError> {
        let first_absent = if self.has_absent {
            let absent = self.absent_of(|absent| absent.device == *device)?;
            absent.into_iter().map(|(_, absent)| absent.number).min()
        } else {
            None
        };
        match first_absent.filter(|number| *number <= record.verified.n) {
            None => Ok(record.verified),
            Some(number) => {
                let rows = self.transaction.open_table(tables::WITNESSES)?;
                let range = witness_key(device, 0)..witness_key(device, number);
                match rows.range::<&[u8; 24]>(&range.start..&range.end)?.next_back().transpose()? {
                    Some((key, sealed)) => {
                        let row: WitnessRow = self.vault.open_row("witnesses-1", key.value(), sealed.value())?;
                        Ok(Count { n: split_witness_key(key.value()), chain: row.chain })
                    }
                    None => Ok(Count::default()),
                }
            }
        }
    }

    /// Takes what a witness of this device covers off the list of what is to be covered.
    pub(super) fn cover(&mut self, count: usize) -> Result<(), LogError> {
        self.emitted = None;
        let mut table = self.transaction.open_table(tables::EMITTED)?;
        for _ in 0..count {
            table.pop_first()?;
        }
        Ok(())
    }
}
