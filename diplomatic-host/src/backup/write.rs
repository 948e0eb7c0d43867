//! Writes a backup while the host serves.

use diplomatic::standard::{Bag, PublicKey, Seq};
use tokio::io::AsyncWrite;

use super::BackupError;
use super::file::{Record, Writer};
use crate::{BagStore, StoreError};

/// How many accounts are listed at a time.
const ACCOUNTS: usize = 256;
/// How many bytes of heads, and of bodies, are read at a time.
const CHUNK: usize = 1 << 20;

/// What goes into a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Every account, and what the operator decided.
    Everything,
    /// One account alone.
    Account(PublicKey),
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Written {
    /// How many accounts.
    pub accounts: u64,
    /// How many bags.
    pub bags: u64,
    /// The accounts of which something could not be read, and is missing.
    pub damaged: Vec<PublicKey>,
}

/// Writes a backup of what `store` holds. An account that is damaged costs no other its place in it.
///
/// # Errors
///
/// [`BackupError`].
pub async fn write(
    store: &(impl BagStore + ?Sized),
    scope: Scope,
    out: impl AsyncWrite + Unpin,
) -> Result<Written, BackupError> {
    let mut writer = Writer::start(out).await?;
    let mut written = Written::default();
    match scope {
        Scope::Account(key) => write_account(store, key, &mut writer, &mut written).await?,
        Scope::Everything => {
            for (name, value) in store.notes(String::new()).await? {
                writer.write(&Record::Note { name, value }).await?;
            }
            let mut after = None;
            loop {
                let accounts = store.accounts(after, ACCOUNTS).await?;
                let Some(last) = accounts.last().copied() else { break };
                for key in accounts {
                    write_account(store, key, &mut writer, &mut written).await?;
                }
                after = Some(last);
            }
        }
    }
    writer.finish().await?;
    Ok(written)
}

async fn write_account<W: AsyncWrite + Unpin>(
    store: &(impl BagStore + ?Sized),
    key: PublicKey,
    writer: &mut Writer<W>,
    written: &mut Written,
) -> Result<(), BackupError> {
    // It may have been deleted in the meantime.
    let Some(last) = store.last(key).await? else { return Ok(()) };
    writer.write(&Record::Account(key)).await?;
    written.accounts += 1;
    let mut pages = Pages::new(key, last);
    let mut damaged = false;
    while let Some(page) = pages.next(store).await {
        let Page { bags, gap } = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%key, error = &error as &dyn std::error::Error, "an account could not be backed up");
                Page { bags: Vec::new(), gap: Some(last) }
            }
        };
        damaged |= gap.is_some();
        for (seq, bag) in bags {
            writer.write(&Record::Bag(seq, bag)).await?;
            written.bags += 1;
        }
    }
    if damaged {
        writer.write(&Record::Damage).await?;
        written.damaged.push(key);
    }
    Ok(())
}

/// The bags of one account up to the last that it had at the start, a bounded number at a time.
#[derive(Debug)]
pub(crate) struct Pages {
    key: PublicKey,
    after: Seq,
    last: Seq,
}

/// Some bags with their seqs.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) bags: Vec<(Seq, Bag)>,
    /// The first seq that is left out, or whose body is missing.
    pub(crate) gap: Option<Seq>,
}

impl Pages {
    pub(crate) const fn new(key: PublicKey, last: Seq) -> Self {
        Self { key, after: Seq::ZERO, last }
    }

    /// Reads the next bags; `None` after the last. After an error there is nothing more to read.
    pub(crate) async fn next(&mut self, store: &(impl BagStore + ?Sized)) -> Option<Result<Page, StoreError>> {
        if self.after >= self.last {
            return None;
        }
        let page = self.read(store).await;
        if page.is_err() {
            self.after = self.last;
        }
        Some(page)
    }

    async fn read(&mut self, store: &(impl BagStore + ?Sized)) -> Result<Page, StoreError> {
        let heads = store.heads(self.key, self.after, self.last, CHUNK).await?;
        let mut page = Page { bags: Vec::new(), gap: None };
        if heads.is_empty() {
            page.gap = Some(self.after.next());
            self.after = self.last;
        }
        let mut seqs: Vec<Seq> = heads.iter().map(|item| item.seq).collect();
        let mut heads = heads.into_iter();
        while !seqs.is_empty() {
            let bodies = store.bodies(self.key, seqs.clone(), CHUNK).await?;
            seqs.drain(..bodies.len().clamp(1, seqs.len()));
            for (body, item) in bodies.into_iter().zip(heads.by_ref()) {
                if item.seq != self.after.next() || body.is_none() {
                    page.gap.get_or_insert(self.after.next());
                }
                self.after = item.seq;
                if let Some(body) = body {
                    page.bags.push((item.seq, Bag { head: item.head, body }));
                }
            }
        }
        Ok(page)
    }
}
