//! What is read from the data file, each in one transaction.

use std::ops::Bound;

use redb::{ReadTransaction, TableError};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{BagHead, Decode, PublicKey, SealedBody, Seq, Signature};

use super::keys::{Space, bag_key, seq_from, seq_of_key, signature_key};
use super::reading;
use super::tables::{Account, BODIES, BURIALS, FORMAT_KEY, HEADS, META, NOTES, SEQS, USERS};
use crate::store::{StoreError, Usage};

/// Reads something that is always there.
pub(super) fn probe(txn: &ReadTransaction) -> Result<(), StoreError> {
    let meta = txn.open_table(META).map_err(reading)?;
    meta.get(FORMAT_KEY).map_err(reading).map(drop)
}

pub(super) fn last(txn: &ReadTransaction, user: &PublicKey) -> Result<Option<Seq>, StoreError> {
    Ok(account(txn, user)?.map(|account| account.last))
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
    let space = space(txn, user)?;
    let (first, last) = (bag_key(&space, after.next()), bag_key(&space, last));
    let mut size = 0;
    for entry in table.range::<&[u8; 40]>(&first..=&last).map_err(reading)? {
        let (key, value) = entry.map_err(reading)?;
        let seq = seq_of_key(key.value());
        // Left out, so that the user's clients see what is missing and push it again, which heals it.
        let Ok(head) = BagHead::decode(value.value()) else {
            tracing::error!(%user, %seq, "a stored bag is damaged");
            continue;
        };
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
    let space = space(txn, user)?;
    let mut bodies = Vec::new();
    let mut size = 0;
    for &seq in seqs {
        let body = table.get(&bag_key(&space, seq)).map_err(reading)?;
        let body = body.map(|body| SealedBody::from_bytes(body.value().to_vec()));
        size += body.as_ref().map_or(0, |body| body.as_bytes().len());
        bodies.push(body);
        if size > budget {
            break;
        }
    }
    Ok(bodies)
}

pub(super) fn sizes(
    txn: &ReadTransaction,
    user: &PublicKey,
    signatures: &[Signature],
) -> Result<Vec<Option<u64>>, StoreError> {
    let seqs = txn.open_table(SEQS).map_err(reading)?;
    let (heads, bodies) = (txn.open_table(HEADS).map_err(reading)?, txn.open_table(BODIES).map_err(reading)?);
    let space = space(txn, user)?;
    let size = |signature: &Signature| {
        let Some(seq) = seqs.get(&signature_key(&space, signature)).map_err(reading)? else { return Ok(None) };
        let key = bag_key(&space, seq_from(*seq.value()));
        let head = heads.get(&key).map_err(reading)?.map_or(0, |head| head.value().len());
        let body = bodies.get(&key).map_err(reading)?.map_or(0, |body| body.value().len());
        Ok(Some((head + body) as u64))
    };
    signatures.iter().map(size).collect()
}

pub(super) fn usage(txn: &ReadTransaction, user: &PublicKey) -> Result<Option<Usage>, StoreError> {
    Ok(account(txn, user)?.map(|account| account.usage))
}

/// Returns the number of a user's space.
pub(super) fn burials(txn: &ReadTransaction, user: &PublicKey) -> Result<u64, StoreError> {
    match txn.open_table(BURIALS) {
        Ok(burials) => {
            let number = burials.get(user.as_bytes()).map_err(reading)?;
            Ok(number.map_or(0, |number| u64::from_be_bytes(*number.value())))
        }
        // The first write of this version makes it.
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(reading(error)),
    }
}

/// Returns where a user's rows are.
pub(super) fn space(txn: &ReadTransaction, user: &PublicKey) -> Result<Space, StoreError> {
    Ok(Space::of(user, burials(txn, user)?))
}

fn account(txn: &ReadTransaction, user: &PublicKey) -> Result<Option<Account>, StoreError> {
    let users = txn.open_table(USERS).map_err(reading)?;
    let account = users.get(user.as_bytes()).map_err(reading)?;
    Ok(account.map(|account| Account::from_bytes(account.value())))
}

pub(super) fn notes(txn: &ReadTransaction, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut notes = Vec::new();
    let table = match txn.open_table(NOTES) {
        Ok(table) => table,
        // The first write of this version makes it.
        Err(TableError::TableDoesNotExist(_)) => return Ok(notes),
        Err(error) => return Err(reading(error)),
    };
    for entry in table.range(prefix..).map_err(reading)? {
        let (name, value) = entry.map_err(reading)?;
        if !name.value().starts_with(prefix) {
            break;
        }
        notes.push((name.value().to_owned(), value.value().to_owned()));
    }
    Ok(notes)
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
        let (key, _): (_, redb::AccessGuard<'_, &[u8; 24]>) = entry.map_err(reading)?;
        Ok(PublicKey::from_bytes(*key.value()))
    };
    entries.take(count).map(key).collect()
}
