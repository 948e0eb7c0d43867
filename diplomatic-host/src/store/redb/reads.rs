//! What is read from the data file, each in one transaction.

use std::ops::Bound;

use redb::ReadTransaction;

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{BagHead, Decode, PublicKey, SealedBody, Seq};

use super::reading;
use super::tables::{BODIES, END, HEADS, USERS, bag_key, seq_from, seq_of_key};
use crate::store::{StoreError, Usage};

pub(super) fn last(txn: &ReadTransaction, user: &PublicKey) -> Result<Option<Seq>, StoreError> {
    let users = txn.open_table(USERS).map_err(reading)?;
    let last = users.get(user.as_bytes()).map_err(reading)?;
    Ok(last.map(|last| seq_from(*last.value())))
}

pub(super) fn heads(
    txn: &ReadTransaction,
    user: &PublicKey,
    after: Seq,
    last: Seq,
    budget: usize,
) -> Result<Vec<PeekItem>, StoreError> {
    let mut items = Vec::new();
    if after >= last {
        return Ok(items);
    }
    let table = txn.open_table(HEADS).map_err(reading)?;
    let (first, last) = (bag_key(user, after.next()), bag_key(user, last));
    let mut size = 0;
    for entry in table.range::<&[u8; 40]>(&first..=&last).map_err(reading)? {
        let (key, value) = entry.map_err(reading)?;
        let seq = seq_of_key(key.value());
        let head = BagHead::decode(value.value()).map_err(|source| StoreError::Damaged { user: *user, seq, source })?;
        size += head.head.as_bytes().len();
        items.push(PeekItem { head, seq });
        if size > budget {
            break;
        }
    }
    Ok(items)
}

pub(super) fn bodies(
    txn: &ReadTransaction,
    user: &PublicKey,
    seqs: &[Seq],
    budget: usize,
) -> Result<Vec<Option<SealedBody>>, StoreError> {
    let table = txn.open_table(BODIES).map_err(reading)?;
    let mut bodies = Vec::new();
    let mut size = 0;
    for &seq in seqs {
        let body = table.get(&bag_key(user, seq)).map_err(reading)?;
        let body = body.map(|body| SealedBody::from_bytes(body.value().to_vec()));
        size += body.as_ref().map_or(0, |body| body.as_bytes().len());
        bodies.push(body);
        if size > budget {
            break;
        }
    }
    Ok(bodies)
}

pub(super) fn usage(txn: &ReadTransaction, user: &PublicKey) -> Result<Option<Usage>, StoreError> {
    if last(txn, user)?.is_none() {
        return Ok(None);
    }
    let (first, last) = (bag_key(user, Seq::ZERO), bag_key(user, END));
    let mut usage = Usage::default();
    for entry in txn.open_table(HEADS).map_err(reading)?.range::<&[u8; 40]>(&first..=&last).map_err(reading)? {
        usage.bags += 1;
        usage.bytes += entry.map_err(reading)?.1.value().len() as u64;
    }
    for entry in txn.open_table(BODIES).map_err(reading)?.range::<&[u8; 40]>(&first..=&last).map_err(reading)? {
        usage.bytes += entry.map_err(reading)?.1.value().len() as u64;
    }
    Ok(Some(usage))
}

pub(super) fn accounts(
    txn: &ReadTransaction,
    after: Option<&PublicKey>,
    count: usize,
) -> Result<Vec<PublicKey>, StoreError> {
    let users = txn.open_table(USERS).map_err(reading)?;
    let after = after.map_or(Bound::Unbounded, |user| Bound::Excluded(user.as_bytes()));
    let entries = users.range::<&[u8; 32]>((after, Bound::Unbounded)).map_err(reading)?;
    let key = |entry: Result<(redb::AccessGuard<'_, &[u8; 32]>, _), _>| {
        let (key, _): (_, redb::AccessGuard<'_, &[u8; 8]>) = entry.map_err(reading)?;
        Ok(PublicKey::from_bytes(*key.value()))
    };
    entries.take(count).map(key).collect()
}
