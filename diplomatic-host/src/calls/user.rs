//! USER: registers the caller; again is a success too.

use diplomatic::standard::Decode;
use diplomatic::standard::calls::UserRequest;

use super::{Caller, Items};
use crate::{BagStore, Refusal};

pub(crate) async fn user<S: BagStore + ?Sized>(store: &S, caller: &Caller, request: &[u8]) -> Result<Items, Refusal> {
    UserRequest::decode(request)?;
    if !caller.is_registered() {
        store.register(caller.key).await?;
    }
    Ok(Items::default())
}
