//! What a witness says, and its bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bin::Bytes;
use super::chain::ChainHash;
use super::kind::WITNESS;
use super::name::{DeviceId, short_name};
use super::ranges::Ranges;
use crate::order::Position;
use crate::standard::{
    Decode, DecodeError, Encode, EntityBody, EntityId, HeadHash, MAX_SAFE, Message, Reader, put_varint,
};

/// How many messages a witness names at most. A larger burst of activity gets several witnesses.
pub(crate) const MOST_NAMED: usize = 500;

/// With more than this of anything, a witness is absurd.
const MOST_READ: usize = 1_000;

/// How many of a device's messages there are, and which, by their [chain](ChainHash).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) n: u64,
    pub(crate) chain: ChainHash,
}

impl Count {
    /// Returns the count after more messages.
    pub(crate) fn then(self, messages: &[Position]) -> Self {
        let chain = self.chain.then_all(messages.iter().map(|position| &position.hash));
        Self { n: self.n + messages.len() as u64, chain }
    }
}

/// A device's word on what it has emitted and seen. Witnesses and wants are not counted among the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) device: DeviceId,
    /// What the device has emitted.
    pub(crate) emitted: Count,
    /// Where the last of these messages are, in the order of emission: those since the device's witness before.
    pub(crate) named: Vec<Position>,
    /// What the device has seen of others.
    pub(crate) seen: BTreeMap<DeviceId, Count>,
    /// Which messages of each device compaction dropped here, by their numbers: whoever got everything from here does
    /// not have them, and need not, because later ones count in their place.
    pub(crate) dropped: BTreeMap<DeviceId, Ranges>,
    /// What its user calls it.
    pub(crate) name: Option<String>,
}

/// The payload. `named` is one bin with three things for each message: varint changed-at · varint counter · bytes(32) head
/// hash.
#[derive(Serialize, Deserialize)]
struct Payload {
    device: DeviceId,
    n: u64,
    chain: ChainHash,
    named: Bytes,
    seen: Vec<Seen>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<Dropped>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    device: DeviceId,
    n: u64,
    chain: ChainHash,
}

#[derive(Serialize, Deserialize)]
struct Dropped {
    device: DeviceId,
    ranges: Ranges,
}

impl Witness {
    /// Returns the entity of a device's witnesses.
    pub(crate) fn entity(device: &DeviceId) -> EntityId {
        EntityId::register(WITNESS, &register_key(device))
    }

    /// Returns what the device had emitted before the messages that this names.
    pub(crate) fn before(&self) -> u64 {
        self.emitted.n - self.named.len() as u64
    }

    /// Returns the body of the message.
    pub(crate) fn to_body(&self) -> Vec<u8> {
        let Self { device, emitted: Count { n, chain }, named, seen, dropped, name } = self;
        let payload = Payload {
            device: *device,
            n: *n,
            chain: *chain,
            named: Bytes(encode_positions(named)),
            seen: seen
                .iter()
                .map(|(device, Count { n, chain })| Seen { device: *device, n: *n, chain: *chain })
                .collect(),
            dropped: dropped
                .iter()
                .map(|(device, ranges)| Dropped { device: *device, ranges: ranges.clone() })
                .collect(),
            name: name.clone(),
        };
        let payload = rmp_serde::to_vec_named(&payload).expect("plain data serializes");
        EntityBody::new(WITNESS, &payload).to_bytes()
    }

    /// Reads a witness; `None` if it is none, or says what cannot be.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let body = EntityBody::decode(message.body()?).ok().filter(|body| body.type_name == WITNESS)?;
        let Payload { device, n, chain, named, seen, dropped, name } = rmp_serde::from_slice(body.payload).ok()?;
        let witness = Self {
            device,
            emitted: Count { n, chain },
            named: decode_positions(&named.0)?,
            seen: seen.into_iter().map(|Seen { device, n, chain }| (device, Count { n, chain })).collect(),
            dropped: dropped.into_iter().map(|Dropped { device, ranges }| (device, ranges)).collect(),
            name: name.as_deref().and_then(short_name),
        };
        (Self::entity(&device) == *message.head().entity() && witness.is_possible()).then_some(witness)
    }

    fn is_possible(&self) -> bool {
        let Self { device: _, emitted, named, seen, dropped, name: _ } = self;
        emitted.n <= MAX_SAFE
            && named.len() as u64 <= emitted.n
            && seen.len() <= MOST_READ
            && seen.values().all(|seen| seen.n <= MAX_SAFE)
            && dropped.len() <= MOST_READ
            && dropped.values().all(Ranges::is_sound)
    }
}

