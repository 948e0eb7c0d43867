//! The name of a device.

use std::fmt;

use rand_core::CryptoRng;

use crate::standard::serde_forms::text_or_bytes;
use crate::standard::write_hex;

/// The random ID of a device. Devices know each other by it; nobody else sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 16]);

/// How many characters a name has at most.
const LONGEST_NAME: usize = 64;

/// Returns a device's name as it is told and shown: not too long, and `None` if it is blank.
pub(crate) fn short_name(name: &str) -> Option<String> {
    let name: String = name.trim().chars().take(LONGEST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

impl DeviceId {
    pub(crate) fn fresh(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Wraps the bytes of an ID.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Hex digits.
impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({self})")
    }
}

impl From<DeviceId> for [u8; 16] {
    fn from(id: DeviceId) -> Self {
        id.0
    }
}

impl From<[u8; 16]> for DeviceId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

text_or_bytes!(DeviceId, 16, "32 hex digits of a device's ID");
