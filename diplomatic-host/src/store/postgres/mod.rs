//! The store on Postgres, which any number of processes may share.

mod append;
mod connect;
mod fault;
mod hints;
mod locks;
mod options;
mod reads;
mod registered;
mod schema;
mod tls;
mod writes;

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, Signature, VerifiedBag};
use tokio::task::AbortHandle;

pub use self::options::PostgresOptions;

use self::append::Batch;
use self::connect::Database;
use self::fault::Fault;
use self::hints::{Hint, Hints};
use self::locks::Locks;
use self::registered::Registered;
use super::{Appended, BagStore, Changes, OpenStoreError, Placed, Readiness, StoreError, StoreFuture, Usage};

/// A store on Postgres, or on a cluster that speaks its language. Any number of processes may share it.
///
/// What it called durable is in the database's log. Seqs come from the account's row, which is locked in the transaction
/// that stores the bags. Processes tell each other of new bags by NOTIFY, and look themselves every few seconds, for
/// such a hint may be lost. While the database is away, every call fails with an error; then it goes on.
///
/// It needs a tokio runtime, and stops to listen when it is dropped.
///
/// ```no_run
/// use diplomatic_host::{Host, PostgresOptions, PostgresStore};
///
/// # async fn example() -> Result<(), diplomatic_host::OpenStoreError> {
/// let store = PostgresStore::connect("postgres://host@localhost/diplomatic", PostgresOptions::default()).await?;
/// let host = Host::new(store);
/// # let _ = host;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    database: Database,
    hints: Arc<Hints>,
    locks: Locks,
    registered: Registered,
    /// Whether the last thing that was asked of the database failed.
    failing: Arc<AtomicBool>,
    listening: AbortHandle,
}

impl PostgresStore {
    /// Connects to the database at `url` and makes the tables where there are none. While the database cannot be reached
    /// or starts, it waits and tries again, as long as the options say.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError`].
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, OpenStoreError> {
        let (database, channel) = connect::open(url, &options).await?;
        let hints = Arc::new(Hints::new(channel, options.hint_delay));
        let failing = Arc::new(AtomicBool::new(false));
        let listening = tokio::spawn({
            let (database, hints, failing) = (database.clone(), Arc::clone(&hints), Arc::clone(&failing));
            async move { hints::exchange(&database, &hints, &failing).await }
        });
        hints.until_listening().await;
        Ok(Self {
            database,
            hints,
            locks: Locks::default(),
            registered: Registered::default(),
            failing,
            listening: listening.abort_handle(),
        })
    }

    /// Notes whether the database served.
    fn note<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        self.failing.store(matches!(&outcome, Err(fault) if fault.is_outage()), Ordering::Release);
        outcome
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        read: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> StoreFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { self.note(read.await).map_err(Fault::reading) })
    }

    fn write<'a, T: Send + 'a>(
        &'a self,
        write: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> StoreFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { self.note(write.await).map_err(Fault::writing) })
    }

    /// Stores what is new of a batch. An account that was let in because it was there when it was last asked for, and was
    /// deleted since, does not come back by this.
    async fn place(&self, user: PublicKey, batch: &Arc<Batch>) -> Result<Vec<Placed>, Fault> {
        let new = self.database.write(|client| Box::pin(append::append_new(client, Arc::clone(batch)))).await?;
        if let Some(placed) = new {
            return Ok(placed);
        }
        if self.registered.contains(&user) {
            let last = self.database.read(move |client| Box::pin(reads::last(client, user))).await?;
            if last.is_none() {
                self.registered.remove(&user);
                return Err(Fault::Deleted);
            }
        }
        self.database.write(|client| Box::pin(append::append(client, Arc::clone(batch)))).await
    }

    async fn append_now(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> Result<Vec<Placed>, Fault> {
        let batch = Arc::new(Batch::new(user, bags));
        // One append of an account at a time takes a connection: the database would let the others wait on theirs.
        let _turn = self.locks.lock(user).await;
        let placed = self.place(user, &batch).await?;
        let new = placed.iter().filter(|placed| placed.is_new());
        if let Some(last) = new.map(|placed| placed.seq()).max() {
            self.hints.tell(user, Hint::Last(last));
        }
        let differing = Arc::new(batch.differing(&placed));
        if !differing.is_empty() {
            self.database.write(|client| Box::pin(writes::heal(client, user, Arc::clone(&differing)))).await?;
        }
        batch.spread(&placed).ok_or(Fault::Strange("an answer for other bags than were sent"))
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl BagStore for PostgresStore {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        self.write(self.database.write(move |client| Box::pin(writes::register(client, user))))
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        Box::pin(async move {
            if bags.is_empty() {
                return self.register(user).await.map_or_else(Appended::nothing, |()| Appended::whole(Vec::new()));
            }
            match self.note(self.append_now(user, bags).await) {
                Ok(placed) => Appended::whole(placed),
                Err(Fault::NoSeqLeft) => Appended::nothing(StoreError::NoSeqLeft { user }),
                Err(fault) => Appended::nothing(fault.writing()),
            }
        })
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        self.read(self.database.read(move |client| Box::pin(reads::last(client, user))))
    }

    fn is_registered(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        if self.registered.contains(&user) {
            return Box::pin(ready(Ok(true)));
        }
        self.read(async move {
            let last = self.database.read(move |client| Box::pin(reads::last(client, user))).await?;
            if last.is_some() {
                self.registered.insert(user);
            }
            Ok(last.is_some())
        })
    }

    fn lasts(&self, users: Vec<PublicKey>) -> StoreFuture<'_, Result<Vec<Option<Seq>>, StoreError>> {
        let users = Arc::new(users);
        self.read(self.database.read(move |client| Box::pin(reads::lasts(client, Arc::clone(&users)))))
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        self.read(self.database.read(move |client| Box::pin(reads::heads(client, user, after, last, budget))))
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        let seqs = Arc::new(seqs);
        self.read(self.database.read(move |client| Box::pin(reads::bodies(client, user, Arc::clone(&seqs), budget))))
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        self.read(self.database.read(move |client| Box::pin(reads::usage(client, user))))
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        let signatures = Arc::new(signatures);
        self.read(self.database.read(move |client| Box::pin(reads::sizes(client, user, Arc::clone(&signatures)))))
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.write(async move {
            let deleted = self.database.write(move |client| Box::pin(writes::delete(client, user))).await?;
            self.registered.remove(&user);
            self.hints.tell(user, Hint::Deleted);
            Ok(deleted)
        })
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        self.read(self.database.read(move |client| Box::pin(reads::accounts(client, after, count))))
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        self.read(self.database.read(move |client| Box::pin(reads::notes(client, prefix.clone()))))
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        let swap = Arc::new((name, old, new));
        self.write(self.database.write(move |client| Box::pin(writes::swap_note(client, Arc::clone(&swap)))))
    }

    fn changes(&self) -> Changes {
        self.hints.feed.watch()
    }

    fn readiness(&self) -> Readiness {
        if self.failing.load(Ordering::Acquire) { Readiness::Failing } else { Readiness::Ready }
    }
}
