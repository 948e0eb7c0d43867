//! What is known of the account's devices, from their witnesses: the rows, and reading them.

use std::ops::Bound;

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::error::LogError;
use super::read::LogReader;
use super::rows::held_keys;
use super::{StoredMessage, tables};
use crate::order::Position;
use crate::standard::Timestamp;
use crate::witness::{ChainHash, Count, DeviceId, Ranges};

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct PeerRecord {
    /// When it made its latest witness, in milliseconds.
    pub(crate) heard: u64,
    /// How far its witnesses follow one another without a gap.
    pub(crate) verified: Count,
    /// The largest count of a witness of it that is here.
    pub(crate) last: u64,
    /// The largest count that others have seen of it.
    pub(crate) seen: Claim,
    /// The numbers of its messages that compaction dropped here.
    pub(crate) dropped: Ranges,
    /// The numbers of its messages that nobody need have: another device dropped them, or they are not in an imported file.
    pub(crate) waived: Ranges,
    /// The messages between its witnesses and after them that no witness here names.
    pub(crate) gaps: Vec<Gap>,
    /// Where its witnesses contradict each other.
    pub(crate) fork: Option<Forked>,
    /// What its user calls it, by its latest witness.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// What others say of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) count: Count,
    pub(crate) since: u64,
    /// The host that brought the claim.
    pub(crate) link: u32,
}

/// Messages that exist and that no witness here names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// How many of them are missing.
    pub(crate) messages: u64,
    pub(crate) since: u64,
    /// The host that brought the witness which shows the gap.
    pub(crate) link: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forked {
    pub(crate) n: u64,
    pub(crate) since: u64,
}

/// A witness that was here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WitnessRow {
    /// The count before the messages that it names.
    pub(super) before: u64,
    pub(super) chain: ChainHash,
    #[serde(with = "as_bytes")]
    pub(super) position: Position,
    /// The host that brought it.
    pub(super) link: u32,
}

/// A message that a witness names and that is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absent {
    pub(crate) device: DeviceId,
    /// Its number among what the device has emitted, from 1 on.
    pub(crate) number: u64,
    /// When the witness was made.
    pub(crate) since: u64,
    /// Where the witness is.
    #[serde(with = "as_bytes")]
    pub(crate) witness: Position,
    /// The hosts that have the witness.
    pub(crate) links: Vec<u32>,
}

/// Positions as bytes.
pub(super) mod as_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::order::Position;

    pub(in crate::log) fn serialize<S: Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
        position.to_bytes().as_slice().serialize(serializer)
    }

    pub(in crate::log) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Position, D::Error> {
        let bytes: Vec<u8> = Vec::deserialize(deserializer)?;
        let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("a position has 48 bytes"))?;
        Ok(Position::from_bytes(&bytes))
    }
}

impl PeerRecord {
    /// Returns how many messages of the numbers from `first` to `last` somebody should have.
    pub(super) fn due(&self, first: u64, last: u64) -> u64 {
        if first > last {
            return 0;
        }
        let mut excused = self.waived.clone();
        excused.add_all(&self.dropped);
        last - first + 1 - excused.count(first, last)
    }

    pub(super) fn note_fork(&mut self, n: u64, since: Timestamp) {
        self.fork.get_or_insert(Forked { n, since: since.as_millis() });
    }
}

/// What is to be done for a host that has everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Whether something is held for the host.
    pub(crate) is_held: bool,
    /// When this device last emitted what no witness covers yet, and how much there is of it.
    pub(crate) emitted: Option<(Timestamp, u64)>,
    /// Whether compaction dropped something that others do not know of.
    pub(crate) has_news: bool,
    /// Whether another device wants something for the host.
    pub(crate) is_wanted: bool,
}

