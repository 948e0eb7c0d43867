//! The auth timestamp, which proves who calls and when.

use std::time::Duration;

use crate::standard::bytes::{Decode, DecodeError, Encode, Reader};
use crate::standard::signature::{parse_hex, write_hex};
use crate::standard::{InvalidSignature, PublicKey, Signature, Status, Timestamp};

/// The largest accepted difference between a request's time and the host's clock.
pub const CLOCK_TOLERANCE: Duration = Duration::from_millis(30_000);

/// The start of every request: a key and its signature of the time.
///
/// ```text
/// bytes(32) public key · bytes(64) signature of the encoded date · date ts
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthTimestamp {
    /// The caller's key for this host.
    pub key: PublicKey,
    /// The key's signature of the encoded time.
    pub signature: Signature,
    /// When the request was made, by the client's estimate of the host's clock.
    pub time: Timestamp,
}

/// Why an auth timestamp was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The time differs from the host's clock by more than [`CLOCK_TOLERANCE`].
    #[error("the request's time differs from the host's clock by {} ms", .distance.as_millis())]
    ClockOutOfSync {
        /// The difference.
        distance: Duration,
    },
    /// The signature is invalid.
    #[error(transparent)]
    InvalidSignature(#[from] InvalidSignature),
}

impl AuthError {
    /// Returns the standard's status for this error.
    pub const fn status(self) -> Status {
        match self {
            Self::ClockOutOfSync { .. } => Status::CLOCK_OUT_OF_SYNC,
            Self::InvalidSignature(error) => error.status(),
        }
    }
}

impl AuthTimestamp {
    /// Checks the time against the host's clock, then the signature.
    ///
    /// # Errors
    ///
    /// [`AuthError`].
    pub fn verify(&self, host_now: Timestamp) -> Result<(), AuthError> {
        let distance = host_now.since(self.time).max(self.time.since(host_now));
        if distance > CLOCK_TOLERANCE {
            return Err(AuthError::ClockOutOfSync { distance });
        }
        Ok(self.key.verify(&self.time.to_bytes(), &self.signature)?)
    }
}

impl Encode for AuthTimestamp {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.signature.encode(out);
        self.time.encode(out);
    }
}

impl Decode for AuthTimestamp {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { key: Decode::read(reader)?, signature: Decode::read(reader)?, time: Decode::read(reader)? })
    }
}

/// An auth timestamp in hex, as the query parameter `t` of the live channel's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthToken(AuthTimestamp);

impl AuthToken {
    /// Wraps an auth timestamp.
    pub const fn new(auth: AuthTimestamp) -> Self {
        Self(auth)
    }

    /// Parses hex digits in upper or lower case; `None` if they are not an auth timestamp.
    pub fn parse(hex: &str) -> Option<Self> {
        let bytes = parse_hex(hex)?;
        AuthTimestamp::decode(&bytes).ok().map(Self)
    }

    /// Returns the auth timestamp.
    pub const fn auth(&self) -> &AuthTimestamp {
        &self.0
    }
}

impl std::fmt::Display for AuthToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_hex(f, &self.0.to_bytes())
    }
}

crate::standard::never_retryable::never_retryable!(AuthError);
