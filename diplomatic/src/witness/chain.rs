//! The chain of hashes over what a device has emitted.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bin::Bin;
use crate::standard::HeadHash;

/// The hash of a device's first n messages, in the order in which it emitted them:
/// h(n) = BLAKE3(h(n - 1) ++ head hash of the nth), and h(0) is 32 zero bytes.
///
/// Two devices that have the same (n, h) of a third have seen the same n messages of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChainHash([u8; 32]);

impl ChainHash {
    pub(crate) fn then(self, message: &HeadHash) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        hasher.update(message.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    pub(crate) fn then_all<'a>(self, messages: impl IntoIterator<Item = &'a HeadHash>) -> Self {
        messages.into_iter().fold(self, Self::then)
    }
}

impl Serialize for ChainHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bin(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ChainHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bin::deserialize(deserializer).map(|bin| Self(bin.0))
    }
}
