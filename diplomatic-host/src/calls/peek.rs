//! PEEK: lists the heads of the caller's bags after a seq.

use diplomatic::standard::Decode;
use diplomatic::standard::calls::PeekRequest;

use super::cursor::HeadCursor;
use super::{Caller, Items};
use crate::{BagStore, Refusal};

pub(crate) async fn peek<S: BagStore + ?Sized>(store: &S, caller: &Caller, request: &[u8]) -> Result<Items, Refusal> {
    let last = caller.last(store).await?;
    let PeekRequest { after } = PeekRequest::decode(request)?;
    let heads = HeadCursor { user: caller.key, after, last };
    Ok(Items::heads(heads))
}
