//! A digest of many messages, to compare devices and hosts.

use std::fmt;

use super::HeadHash;
use super::signature::write_hex;

/// The digest of a set of messages: the BLAKE3 of their head hashes, sorted. The standard's clients call it msgcheck.
///
/// Two devices with the same digest have the same messages. Which order they came in makes no difference.
///
/// ```
/// use diplomatic::standard::{Digest, HeadHash};
///
/// let [a, b] = [HeadHash::from_bytes([1; 32]), HeadHash::from_bytes([2; 32])];
/// assert_eq!(Digest::of([a, b]), Digest::of([b, a, b]));
/// assert_ne!(Digest::of([a]), Digest::of([b]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the digest of messages. One that comes twice counts once.
    pub fn of(messages: impl IntoIterator<Item = HeadHash>) -> Self {
        let mut hashes: Vec<HeadHash> = messages.into_iter().collect();
        hashes.sort_unstable();
        hashes.dedup();
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
        Self(*blake3::hash(&bytes).as_bytes())
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<Digest> for [u8; 32] {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(feature = "engine")]
super::serde_forms::text_or_bytes!(Digest, 32, "64 hex digits of a digest");

/// Hex digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
