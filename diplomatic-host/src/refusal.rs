//! Why a request is not carried out.

use diplomatic::standard::calls::AuthError;
use diplomatic::standard::{DecodeError, Status};

use crate::StoreError;

/// Why a whole request is not carried out.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such call.
    #[error("there is no such call")]
    NotFound,
    /// The request is larger than the host takes, as a list of millions of seqs is. Its status is
    /// [`Status::INVALID_REQUEST`], which no other refusal has: a client may split the request and try again.
    #[error("the request is larger than the host takes")]
    TooLarge,
    /// The request broke off, or came too slowly.
    #[error("the request broke off, or came too slowly")]
    Incomplete,
    /// The host holds as many bytes of requests as it may. Its status is [`Status::STORAGE_ERROR`]: later it may work.
    #[error("the host has too much to do")]
    Busy,
    /// The token of the live channel is not an auth timestamp in hex digits.
    #[error("the token is not an auth timestamp in hex digits")]
    NoToken,
    /// The request does not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The auth timestamp does not let the caller in.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The caller's key is not registered.
    #[error("the caller's key is not registered")]
    NotRegistered,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// Returns the standard's status for this refusal.
    pub const fn status(&self) -> Status {
        match self {
            Self::NotFound => Status::NOT_FOUND,
            Self::TooLarge => Status::INVALID_REQUEST,
            Self::Incomplete => Status::INVALID_MESSAGE,
            Self::Busy => Status::STORAGE_ERROR,
            Self::NoToken => Status::INVALID_PARAM,
            Self::Decode(error) => error.status(),
            Self::Auth(error) => error.status(),
            Self::NotRegistered => Status::USER_NOT_REGISTERED,
            Self::Store(error) => error.status(),
        }
    }
}
