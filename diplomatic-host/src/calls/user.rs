//! USER: registers the caller; again is a success too.

use diplomatic::standard::Decode;
use diplomatic::standard::calls::UserRequest;

use super::{Caller, Items, Surroundings};
use crate::{BagStore, Refusal};

pub(crate) async fn user<S: BagStore + ?Sized>(
    store: &S,
    caller: &Caller,
    request: &[u8],
    around: &dyn Surroundings,
) -> Result<Items, Refusal> {
    UserRequest::decode(request)?;
    if store.last(caller.key).await?.is_none() {
        around.admit(caller.key).await?;
        store.register(caller.key).await?;
    }
    Ok(Items::default())
}