pub(super) fn encode_positions(named: &[Position]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(named.len() * 40);
    for Position { changed, counter, hash } in named {
        changed.encode(&mut bytes);
        put_varint(&mut bytes, *counter);
        bytes.extend_from_slice(hash.as_bytes());
    }
    bytes
}

/// Returns `None` for what is no list of positions, or too long a one.
pub(super) fn decode_positions(bytes: &[u8]) -> Option<Vec<Position>> {
    let mut reader = Reader::new(bytes);
    let mut named = Vec::new();
    while !reader.is_empty() {
        if named.len() == MOST_READ {
            return None;
        }
        let mut read = || {
            let (changed, counter) = (Decode::read(&mut reader)?, reader.varint()?);
            Ok::<_, DecodeError>(Position { changed, counter, hash: HeadHash::from_bytes(reader.array()?) })
        };
        named.push(read().ok()?);
    }
    Some(named)
}

/// Returns the key of a device's register, as the derive macro makes keys: an array of the key fields.
pub(super) fn register_key(device: &DeviceId) -> Vec<u8> {
    rmp_serde::to_vec(&[device]).expect("plain data serializes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::standard::{Body, Timestamp};

    fn message(entity: EntityId, body: Vec<u8>) -> Message {
        Message::new(entity, Timestamp::from_millis(5), 0, Body::new(body)).expect("small numbers")
    }

    fn position(byte: u8) -> Position {
        let hash = HeadHash::from_bytes([byte; 32]);
        Position { changed: Timestamp::from_millis(1_764_000_000_000), counter: u64::from(byte), hash }
    }

    fn witness(device: u8, n: u64, named: u8) -> Witness {
        let device = DeviceId::from_bytes([device; 16]);
        let named = (0..named).map(position).collect();
        let emitted = Count { n, ..Count::default() };
        let mut ranges = Ranges::default();
        ranges.add(3, 9);
        let seen = BTreeMap::from([(DeviceId::from_bytes([9; 16]), Count { n: 7, ..Count::default() })]);
        let name = Some("a phone".to_owned());
        Witness { device, emitted, named, seen, dropped: BTreeMap::from([(device, ranges)]), name }
    }

    #[test]
    fn a_witness_reads_as_it_was_written() {
        let written = witness(1, 40, 3);
        assert_eq!(Witness::of(&message(Witness::entity(&written.device), written.to_body())), Some(written));
    }

    #[test]
    fn a_witness_that_says_what_cannot_be_is_none() {
        let read = |said: &Witness, entity: u8| {
            Witness::of(&message(Witness::entity(&DeviceId::from_bytes([entity; 16])), said.to_body()))
        };
        assert_eq!(read(&witness(1, 2, 3), 1), None, "it names more than there is");
        assert_eq!(read(&witness(1, MAX_SAFE + 1, 3), 1), None, "it counts too far");
        assert_eq!(read(&witness(1, 40, 3), 2), None, "it is about another device");
        let mut long = witness(1, 5_000, 0);
        long.named = vec![position(1); 1_001];
        assert_eq!(read(&long, 1), None, "it names too many");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let body = EntityBody::new(WITNESS, &payload).to_bytes();
            prop_assert_eq!(Witness::of(&message(EntityId::register(WITNESS, &[1]), body)), None);
        }

        #[test]
        fn a_witness_with_odd_bytes_in_it_does_no_harm(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let written = witness(1, 40, 3);
            let mut body = written.to_body();
            let at = at.index(body.len());
            body[at] = byte;
            if let Some(read) = Witness::of(&message(Witness::entity(&written.device), body)) {
                prop_assert!(read.is_possible());
            }
        }
    }
}
