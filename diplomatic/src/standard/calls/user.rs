//! USER: registers a key with the host. Registering it again succeeds, too.

use crate::standard::bytes::{Decode, DecodeError, Encode, Reader};

/// What follows the auth timestamp in a USER request: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRequest;

impl Encode for UserRequest {
    fn encode(&self, _: &mut Vec<u8>) {}
}

impl Decode for UserRequest {
    fn read(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}
