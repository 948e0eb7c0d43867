//! How bags lie in the data file. Keys are our own bytes, so that no release of redb can change their order.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use diplomatic::standard::{Encode, MAX_VARINT, PublicKey, Seq, Signature, VerifiedBag};

use super::{reading, writing};
use crate::store::{Placed, StoreError};

/// The format that this build reads and writes, as it stands under [`FORMAT_KEY`].
pub(super) const FORMAT: &str = "diplomatic-host 1";
/// The only key of [`META`].
pub(super) const FORMAT_KEY: &str = "format";

/// Key: a name. Value: a text.
pub(super) const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// Key: user (32 bytes). Value: the user's last seq (u64 BE).
pub(super) const USERS: TableDefinition<'_, &[u8; 32], &[u8; 8]> = TableDefinition::new("users-1");

/// Key: user (32 bytes) ++ seq (u64 BE). Value: the encoded bag head, which is all that PEEK reads.
pub(super) const HEADS: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("heads-1");

/// Key: user (32 bytes) ++ seq (u64 BE). Value: the sealed body, which is all that PULL reads.
pub(super) const BODIES: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("bodies-1");

/// Key: user (32 bytes) ++ signature (64 bytes). Value: the bag's seq (u64 BE).
///
/// The whole signature: its first half alone would save a third and let a user make two bags that pass for one.
pub(super) const SEQS: TableDefinition<'_, &[u8; 96], &[u8; 8]> = TableDefinition::new("seqs-1");

/// Returns the key of a bag in [`HEADS`] and [`BODIES`].
pub(super) fn bag_key(user: &PublicKey, seq: Seq) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(user.as_bytes());
    key[32..].copy_from_slice(&seq.number().to_be_bytes());
    key
}

/// Returns the key of a bag in [`SEQS`].
fn signature_key(user: &PublicKey, signature: &Signature) -> [u8; 96] {
    let mut key = [0; 96];
    key[..32].copy_from_slice(user.as_bytes());
    key[32..].copy_from_slice(signature.as_bytes());
    key
}

/// Reads a seq from the end of a key or from a value.
pub(super) fn seq_from(bytes: [u8; 8]) -> Seq {
    // A larger number was never written; should the file hold one, the last seq is the harmless reading.
    Seq::new(u64::from_be_bytes(bytes).min(MAX_VARINT)).unwrap_or_default()
}

/// The tables of one write transaction.
pub(super) struct Tables<'txn> {
    users: Table<'txn, &'static [u8; 32], &'static [u8; 8]>,
    heads: Table<'txn, &'static [u8; 40], &'static [u8]>,
    bodies: Table<'txn, &'static [u8; 40], &'static [u8]>,
    seqs: Table<'txn, &'static [u8; 96], &'static [u8; 8]>,
    changed: bool,
}

impl<'txn> Tables<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            users: txn.open_table(USERS).map_err(writing)?,
            heads: txn.open_table(HEADS).map_err(writing)?,
            bodies: txn.open_table(BODIES).map_err(writing)?,
            seqs: txn.open_table(SEQS).map_err(writing)?,
            changed: false,
        })
    }

    /// Tells whether the transaction has anything to commit.
    pub(super) const fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn register(&mut self, user: &PublicKey) -> Result<(), StoreError> {
        match self.last_seq(user)? {
            Some(_) => Ok(()),
            None => self.set_last_seq(user, Seq::ZERO),
        }
    }

    pub(super) fn append(&mut self, user: &PublicKey, bags: &[VerifiedBag]) -> Result<Vec<Placed>, StoreError> {
        let before = self.last_seq(user)?;
        let mut last = before.unwrap_or_default();
        let mut encoded = Vec::new();
        let mut placed = Vec::with_capacity(bags.len());
        for bag in bags {
            placed.push(self.place(user, bag, &mut last, &mut encoded)?);
        }
        if before != Some(last) {
            self.set_last_seq(user, last)?;
        }
        Ok(placed)
    }

    fn place(
        &mut self,
        user: &PublicKey,
        bag: &VerifiedBag,
        last: &mut Seq,
        encoded: &mut Vec<u8>,
    ) -> Result<Placed, StoreError> {
        let bag = bag.as_bag();
        let signature = signature_key(user, &bag.head.signature);
        if let Some(known) = self.seqs.get(&signature).map_err(reading)? {
            return Ok(Placed::Known(seq_from(*known.value())));
        }
        let seq = last.next();
        if seq == *last {
            return Err(StoreError::NoSeqLeft { user: *user });
        }
        encoded.clear();
        bag.head.encode(encoded);
        let key = bag_key(user, seq);
        self.seqs.insert(&signature, &seq.number().to_be_bytes()).map_err(writing)?;
        self.heads.insert(&key, encoded.as_slice()).map_err(writing)?;
        self.bodies.insert(&key, bag.body.as_bytes()).map_err(writing)?;
        *last = seq;
        Ok(Placed::New(seq))
    }

    fn last_seq(&self, user: &PublicKey) -> Result<Option<Seq>, StoreError> {
        let last = self.users.get(user.as_bytes()).map_err(reading)?;
        Ok(last.map(|last| seq_from(*last.value())))
    }

    fn set_last_seq(&mut self, user: &PublicKey, last: Seq) -> Result<(), StoreError> {
        self.changed = true;
        self.users.insert(user.as_bytes(), &last.number().to_be_bytes()).map_err(writing)?;
        Ok(())
    }
}
