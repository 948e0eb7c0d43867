//! Messages: one change to one entity, as a head and, unless it is a delete, a body.

use std::fmt;

use super::bytes::{Decode, DecodeError, Encode, MAX_SAFE, Reader, put_varbytes, put_varint};
use super::signature::write_hex;
use super::{EntityId, Timestamp};

/// A message's identity: the BLAKE3-256 of its encoded head.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeadHash([u8; 32]);

impl HeadHash {
    /// Wraps the bytes of a hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the hash's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<HeadHash> for [u8; 32] {
    fn from(hash: HeadHash) -> Self {
        hash.0
    }
}

impl From<[u8; 32]> for HeadHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(feature = "engine")]
super::serde_forms::text_or_bytes!(HeadHash, 32, "64 hex digits of a hash");

/// Shows the hash as 64 hex digits.
impl fmt::Display for HeadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for HeadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeadHash({self})")
    }
}

/// The length and hash of the body that belongs to a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct BodyDigest {
    len: u64,
    hash: [u8; 32],
}

impl BodyDigest {
    fn of(body: &Body) -> Self {
        Self { len: body.as_bytes().len() as u64, hash: *blake3::hash(body.as_bytes()).as_bytes() }
    }
}

/// The head of a message: which entity changes, when, and to what.
///
/// ```text
/// varbytes eid · varint off · varint ctr · varint len · bytes(32) hsh, only if len > 0
/// ```
///
/// A head keeps the bytes it was decoded from, because its hash covers exactly these.
#[derive(Clone)]
pub struct Head {
    entity: EntityId,
    offset: u64,
    counter: u64,
    body: Option<BodyDigest>,
    encoded: Box<[u8]>,
    hash: HeadHash,
}

/// A change that a head cannot describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The change is earlier than the entity's creation.
    #[error("a change at {changed} is earlier than the entity's creation at {created}")]
    BeforeCreation {
        /// When the entity was created.
        created: Timestamp,
        /// When the change was made.
        changed: Timestamp,
    },
    /// A number is above 2^53 - 1, the largest that every client can read.
    #[error("{0} is above 2^53 - 1, the largest number that every client can read")]
    NumberTooLarge(u64),
}

impl Head {
    fn new(entity: EntityId, changed: Timestamp, counter: u64, body: Option<BodyDigest>) -> Result<Self, HeadError> {
        let created = entity.created();
        let offset = changed
            .as_millis()
            .checked_sub(created.as_millis())
            .ok_or(HeadError::BeforeCreation { created, changed })?;
        let numbers = [changed.as_millis(), counter];
        if let Some(&number) = numbers.iter().find(|&&number| number > MAX_SAFE) {
            return Err(HeadError::NumberTooLarge(number));
        }
        let mut encoded = Vec::with_capacity(72);
        put_varbytes(&mut encoded, &entity.to_bytes());
        put_varint(&mut encoded, offset);
        put_varint(&mut encoded, counter);
        put_varint(&mut encoded, body.map_or(0, |body| body.len));
        if let Some(body) = body {
            encoded.extend_from_slice(&body.hash);
        }
        let hash = HeadHash(*blake3::hash(&encoded).as_bytes());
        Ok(Self { entity, offset, counter, body, encoded: encoded.into(), hash })
    }

    /// Returns the entity that changes.
    pub const fn entity(&self) -> &EntityId {
        &self.entity
    }

    /// Returns the milliseconds from the entity's creation to this change.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns when the change was made; at most [`Timestamp::MAX`].
    pub const fn changed(&self) -> Timestamp {
        // Both are below 2^56, so that the sum does not overflow.
        Timestamp::from_millis(self.entity.created().as_millis() + self.offset)
    }

    /// Returns the change's counter (`ctr`).
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// Returns whether this is a tombstone: a message without a body.
    pub const fn is_delete(&self) -> bool {
        self.body.is_none()
    }

    /// Returns the body's length in bytes; 0 for a delete.
    pub const fn body_len(&self) -> u64 {
        match self.body {
            Some(body) => body.len,
            None => 0,
        }
    }

    /// Returns the BLAKE3-256 of the body; `None` for a delete.
    pub const fn body_hash(&self) -> Option<&[u8; 32]> {
        match &self.body {
            Some(body) => Some(&body.hash),
            None => None,
        }
    }

