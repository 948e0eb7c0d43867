//! Where bags lie: the contract of a store, and the two stores that keep it.

#[cfg(test)]
mod contract;
mod error;
mod memory;
mod redb;

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, VerifiedBag};

pub use self::redb::{RedbOptions, RedbStore};
pub use error::{OpenStoreError, StoreError};
pub use memory::{MemoryStore, WriteFault};

/// What a store calls once a write is durable, or has failed.
pub type Done<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// What became of a bag that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The bag is new and has this seq.
    New(Seq),
    /// A bag of this user with the same signature was there already, under this seq; nothing was stored.
    Known(Seq),
}

impl Placed {
    /// Returns the bag's seq.
    pub const fn seq(self) -> Seq {
        match self {
            Self::New(seq) | Self::Known(seq) => seq,
        }
    }

    /// Tells whether the bag was stored just now.
    pub const fn is_new(self) -> bool {
        matches!(self, Self::New(_))
    }
}

/// The registered users and their bags, numbered per user from 1 on, without a gap and without a repeat.
///
/// A store knows neither requests nor clocks. Every store passes the same tests, `store/contract.rs`; a new one is a
/// file beside this one and a line there.
///
/// Writes answer through [`Done`] instead of returning, so that a store may gather the writes of many callers in one
/// commit while none of them holds a thread. `done` is called exactly once, when the write is durable, and **in the
/// order of the commits**: what a caller does in it for one user happens by seq. It may read from the store and must
/// not write to it. A store that goes away may drop `done` uncalled.
pub trait BagStore: Send + Sync + 'static {
    /// Registers a user; again is fine.
    fn register(&self, user: &PublicKey, done: Done<()>);

    /// Appends bags under the user's next seqs, all of them or none, and answers for each in their order.
    ///
    /// A bag with a signature that the user has already, earlier in `bags` included, keeps its seq. A user who is not
    /// registered becomes so.
    fn append(&self, user: &PublicKey, bags: Vec<VerifiedBag>, done: Done<Vec<Placed>>);

    /// Returns the user's last seq, or `None` for a user who is not registered.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn last_seq(&self, user: &PublicKey) -> Result<Option<Seq>, StoreError>;

    /// Lists the heads of bags with seqs above `after` and up to `last`, by seq.
    ///
    /// The list ends early once its sealed heads exceed `budget` bytes. It is empty only when there is nothing to list.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn heads(&self, user: &PublicKey, after: Seq, last: Seq, budget: usize) -> Result<Vec<PeekItem>, StoreError>;

    /// Fetches bodies, one answer for each of `seqs` in their order, `None` where there is no such bag.
    ///
    /// The answers end early once the bodies exceed `budget` bytes. They are empty only when `seqs` is.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn bodies(&self, user: &PublicKey, seqs: &[Seq], budget: usize) -> Result<Vec<Option<SealedBody>>, StoreError>;
}
