//! A few handles on one database, as the processes of a large host have them: each call goes to the next one.

use std::sync::atomic::{AtomicUsize, Ordering};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, Signature, VerifiedBag};

use super::{Appended, BagStore, Changes, Placed, PostgresOptions, PostgresStore, StoreError, StoreFuture, Usage};
use crate::contract::Account;
use crate::database;

#[derive(Debug)]
pub(super) struct Handles {
    stores: Vec<PostgresStore>,
    turn: AtomicUsize,
}

/// Connects to an empty database, unless there is no Postgres on this machine.
pub(super) async fn connect<const COUNT: usize>() -> Option<(Handles, ())> {
    let url = database::fresh().await?;
    let mut stores = Vec::new();
    for _ in 0..COUNT {
        let options = PostgresOptions { connections: 4, ..PostgresOptions::default() };
        stores.push(PostgresStore::connect(&url, options).await.unwrap());
    }
    Some((Handles { stores, turn: AtomicUsize::new(0) }, ()))
}

impl Handles {
    fn next(&self) -> &PostgresStore {
        &self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % self.stores.len()]
    }
}

impl BagStore for Handles {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        self.next().register(user)
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        self.next().append(user, bags)
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        self.next().last(user)
    }

    fn lasts(&self, users: Vec<PublicKey>) -> StoreFuture<'_, Result<Vec<Option<Seq>>, StoreError>> {
        self.next().lasts(users)
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        self.next().heads(user, after, last, budget)
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        self.next().bodies(user, seqs, budget)
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        self.next().usage(user)
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        self.next().sizes(user, signatures)
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.next().delete(user)
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        self.next().accounts(after, count)
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        self.next().notes(prefix)
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        self.next().swap_note(name, old, new)
    }

    fn changes(&self) -> Changes {
        self.next().changes()
    }
}

#[tokio::test]
async fn an_account_that_another_process_deleted_does_not_come_back_by_a_push() {
    let Some((handles, ())) = connect::<2>().await else { return };
    let [here, there] = &handles.stores[..] else { panic!("there are two") };
    let account = Account::new(1);
    here.register(account.key()).await.unwrap();
    assert!(here.is_registered(account.key()).await.unwrap());
    here.append(account.key(), account.verified(2, 100)).await.into_whole().unwrap();
    assert!(there.delete(account.key()).await.unwrap());
    here.append(account.key(), account.verified(2, 100)).await.into_whole().unwrap_err();
    assert_eq!(here.last(account.key()).await.unwrap(), None);
    assert!(!here.is_registered(account.key()).await.unwrap());
    // It may register again, and begins with the first seq.
    there.register(account.key()).await.unwrap();
    assert!(here.is_registered(account.key()).await.unwrap());
    let placed = here.append(account.key(), account.verified(1, 100)).await.into_whole().unwrap();
    assert_eq!(placed, [Placed::New(Seq::new(1).unwrap())]);
}
