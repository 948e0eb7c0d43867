//! Wants in the log: what this device lacks, and what others lack that is here.

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::LogReader;
use super::error::LogError;
use super::peers::as_bytes;
use super::tables;
use super::write::LogWriter;
use crate::order::Position;
use crate::standard::{Message, PublicKey, Seq};
use crate::witness::{DeviceId, HostWant, MOST_CHUNKS_WANTED, MOST_WANTED, Unnamed, Want, Witness};

/// A device's latest want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WantRow {
    #[serde(with = "as_bytes")]
    position: Position,
    /// The links for whose hosts it was answered.
    answered: Vec<u32>,
}

/// What came of the wants of other devices.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answered {
    /// Whether something was queued.
    pub(crate) queued: bool,
    /// Whether another device cannot read some of what this one has read from the host. What was in those bags, nobody
    /// remembers; the host's whole list shows what is not there any more.
    pub(crate) compare: bool,
}

impl LogReader<'_> {
    /// Returns what this device last wanted, and where that is.
    pub(crate) fn own_want(&self) -> Result<Option<(Position, Want)>, LogError> {
        let Some(device) = self.device()? else { return Ok(None) };
        let Some(winner) = self.winner(&Want::entity(&device))? else { return Ok(None) };
        let stored = self.message(&winner.position)?;
        Ok(stored.and_then(|stored| Want::of(&stored.message)).map(|want| (winner.position, want)))
    }

    /// Returns what is missing here and could be put on a host again, given what cannot be read there, and which chunks are
    /// wanted.
    pub(crate) fn lacking(
        &self,
        host: &PublicKey,
        unreadable: &[Position],
        chunks: &[Position],
        holes: Vec<(u64, u64)>,
    ) -> Result<HostWant, LogError> {
        let absent = self.absent()?;
        let mut messages: Vec<Position> = absent.iter().map(|(position, _)| *position).collect();
        for position in unreadable {
            if !self.knows(position)? && !messages.contains(position) {
                messages.push(*position);
            }
        }
        messages.truncate(MOST_WANTED);
        messages.extend_from_slice(chunks);
        let mut unnamed = Vec::new();
        for (device, record) in self.peers()? {
            let gaps = record.gaps.iter().map(|gap| Unnamed { device, first: gap.first, last: gap.last });
            unnamed.extend(gaps.take(MOST_WANTED.saturating_sub(unnamed.len())));
        }
        Ok(HostWant { host: *host.as_bytes(), messages, unnamed, holes })
    }

    /// Tells whether another device wants something for a link's host that was not looked for yet.
    pub(super) fn is_wanted_of(&self, link: u32) -> Result<bool, LogError> {
        for row in self.transaction.open_table(tables::WANTS)?.iter()? {
            let (key, sealed) = row?;
            let row: WantRow = self.vault.open_row("wants-1", key.value(), sealed.value())?;
            if !row.answered.contains(&link) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl LogWriter<'_> {
    /// Takes up what another device wants; only its latest want counts.
    pub(super) fn take_want(&mut self, message: &Message, position: Position) -> Result<(), LogError> {
        let Some(want) = Want::of(message) else { return self.note_odd_witness() };
        if want.device == self.device_id()? || self.is_one_too_many(&want.device)? {
            return Ok(());
        }
        let before = self.want_row(&want.device)?;
        if before.is_none_or(|before| before.position < position) {
            self.put_want_row(&want.device, &WantRow { position, answered: Vec::new() })?;
        }
        Ok(())
    }

    /// Queues for a link's host what other devices want there and this one has. The host was read up to `read` once.
    pub(crate) fn answer_wants(&mut self, link: u32, host: &PublicKey, read: Seq) -> Result<Answered, LogError> {
        let mut answered = Answered::default();
        let is_queued = &mut answered.queued;
        for (device, mut row) in self.want_rows()? {
            if row.answered.contains(&link) {
                continue;
            }
            let want = self.message(&row.position)?.as_ref().and_then(Want::of);
            let wanted = want.into_iter().flat_map(|want| want.hosts).filter(|wanted| wanted.host == *host.as_bytes());
            for HostWant { host: _, messages, unnamed, holes } in wanted {
                let mut chunks = 0;
                for position in messages {
                    let is_message = self.queue_if_here(link, &position)?;
                    let is_chunk =
                        !is_message && chunks < MOST_CHUNKS_WANTED && self.queue_chunk_again(link, &position)?;
                    chunks += usize::from(is_chunk);
                    *is_queued |= is_message || is_chunk;
                }
                for Unnamed { device, first, last } in unnamed {
                    *is_queued |= self.queue_unnamed(link, &device, first, last)?;
                }
                answered.compare |= holes.iter().any(|(first, _)| *first <= read.number());
            }
            row.answered.push(link);
            self.put_want_row(&device, &row)?;
        }
        Ok(answered)
    }

    /// Queues the witnesses that name some of a device's messages, and these messages.
    fn queue_unnamed(&mut self, link: u32, device: &DeviceId, first: u64, last: u64) -> Result<bool, LogError> {
        let mut is_queued = false;
        for (_, row) in self.rows_after(device, first.saturating_sub(1), MOST_WANTED)? {
            if row.before >= last {
                break;
            }
            let witness = self.message(&row.position)?.as_ref().and_then(Witness::of);
            for named in witness.iter().flat_map(|witness| &witness.named) {
                is_queued |= self.queue_if_here(link, named)?;
            }
            is_queued |= self.queue_if_here(link, &row.position)?;
        }
        Ok(is_queued)
    }

    fn queue_if_here(&mut self, link: u32, position: &Position) -> Result<bool, LogError> {
        let key = position.to_bytes();
        let is_here = self.messages.get(&key)?.is_some();
        if is_here {
            self.queue_one(link, &key)?;
        }
        Ok(is_here)
    }

    fn want_row(&self, device: &DeviceId) -> Result<Option<WantRow>, LogError> {
        let table = self.transaction.open_table(tables::WANTS)?;
        let key = device.as_bytes();
        let row = table.get(key)?.map(|sealed| self.vault.open_row("wants-1", key, sealed.value()));
        row.transpose()
    }

    fn want_rows(&self) -> Result<Vec<(DeviceId, WantRow)>, LogError> {
        let table = self.transaction.open_table(tables::WANTS)?;
        let rows = table.iter()?.map(|row| {
            let (key, sealed) = row?;
            Ok((DeviceId::from_bytes(*key.value()), self.vault.open_row("wants-1", key.value(), sealed.value())?))
        });
        rows.collect()
    }

    fn put_want_row(&mut self, device: &DeviceId, row: &WantRow) -> Result<(), LogError> {
        let value = self.seal_row("wants-1", device.as_bytes(), row);
        self.transaction.open_table(tables::WANTS)?.insert(device.as_bytes(), value.as_slice())?;
        Ok(())
    }
}
