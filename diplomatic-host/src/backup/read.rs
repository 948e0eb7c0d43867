//! Takes a backup back.

use std::fmt;
use std::io;

use diplomatic::standard::{Bag, PublicKey, Seq};
use tokio::io::AsyncRead;
use tokio::task::spawn_blocking;

use super::BackupError;
use super::file::{Record, Source};
use super::write::Written;
use crate::{BagStore, Placed};

/// How many bytes of bags are stored at a time.
const BATCH: usize = 4 << 20;

/// What a restore came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Restored {
    /// How many accounts the backup holds.
    pub accounts: u64,
    /// How many bags were stored.
    pub stored: u64,
    /// How many bags were there already.
    pub known: u64,
    /// How many bags have another seq now, for the account went on without them.
    pub moved: u64,
}

/// Stores everything that a backup holds beside what `store` has already. Nothing is taken away, so that it may be run
/// again after it broke off. What the operator decided since stands.
///
/// # Errors
///
/// [`BackupError`]. What came before the error was restored.
pub async fn restore(store: &(impl BagStore + ?Sized), input: impl AsyncRead + Unpin) -> Result<Restored, BackupError> {
    let mut source = Source::start(input).await?;
    let mut restored = Restored::default();
    let mut batch: Option<Batch> = None;
    while let Some(record) = source.next().await? {
        match record {
            Record::Damage => {}
            Record::Note { name, value } => drop(store.swap_note(name, None, Some(value)).await?),
            Record::Account(key) => {
                if let Some(batch) = &mut batch {
                    batch.store(store, &mut restored).await?;
                }
                store.register(key).await?;
                restored.accounts += 1;
                batch = Some(Batch { key, bags: Vec::new(), bytes: 0 });
            }
            Record::Bag(seq, bag) => {
                let batch = batch.as_mut().ok_or(BackupError::Damaged)?;
                batch.bytes += bag.head.head.as_bytes().len() + bag.body.as_bytes().len();
                batch.bags.push((seq, bag));
                if batch.bytes >= BATCH {
                    batch.store(store, &mut restored).await?;
                }
            }
        }
    }
    if let Some(batch) = &mut batch {
        batch.store(store, &mut restored).await?;
    }
    Ok(restored)
}

/// Reads a backup to its end and returns what it holds, if it is whole.
///
/// # Errors
///
/// [`BackupError`].
pub async fn verify(input: impl AsyncRead + Unpin) -> Result<Written, BackupError> {
    let mut source = Source::start(input).await?;
    let mut written = Written::default();
    let mut last = None;
    while let Some(record) = source.next().await? {
        match record {
            Record::Note { .. } => {}
            Record::Account(key) => {
                written.accounts += 1;
                last = Some(key);
            }
            Record::Bag(..) => written.bags += 1,
            Record::Damage => written.damaged.extend(last),
        }
    }
    Ok(written)
}

/// Bags of one account that are stored together.
struct Batch {
    key: PublicKey,
    bags: Vec<(Seq, Bag)>,
    bytes: usize,
}

impl Batch {
    async fn store(&mut self, store: &(impl BagStore + ?Sized), restored: &mut Restored) -> Result<(), BackupError> {
        let user = self.key;
        let (seqs, bags): (Vec<_>, Vec<_>) = std::mem::take(&mut self.bags).into_iter().unzip();
        self.bytes = 0;
        let checked = spawn_blocking(move || Bag::verify_each(bags, &user)).await.map_err(io::Error::other)?;
        let bags = checked.into_iter().collect::<Result<Vec<_>, _>>().map_err(|_| BackupError::Forged { user })?;
        let placed = store.append(user, bags).await.into_whole()?;
        for (placed, seq) in placed.into_iter().zip(seqs) {
            match placed {
                Placed::Known(_) => restored.known += 1,
                _ => restored.stored += 1,
            }
            restored.moved += u64::from(placed.seq() != seq);
        }
        Ok(())
    }
}

/// A line for the operator.
impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, stored, known, moved } = self;
        write!(f, "{accounts} accounts, {stored} bags restored, {known} were there already")?;
        match moved {
            0 => Ok(()),
            moved => write!(f, ", {moved} have other numbers now, for their accounts went on without them"),
        }
    }
}
