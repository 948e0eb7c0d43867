//! What counts but is no event of this build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::Position;
use crate::standard::{EntityId, Timestamp};

/// Messages that count but are no event of this build: they are kept, synced on, and applied by a build that can.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Where those of each type that this build does not know are; those without any type are under "".
    unknown: BTreeMap<String, BTreeSet<Key>>,
    quarantined: BTreeMap<Key, Quarantined>,
}

/// A position, which serializes as its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Position);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a position")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Key, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(Key(Position::from_bytes(bytes)))
            }
        }

        deserializer.deserialize_bytes(KeyVisitor)
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
        self.unknown.iter().map(|(name, positions)| (name.as_str(), positions.len() as u64))
    }

    /// Returns the messages of known types that could not be applied.
    pub fn quarantined(&self) -> impl Iterator<Item = &Quarantined> {
        self.quarantined.values()
    }

    /// Notes a message of a type that this build does not know.
    pub(crate) fn note_unknown(&mut self, position: &Position, type_name: String) {
        self.unknown.entry(type_name).or_default().insert(Key(*position));
    }

    /// Notes a message whose payload does not fit its variant.
    pub(crate) fn quarantine(&mut self, position: &Position, entity: EntityId, reason: String) {
        let changed = position.changed;
        self.quarantined.insert(Key(*position), Quarantined { entity, changed, reason, panicked: false });
    }

    /// Notes a message that the reducer cannot apply.
    pub(crate) fn quarantine_panic(&mut self, position: &Position, entity: EntityId, reason: String) {
        let changed = position.changed;
        self.quarantined.insert(Key(*position), Quarantined { entity, changed, reason, panicked: true });
    }
}

/// What only those need who keep a state up to date.
#[cfg(feature = "store")]
impl Unread {
    pub(crate) fn is_quarantined(&self, position: &Position) -> bool {
        !self.quarantined.is_empty() && self.quarantined.contains_key(&Key(*position))
    }

    pub(crate) fn quarantined_at(&self) -> impl Iterator<Item = Position> {
        self.quarantined.keys().map(|key| key.0)
    }

    /// Tells whether the reducer could not apply it.
    pub(crate) fn has_panicked(&self, position: &Position) -> bool {
        self.quarantined.get(&Key(*position)).is_some_and(|quarantined| quarantined.panicked)
    }

    /// Forgets a message, of the type with this name, that counts no more.
    pub(crate) fn release(&mut self, position: &Position, type_name: &str) {
        self.quarantined.remove(&Key(*position));
        if let Some(positions) = self.unknown.get_mut(type_name) {
            positions.remove(&Key(*position));
            if positions.is_empty() {
                self.unknown.remove(type_name);
            }
        }
    }

    /// Forgets the messages that do not count any more.
    pub(crate) fn try_retain<E>(&mut self, mut counts: impl FnMut(&Position) -> Result<bool, E>) -> Result<(), E> {
        let everywhere = self.unknown.iter().flat_map(|(name, keys)| keys.iter().map(move |key| (name.clone(), *key)));
        let quarantined = self.quarantined.keys().map(|key| (String::new(), *key));
        for (type_name, Key(position)) in everywhere.chain(quarantined).collect::<Vec<_>>() {
            if !counts(&position)? {
                self.release(&position, &type_name);
            }
        }
        Ok(())
    }
}
