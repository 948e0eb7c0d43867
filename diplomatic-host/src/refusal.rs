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
    /// The operator has blocked the caller's key.
    #[error("the operator has blocked the caller's key")]
    Blocked,
    /// The host takes no new accounts, and the caller is neither allowed nor invited.
    #[error("the host takes no new accounts: the operator can allow the key, or make an invite")]
    NotAdmitted,
    /// The caller's key or address makes more requests than it may. Its status is [`Status::STORAGE_ERROR`]: later it
    /// works.
    #[error("there were too many requests")]
    TooMany,
    /// The caller has used up its traffic of the day. Its status is [`Status::STORAGE_ERROR`]: tomorrow it works.
    #[error("the account has used up its traffic of the day")]
    OverTraffic,
    /// The disk of the host has no room for more. Its status is [`Status::STORAGE_ERROR`].
    #[error("the host's disk is nearly full")]
    NoRoom,
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
            Self::Busy | Self::TooMany | Self::OverTraffic | Self::NoRoom => Status::STORAGE_ERROR,
            Self::NoToken => Status::INVALID_PARAM,
            Self::Decode(error) => error.status(),
            Self::Auth(error) => error.status(),
            Self::NotRegistered | Self::Blocked | Self::NotAdmitted => Status::USER_NOT_REGISTERED,
            Self::Store(error) => error.status(),
        }
    }

    /// Returns what it is counted as.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
            Self::Busy => "busy",
            Self::NoToken => "no_token",
            Self::Decode(_) => "malformed",
            Self::Auth(AuthError::ClockOutOfSync { .. }) => "clock",
            Self::Auth(_) => "signature",
            Self::NotRegistered => "not_registered",
            Self::Blocked => "blocked",
            Self::NotAdmitted => "not_admitted",
            Self::TooMany => "rate",
            Self::OverTraffic => "traffic",
            Self::NoRoom => "disk",
            Self::Store(_) => "store",
        }
    }
}
