//! Cursors: what a call still has to read from the store.

use diplomatic::standard::calls::PullItem;
use diplomatic::standard::{Decode, DecodeError, Encode, PublicKey, Reader, Seq};

use super::CHUNK;
use crate::{BagStore, StoreError};

/// How many seqs are looked up at a time. A request may name millions that do not exist.
const LOOKUPS: usize = 4096;

/// The heads that are still to be listed.
///
/// The end is fixed when the request arrives. Otherwise, a list would never end under steady pushes.
#[derive(Debug)]
pub(crate) struct HeadCursor {
    pub(super) user: PublicKey,
    pub(super) after: Seq,
    pub(super) last: Seq,
}

impl HeadCursor {
    pub(super) const fn user(&self) -> PublicKey {
        self.user
    }

    pub(crate) fn is_done(&self) -> bool {
        self.after >= self.last
    }

    pub(crate) async fn next_chunk<S: BagStore + ?Sized>(&mut self, store: &S) -> Result<Vec<u8>, StoreError> {
        let items = store.heads(self.user, self.after, self.last, CHUNK).await?;
        self.after = items.last().map_or(self.last, |item| item.seq);
        let mut chunk = Vec::new();
        items.iter().for_each(|item| item.encode(&mut chunk));
        Ok(chunk)
    }
}

/// The bodies that are still to be fetched.
///
/// It keeps the seqs as they are encoded in the request, an eighth of their decoded size.
#[derive(Debug)]
pub(crate) struct BodyCursor {
    pub(super) user: PublicKey,
    pub(super) request: Vec<u8>,
    pub(super) taken: usize,
}

impl BodyCursor {
    pub(super) const fn user(&self) -> PublicKey {
        self.user
    }

    pub(crate) fn is_done(&self) -> bool {
        self.taken >= self.request.len()
    }

    pub(crate) async fn next_chunk<S: BagStore + ?Sized>(&mut self, store: &S) -> Result<Vec<u8>, StoreError> {
        let mut chunk = Vec::new();
        // Seqs that are not there add nothing: go on until there is something to send.
        while chunk.is_empty() && !self.is_done() {
            let (seqs, ends) = self.upcoming();
            let bodies = store.bodies(self.user, seqs.clone(), CHUNK).await?;
            self.taken = bodies.len().checked_sub(1).map_or(self.request.len(), |last| ends[last]);
            for (seq, body) in seqs.into_iter().zip(bodies) {
                if let Some(body) = body {
                    PullItem { seq, body }.encode(&mut chunk);
                }
            }
        }
        Ok(chunk)
    }

    /// Returns the next seqs, and the offset in the request at which each ends.
    fn upcoming(&self) -> (Vec<Seq>, Vec<usize>) {
        let mut rest = Reader::new(&self.request[self.taken..]);
        let mut next = || -> Result<(Seq, usize), DecodeError> {
            Ok((Seq::read(&mut rest)?, self.request.len() - rest.rest().len()))
        };
        // The request decoded as a whole before, so that only its end stops this early.
        std::iter::from_fn(|| next().ok()).take(LOOKUPS).unzip()
    }
}
