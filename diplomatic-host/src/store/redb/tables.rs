//! How bags lie in the data file.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use diplomatic::standard::{Bag, Encode, PublicKey, Seq, VerifiedBag};

use super::keys::{END, Space, bag_key, seq_from, signature_key, signature_keys};
use super::{reading, writing};
use crate::store::{Appended, Placed, StoreError, Usage};

/// The format that this build reads and writes, as it stands under [`FORMAT_KEY`]. Older ones are migrated.
pub(super) const FORMAT: &str = "diplomatic-host 2";
/// The format of a file in which a user was buried, of whom builds for [`FORMAT`] would find the old rows.
pub(super) const FORMAT_WITH_BURIALS: &str = "diplomatic-host 2, with burials";
/// The key of the format in [`META`].
pub(super) const FORMAT_KEY: &str = "format";

/// Key: a name. Value: a text.
pub(super) const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// Key: user (32 bytes). Value: an [`Account`].
pub(super) const USERS: TableDefinition<'_, &[u8; 32], &[u8; 24]> = TableDefinition::new("users-2");

/// Key: a [`bag_key`]. Value: the encoded bag head, which is all that PEEK reads.
pub(super) const HEADS: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("heads-1");

/// Key: a [`bag_key`]. Value: the sealed body, which is all that PULL reads.
pub(super) const BODIES: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("bodies-1");

/// Key: a [`signature_key`]. Value: the seq (u64 BE) of the bag with this signature.
///
/// Signatures fall all over the table, and each push writes anew every page that it touches, so that a key has to be
/// short.
pub(super) const SEQS: TableDefinition<'_, &[u8; 48], &[u8; 8]> = TableDefinition::new("seqs-2");

/// Key: user (32 bytes) who was deleted while rows could not be read. Value: the number (u64 BE) that [`Space::of`] takes.
pub(super) const BURIALS: TableDefinition<'_, &[u8; 32], &[u8; 8]> = TableDefinition::new("burials-1");

/// Key: a name. Value: a text that the host keeps for itself.
pub(super) const NOTES: TableDefinition<'_, &str, &str> = TableDefinition::new("notes-1");

/// What is kept of each user: last seq (u64 BE) ++ bags (u64 BE) ++ bytes (u64 BE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Account {
    pub(super) last: Seq,
    pub(super) usage: Usage,
}

impl Account {
    pub(super) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let ([last, bags, bytes], _) = bytes.as_chunks() else { return Self::default() };
        let usage = Usage { bags: u64::from_be_bytes(*bags), bytes: u64::from_be_bytes(*bytes) };
        Self { last: seq_from(*last), usage }
    }

    pub(super) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let Self { last, usage: Usage { bags, bytes: size } } = self;
        for (chunk, number) in bytes.as_chunks_mut().0.iter_mut().zip([last.number(), bags, size]) {
            *chunk = number.to_be_bytes();
        }
        bytes
    }
}

/// The tables of one write transaction.
pub(super) struct Tables<'txn> {
    txn: &'txn WriteTransaction,
    users: Table<'txn, &'static [u8; 32], &'static [u8; 24]>,
    heads: Table<'txn, &'static [u8; 40], &'static [u8]>,
    bodies: Table<'txn, &'static [u8; 40], &'static [u8]>,
    seqs: Table<'txn, &'static [u8; 48], &'static [u8; 8]>,
    burials: Table<'txn, &'static [u8; 32], &'static [u8; 8]>,
    notes: Table<'txn, &'static str, &'static str>,
    changed: bool,
}

