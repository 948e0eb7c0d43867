//! USER: registers the caller; again is a success too.

use diplomatic::standard::Decode;
use diplomatic::standard::calls::UserRequest;

use super::{Answer, Caller, Respond};
use crate::{BagStore, Refusal};

pub(crate) fn user(store: &impl BagStore, caller: &Caller, request: &[u8], respond: Respond) {
    if let Err(error) = UserRequest::decode(request) {
        return respond(Err(error.into()));
    }
    if caller.is_registered() {
        return respond(Ok(Answer::default()));
    }
    let done = move |outcome: Result<(), _>| respond(outcome.map(|()| Answer::default()).map_err(Refusal::from));
    store.register(&caller.key, Box::new(done));
}
