//! What the words of other devices say about what is here.
//!
//! Whatever a witness or a claim speaks of should be here, unless another device says that compaction dropped it (see
//! [`PeerRecord::waived`]).

use redb::ReadableTable;

use super::error::LogError;
use super::peers::{Absent, Claim, Gap, PeerRecord, WitnessRow, split_witness_key, witness_key};
use super::write::LogWriter;
use super::{A_FILE, THIS_DEVICE, tables};
use crate::order::Position;
use crate::standard::{Message, Timestamp};
use crate::witness::{Count, DeviceId, Witness};

/// More gaps of a device than this are counted as one.
const MOST_GAPS: usize = 100;

impl LogWriter<'_> {
    pub(super) fn take_witness(&mut self, message: &Message, position: Position, origin: u32) -> Result<(), LogError> {
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

    pub(super) fn note_odd_witness(&self) -> Result<(), LogError> {
        let mut meta = self.transaction.open_table(tables::META)?;
        let count = meta.get("odd-witnesses")?.and_then(|count| count.value().try_into().ok());
        let count = count.map_or(0, u64::from_be_bytes).saturating_add(1);
        meta.insert("odd-witnesses", count.to_be_bytes().as_slice())?;
        Ok(())
    }

    /// Takes up what a witness says of its own device.
    fn take_names(&mut self, witness: &Witness, position: Position, origin: u32) -> Result<(), LogError> {
        let (device, n, before) = (&witness.device, witness.emitted.n, witness.before());
        let mut record = self.peer(device)?.unwrap_or_default();
        let since = position.changed;
        if record.heard <= since.as_millis() {
            record.heard = since.as_millis();
            record.name.clone_from(&witness.name);
        }
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
    pub(super) fn advance(
        &self,
        device: &DeviceId,
        record: &mut PeerRecord,
        arriving: Option<&Witness>,
    ) -> Result<(), LogError> {
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
}
