//! What counts but is no event of this build.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::order::Position;
use crate::standard::{EntityId, Timestamp};

/// Messages that count but are no event of this build: they are kept, synced on, and applied by a build that can.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// How many there are of each type that this build does not know; those without any type are under "".
    unknown: BTreeMap<String, u64>,
    quarantined: BTreeMap<Key, Quarantined>,
}

/// A position in a form that serializes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key(Timestamp, u64, [u8; 32]);

impl From<&Position> for Key {
    fn from(position: &Position) -> Self {
        Self(position.changed, position.counter, *position.hash.as_bytes())
    }
}

/// A message of a known type that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// What it is about.
    pub entity: EntityId,
    /// When it happened.
    pub changed: Timestamp,
    /// Why it could not be applied.
    pub reason: String,
    /// Whether it was the reducer that could not.
    panicked: bool,
}

impl Unread {
    /// Returns how many messages there are of each type that this build does not know.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, u64)> {
        self.unknown.iter().map(|(name, &count)| (name.as_str(), count))
    }

    /// Returns the messages of known types that could not be applied.
    pub fn quarantined(&self) -> impl Iterator<Item = &Quarantined> {
        self.quarantined.values()
    }

    /// Notes a message whose payload does not fit its variant.
    pub(crate) fn quarantine(&mut self, position: &Position, entity: EntityId, reason: String) {
        let changed = position.changed;
        self.quarantined.insert(position.into(), Quarantined { entity, changed, reason, panicked: false });
    }

    /// Notes a message that the reducer cannot apply.
    pub(crate) fn quarantine_panic(&mut self, position: &Position, entity: EntityId, reason: String) {
        let changed = position.changed;
        self.quarantined.insert(position.into(), Quarantined { entity, changed, reason, panicked: true });
    }

    pub(crate) fn count_unknown(&mut self, type_name: &str) {
        *self.unknown.entry(type_name.to_owned()).or_default() += 1;
    }
}

/// What only those need who keep a state up to date.
#[cfg(feature = "client")]
impl Unread {
    pub(crate) fn is_quarantined(&self, position: &Position) -> bool {
        !self.quarantined.is_empty() && self.quarantined.contains_key(&position.into())
    }

    pub(crate) fn quarantined_at(&self) -> impl Iterator<Item = Position> {
        self.quarantined.keys().map(|&Key(changed, counter, hash)| Position {
            changed,
            counter,
            hash: crate::standard::HeadHash::from_bytes(hash),
        })
    }

    /// Tells whether the reducer could not apply it.
    pub(crate) fn has_panicked(&self, position: &Position) -> bool {
        self.quarantined.get(&position.into()).is_some_and(|quarantined| quarantined.panicked)
    }

    pub(crate) fn release(&mut self, position: &Position) {
        self.quarantined.remove(&position.into());
    }

    pub(crate) fn discount_unknown(&mut self, type_name: &str) {
        if let Some(count) = self.unknown.get_mut(type_name) {
            *count -= 1;
            if *count == 0 {
                self.unknown.remove(type_name);
            }
        }
    }
}
