//! Damaged pages: where one is not what redb expects, redb panics. That must strike nobody but whose page it is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::{Database, ReadableDatabase, StorageError};

use diplomatic::standard::Seq;

use super::queue::Job;
use super::reading;
use super::tables::{Account, BODIES, END, HEADS, SEQS, USERS, bag_key, seq_from, signature_key, signature_keys};
use crate::store::StoreError;

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
            let touch = |seq| -> Result<(), StoreError> {
                heads.get(&bag_key(user, seq)).map_err(reading)?;
                bodies.get(&bag_key(user, seq)).map_err(reading).map(drop)
            };
            match job {
                Job::Append { bags, .. } => {
                    // All new ones go to the page where the first of them would be.
                    touch(last.next())?;
                    for bag in bags {
                        let key = signature_key(user, &bag.as_bag().head.signature);
                        if let Some(seq) = seqs.get(&key).map_err(reading)? {
                            touch(seq_from(*seq.value()))?;
                        }
                    }
                }
                Job::Delete { .. } => {
                    let [first, end] = [Seq::ZERO, END].map(|seq| bag_key(user, seq));
                    heads.range::<&[u8; 40]>(&first..=&end).map_err(reading)?.try_for_each(each)?;
                    bodies.range::<&[u8; 40]>(&first..=&end).map_err(reading)?.try_for_each(each)?;
                    let [first, end] = signature_keys(user);
                    seqs.range::<&[u8; 48]>(&first..=&end).map_err(reading)?.try_for_each(each)?;
                }
                Job::Register { .. } | Job::SwapNote { .. } => {}
            }
        }
        Ok(())
    })
}

fn each<T>(entry: Result<T, StorageError>) -> Result<(), StoreError> {
    entry.map(drop).map_err(reading)
}

/// Returns what a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
