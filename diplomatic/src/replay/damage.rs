//! What is wrong with an export file, and where.

use std::fmt;
use std::ops::Range;

use crate::standard::DecodeError;
use crate::standard::export::ItemError;

/// How many damaged places are told one by one.
const TOLD: usize = 1_000;

/// A damaged place of an export file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The bytes of the file that are of no use, or that something is missing from.
    pub bytes: Range<u64>,
    /// The item of the index that this is about, from 0 on, where it is one and is known.
    pub item: Option<u64>,
    /// What is wrong.
    pub cause: DamageCause,
}

/// What is wrong with a place of an export file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageCause {
    /// What stands before the index does not follow its layout.
    #[error("the header does not follow its layout")]
    Header(#[source] DecodeError),
    /// The signature does not fit the header.
    #[error("the signature does not fit")]
    Signature,
    /// The index is not the one that was signed.
    #[error("the index was changed")]
    IndexHash,
    /// The file announces more items than the index holds, or fewer.
    #[error("the header announces {announced} items, and the index holds {found}")]
    Count {
        /// How many the header announces.
        announced: u64,
        /// How many there are.
        found: u64,
    },
    /// The length that stands before the bodies does not decode.
    #[error("the length of the bodies does not decode")]
    BodiesLength(#[source] DecodeError),
    /// The file ends too early.
    #[error("the file was cut short: {missing} bytes are missing")]
    CutShort {
        /// How many bytes are missing at its end.
        missing: u64,
    },
    /// Bytes follow where the file should end.
    #[error("{surplus} bytes follow where the file should end")]
    Surplus {
        /// How many there are.
        surplus: u64,
    },
    /// These bytes of the index are no item that opens.
    #[error("no item can be found here")]
    NoItem,
    /// The item does not open.
    #[error(transparent)]
    Item(#[from] ItemError),
}

impl Damage {
    pub(super) const fn new(bytes: Range<u64>, cause: DamageCause) -> Self {
        Self { bytes, item: None, cause }
    }

    pub(super) const fn of_item(bytes: Range<u64>, item: Option<u64>, cause: ItemError) -> Self {
        Self { bytes, item, cause: DamageCause::Item(cause) }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, item, cause } = self;
        match item {
            Some(item) => write!(f, "bytes {} to {}, item {item}: {cause}", bytes.start, bytes.end),
            None => write!(f, "bytes {} to {}: {cause}", bytes.start, bytes.end),
        }
    }
}

/// All that is wrong with a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DamageReport {
    places: Vec<Damage>,
    count: u64,
}

impl DamageReport {
    /// Returns the damaged places in the order in which they were found; of very many, the first thousand.
    pub fn places(&self) -> &[Damage] {
        &self.places
    }

    /// Returns how many damaged places there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Tells whether nothing is damaged.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn add(&mut self, damage: Damage) {
        self.count += 1;
        if self.places.len() < TOLD {
            self.places.push(damage);
        }
    }
}
