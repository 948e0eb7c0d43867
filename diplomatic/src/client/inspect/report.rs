//! What comparing a host with a device has shown.

use crate::device::Missing;
use crate::standard::{Digest, OpenBagError, Seq};

/// What a host has, compared with a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostAudit {
    /// The number of bags at the host.
    pub bags: u64,
    /// The number of messages in them that can be read, as far as that was checked.
    pub messages: u64,
    /// The number of bags whose message is also in another bag, which hosts may allow.
    pub repeated: u64,
    /// How many bodies were fetched and checked; 0 unless [that was asked for](super::HostInspector::with_bodies).
    pub bodies: u64,
    /// The digest of these messages; `None` if none was looked at. A device with the same
    /// [digest](crate::Device::digest) has just these.
    pub digest: Option<Digest>,
    /// The bags that cannot be read.
    pub damaged: Vec<DamagedBag>,
    /// The numbers that the host leaves out.
    pub gaps: Vec<Gap>,
    /// The messages that the host lists but this device does not have.
    pub missing_here: Vec<Missing>,
    /// The messages that this device has but nobody can read at the host.
    pub missing_there: Vec<Missing>,
}

impl HostAudit {
    /// Returns whether everything that is damaged or left out is harmless, and nothing is missing without a reason.
    pub fn is_complete(&self) -> bool {
        let Self { damaged, gaps, missing_here, missing_there, .. } = self;
        let is_explained = |missing: &Missing| missing.reason.is_some();
        damaged.iter().all(|bag| bag.is_harmless)
            && gaps.iter().all(|gap| gap.is_harmless)
            && missing_here.iter().all(is_explained)
            && missing_there.iter().all(is_explained)
    }
}

/// A bag that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedBag {
    /// Its number at the host.
    pub seq: Seq,
    /// What is wrong with it.
    pub cause: Damage,
    /// Whether nothing is lost by it: what it held is at the host under another number, or is known not to be missing here.
    /// Hosts delete nothing, so such a bag may stay there for ever.
    pub is_harmless: bool,
}

/// What is wrong with a bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// What should be the bag's head does not have its layout.
    #[error("the bag does not match its layout")]
    Layout,
    /// The bag, or its body, cannot be opened.
    #[error(transparent)]
    Unreadable(#[from] OpenBagError),
    /// The host lists the bag but does not deliver its body.
    #[error("the host does not deliver the body")]
    NoBody,
}

/// Numbers that a host leaves out of its list, where it has lost bags or withholds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The first number of the gap.
    pub first: Seq,
    /// The last number of the gap.
    pub last: Seq,
    /// Whether nothing is lost by it: what was there is known not to be missing, neither here nor at the host.
    pub is_harmless: bool,
}

crate::standard::never_retryable::never_retryable!(Damage);