    /// Returns the message's identity.
    pub const fn hash(&self) -> HeadHash {
        self.hash
    }

    /// Returns the encoded head.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.encoded
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl Eq for Head {}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("entity", &self.entity)
            .field("changed", &self.changed())
            .field("counter", &self.counter)
            .field("body_len", &self.body_len())
            .field("hash", &self.hash)
            .finish()
    }
}

impl Encode for Head {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.encoded);
    }
}

impl Decode for Head {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let from = reader.rest();
        let entity = reader.nested()?;
        let offset = reader.varint()?;
        let counter = reader.varint()?;
        let body = match reader.varint()? {
            0 => None,
            len => Some(BodyDigest { len, hash: reader.array()? }),
        };
        let encoded = &from[..from.len() - reader.rest().len()];
        let hash = HeadHash(*blake3::hash(encoded).as_bytes());
        Ok(Self { entity, offset, counter, body, encoded: encoded.into(), hash })
    }
}

/// The content of a message: at least one byte.
pub struct Body(Bytes);

enum Bytes {
    Own(Box<[u8]>),
    /// Some of many bytes that were read together. They stay in memory as long as a part of them is used, so whoever
    /// keeps one makes it its own.
    #[cfg(feature = "store")]
    Part(std::sync::Arc<Vec<u8>>, std::ops::Range<usize>),
}

impl Body {
    /// Wraps the bytes; `None` if there are none, because a message without a body is a delete.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        (!bytes.is_empty()).then_some(Self(Bytes::Own(bytes)))
    }

    /// Shares a part of bytes that were read together.
    #[cfg(feature = "store")]
    pub(crate) fn part(bytes: &std::sync::Arc<Vec<u8>>, part: std::ops::Range<usize>) -> Option<Self> {
        bytes.get(part.clone()).filter(|part| !part.is_empty())?;
        Some(Self(Bytes::Part(bytes.clone(), part)))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Own(bytes) => bytes,
            #[cfg(feature = "store")]
            Bytes::Part(bytes, part) => &bytes[part.clone()],
        }
    }
}

/// A clone shares nothing.
impl Clone for Body {
    fn clone(&self) -> Self {
        Self(Bytes::Own(self.as_bytes().into()))
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Body {}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.as_bytes().len())
    }
}

/// One change to one entity. Its body, if any, matches the length and hash in its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    head: Head,
    body: Option<Body>,
}

/// A body that does not match its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body does not match its head")]
pub struct HashMismatch;

impl Message {
    /// Makes a message; without a body, it is a delete.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if a head cannot describe the change.
    pub fn new(entity: EntityId, changed: Timestamp, counter: u64, body: Option<Body>) -> Result<Self, HeadError> {
        let digest = body.as_ref().map(BodyDigest::of);
        Ok(Self { head: Head::new(entity, changed, counter, digest)?, body })
    }

    /// Joins a head and its body.
    ///
    /// # Errors
    ///
    /// [`HashMismatch`] if the body does not match the head, is missing, or should not be there.
    pub fn join(head: Head, body: Option<Body>) -> Result<Self, HashMismatch> {
        if head.body == body.as_ref().map(BodyDigest::of) { Ok(Self { head, body }) } else { Err(HashMismatch) }
    }

    /// Joins a head and its body, which are known to belong together: only the length is checked.
    #[cfg(feature = "store")]
    pub(crate) fn join_known(head: Head, body: Option<Body>) -> Result<Self, HashMismatch> {
        let has_length = head.body_len() == body.as_ref().map_or(0, |body| body.as_bytes().len() as u64);
        if has_length { Ok(Self { head, body }) } else { Err(HashMismatch) }
    }

    /// Makes the body its own, so that the message can be kept.
    #[cfg(feature = "store")]
    #[must_use]
    pub(crate) fn unshared(self) -> Self {
        let Self { head, body } = self;
        let body = body.map(|body| if matches!(body.0, Bytes::Own(_)) { body } else { body.clone() });
        Self { head, body }
    }

    /// Returns the head.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the body's bytes; `None` for a delete.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_ref().map(Body::as_bytes)
    }
}

crate::standard::never_retryable::never_retryable!(HeadError, HashMismatch);
