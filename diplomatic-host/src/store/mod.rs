//! Where bags lie: the contract of a store, and the stores that keep it.

mod changes;
#[cfg(test)]
mod contract;
mod error;
#[cfg(feature = "server")]
mod late;
mod memory;
#[cfg(feature = "server")]
mod open_error;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "server")]
mod redb;
#[cfg(test)]
#[cfg(all(unix, feature = "postgres"))]
mod two_handles;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, Signature, VerifiedBag};

#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "server")]
pub use self::redb::{RedbOptions, RedbStore};
pub use changes::{Change, Changes, Feed};
pub use error::StoreError;
#[cfg(feature = "server")]
pub use late::LateStore;
pub use memory::{MemoryStore, WriteFault};
#[cfg(feature = "server")]
pub use open_error::OpenStoreError;

/// What a store answers with, once it is polled to the end.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The registered users and their bags, numbered per user from 1 on, without a gap and without a repeat.
///
/// A store knows neither requests nor clocks. Every store passes the same tests, `store/contract.rs`; a new one is a
/// file beside this one and a line there. A store whose work blocks does it on threads of its own, so that these futures
/// may be polled anywhere; it needs no particular runtime unless it says so.
///
/// # Cancel safety
///
/// A write that was polled once may be carried out though its future is dropped. To write it again is harmless.
pub trait BagStore: fmt::Debug + Send + Sync + 'static {
    /// Registers a user; again is fine. Resolves once the registration is durable.
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>>;

    /// Appends bags under the user's next seqs, in their order, and resolves once they are durable.
    ///
    /// A bag with a signature that the user has already, earlier in `bags` included, keeps its seq; if what is stored
    /// under it differs otherwise, the new bag takes its place. A user who is not registered becomes so. A store may stop
    /// early: what is stored then is always the first of `bags`. New bags of one append have seqs without a gap.
    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended>;

    /// Returns the user's last seq, or `None` for a user who is not registered.
    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>>;

    /// Tells whether a user is registered. What another process has deleted a moment ago may still count; an append
    /// stores nothing for it then.
    fn is_registered(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.last(user).await?.is_some()) })
    }

    /// Returns the last seqs of many users, as [`last`](Self::last) does.
    fn lasts(&self, users: Vec<PublicKey>) -> StoreFuture<'_, Result<Vec<Option<Seq>>, StoreError>> {
        Box::pin(async move {
            let mut lasts = Vec::with_capacity(users.len());
            for user in users {
                lasts.push(self.last(user).await?);
            }
            Ok(lasts)
        })
    }

    /// Lists the heads of bags with seqs above `after` and up to `last`, by seq.
    ///
    /// The list ends early once its sealed heads exceed `budget` bytes. It is empty only when there is nothing to list.
    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>>;

    /// Fetches bodies, one answer for each of `seqs` in their order, `None` where there is no such bag.
    ///
    /// The answers end early once the bodies exceed `budget` bytes. They are empty only when `seqs` is.
    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>>;

    /// Returns how much the user has stored, or `None` for a user who is not registered.
    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>>;

    /// Returns how many bytes the user's bags with these signatures take, as [`usage`](Self::usage) counts them; `None`
    /// where there is no such bag.
    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>>;

    /// Deletes a user with all bags, and tells whether there was one. The deletion is durable.
    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>>;

    /// Lists registered users by key: at most `count` of those after `after`, or the first ones.
    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>>;

    /// Returns what is noted under the names that begin with `prefix`, by name: texts that the host keeps for itself.
    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>>;

    /// Puts `new` in the place of the note under `name` if that is `old` now (`None` is no note), and tells whether it
    /// was. The change is durable.
    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>>;

    /// Gives room that is not used back to the disk, and tells whether there was any. Everyone may have to wait meanwhile.
    fn compact(&self) -> StoreFuture<'_, Result<bool, StoreError>> {
        Box::pin(async { Ok(false) })
    }

    /// Returns the changes from now on, of whoever makes them: hints, which may come late, merged, or not at all.
    fn changes(&self) -> Changes;

    /// Tells whether the store serves now.
    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

/// What became of the bags of one append.
#[derive(Debug, Clone)]
#[must_use]
pub struct Appended {
    /// Where the first of the bags lie, in their order; all of them unless the append was cut short.
    pub placed: Vec<Placed>,
    /// Why the bags after those were not stored.
    pub cut: Option<StoreError>,
}

impl Appended {
    /// Every bag is stored.
    pub const fn whole(placed: Vec<Placed>) -> Self {
        Self { placed, cut: None }
    }

    /// No bag is stored.
    pub const fn nothing(error: StoreError) -> Self {
        Self { placed: Vec::new(), cut: Some(error) }
    }

    /// Returns where the bags lie, if all of them were stored.
    ///
    /// # Errors
    ///
    /// The [`StoreError`] that cut the append short.
    pub fn into_whole(self) -> Result<Vec<Placed>, StoreError> {
        self.cut.map_or(Ok(self.placed), Err)
    }
}

/// What became of a bag that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The bag is new and has this seq.
    New(Seq),
    /// The same bag of this user was there already, under this seq; nothing was stored.
    Known(Seq),
    /// A bag of this user with the same signature was there under this seq, but damaged, or with another body; this one
    /// has taken its place.
    Healed(Seq),
}

impl Placed {
    /// Returns the bag's seq.
    pub const fn seq(self) -> Seq {
        match self {
            Self::New(seq) | Self::Known(seq) | Self::Healed(seq) => seq,
        }
    }

    /// Tells whether the bag has a seq that nobody had before.
    pub const fn is_new(self) -> bool {
        matches!(self, Self::New(_))
    }
}

/// Whether a store serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Readiness {
    /// It is not open yet.
    Starting,
    /// It serves.
    Ready,
    /// It has met a failure and does not serve, at least for the moment.
    Failing,
}

/// How much a user has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many bags there are.
    pub bags: u64,
    /// How many bytes their encoded heads and their sealed bodies take.
    pub bytes: u64,
}

/// A store that others hold as well, or one that is chosen when the program runs.
impl<S: BagStore + ?Sized> BagStore for Arc<S> {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        (**self).register(user)
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        (**self).append(user, bags)
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        (**self).last(user)
    }

    fn is_registered(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        (**self).is_registered(user)
    }

    fn lasts(&self, users: Vec<PublicKey>) -> StoreFuture<'_, Result<Vec<Option<Seq>>, StoreError>> {
        (**self).lasts(users)
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        (**self).heads(user, after, last, budget)
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        (**self).bodies(user, seqs, budget)
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        (**self).usage(user)
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        (**self).sizes(user, signatures)
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        (**self).delete(user)
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        (**self).accounts(after, count)
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        (**self).notes(prefix)
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        (**self).swap_note(name, old, new)
    }

    fn compact(&self) -> StoreFuture<'_, Result<bool, StoreError>> {
        (**self).compact()
    }

    fn changes(&self) -> Changes {
        (**self).changes()
    }

    fn readiness(&self) -> Readiness {
        (**self).readiness()
    }
}
