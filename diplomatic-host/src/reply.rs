//! What a host answers: a head, then items that are read from the store as they are sent.

use diplomatic::standard::calls::{Quota, ResponseHead};
use diplomatic::standard::{Encode, Status, Timestamp};

use crate::{BagStore, Items, Notice, Refusal, StoreError};

/// The answer to one request.
#[derive(Debug)]
pub struct Reply {
    pub(crate) received: Timestamp,
    /// `None` for the answer to a preflight, which is empty.
    status: Option<Status>,
    /// The items, which follow the head.
    pub items: Items,
    /// What the request causes the user's open sockets to be sent, in this order; empty where the
    /// [`Surroundings`](crate::Surroundings) of the call took it.
    pub notices: Vec<Notice>,
    /// Why the request was refused, in a word.
    refused: Option<&'static str>,
    stored: Quota,
    traffic: Quota,
}

impl Reply {
    /// Returns the reply to a preflight, which is empty.
    pub fn preflight(received: Timestamp) -> Self {
        Self::bare(received, None, Items::default())
    }

    pub(crate) fn new(received: Timestamp, outcome: Result<Items, Refusal>) -> Self {
        match outcome {
            Ok(items) => Self::bare(received, Some(Status::SUCCESS), items),
            Err(refusal) => Self::refused(received, &refusal),
        }
    }

    /// Returns the reply to a request that is not carried out.
    pub fn refused(received: Timestamp, refusal: &Refusal) -> Self {
        tracing::debug!(refusal = refusal as &dyn std::error::Error, "refused a request");
        let reply = Self::bare(received, Some(refusal.status()), Items::default());
        Self { refused: Some(refusal.reason()), ..reply }
    }

    fn bare(received: Timestamp, status: Option<Status>, items: Items) -> Self {
        let (stored, traffic) = (Quota::UNLIMITED, Quota::UNLIMITED);
        Self { received, status, items, notices: Vec::new(), refused: None, stored, traffic }
    }

    /// Reports in the head how much the account may store and send, and how much of it is used.
    #[must_use]
    pub fn with_quotas(self, stored: Quota, traffic: Quota) -> Self {
        Self { stored, traffic, ..self }
    }

    /// Returns why the request was refused, in a word, if it was.
    pub const fn refusal(&self) -> Option<&'static str> {
        self.refused
    }

    /// Reads the first of the items: should the store fail, the reply is still a refusal with a status.
    pub async fn start<S: BagStore + ?Sized>(mut self, store: &S) -> Self {
        match self.items.start(store).await {
            Ok(()) => self,
            Err(error) => Self { notices: self.notices, ..Self::refused(self.received, &error.into()) },
        }
    }

    /// Returns the status in the head, or `None` for the answer to a preflight.
    pub const fn status(&self) -> Option<Status> {
        self.status
    }

    /// Returns the encoded head, given the time at which it is sent.
    pub fn head(&self, sent: Timestamp) -> Vec<u8> {
        let (stored, traffic) = (self.stored, self.traffic);
        let head = self.status.map(|status| ResponseHead {
            stored,
            traffic,
            ..ResponseHead::unlimited(status, self.received, sent)
        });
        head.map(|head| head.to_bytes()).unwrap_or_default()
    }

    /// Returns the whole response, given the time at which it is sent: for those who do not stream.
    ///
    /// # Errors
    ///
    /// [`StoreError`], when the store fails after the first items were read. What a client then has is cut short.
    pub async fn collect<S: BagStore + ?Sized>(mut self, store: &S, sent: Timestamp) -> Result<Vec<u8>, StoreError> {
        let mut response = self.head(sent);
        while let Some(chunk) = self.items.next_chunk(store).await? {
            response.extend_from_slice(&chunk);
        }
        Ok(response)
    }
}
