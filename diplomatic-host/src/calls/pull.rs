//! PULL: fetches the bodies of the caller's bags, in the order of the request.

use diplomatic::standard::{Decode, Reader, Seq};

use super::cursor::BodyCursor;
use super::{Caller, Input, Items};
use crate::{BagStore, Refusal};

/// The maximum length of a list of seqs in bytes, enough for more than a million.
const LONGEST_LIST: usize = 4 << 20;

pub(crate) async fn pull<S: BagStore + ?Sized>(
    store: &S,
    caller: &Caller,
    input: &mut Input<'_>,
) -> Result<Items, Refusal> {
    caller.last(store).await?;
    let request = input.rest(LONGEST_LIST).await?;
    let mut seqs = Reader::new(&request);
    while !seqs.is_empty() {
        Seq::read(&mut seqs)?;
    }
    let bodies = BodyCursor { user: caller.key, request, taken: 0 };
    Ok(Items::bodies(bodies))
}
