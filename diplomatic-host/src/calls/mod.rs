//! The calls, each in a file of its name: bytes in, items out, over any store. Nothing here knows HTTP or threads.

mod answer;
mod caller;
mod cursor;
mod input;
mod peek;
mod pull;
mod push;
mod user;

use diplomatic::standard::calls::Call;
use diplomatic::standard::{Bag, PublicKey, Seq, Status, VerifiedBag};

pub use answer::Items;
pub(crate) use caller::Caller;
pub use input::Incoming;
pub(crate) use input::Input;
pub(crate) use peek::peek;
pub(crate) use pull::pull;
pub(crate) use push::push;
pub(crate) use user::user;

use crate::{Appended, Refusal, StoreFuture};

/// A frame for every open socket of a user. It tells of all the user's bags from one seq to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose sockets it is for.
    pub user: PublicKey,
    /// The first seq that it tells of.
    pub first: Seq,
    /// The last seq that it tells of.
    pub last: Seq,
    /// The encoded [`Notification`](diplomatic::standard::calls::Notification).
    pub frame: Vec<u8>,
}

/// What a call needs of the program around it.
pub trait Surroundings: Send + Sync {
    /// Checks the signatures of bags, wherever that holds up nobody else, and whether there is room for them; each gets
    /// its own answer, in their order.
    fn check(&self, user: PublicKey, bags: Vec<Bag>) -> StoreFuture<'_, Vec<Result<VerifiedBag, Status>>>;

    /// Takes a frame for the user's open sockets. It comes when the bags are durable, and not always in their order.
    fn tell(&self, notice: Notice);

    /// Lets a caller in whose auth timestamp holds, or refuses its call.
    fn let_in(&self, _user: PublicKey, _call: Call) -> StoreFuture<'_, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    /// Decides whether a caller who has no account gets one.
    fn admit(&self, _user: PublicKey) -> StoreFuture<'_, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    /// Hears what became of bags: those that were checked just before, given what was found wrong with each.
    fn stored(&self, _appended: &Appended, _verdicts: &[Option<Status>]) {}

    /// Returns the size of the largest body of a bag that is stored.
    fn largest_bag(&self) -> usize {
        LARGEST_BAG
    }
}

/// How many bytes of items are read from the store and sent at a time, roughly. It bounds what a reply holds in memory
/// and how long it holds a snapshot of the store.
pub(crate) const CHUNK: usize = 256 << 10;

/// The size of the largest body of a bag that is stored, unless the surroundings say otherwise.
pub(crate) const LARGEST_BAG: usize = 64 << 20;
