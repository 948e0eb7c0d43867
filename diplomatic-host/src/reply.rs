//! What a host answers: a head, then items that are read from the store as they are sent.

use diplomatic::standard::calls::ResponseHead;
use diplomatic::standard::{Encode, Status, Timestamp};

use crate::calls::{Answer, BodyCursor, HeadCursor, Notice};
use crate::{BagStore, Refusal, StoreError};

/// The answer to one request.
#[derive(Debug)]
pub struct Reply {
    received: Timestamp,
    /// `None` for the answer to a preflight, which is empty.
    status: Option<Status>,
    /// The items, which follow the head.
    pub items: Items,
    /// What the request causes the user's open sockets to be sent.
    pub notice: Option<Notice>,
}

impl Reply {
    pub(crate) fn preflight(received: Timestamp) -> Self {
        Self { received, status: None, items: Items::default(), notice: None }
    }

    pub(crate) fn new(received: Timestamp, outcome: Result<Answer, Refusal>) -> Self {
        match outcome {
            Ok(Answer { items, notice }) => Self { received, status: Some(Status::SUCCESS), items, notice },
            Err(refusal) => {
                tracing::debug!(refusal = &refusal as &dyn std::error::Error, "refused a request");
                Self { received, status: Some(refusal.status()), items: Items::default(), notice: None }
            }
        }
    }

    /// Returns the status in the head, or `None` for the answer to a preflight.
    pub const fn status(&self) -> Option<Status> {
        self.status
    }

    /// Returns the encoded head, given the time at which it is sent.
    pub fn head(&self, sent: Timestamp) -> Vec<u8> {
        let head = self.status.map(|status| ResponseHead::unlimited(status, self.received, sent));
        head.map(|head| head.to_bytes()).unwrap_or_default()
    }

    /// Returns the whole response, given the time at which it is sent: for those who do not stream.
    ///
    /// # Errors
    ///
    /// [`StoreError`], when the store fails after the first items were read. What a client then has is cut short.
    pub fn collect(mut self, store: &impl BagStore, sent: Timestamp) -> Result<Vec<u8>, StoreError> {
        let mut response = self.head(sent);
        while let Some(chunk) = self.items.next_chunk(store)? {
            response.extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

/// The items of a reply, in chunks of bounded size.
///
/// Each chunk is a read of the store for itself, so that nothing is held in between, however slow the reader is.
#[derive(Debug, Default)]
pub struct Items {
    /// What is encoded already.
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
    pub(crate) fn whole(encoded: Vec<u8>) -> Self {
        Self { ready: encoded, rest: Rest::Nothing }
    }

    /// Starts to list heads. The first chunk is read at once: a store that fails is then still answered with a status.
    pub(crate) fn heads(mut cursor: HeadCursor, store: &impl BagStore) -> Result<Self, StoreError> {
        Ok(Self { ready: cursor.next_chunk(store)?, rest: Rest::Heads(cursor) })
    }

    /// Starts to fetch bodies, the first chunk at once.
    pub(crate) fn bodies(mut cursor: BodyCursor, store: &impl BagStore) -> Result<Self, StoreError> {
        Ok(Self { ready: cursor.next_chunk(store)?, rest: Rest::Bodies(cursor) })
    }

    /// Returns all items, if they are at hand already without another read.
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
    pub fn next_chunk(&mut self, store: &impl BagStore) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.ready.is_empty() {
            return Ok(Some(std::mem::take(&mut self.ready)));
        }
        let chunk = match &mut self.rest {
            Rest::Nothing => Vec::new(),
            Rest::Heads(cursor) if cursor.is_done() => Vec::new(),
            Rest::Heads(cursor) => cursor.next_chunk(store)?,
            Rest::Bodies(cursor) => cursor.next_chunk(store)?,
        };
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}
