//! A store of a host that counts what it hands out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, Signature, VerifiedBag};
use diplomatic_host::{Appended, BagStore, Changes, MemoryStore, StoreError, StoreFuture, Usage};

/// A store in memory that counts the heads and the bodies that it hands out. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct CountingStore(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    store: MemoryStore,
    heads: AtomicUsize,
    bodies: AtomicUsize,
}

impl CountingStore {
    /// Returns how many heads were listed.
    pub fn heads_listed(&self) -> usize {
        self.0.heads.load(Ordering::SeqCst)
    }

    /// Returns how many bodies were fetched.
    pub fn bodies_fetched(&self) -> usize {
        self.0.bodies.load(Ordering::SeqCst)
    }
}

impl BagStore for CountingStore {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        self.0.store.register(user)
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        self.0.store.append(user, bags)
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        self.0.store.last(user)
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        Box::pin(async move {
            let heads = self.0.store.heads(user, after, last, budget).await?;
            self.0.heads.fetch_add(heads.len(), Ordering::SeqCst);
            Ok(heads)
        })
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        Box::pin(async move {
            let bodies = self.0.store.bodies(user, seqs, budget).await?;
            self.0.bodies.fetch_add(bodies.iter().flatten().count(), Ordering::SeqCst);
            Ok(bodies)
        })
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        self.0.store.usage(user)
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        self.0.store.sizes(user, signatures)
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.0.store.delete(user)
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        self.0.store.accounts(after, count)
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        self.0.store.notes(prefix)
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.0.store.swap_note(name, old, new)
    }

    fn changes(&self) -> Changes {
        self.0.store.changes()
    }
}
