//! How far a follower of a log has come.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::order::Position;

/// How far a follower has read a feed.
///
/// It is small, and can be kept wherever the follower keeps what it makes of the feed: as text, or by serde. It survives
/// restarts, compaction and imports. It belongs to what had arrived in one store at that moment: with another store, or
/// with an older copy of this one, a feed begins anew, and says so.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Backing, Device, Seed, Timestamp};
/// use diplomatic::feed::FeedCursor;
///
/// # let rng: rand::rngs::StdRng = rand::make_rng();
/// # let device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
/// let cursor = device.feed_end()?;
/// let kept: String = cursor.to_string();
/// assert_eq!(kept.parse::<FeedCursor>()?, cursor);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FeedCursor {
    /// How many messages had arrived.
    pub(crate) number: u64,
    /// What tells them, in this order, from any others.
    pub(crate) chain: Chain,
}

/// What tells the first so many arrivals in a store from any others.
pub(crate) type Chain = [u8; 16];

/// Returns the chain that goes on with a message at this position.
pub(crate) fn chained(chain: &Chain, position: &[u8; Position::LEN]) -> Chain {
    let mut bytes = [0; 16 + Position::LEN];
    bytes[..16].copy_from_slice(chain);
    bytes[16..].copy_from_slice(position);
    *blake3::hash(&bytes).as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// A text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor of a feed is 48 hex digits: start without one, and the feed begins anew")]
pub struct FeedCursorParseError;

impl FeedCursorParseError {
    /// Returns whether trying again may help, without any other change: it never does.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:032x}", self.number, u128::from_be_bytes(self.chain))
    }
}

impl FromStr for FeedCursor {
    type Err = FeedCursorParseError;

    fn from_str(text: &str) -> Result<Self, FeedCursorParseError> {
        if text.len() != 48 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(FeedCursorParseError);
        }
        let (number, chain) = text.split_at(16);
        let number = u64::from_str_radix(number, 16).map_err(|_| FeedCursorParseError)?;
        let chain = u128::from_str_radix(chain, 16).map_err(|_| FeedCursorParseError)?;
        Ok(Self { number, chain: chain.to_be_bytes() })
    }
}

impl From<FeedCursor> for String {
    fn from(cursor: FeedCursor) -> Self {
        cursor.to_string()
    }
}

impl TryFrom<String> for FeedCursor {
    type Error = FeedCursorParseError;

    fn try_from(text: String) -> Result<Self, FeedCursorParseError> {
        text.parse()
    }
}