impl<'txn> Tables<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            txn,
            users: txn.open_table(USERS).map_err(writing)?,
            heads: txn.open_table(HEADS).map_err(writing)?,
            bodies: txn.open_table(BODIES).map_err(writing)?,
            seqs: txn.open_table(SEQS).map_err(writing)?,
            burials: txn.open_table(BURIALS).map_err(writing)?,
            notes: txn.open_table(NOTES).map_err(writing)?,
            changed: false,
        })
    }

    /// Tells whether the transaction has anything to commit.
    pub(super) const fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn register(&mut self, user: &PublicKey) -> Result<(), StoreError> {
        match self.account(user)? {
            Some(_) => Ok(()),
            None => self.set_account(user, Account::default()),
        }
    }

    /// Appends bags table by table and in the order of the keys, which touches each page once.
    pub(super) fn append(&mut self, user: &PublicKey, bags: &[VerifiedBag]) -> Result<Appended, StoreError> {
        let before = self.account(user)?;
        let mut account = before.unwrap_or_default();
        let space = &self.space(user)?;
        let keys: Vec<_> = bags.iter().map(|bag| signature_key(space, &bag.as_bag().head.signature)).collect();
        let known = self.known(&keys)?;
        let mut new: BTreeMap<&[u8; 48], Seq> = BTreeMap::new();
        let mut appended = Appended::whole(Vec::with_capacity(bags.len()));
        for (key, known) in keys.iter().zip(known) {
            if let Some(seq) = known.or_else(|| new.get(key).copied()) {
                appended.placed.push(Placed::Known(seq));
                continue;
            }
            let seq = account.last.next();
            if seq == account.last {
                appended.cut = Some(StoreError::NoSeqLeft { user: *user });
                break;
            }
            new.insert(key, seq);
            appended.placed.push(Placed::New(seq));
            account.last = seq;
        }
        let bags = bags.iter().map(VerifiedBag::as_bag).zip(&mut appended.placed);
        let (new_bags, known_bags): (Vec<_>, Vec<_>) = bags.partition(|(_, placed)| placed.is_new());
        for (bag, placed) in &new_bags {
            let head = bag.head.to_bytes();
            self.heads.insert(&bag_key(space, placed.seq()), head.as_slice()).map_err(writing)?;
            account.usage.bags += 1;
            account.usage.bytes += (head.len() + bag.body.as_bytes().len()) as u64;
        }
        for (bag, placed) in &new_bags {
            self.bodies.insert(&bag_key(space, placed.seq()), bag.body.as_bytes()).map_err(writing)?;
        }
        for (key, seq) in new {
            self.seqs.insert(key, &seq.number().to_be_bytes()).map_err(writing)?;
        }
        for (bag, placed) in known_bags {
            if self.heal(&bag_key(space, placed.seq()), bag, &mut account.usage)? {
                *placed = Placed::Healed(placed.seq());
            }
        }
        if before != Some(account) {
            self.set_account(user, account)?;
        }
        Ok(appended)
    }

    /// Looks up the seqs of the bags that are there already, in the order of the keys.
    fn known(&self, keys: &[[u8; 48]]) -> Result<Vec<Option<Seq>>, StoreError> {
        let mut by_key: Vec<usize> = (0..keys.len()).collect();
        by_key.sort_unstable_by_key(|&index| &keys[index]);
        let mut known = vec![None; keys.len()];
        for index in by_key {
            known[index] = self.seqs.get(&keys[index]).map_err(reading)?.map(|seq| seq_from(*seq.value()));
        }
        Ok(known)
    }

    /// Stores a known bag anew if what lies there differs, and tells whether it did.
    fn heal(&mut self, key: &[u8; 40], bag: &Bag, usage: &mut Usage) -> Result<bool, StoreError> {
        let (head, body) = (bag.head.to_bytes(), bag.body.as_bytes());
        let same_head = self.heads.get(key).map_err(reading)?.is_some_and(|stored| stored.value() == head);
        let same_body = self.bodies.get(key).map_err(reading)?.is_some_and(|stored| stored.value() == body);
        if same_head && same_body {
            return Ok(false);
        }
        let old_head = self.heads.insert(key, head.as_slice()).map_err(writing)?.map(|old| old.value().len());
        let old_body = self.bodies.insert(key, body).map_err(writing)?.map(|old| old.value().len());
        usage.bags += u64::from(old_head.is_none());
        let added = (head.len() + body.len()) as u64;
        let removed = (old_head.unwrap_or(0) + old_body.unwrap_or(0)) as u64;
        usage.bytes = (usage.bytes + added).saturating_sub(removed);
        self.changed = true;
        Ok(true)
    }

    pub(super) fn delete(&mut self, user: &PublicKey) -> Result<bool, StoreError> {
        let space = &self.space(user)?;
        let (first, last) = (bag_key(space, Seq::ZERO), bag_key(space, END));
        self.heads.retain_in::<&[u8; 40], _>(&first..=&last, |_, _| false).map_err(writing)?;
        self.bodies.retain_in::<&[u8; 40], _>(&first..=&last, |_, _| false).map_err(writing)?;
        let [first, last] = signature_keys(space);
        self.seqs.retain_in::<&[u8; 48], _>(&first..=&last, |_, _| false).map_err(writing)?;
        let known = self.users.remove(user.as_bytes()).map_err(writing)?.is_some();
        self.changed |= known;
        Ok(known)
    }

    /// Deletes a user without touching the bags, some of which lie on pages that cannot be read; who comes again under this
    /// key gets another space.
    pub(super) fn bury(&mut self, user: &PublicKey, space: u64) -> Result<bool, StoreError> {
        let known = self.users.remove(user.as_bytes()).map_err(writing)?.is_some();
        if known {
            self.burials.insert(user.as_bytes(), &space.to_be_bytes()).map_err(writing)?;
            let mut meta = self.txn.open_table(META).map_err(writing)?;
            meta.insert(FORMAT_KEY, FORMAT_WITH_BURIALS).map_err(writing)?;
            self.changed = true;
        }
        Ok(known)
    }

    fn space(&self, user: &PublicKey) -> Result<Space, StoreError> {
        let burials = self.burials.get(user.as_bytes()).map_err(reading)?;
        Ok(Space::of(user, burials.map_or(0, |burials| u64::from_be_bytes(*burials.value()))))
    }

    /// Replaces a note if it is `old` now, and tells whether it was.
    pub(super) fn swap_note(&mut self, name: &str, old: Option<&str>, new: Option<&str>) -> Result<bool, StoreError> {
        let found = self.notes.get(name).map_err(reading)?.map(|note| note.value().to_owned());
        if found.as_deref() != old {
            return Ok(false);
        }
        match new {
            Some(new) => drop(self.notes.insert(name, new).map_err(writing)?),
            None => drop(self.notes.remove(name).map_err(writing)?),
        }
        self.changed = true;
        Ok(true)
    }

    fn account(&self, user: &PublicKey) -> Result<Option<Account>, StoreError> {
        let account = self.users.get(user.as_bytes()).map_err(reading)?;
        Ok(account.map(|account| Account::from_bytes(account.value())))
    }

    fn set_account(&mut self, user: &PublicKey, account: Account) -> Result<(), StoreError> {
        self.changed = true;
        self.users.insert(user.as_bytes(), &account.to_bytes()).map_err(writing)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_24_bytes() {
        let account = Account { last: Seq::new(7).unwrap(), usage: Usage { bags: 6, bytes: 1 << 40 } };
        assert_eq!(account.to_bytes()[7..16], [7, 0, 0, 0, 0, 0, 0, 0, 6]);
        assert_eq!(Account::from_bytes(&account.to_bytes()), account);
    }
}
