//! The calls, each in a file of its name: bytes in, items out, over any store. Nothing here knows HTTP, and nothing
//! waits.

mod caller;
mod peek;
mod pull;
mod push;
mod user;

use diplomatic::standard::PublicKey;

pub(crate) use caller::Caller;
pub(crate) use peek::{HeadCursor, peek};
pub(crate) use pull::{BodyCursor, pull};
pub(crate) use push::push;
pub(crate) use user::user;

use crate::Refusal;
use crate::reply::Items;

/// A frame for every open socket of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose sockets it is for.
    pub user: PublicKey,
    /// The encoded [`Notification`](diplomatic::standard::calls::Notification).
    pub frame: Vec<u8>,
}

/// What a call that was carried out comes to.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) items: Items,
    pub(crate) notice: Option<Notice>,
}

/// Hears what a call comes to, once, on whatever thread the store answers.
pub(crate) type Respond = Box<dyn FnOnce(Result<Answer, Refusal>) + Send>;

/// How many bytes of items are read from the store and sent at a time, roughly. It bounds what a reply holds in memory
/// and how long it holds a snapshot of the store.
pub(crate) const CHUNK: usize = 256 << 10;
