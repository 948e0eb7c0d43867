//! How bags lie in the data file. Keys are our own bytes, so that no release of redb can change their order.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use diplomatic::standard::{Bag, Encode, MAX_VARINT, PublicKey, Seq, Signature, VerifiedBag};

use super::{reading, writing};
use crate::store::{Appended, Placed, StoreError};

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

/// Key: user (32 bytes) ++ the start of a signature (16 bytes). Value: the seqs (u64 BE each) of the bags whose signatures
/// start so, by seq.
///
/// A signature's start is as good as unique, and a third of the bytes: signatures fall all over the table, and each push
/// writes anew every page that it touches. A user can make two of the same start, so that the rest is compared too.
pub(super) const SEQS: TableDefinition<'_, &[u8; 48], &[u8]> = TableDefinition::new("seqs-1");

/// Returns the key of a bag in [`HEADS`] and [`BODIES`].
pub(super) fn bag_key(user: &PublicKey, seq: Seq) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(user.as_bytes());
    key[32..].copy_from_slice(&seq.number().to_be_bytes());
    key
}

/// The seq behind every other one.
pub(super) const END: Seq = match Seq::new(MAX_VARINT) {
    Some(seq) => seq,
    None => Seq::ZERO,
};

/// Reads the seq at the end of a key of [`HEADS`] or [`BODIES`].
pub(super) fn seq_of_key(key: &[u8; 40]) -> Seq {
    let [.., a, b, c, d, e, f, g, h] = *key;
    seq_from([a, b, c, d, e, f, g, h])
}

/// Returns the key of a signature in [`SEQS`].
fn signature_key(user: &PublicKey, signature: &[u8; 64]) -> [u8; 48] {
    let mut key = [0; 48];
    key[..32].copy_from_slice(user.as_bytes());
    key[32..].copy_from_slice(&signature[..16]);
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
    seqs: Table<'txn, &'static [u8; 48], &'static [u8]>,
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

    /// Appends bags table by table and in the order of the keys, which touches each page once.
    pub(super) fn append(&mut self, user: &PublicKey, bags: &[VerifiedBag]) -> Result<Appended, StoreError> {
        let before = self.last_seq(user)?;
        let known = self.known(user, bags)?;
        let mut last = before.unwrap_or_default();
        let mut new: BTreeMap<&[u8; 64], Seq> = BTreeMap::new();
        let mut appended = Appended::whole(Vec::with_capacity(bags.len()));
        for (bag, known) in bags.iter().map(VerifiedBag::as_bag).zip(known) {
            let signature = bag.head.signature.as_bytes();
            if let Some(seq) = known.or_else(|| new.get(signature).copied()) {
                appended.placed.push(Placed::Known(seq));
                continue;
            }
            let seq = last.next();
            if seq == last {
                appended.cut = Some(StoreError::NoSeqLeft { user: *user });
                break;
            }
            self.heads.insert(&bag_key(user, seq), bag.head.to_bytes().as_slice()).map_err(writing)?;
            new.insert(signature, seq);
            appended.placed.push(Placed::New(seq));
            last = seq;
        }
        for (bag, placed) in bags.iter().zip(&appended.placed).filter(|(_, placed)| placed.is_new()) {
            self.bodies.insert(&bag_key(user, placed.seq()), bag.as_bag().body.as_bytes()).map_err(writing)?;
        }
        for (bag, placed) in bags.iter().zip(&mut appended.placed) {
            if let Placed::Known(seq) = *placed
                && self.heal(&bag_key(user, seq), bag.as_bag())?
            {
                *placed = Placed::Healed(seq);
            }
        }
        for (signature, seq) in new {
            self.index(user, &Signature::from_bytes(*signature), seq)?;
        }
        if before != Some(last) {
            self.set_last_seq(user, last)?;
        }
        Ok(appended)
    }

    /// Stores a known bag anew if what lies there differs, and tells whether it does.
    fn heal(&mut self, key: &[u8; 40], bag: &Bag) -> Result<bool, StoreError> {
        let (head, body) = (bag.head.to_bytes(), bag.body.as_bytes());
        let same_head = self.heads.get(key).map_err(reading)?.is_some_and(|stored| stored.value() == head);
        let same_body = self.bodies.get(key).map_err(reading)?.is_some_and(|stored| stored.value() == body);
        if same_head && same_body {
            return Ok(false);
        }
        self.heads.insert(key, head.as_slice()).map_err(writing)?;
        self.bodies.insert(key, body).map_err(writing)?;
        self.changed = true;
        Ok(true)
    }

    pub(super) fn delete(&mut self, user: &PublicKey) -> Result<bool, StoreError> {
        let (first, last) = (bag_key(user, Seq::ZERO), bag_key(user, END));
        self.heads.retain_in::<&[u8; 40], _>(&first..=&last, |_, _| false).map_err(writing)?;
        self.bodies.retain_in::<&[u8; 40], _>(&first..=&last, |_, _| false).map_err(writing)?;
        let (first, last) = (signature_key(user, &[0; 64]), signature_key(user, &[0xff; 64]));
        self.seqs.retain_in::<&[u8; 48], _>(&first..=&last, |_, _| false).map_err(writing)?;
        let known = self.users.remove(user.as_bytes()).map_err(writing)?.is_some();
        self.changed |= known;
        Ok(known)
    }

    /// Looks up which bags are there already, and under which seqs.
    fn known(&self, user: &PublicKey, bags: &[VerifiedBag]) -> Result<Vec<Option<Seq>>, StoreError> {
        let signature = |index: usize| &bags[index].as_bag().head.signature;
        let mut by_signature: Vec<usize> = (0..bags.len()).collect();
        by_signature.sort_unstable_by_key(|&index| signature(index).as_bytes());
        let mut known = vec![None; bags.len()];
        for index in by_signature {
            known[index] = self.seq_of(user, signature(index))?;
        }
        Ok(known)
    }

    fn seq_of(&self, user: &PublicKey, signature: &Signature) -> Result<Option<Seq>, StoreError> {
        let Some(seqs) = self.seqs.get(&signature_key(user, signature.as_bytes())).map_err(reading)? else {
            return Ok(None);
        };
        for &seq in seqs.value().as_chunks().0 {
            let seq = seq_from(seq);
            let head = self.heads.get(&bag_key(user, seq)).map_err(reading)?;
            if head.is_some_and(|head| head.value().starts_with(signature.as_bytes())) {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// Adds a seq to those of its signature's start.
    fn index(&mut self, user: &PublicKey, signature: &Signature, seq: Seq) -> Result<(), StoreError> {
        let key = signature_key(user, signature.as_bytes());
        let seq = seq.number().to_be_bytes();
        let others = self.seqs.insert(&key, seq.as_slice()).map_err(writing)?.map(|others| others.value().to_vec());
        if let Some(others) = others {
            self.seqs.insert(&key, [&others, seq.as_slice()].concat().as_slice()).map_err(writing)?;
        }
        Ok(())
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
