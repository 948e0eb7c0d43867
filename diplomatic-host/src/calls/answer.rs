//! The answer of a call: items that are read from the store while they are sent.

use diplomatic::standard::PublicKey;

use super::cursor::{BodyCursor, HeadCursor};
use crate::{BagStore, StoreError};

/// The items of a reply, in chunks of bounded size.
///
/// Each chunk is a separate read of the store, so nothing is held in between, however slow the client is.
#[derive(Debug, Default)]
pub struct Items {
    /// Encoded items.
    ready: Vec<u8>,
    rest: Rest,
}

/// What is still to be read.
#[derive(Debug, Default)]
enum Rest {
    #[default]
    Nothing,
    Heads(HeadCursor),
    Bodies(BodyCursor),
}

impl Items {
    pub(super) const fn whole(encoded: Vec<u8>) -> Self {
        Self { ready: encoded, rest: Rest::Nothing }
    }

    pub(super) const fn heads(cursor: HeadCursor) -> Self {
        Self { ready: Vec::new(), rest: Rest::Heads(cursor) }
    }

    pub(super) const fn bodies(cursor: BodyCursor) -> Self {
        Self { ready: Vec::new(), rest: Rest::Bodies(cursor) }
    }

    /// Reads the first chunk if no items are ready yet.
    pub(crate) async fn start<S: BagStore + ?Sized>(&mut self, store: &S) -> Result<(), StoreError> {
        if let Some(first) = self.next_chunk(store).await? {
            self.ready = first;
        }
        Ok(())
    }

    /// Returns the user to whom the items belong, if some are still to be read.
    pub const fn user(&self) -> Option<PublicKey> {
        match &self.rest {
            Rest::Nothing => None,
            Rest::Heads(cursor) => Some(cursor.user()),
            Rest::Bodies(cursor) => Some(cursor.user()),
        }
    }

    /// Returns the number of bytes that are ready.
    pub const fn at_hand(&self) -> usize {
        self.ready.len()
    }

    /// Returns all items if they are ready without another read.
    pub fn as_whole(&self) -> Option<&[u8]> {
        let done = match &self.rest {
            Rest::Nothing => true,
            Rest::Heads(cursor) => cursor.is_done(),
            Rest::Bodies(cursor) => cursor.is_done(),
        };
        done.then_some(&self.ready)
    }

    /// Returns the next encoded items, or `None` after the last.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn next_chunk<S: BagStore + ?Sized>(&mut self, store: &S) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.ready.is_empty() {
            return Ok(Some(std::mem::take(&mut self.ready)));
        }
        let chunk = match &mut self.rest {
            Rest::Nothing => Vec::new(),
            Rest::Heads(cursor) if cursor.is_done() => Vec::new(),
            Rest::Heads(cursor) => cursor.next_chunk(store).await?,
            Rest::Bodies(cursor) => cursor.next_chunk(store).await?,
        };
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}
