//! Witnesses in the log: what this device owes others, and what others' words say about what is here.
//!
//! A device's messages have numbers, in the order of emission. A witness names those of its numbers that came since the
//! device's witness before. Whatever a witness or a claim speaks of should be here, unless another device says that
//! compaction dropped it (see [`PeerRecord::waived`]).

use std::collections::BTreeMap;
use std::ops::Bound;

use redb::{ReadableTable, ReadableTableMetadata};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::LogError;
use super::peers::{
    Absent, Claim, Gap, PeerRecord, WitnessRow, held_key, held_keys, join_emitted, split_emitted, split_witness_key,
    witness_key,
};
use super::rows::{decode_message, overwritten_key};
use super::write::LogWriter;
use super::{A_FILE, THIS_DEVICE, tables};
use crate::order::Position;
use crate::standard::{Message, Timestamp};
use crate::witness::{Count, DeviceId, Kind, MOST_NAMED, Witness};

/// Of more devices than this, nothing is noted.
const MOST_DEVICES: u64 = 1_000;
/// More absent messages than this are not told apart.
const MOST_ABSENT: u64 = 100_000;
/// More gaps of a device than this are counted as one.
const MOST_GAPS: usize = 100;
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
        for link in self.links() {
            if origin == THIS_DEVICE || link.number != origin {
                self.hold(link.number, &key)?;
            }
        }
        match kind {
            Kind::Witness => self.take_witness(message, position, origin),
            Kind::Want => Ok(()),
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
    pub(crate) fn next_witness(&mut self) -> Result<Option<Witness>, LogError> {
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
        Ok(Some(Witness { device, emitted, named, seen, dropped }))
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
                        let row: WitnessRow = self.open_row("witnesses-1", key.value(), sealed.value())?;
                        Ok(Count { n: split_witness_key(key.value()), chain: row.chain })
                    }
                    None => Ok(Count::default()),
                }
            }
        }
    }

    fn take_witness(&mut self, message: &Message, position: Position, origin: u32) -> Result<(), LogError> {
        self.are_peers_changed = true;
        let Some(witness) = Witness::of(message) else { return self.note_odd_witness() };
        let mut own = self.device_id()?;
        if origin == THIS_DEVICE {
            self.cover(witness.named.len())?;
        } else if witness.device == own {
            own = self.renew_device()?;
        }
        if self.is_one_too_many(&witness.device)? {
            return self.note_odd_witness();
        }
        self.take_names(&witness, position, origin)?;
        if origin == A_FILE {
            return self.take_dropped(&witness);
        }
        for (device, count) in &witness.seen {
            if *device == own && self.peer(&own)?.unwrap_or_default().verified.n < count.n {
                // This store is an old copy: others know more of this device than it does itself.
                own = self.renew_device()?;
            }
            self.take_claim(device, *count, position.changed, origin)?;
        }
        self.take_dropped(&witness)
    }

    fn note_odd_witness(&self) -> Result<(), LogError> {
        let mut meta = self.transaction.open_table(tables::META)?;
        let count = meta.get("odd-witnesses")?.and_then(|count| count.value().try_into().ok());
        let count = count.map_or(0, u64::from_be_bytes).saturating_add(1);
        meta.insert("odd-witnesses", count.to_be_bytes().as_slice())?;
        Ok(())
    }

    /// Takes what a witness of this device covers off the list of what is to be covered.
    fn cover(&mut self, count: usize) -> Result<(), LogError> {
        self.emitted = None;
        let mut table = self.transaction.open_table(tables::EMITTED)?;
        for _ in 0..count {
            table.pop_first()?;
        }
        Ok(())
    }

    /// Takes up what a witness says of its own device.
    fn take_names(&mut self, witness: &Witness, position: Position, origin: u32) -> Result<(), LogError> {
        let (device, n, before) = (&witness.device, witness.emitted.n, witness.before());
        let mut record = self.peer(device)?.unwrap_or_default();
        let since = position.changed;
        record.heard = record.heard.max(since.as_millis());
        record.last = record.last.max(n);
        let row = self.witness_row(device, n)?;
        let claim = record.seen.count;
        if row.as_ref().is_some_and(|row| row.chain != witness.emitted.chain)
            || claim.n == n && claim.chain != witness.emitted.chain
            || self.overlaps(device, before, n)?
        {
            record.note_fork(n, since);
        }
        if n > 0 && row.is_none_or(|row| row.before > before) {
            let row = WitnessRow { before, chain: witness.emitted.chain, position, link: origin };
            self.put_row(&witness_key(device, n), &row)?;
        }
        if origin == A_FILE && n > 0 {
            // What was in the file is here now; no host owes the rest.
            record.waived.add(1, n);
        }
        for (number, named) in (before + 1..).zip(&witness.named) {
            let key = named.to_bytes();
            if self.messages.get(&key)?.is_some() || record.waived.contains(number) || record.dropped.contains(number) {
                continue;
            }
            if self.was_dropped(&key)? {
                if record.dropped.add(number, number) {
                    self.note_dropped_news()?;
                }
                continue;
            }
            let links = vec![origin];
            let absent = Absent { device: *device, number, since: since.as_millis(), witness: position, links };
            self.put_absent(&key, &absent)?;
        }
        self.advance(device, &mut record, Some(witness))?;
        self.put_peer(device, &record)
    }

    /// Tells whether a witness names messages by numbers that another has named. Those of one device follow one another.
    fn overlaps(&self, device: &DeviceId, before: u64, n: u64) -> Result<bool, LogError> {
        let next = self.rows_after(device, n, 1)?.pop();
        let table = self.transaction.open_table(tables::WITNESSES)?;
        let (first, this) = (witness_key(device, 0), witness_key(device, n));
        let last = table.range::<&[u8; 24]>(&first..&this)?.next_back().transpose()?;
        let last = last.map(|(key, _)| split_witness_key(key.value()));
        Ok(next.is_some_and(|(_, next)| next.before < n) || last.is_some_and(|last| last > before))
    }

    /// Takes up what a witness says that its device has seen of another.
    fn take_claim(&mut self, device: &DeviceId, count: Count, since: Timestamp, origin: u32) -> Result<(), LogError> {
        if self.is_one_too_many(device)? {
            return Ok(());
        }
        let mut record = self.peer(device)?.unwrap_or_default();
        let known = self.witness_row(device, count.n)?.map(|row| row.chain);
        let claimed = Some(record.seen.count).filter(|claim| claim.n == count.n).map(|claim| claim.chain);
        if known.or(claimed).is_some_and(|chain| chain != count.chain) {
            record.note_fork(count.n, since);
        }
        if count.n > record.seen.count.n {
            record.seen = Claim { count, since: since.as_millis(), link: origin };
        }
        self.find_gaps(device, &mut record)?;
        self.put_peer(device, &record)
    }

    /// Takes up which messages a device dropped.
    fn take_dropped(&mut self, witness: &Witness) -> Result<(), LogError> {
        for (device, ranges) in &witness.dropped {
            if self.is_one_too_many(device)? {
                continue;
            }
            let mut record = self.peer(device)?.unwrap_or_default();
            if !record.waived.add_all(ranges) {
                continue;
            }
            if self.has_absent {
                let waived = |absent: &Absent| absent.device == *device && record.waived.contains(absent.number);
                for (key, _) in self.absent_of(waived)? {
                    self.no_longer_absent(&key)?;
                }
            }
            self.advance(device, &mut record, None)?;
            self.put_peer(device, &record)?;
        }
        Ok(())
    }

    /// Follows a device's witnesses as far as they follow one another, and finds the gaps after that.
    fn advance(&self, device: &DeviceId, record: &mut PeerRecord, arriving: Option<&Witness>) -> Result<(), LogError> {
        while let Some((n, row)) = self.rows_after(device, record.verified.n, 1)?.pop() {
            let since = row.position.changed;
            if row.before > record.verified.n {
                if record.due(record.verified.n + 1, row.before) > 0 {
                    break;
                }
            } else if row.before < record.verified.n {
                record.note_fork(n, since);
            } else {
                let named = match arriving.filter(|witness| witness.emitted.n == n && witness.before() == row.before) {
                    Some(witness) => Some(record.verified.then(&witness.named)),
                    None => {
                        let witness = self.message(&row.position)?.as_ref().and_then(Witness::of);
                        witness.map(|witness| record.verified.then(&witness.named))
                    }
                };
                if named.is_some_and(|count| count.chain != row.chain) {
                    record.note_fork(n, since);
                }
            }
            record.verified = Count { n, chain: row.chain };
        }
        self.find_gaps(device, record)
    }

    fn find_gaps(&self, device: &DeviceId, record: &mut PeerRecord) -> Result<(), LogError> {
        let mut gaps: Vec<Gap> = Vec::new();
        let mut end = record.verified.n;
        let mut add = |first, last, since, link| {
            let messages = record.due(first, last);
            let is_full = gaps.len() >= MOST_GAPS;
            match gaps.last_mut() {
                _ if messages == 0 => {}
                Some(gap) if is_full => {
                    gap.last = last;
                    gap.messages += messages;
                }
                _ => gaps.push(Gap { first, last, messages, since, link }),
            }
        };
        for (n, row) in self.rows_after(device, record.verified.n, usize::MAX)? {
            add(end + 1, row.before, row.position.changed.as_millis(), row.link);
            end = n;
        }
        let Claim { count, since, link } = record.seen;
        add(end + 1, count.n, since, link);
        record.gaps = gaps;
        Ok(())
    }

    fn rows_after(&self, device: &DeviceId, n: u64, most: usize) -> Result<Vec<(u64, WitnessRow)>, LogError> {
        let table = self.transaction.open_table(tables::WITNESSES)?;
        let (after, last) = (witness_key(device, n), witness_key(device, u64::MAX));
        let rows = table.range::<&[u8; 24]>((Bound::Excluded(&after), Bound::Included(&last)))?.take(most);
        rows.map(|row| {
            let (key, sealed) = row?;
            Ok((split_witness_key(key.value()), self.open_row("witnesses-1", key.value(), sealed.value())?))
        })
        .collect()
    }

    fn witness_row(&self, device: &DeviceId, n: u64) -> Result<Option<WitnessRow>, LogError> {
        let table = self.transaction.open_table(tables::WITNESSES)?;
        let key = witness_key(device, n);
        let row = table.get(&key)?.map(|sealed| self.open_row("witnesses-1", &key, sealed.value()));
        row.transpose()
    }

    fn put_row(&mut self, key: &[u8; 24], row: &WitnessRow) -> Result<(), LogError> {
        let value = self.seal_row("witnesses-1", key, row);
        self.transaction.open_table(tables::WITNESSES)?.insert(key, value.as_slice())?;
        Ok(())
    }

    fn is_one_too_many(&self, device: &DeviceId) -> Result<bool, LogError> {
        let table = self.transaction.open_table(tables::PEERS)?;
        Ok(table.len()? >= MOST_DEVICES && table.get(device.as_bytes())?.is_none())
    }

    fn peer(&self, device: &DeviceId) -> Result<Option<PeerRecord>, LogError> {
        let table = self.transaction.open_table(tables::PEERS)?;
        let key = device.as_bytes();
        let record = table.get(key)?.map(|sealed| self.open_row("peers-1", key, sealed.value()));
        record.transpose()
    }

    fn all_peers(&self) -> Result<Vec<(DeviceId, PeerRecord)>, LogError> {
        let table = self.transaction.open_table(tables::PEERS)?;
        let rows = table.iter()?.map(|row| {
            let (key, sealed) = row?;
            Ok((DeviceId::from_bytes(*key.value()), self.open_row("peers-1", key.value(), sealed.value())?))
        });
        rows.collect()
    }

    fn put_peer(&mut self, device: &DeviceId, record: &PeerRecord) -> Result<(), LogError> {
        let value = self.seal_row("peers-1", device.as_bytes(), record);
        self.transaction.open_table(tables::PEERS)?.insert(device.as_bytes(), value.as_slice())?;
        self.are_peers_changed = true;
        Ok(())
    }

    fn absent_of(&self, is_wanted: impl Fn(&Absent) -> bool) -> Result<Vec<([u8; 48], Absent)>, LogError> {
        let table = self.transaction.open_table(tables::ABSENT)?;
        let mut found = Vec::new();
        for row in table.iter()? {
            let (key, sealed) = row?;
            let absent = self.open_row("absent-1", key.value(), sealed.value())?;
            if is_wanted(&absent) {
                found.push((*key.value(), absent));
            }
        }
        Ok(found)
    }

    fn put_absent(&mut self, key: &[u8; 48], absent: &Absent) -> Result<(), LogError> {
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

    /// Notes that a host lists messages that are here. If some are witnesses, the host withholds what they name.
    pub(crate) fn note_listed(&mut self, link: u32, listed: &[Position]) -> Result<(), LogError> {
        if !self.has_absent {
            return Ok(());
        }
        for position in listed {
            if !self.is_own_kind(position)? {
                continue;
            }
            for (key, mut absent) in self.absent_of(|absent| absent.witness == *position)? {
                if !absent.links.contains(&link) {
                    absent.links.push(link);
                    self.put_absent(&key, &absent)?;
                }
            }
        }
        Ok(())
    }

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
        self.drop_message(&key, &overwritten_key(&entity_key, &key))?;
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
    fn note_dropped_news(&self) -> Result<(), LogError> {
        self.transaction.open_table(tables::META)?.insert("dropped-news", [1].as_slice())?;
        Ok(())
    }

    fn seal_row(&mut self, table: &str, key: &[u8], row: &impl Serialize) -> Vec<u8> {
        let value = rmp_serde::to_vec(row).expect("plain data serializes");
        let vault = self.vault;
        vault.seal(table, key, &value, self.rng())
    }

    fn open_row<T: DeserializeOwned>(&self, table: &'static str, key: &[u8], sealed: &[u8]) -> Result<T, LogError> {
        let value = self.vault.open(table, key, sealed)?;
        rmp_serde::from_slice(&value).map_err(|_| LogError::DamagedValue { table })
    }
}
