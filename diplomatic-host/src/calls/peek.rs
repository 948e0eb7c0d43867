//! PEEK: lists the heads of the caller's bags after a seq.

use diplomatic::standard::calls::PeekRequest;
use diplomatic::standard::{Decode, Encode, PublicKey, Seq};

use super::{CHUNK, Caller, Items};
use crate::{BagStore, Refusal, StoreError};

pub(crate) fn peek(caller: &Caller, request: &[u8]) -> Result<Items, Refusal> {
    let last = caller.registered()?;
    let PeekRequest { after } = PeekRequest::decode(request)?;
    let heads = HeadCursor { user: caller.key, after, last };
    Ok(Items::heads(heads))
}

/// The heads that are still to be listed.
///
/// The end is fixed when the request comes in: under steady pushes a list would otherwise never end.
#[derive(Debug)]
pub(crate) struct HeadCursor {
    user: PublicKey,
    after: Seq,
    last: Seq,
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
