//! A store that opens while the host listens already.

use std::future::ready;
use std::sync::{Arc, OnceLock};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, Signature, VerifiedBag};
use tokio::sync::watch;

use super::{Appended, BagStore, Changes, Readiness, StoreError, StoreFuture, Usage};

/// A place for a store that takes a while to open. Until it is there, every call fails with [`StoreError::Starting`].
///
/// ```
/// use std::sync::Arc;
/// use diplomatic_host::{BagStore, Host, LateStore, MemoryStore, Readiness, Server};
///
/// let store = LateStore::default();
/// let server = Server::new(Host::new(store.clone()));
/// // ... the server listens ...
/// assert_eq!(store.readiness(), Readiness::Starting);
/// store.set(Arc::new(MemoryStore::new()));
/// assert_eq!(store.readiness(), Readiness::Ready);
/// # let _ = server;
/// ```
#[derive(Debug, Clone, Default)]
pub struct LateStore {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    store: OnceLock<Arc<dyn BagStore>>,
    opened: watch::Sender<bool>,
}

impl Default for Place {
    fn default() -> Self {
        Self { store: OnceLock::new(), opened: watch::Sender::new(false) }
    }
}

impl LateStore {
    /// Puts the store in its place. The first one stays.
    pub fn set(&self, store: Arc<dyn BagStore>) {
        let _ = self.place.store.set(store);
        self.place.opened.send_replace(true);
    }

    fn ask<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&'a dyn BagStore) -> StoreFuture<'a, Result<T, StoreError>>,
    ) -> StoreFuture<'a, Result<T, StoreError>> {
        match self.place.store.get() {
            Some(store) => call(&**store),
            None => Box::pin(ready(Err(StoreError::Starting))),
        }
    }
}

impl BagStore for LateStore {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        self.ask(|store| store.register(user))
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        match self.place.store.get() {
            Some(store) => store.append(user, bags),
            None => Box::pin(ready(Appended::nothing(StoreError::Starting))),
        }
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        self.ask(|store| store.last(user))
    }

    fn is_registered(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.ask(|store| store.is_registered(user))
    }

    fn lasts(&self, users: Vec<PublicKey>) -> StoreFuture<'_, Result<Vec<Option<Seq>>, StoreError>> {
        self.ask(|store| store.lasts(users))
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        self.ask(|store| store.heads(user, after, last, budget))
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        self.ask(|store| store.bodies(user, seqs, budget))
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        self.ask(|store| store.usage(user))
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        self.ask(|store| store.sizes(user, signatures))
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.ask(|store| store.delete(user))
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        self.ask(|store| store.accounts(after, count))
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        self.ask(|store| store.notes(prefix))
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.ask(|store| store.swap_note(name, old, new))
    }

    fn compact(&self) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.ask(|store| store.compact())
    }

    fn changes(&self) -> Changes {
        if let Some(store) = self.place.store.get() {
            return store.changes();
        }
        let place = Arc::downgrade(&self.place);
        let mut opened = self.place.opened.subscribe();
        Changes::later(async move {
            // Without a place there is nothing to come.
            let _ = opened.wait_for(|opened| *opened).await;
            Some(place.upgrade()?.store.get()?.changes())
        })
    }

    fn readiness(&self) -> Readiness {
        self.place.store.get().map_or(Readiness::Starting, |store| store.readiness())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, MemoryStore};

    #[tokio::test]
    async fn calls_are_refused_until_the_store_is_there_and_changes_are_heard_from_then_on() {
        let store = LateStore::default();
        let user = PublicKey::from_bytes([7; 32]);
        let mut changes = store.changes();
        assert!(matches!(store.register(user).await, Err(StoreError::Starting)));
        assert!(matches!(store.append(user, Vec::new()).await.cut, Some(StoreError::Starting)));
        let watching = tokio::spawn(async move { changes.next().await });
        tokio::task::yield_now().await;
        store.set(Arc::new(MemoryStore::new()));
        store.register(user).await.unwrap();
        // Until the watcher is there.
        while !watching.is_finished() {
            store.delete(user).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(watching.await.unwrap(), Some(Change::Deleted { user }));
    }
}