impl LogReader<'_> {
    /// Returns this device's ID; none before it was needed.
    pub(crate) fn device(&self) -> Result<Option<DeviceId>, LogError> {
        let meta = self.transaction.open_table(tables::META)?;
        let id = meta.get("device")?.map(|id| id.value().try_into().map(DeviceId::from_bytes));
        id.transpose().map_err(|_| LogError::DamagedValue { table: "meta-1" })
    }

    /// Returns the first `limit` of the framework's own messages after `after`, in the total order.
    pub(crate) fn own_kind_after(&self, after: &Position, limit: usize) -> Result<Vec<StoredMessage>, LogError> {
        let table = self.transaction.open_table(tables::OWN_KIND)?;
        let after = after.to_bytes();
        let rows = table.range::<&[u8; 48]>((Bound::Excluded(&after), Bound::Unbounded))?.take(limit);
        let mut page = Vec::new();
        for row in rows {
            page.extend(self.message(&Position::from_bytes(row?.0.value()))?);
        }
        Ok(page)
    }

    /// Returns how many witnesses made no sense.
    pub(crate) fn odd_witnesses(&self) -> Result<u64, LogError> {
        let meta = self.transaction.open_table(tables::META)?;
        Ok(meta.get("odd-witnesses")?.and_then(|count| count.value().try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// Returns every device, and what is known of it.
    pub(crate) fn peers(&self) -> Result<Vec<(DeviceId, PeerRecord)>, LogError> {
        let table = self.transaction.open_table(tables::PEERS)?;
        let mut peers = Vec::new();
        for row in table.iter()? {
            let (key, sealed) = row?;
            let record = self.vault.open_row("peers-1", key.value(), sealed.value())?;
            peers.push((DeviceId::from_bytes(*key.value()), record));
        }
        Ok(peers)
    }

    /// Returns the messages that witnesses name and that are not here.
    pub(crate) fn absent(&self) -> Result<Vec<(Position, Absent)>, LogError> {
        let table = self.transaction.open_table(tables::ABSENT)?;
        let mut absent = Vec::new();
        for row in table.iter()? {
            let (key, sealed) = row?;
            let row = self.vault.open_row("absent-1", key.value(), sealed.value())?;
            absent.push((Position::from_bytes(key.value()), row));
        }
        Ok(absent)
    }

    /// Returns what is to be done for a link's host, if it has everything else; `None` if it has not.
    pub(crate) fn waiting(&self, link: u32) -> Result<Option<Waiting>, LogError> {
        if self.queue_len(link)? > 0 {
            return Ok(None);
        }
        let held = self.transaction.open_table(tables::HELD)?;
        let (first, last) = held_keys(link);
        let is_held = held.range::<&[u8; 52]>(&first..=&last)?.next().is_some();
        let emitted = self.transaction.open_table(tables::EMITTED)?;
        let emitted = emitted.first()?.zip(emitted.last()?).map(|((first, _), (last, value))| {
            let (_, time) = split_emitted(value.value());
            (time, last.value() - first.value() + 1)
        });
        let has_news = self.transaction.open_table(tables::META)?.get("dropped-news")?.is_some();
        let is_wanted = self.is_wanted_of(link)?;
        Ok(Some(Waiting { is_held, emitted, has_news, is_wanted }))
    }
}

pub(super) fn witness_key(device: &DeviceId, n: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(device.as_bytes());
    key[16..].copy_from_slice(&n.to_be_bytes());
    key
}

pub(super) fn split_witness_key(key: &[u8; 24]) -> u64 {
    let (_, n) = key.split_last_chunk::<8>().expect("a key of this table has 24 bytes");
    u64::from_be_bytes(*n)
}

pub(super) fn join_emitted(position: &Position, time: Timestamp) -> [u8; 56] {
    let mut value = [0; 56];
    value[..48].copy_from_slice(&position.to_bytes());
    value[48..].copy_from_slice(&time.as_millis().to_be_bytes());
    value
}

pub(super) fn split_emitted(value: &[u8; 56]) -> (Position, Timestamp) {
    let (position, time) = value.split_first_chunk::<48>().expect("a value of this table has 56 bytes");
    let time = time.first_chunk().expect("a value of this table has 56 bytes");
    (Position::from_bytes(position), Timestamp::from_millis(u64::from_be_bytes(*time)))
}
