//! Damaged pages: where one is not what redb expects, redb panics. That must strike nobody but whose page it is.

use std::any::Any;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{AccessGuard, Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, StorageError, Value};

use diplomatic::standard::{PublicKey, Seq};

use super::keys::{END, Space, bag_key, seq_from, signature_key, signature_keys};
use super::queue::Job;
use super::tables::{Account, BODIES, HEADS, SEQS, USERS};
use super::{reading, reads};
use crate::store::StoreError;

/// How large a page is that holds no large row.
const PAGE: usize = 4096;
/// How many spaces are tried for a user whose rows cannot be read.
const SPACES: u64 = 64;

/// A page that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("the data file is damaged ({said})")]
struct DamagedPage {
    said: String,
}

/// Reads, and takes a panic for a damaged page, which redb gets over in a transaction that only reads.
pub(super) fn contain<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let said = message(&*panic).to_owned();
        tracing::error!(said, "the data file is damaged: an account cannot be served");
        Err(StoreError::Corrupted(Arc::new(DamagedPage { said })))
    })
}

/// Reads the pages that jobs are going to change. After a panic in a transaction that writes, the next start would check
/// the whole file, and refuse it because of one page.
pub(super) fn look_ahead(database: &Database, batch: &[Job]) -> Result<(), StoreError> {
    contain(|| {
        let txn = database.begin_read().map_err(reading)?;
        let (users, seqs) = (txn.open_table(USERS).map_err(reading)?, txn.open_table(SEQS).map_err(reading)?);
        let (heads, bodies) = (txn.open_table(HEADS).map_err(reading)?, txn.open_table(BODIES).map_err(reading)?);
        for job in batch {
            let user = job.user();
            let account = users.get(user.as_bytes()).map_err(reading)?;
            let last = account.map_or(Seq::ZERO, |account| Account::from_bytes(account.value()).last);
            let space = &reads::space(&txn, user)?;
            let touch = |seq| -> Result<(), StoreError> {
                heads.get(&bag_key(space, seq)).map_err(reading)?;
                bodies.get(&bag_key(space, seq)).map_err(reading).map(drop)
            };
            match job {
                Job::Append { bags, .. } => {
                    // All new ones go to the page where the first of them would be.
                    touch(last.next())?;
                    for bag in bags {
                        let key = signature_key(space, &bag.as_bag().head.signature);
                        if let Some(seq) = seqs.get(&key).map_err(reading)? {
                            touch(seq_from(*seq.value()))?;
                        }
                    }
                }
                Job::Delete { .. } => {
                    read_space(&txn, space)?;
                    read_around(&users, user.as_bytes(), user.as_bytes())?;
                }
                Job::Bury { .. } => read_around(&users, user.as_bytes(), user.as_bytes())?,
                Job::Register { .. } | Job::SwapNote { .. } => {}
            }
        }
        Ok(())
    })
}

/// Reads all rows of a space, and what lies beside them.
fn read_space(txn: &ReadTransaction, space: &Space) -> Result<(), StoreError> {
    let [first, end] = [Seq::ZERO, END].map(|seq| bag_key(space, seq));
    read_around(&txn.open_table(HEADS).map_err(reading)?, &first, &end)?;
    read_around(&txn.open_table(BODIES).map_err(reading)?, &first, &end)?;
    let [first, end] = signature_keys(space);
    read_around(&txn.open_table(SEQS).map_err(reading)?, &first, &end)
}

/// Reads the rows from `first` to `end`, and some beside them: a page that is left with few rows is merged with the one
/// before or after it.
fn read_around<const N: usize, V: Value + 'static>(
    table: &ReadOnlyTable<&'static [u8; N], V>,
    first: &[u8; N],
    end: &[u8; N],
) -> Result<(), StoreError> {
    table.range::<&[u8; N]>(first..=end).map_err(reading)?.try_for_each(|row| row.map(drop).map_err(reading))?;
    read_beside::<N, V>(table.range::<&[u8; N]>(..first).map_err(reading)?.rev())?;
    read_beside::<N, V>(table.range::<&[u8; N]>((Bound::Excluded(end), Bound::Unbounded)).map_err(reading)?)
}

/// Reads rows until they cannot all be on one page.
fn read_beside<const N: usize, V: Value + 'static>(
    rows: impl Iterator<Item = Result<(AccessGuard<'static, &'static [u8; N]>, AccessGuard<'static, V>), StorageError>>,
) -> Result<(), StoreError> {
    let mut size = 0;
    for (count, row) in (1..).zip(rows) {
        let (_, value) = row.map_err(reading)?;
        size += N + V::as_bytes(&value.value()).as_ref().len();
        if size > 2 * PAGE && count > 2 {
            break;
        }
    }
    Ok(())
}

/// Finds a space for a user whose rows cannot be read: one that lies on pages that can.
pub(super) fn readable_space(database: &Database, user: &PublicKey, burials: u64) -> u64 {
    let next = burials.saturating_add(1);
    let is_readable = |burials: &u64| {
        let read = || read_space(&database.begin_read().map_err(reading)?, &Space::of(user, *burials));
        contain(read).is_ok()
    };
    (next..next.saturating_add(SPACES)).find(is_readable).unwrap_or(next)
}

/// Returns what a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
