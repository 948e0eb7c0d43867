//! Brings older data files to the format of this build, in steps of bounded size: a crash in between only costs time.

use std::ops::Bound;

use redb::{Database, ReadableTable, TableDefinition};

use diplomatic::standard::{BagHead, Decode, PublicKey};

use super::keys::{Space, bag_key, seq_from, seq_of_key, signature_key};
use super::tables::{Account, BODIES, FORMAT, FORMAT_KEY, HEADS, META, SEQS, USERS};

/// The first format: an index by the start of the signature, and no account of what a user stores.
pub(super) const FIRST: &str = "diplomatic-host 1";
/// A file that is on its way from the first format to the second one.
pub(super) const FIRST_TO_SECOND: &str = "diplomatic-host 1, being migrated";

/// Key: user (32 bytes). Value: the user's last seq (u64 BE).
const FIRST_USERS: TableDefinition<'_, &[u8; 32], &[u8; 8]> = TableDefinition::new("users-1");
/// Key: user (32 bytes) ++ the start of a signature (16 bytes). Value: seqs (u64 BE each).
const FIRST_SEQS: TableDefinition<'_, &[u8; 48], &[u8]> = TableDefinition::new("seqs-1");

/// How many bags are migrated in one transaction.
const STEP: usize = 20_000;

/// Goes from the first format to the second one, from wherever an earlier attempt was cut short.
///
/// `users-2` and `seqs-2` are built from the bags, by user and seq. Where the last step ended stands in `users-2` itself:
/// the last user there, and the last seq of it.
pub(super) fn first_to_second(database: &Database) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(META)?.insert(FORMAT_KEY, FIRST_TO_SECOND)?;
    txn.open_table(USERS)?;
    txn.open_table(SEQS)?;
    txn.commit()?;
    while step(database)? {}
    finish(database)
}

/// Migrates some bags, and tells whether there may be more.
fn step(database: &Database) -> Result<bool, redb::Error> {
    let mut txn = database.begin_write()?;
    txn.set_quick_repair(true);
    let mut count = 0;
    {
        let (mut users, mut seqs) = (txn.open_table(USERS)?, txn.open_table(SEQS)?);
        let (heads, bodies) = (txn.open_table(HEADS)?, txn.open_table(BODIES)?);
        let mut current = users.last()?.map(|(user, account)| (*user.value(), Account::from_bytes(account.value())));
        let after = current.map_or([0; 40], |(user, account)| bag_key(&first_space(&user), account.last));
        for entry in heads.range::<&[u8; 40]>((Bound::Excluded(&after), Bound::Unbounded))? {
            let (key, head) = entry?;
            let Some((user, _)) = key.value().split_first_chunk::<32>() else { continue };
            let seq = seq_of_key(key.value());
            if let Some((before, account)) = current.filter(|(before, _)| before != user) {
                users.insert(&before, &account.to_bytes())?;
                current = None;
            }
            let (_, account) = current.get_or_insert((*user, Account::default()));
            account.last = seq;
            account.usage.bags += 1;
            let body = bodies.get(key.value())?.map_or(0, |body| body.value().len());
            account.usage.bytes += (head.value().len() + body) as u64;
            // A head that is damaged is found again when its bag is pushed again, as a new one.
            if let Ok(head) = BagHead::decode(head.value()) {
                let key = signature_key(&first_space(user), &head.signature);
                seqs.insert(&key, &seq.number().to_be_bytes())?;
            }
            count += 1;
            if count == STEP {
                break;
            }
        }
        if let Some((user, account)) = current {
            users.insert(&user, &account.to_bytes())?;
        }
    }
    txn.commit()?;
    Ok(count == STEP)
}

fn first_space(user: &[u8; 32]) -> Space {
    Space::of(&PublicKey::from_bytes(*user), 0)
}

/// Takes over the last seqs, also of users without bags, and leaves the first format behind.
fn finish(database: &Database) -> Result<(), redb::Error> {
    let mut txn = database.begin_write()?;
    txn.set_quick_repair(true);
    {
        let mut users = txn.open_table(USERS)?;
        for entry in txn.open_table(FIRST_USERS)?.iter()? {
            let (user, last) = entry?;
            let account = users.get(user.value())?.map(|account| Account::from_bytes(account.value()));
            let account = Account { last: seq_from(*last.value()), ..account.unwrap_or_default() };
            users.insert(user.value(), &account.to_bytes())?;
        }
        txn.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    }
    txn.delete_table(FIRST_USERS)?;
    txn.delete_table(FIRST_SEQS)?;
    txn.commit()?;
    Ok(())
}
