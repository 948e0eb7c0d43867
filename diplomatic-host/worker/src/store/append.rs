//! Storing bags.

use diplomatic::standard::{Bag, Encode, PublicKey, Seq, Signature, VerifiedBag};
use diplomatic_host::{Placed, StoreError};

use super::tables::{Account, Known, seq};
use super::{SqlStore, write};
use crate::sql::{LARGEST, SqlError, Value, blob, number};

/// How much of a body lies in one row: a row holds 2 MB at most, its other values included.
const PART: usize = 1 << 20;

impl SqlStore {
    /// Stores bags one after another, so that after a failure `placed` tells of the first of them.
    pub(super) fn store_each(
        &self,
        known: &mut Known,
        user: PublicKey,
        bags: Vec<VerifiedBag>,
        placed: &mut Vec<Placed>,
    ) -> Result<(), StoreError> {
        let mut account = self.registered(known, user).map_err(write)?;
        for bag in bags.into_iter().map(VerifiedBag::into_bag) {
            let outcome = match self.find(account.id, &bag.head.signature).map_err(write)? {
                Some((seq, _)) => self.store_again(&mut account, seq, &bag).map_err(write)?,
                None => {
                    let seq = next(user, account.last)?;
                    self.store_new(&mut account, seq, &bag).map_err(write)?;
                    Placed::New(seq)
                }
            };
            known.accounts.insert(user, account);
            placed.push(outcome);
        }
        Ok(())
    }

    /// Returns the seq and the size of the bag with this signature. Many are looked for one by one: given a list, SQLite reads
    /// all bags of the user.
    pub(super) fn find(&self, id: u64, signature: &Signature) -> Result<Option<(Seq, u64)>, SqlError> {
        let query = "SELECT seq, size FROM bag WHERE user = ? AND signature = ?";
        let row = self.sql.row(query, vec![number(id), blob(signature.as_bytes())])?;
        row.map(|mut row| Ok((seq(row.number()?)?, row.number()?))).transpose()
    }

    fn store_new(&self, account: &mut Account, seq: Seq, bag: &Bag) -> Result<(), SqlError> {
        let size = size(bag);
        let (parts, body) = self.store_body(account.id, seq, bag)?;
        let values = vec![
            number(account.id),
            number(seq.number()),
            blob(bag.head.signature.as_bytes()),
            blob(bag.head.kdm.as_bytes()),
            blob(bag.head.head.as_bytes()),
            number(size),
            number(account.total + size),
            number(parts),
            body,
        ];
        self.sql.run(
            "INSERT INTO bag (user, seq, signature, kdm, head, size, total, parts, body) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )?;
        account.last = seq;
        account.total += size;
        Ok(())
    }

    /// Compares a bag with the one that has its signature, and puts it there if they differ.
    fn store_again(&self, account: &mut Account, seq: Seq, bag: &Bag) -> Result<Placed, SqlError> {
        let place = vec![number(account.id), number(seq.number())];
        let row = self.sql.row("SELECT kdm, head, size FROM bag WHERE user = ? AND seq = ?", place.clone())?;
        let mut row = row.ok_or_else(|| SqlError::new("a row is gone that was there a moment ago"))?;
        let (kdm, head, old) = (row.bytes()?, row.bytes()?, row.number()?);
        let new = size(bag);
        if kdm == bag.head.kdm.as_bytes()
            && head == bag.head.head.as_bytes()
            && old == new
            && self.body(account.id, seq)?.is_some_and(|body| body == bag.body.as_bytes())
        {
            return Ok(Placed::Known(seq));
        }
        self.sql.run("DELETE FROM part WHERE user = ? AND seq = ?", place)?;
        let (parts, body) = self.store_body(account.id, seq, bag)?;
        let values = vec![
            blob(bag.head.kdm.as_bytes()),
            blob(bag.head.head.as_bytes()),
            number(new),
            number(parts),
            body,
            number(account.id),
            number(seq.number()),
        ];
        self.sql.run(
            "UPDATE bag SET kdm = ?, head = ?, size = ?, parts = ?, body = ? WHERE user = ? AND seq = ?",
            values,
        )?;
        let grown = i64::try_from(new).unwrap_or(i64::MAX) - i64::try_from(old).unwrap_or(i64::MAX);
        if grown != 0 {
            let healed = account.healed + grown;
            let values = vec![Value::Integer(healed), number(account.id)];
            self.sql.run("UPDATE account SET healed = ? WHERE id = ?", values)?;
            account.healed = healed;
        }
        Ok(Placed::Healed(seq))
    }

    /// Stores a large body in rows of its own. Returns their number, and what goes into the row of the bag.
    fn store_body(&self, id: u64, seq: Seq, bag: &Bag) -> Result<(u64, Value), SqlError> {
        let body = bag.body.as_bytes();
        if body.len() <= PART {
            return Ok((0, blob(body)));
        }
        let mut parts = 0;
        for bytes in body.chunks(PART) {
            let values = vec![number(id), number(seq.number()), number(parts), blob(bytes)];
            // What a failed write left behind lies under the same numbers.
            self.sql.run("INSERT OR REPLACE INTO part (user, seq, number, bytes) VALUES (?, ?, ?, ?)", values)?;
            parts += 1;
        }
        Ok((parts, blob(&[])))
    }
}

fn next(user: PublicKey, last: Seq) -> Result<Seq, StoreError> {
    Some(last.next()).filter(|next| next.number() < LARGEST).ok_or(StoreError::NoSeqLeft { user })
}

/// How much a bag takes, as [`Usage`](diplomatic_host::Usage) counts it.
fn size(bag: &Bag) -> u64 {
    (bag.head.to_bytes().len() + bag.body.as_bytes().len()) as u64
}
