//! The order in which messages arrived: every message that is not the framework's own gets a number when it is stored.

use redb::{ReadableTable, Table};

use super::error::LogError;
use super::vault::{EntityKey, Vault};
use crate::following::{Chain, chained};
use crate::standard::{Decode, EntityId};

/// How many arrivals stand in one row, so that a full one just fits a page of the database.
pub(super) const IN_A_BLOCK: usize = 79;

/// Arrivals that follow one another, as one row of the table.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) index: u64,
    /// The chain up to the last of them.
    pub(super) chain: Chain,
    /// The last position in the total order of what arrived before.
    pub(super) highest_before: [u8; 48],
    pub(super) positions: Vec<[u8; 48]>,
}

impl Block {
    pub(super) fn first(vault: &Vault) -> Self {
        Self { index: 0, chain: start(vault), highest_before: [0; 48], positions: Vec::new() }
    }

    fn next(&self) -> Self {
        let highest_before = self.positions.iter().copied().fold(self.highest_before, Ord::max);
        Self { index: self.index + 1, chain: self.chain, highest_before, positions: Vec::new() }
    }

    /// The number of the first arrival in a block.
    pub(super) const fn first_number(index: u64) -> u64 {
        index * IN_A_BLOCK as u64 + 1
    }

    /// The number of the last arrival here.
    pub(super) const fn last_number(&self) -> u64 {
        Self::first_number(self.index) + self.positions.len() as u64 - 1
    }

    fn push(&mut self, position: [u8; 48]) {
        self.chain = chained(&self.chain, &position);
        self.positions.push(position);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [&self.chain[..], &self.highest_before, self.positions.as_flattened()].concat()
    }

    pub(super) fn decode(index: u64, value: &[u8]) -> Result<Self, LogError> {
        let parts = value.split_first_chunk::<16>().and_then(|(chain, rest)| Some((chain, rest.split_first_chunk()?)));
        match parts.map(|(chain, (highest, positions))| (chain, highest, positions.as_chunks::<48>())) {
            Some((chain, highest_before, (positions, []))) if (1..=IN_A_BLOCK).contains(&positions.len()) => {
                Ok(Self { index, chain: *chain, highest_before: *highest_before, positions: positions.to_vec() })
            }
            _ => Err(LogError::DamagedValue { table: "arrivals-1" }),
        }
    }
}

/// The chain of a store in which nothing has arrived. Each store has its own.
pub(super) fn start(vault: &Vault) -> Chain {
    *vault.hash(b"diplomatic arrivals v1").first_chunk().expect("a hash has 32 bytes")
}

/// The block and the place in it of an arrival.
pub(super) const fn place_of(number: u64) -> (u64, usize) {
    let before = number - 1;
    (before / IN_A_BLOCK as u64, (before % IN_A_BLOCK as u64) as usize)
}

pub(super) fn by_dropped_key(number: u64, root: &EntityKey) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(root);
    key
}

/// The tables of a transaction in which something arrives.
pub(super) struct Arriving<'t> {
    pub(super) blocks: Table<'t, u64, &'static [u8]>,
    /// The last block, which is written at the end of the transaction.
    pub(super) last: Block,
    pub(super) changed_at: Table<'t, &'static [u8; 32], u64>,
    pub(super) hung_on: Table<'t, &'static [u8; 64], &'static [u8]>,
    pub(super) has_hung_on: bool,
    pub(super) changed_by_dropped: Table<'t, &'static [u8; 40], &'static [u8]>,
    pub(super) has_changed_by_dropped: bool,
}

impl Arriving<'_> {
    pub(super) fn push(&mut self, position: &[u8; 48]) -> Result<u64, LogError> {
        if self.last.positions.len() == IN_A_BLOCK {
            self.blocks.insert(self.last.index, self.last.encode().as_slice())?;
            self.last = self.last.next();
        }
        self.last.push(*position);
        Ok(self.last.last_number())
    }

    /// Notes the last change of a root. Of a message that counts for the root's own entity, nothing needs to be noted.
    pub(super) fn change(&mut self, root: &EntityKey, counts_for_it: bool, number: u64) -> Result<(), LogError> {
        let before = if counts_for_it {
            let before = self.changed_at.get(root)?.map(|before| before.value());
            if before.is_some() {
                self.changed_at.remove(root)?;
            }
            before
        } else {
            self.changed_at.insert(root, number)?.map(|before| before.value())
        };
        if let Some(before) = before.filter(|_| self.has_changed_by_dropped) {
            self.changed_by_dropped.remove(&by_dropped_key(before, root))?;
        }
        Ok(())
    }

    pub(super) fn position_at(&self, number: u64) -> Result<Option<[u8; 48]>, LogError> {
        let (index, place) = place_of(number);
        if index == self.last.index {
            return Ok(self.last.positions.get(place).copied());
        }
        let Some(value) = self.blocks.get(index)? else { return Ok(None) };
        Ok(Block::decode(index, value.value())?.positions.get(place).copied())
    }
}

pub(super) fn open_root(vault: &Vault, key: &[u8; 64], sealed: &[u8]) -> Result<EntityId, LogError> {
    let bytes = vault.open("hung-on-1", key, sealed)?;
    EntityId::decode(&bytes).map_err(|_| LogError::DamagedValue { table: "hung-on-1" })
}
