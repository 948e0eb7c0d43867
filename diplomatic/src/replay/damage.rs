//! Damage to an export file, with its places.

use std::fmt;
use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::standard::DecodeError;
use crate::standard::export::ItemError;

/// How many damaged places are listed individually.
const TOLD: usize = 1_000;

/// A damaged place of an export file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// The damaged or incomplete bytes of the file.
    pub bytes: Range<u64>,
    /// The item of the index, starting at 0, if the damage belongs to a known item.
    pub item: Option<u64>,
    /// What is wrong.
    #[serde(serialize_with = "in_words")]
    pub cause: DamageCause,
}

/// What is wrong at a place in an export file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageCause {
    /// The header does not match its layout.
    #[error("the header does not match its layout")]
    Header(#[source] DecodeError),
    /// The signature does not match the header.
    #[error("the signature does not match")]
    Signature,
    /// The index does not match the signed hash.
    #[error("the index was changed")]
    IndexHash,
    /// The index holds more or fewer items than the header says.
    #[error("the header says that there are {announced} items, but the index holds {found}")]
    Count {
        /// The number of items in the header.
        announced: u64,
        /// The number of items in the index.
        found: u64,
    },
    /// The length of the bodies cannot be decoded.
    #[error("the length of the bodies cannot be decoded")]
    BodiesLength(#[source] DecodeError),
    /// The file is cut short.
    #[error("the file was cut short: {missing} bytes are missing")]
    CutShort {
        /// How many bytes are missing at the end.
        missing: u64,
    },
    /// There are bytes after the end of the layout.
    #[error("there are {surplus} bytes after the end of the file's layout")]
    Surplus {
        /// How many there are.
        surplus: u64,
    },
    /// These bytes of the index hold no item that can be opened.
    #[error("no item can be found here")]
    NoItem,
    /// The item cannot be opened.
    #[error(transparent)]
    Item(#[from] ItemError),
}

fn in_words<S: Serializer>(cause: &DamageCause, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cause)
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

/// All damage to a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DamageReport {
    places: Vec<Damage>,
    count: u64,
}

impl DamageReport {
    /// Returns the damaged places in the order in which they were found, at most the first thousand.
    pub fn places(&self) -> &[Damage] {
        &self.places
    }

    /// Returns the number of damaged places.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether nothing is damaged.
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

crate::standard::never_retryable::never_retryable!(DamageCause);
