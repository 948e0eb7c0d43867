//! The head of every response.

use crate::standard::bytes::{Decode, DecodeError, Encode, MAX_VARINT, Reader, put_varint};
use crate::standard::{Status, Timestamp};

/// An account's limit and usage, if it has a limit.
///
/// ```text
/// varint quota · varint usage, only if quota > 0
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota(Option<(u64, u64)>);

impl Quota {
    /// No limit.
    pub const UNLIMITED: Self = Self(None);

    /// Makes a quota of `limit` bytes of which `used` are in use; a limit of 0 means unlimited.
    pub fn new(limit: u64, used: u64) -> Self {
        Self((limit > 0).then_some((limit.min(MAX_VARINT), used.min(MAX_VARINT))))
    }

    /// Returns the limit in bytes, if there is one.
    pub fn limit(self) -> Option<u64> {
        self.0.map(|(limit, _)| limit)
    }

    /// Returns the bytes in use, if there is a limit.
    pub fn used(self) -> Option<u64> {
        self.0.map(|(_, used)| used)
    }
}

impl Encode for Quota {
    fn encode(&self, out: &mut Vec<u8>) {
        match self.0 {
            None => put_varint(out, 0),
            Some((limit, used)) => {
                put_varint(out, limit);
                put_varint(out, used);
            }
        }
    }
}

impl Decode for Quota {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.varint()? {
            0 => Ok(Self(None)),
            limit => Ok(Self(Some((limit, reader.varint()?)))),
        }
    }
}

/// The head of every response; items follow if its status is [`Status::SUCCESS`].
///
/// ```text
/// u8 status · date received · date sent · varint term · varint elapsed · quota static · quota dynamic
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead {
    /// The outcome of the request.
    pub status: Status,
    /// When the host received the request, by its clock.
    pub received: Timestamp,
    /// When the host answered, by its clock.
    pub sent: Timestamp,
    /// How long the account lasts, in milliseconds; 0 means forever.
    pub term: u64,
    /// How much of the term has passed, in milliseconds.
    pub elapsed: u64,
    /// Stored bytes.
    pub stored: Quota,
    /// Traffic.
    pub traffic: Quota,
}

impl ResponseHead {
    /// Returns the head of a response by a host without limits.
    pub const fn unlimited(status: Status, received: Timestamp, sent: Timestamp) -> Self {
        Self { status, received, sent, term: 0, elapsed: 0, stored: Quota::UNLIMITED, traffic: Quota::UNLIMITED }
    }
}

impl Encode for ResponseHead {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.status.number());
        self.received.encode(out);
        self.sent.encode(out);
        put_varint(out, self.term.min(MAX_VARINT));
        put_varint(out, self.elapsed.min(MAX_VARINT));
        self.stored.encode(out);
        self.traffic.encode(out);
    }
}

impl Decode for ResponseHead {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            status: Status::from_number(reader.byte()?),
            received: Decode::read(reader)?,
            sent: Decode::read(reader)?,
            term: reader.varint()?,
            elapsed: reader.varint()?,
            stored: Decode::read(reader)?,
            traffic: Decode::read(reader)?,
        })
    }
}
