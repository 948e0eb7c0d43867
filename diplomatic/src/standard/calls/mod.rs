//! The host's calls: requests and responses, independent of the transport.

mod auth;
mod notify;
mod peek;
mod pull;
mod push;
mod response;
mod user;

pub use auth::{AuthError, AuthTimestamp, AuthToken, CLOCK_TOLERANCE};
pub use notify::{INLINE_LIMIT, Notification, NotificationItem};
pub use peek::{PeekItem, PeekRequest, RawPeekItem};
pub use pull::{PullItem, PullRequest};
pub use push::{PushItem, PushOutcome, PushRequest};
pub use response::{Quota, ResponseHead};
pub use user::UserRequest;

use super::bytes::{Decode, DecodeError, Encode, Reader};

/// One of the four calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Registers a key with the host.
    User,
    /// Lists the heads of the bags after a seq.
    Peek,
    /// Stores bags.
    Push,
    /// Fetches the bodies of bags.
    Pull,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 4] = [Self::User, Self::Peek, Self::Push, Self::Pull];

    /// Returns the call's path below the host's address, with a leading slash.
    pub const fn path(self) -> &'static str {
        match self {
            Self::User => "/user",
            Self::Peek => "/peek",
            Self::Push => "/push",
            Self::Pull => "/pull",
        }
    }

    /// Returns the call at `path`.
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.path() == path)
    }
}

/// Encodes items one after another.
fn encode_all<T: Encode>(items: &[T], out: &mut Vec<u8>) {
    items.iter().for_each(|item| item.encode(out));
}

/// Decodes items until the bytes end.
pub(super) fn read_all<T: Decode>(reader: &mut Reader<'_>) -> Result<Vec<T>, DecodeError> {
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.push(T::read(reader)?);
    }
    Ok(items)
}
