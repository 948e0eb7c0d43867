//! Messages that this build cannot apply: they are in the log, but not in the state.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize, Serializer};

use super::panic::ReducerPanic;
use crate::event::DecodeEventError;
use crate::order::Position;
use crate::standard::{EntityId, Timestamp};

/// The messages that this build cannot apply. They are kept, synced, and applied by a build that can.
///
/// In their place, the entity's latest applicable message counts.
#[derive(Debug, Clone, Default)]
pub struct Unread {
    entries: BTreeMap<Position, UnreadEntry>,
    /// The entries that hide a version which counts in their place, by that version.
    hiding: BTreeMap<Position, BTreeSet<Position>>,
    /// The entries over which the reducer panicked.
    panicked: BTreeSet<Position>,
    /// What was added or removed since it was last saved.
    changed: BTreeSet<Position>,
}

/// One message that this build cannot apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnreadEntry {
    why: Why,
    /// Where the version of the entity is that counts in its place.
    #[serde(with = "as_bytes")]
    stand_in: Option<Position>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Why {
    /// The type's name; empty for a message without a type.
    Unknown {
        type_name: String,
        entity: EntityId,
    },
    Quarantined(Quarantined),
}

/// A message of a known type that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "QuarantinedForm", into = "QuarantinedForm")]
#[non_exhaustive]
pub struct Quarantined {
    /// The entity.
    pub entity: EntityId,
    /// When the change was made.
    pub changed: Timestamp,
    /// Why it could not be applied.
    pub reason: QuarantineReason,
}

/// Why a message of a known type could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineReason {
    /// The reducer panicked over it.
    #[error(transparent)]
    Panicked(ReducerPanic),
    /// Its payload does not fit the type's variant.
    #[error("{text}")]
    Unfit {
        /// What the [`DecodeEventError`](crate::event::DecodeEventError) said.
        text: String,
    },
}

crate::standard::never_retryable::never_retryable!(QuarantineReason);

/// How a [`Quarantined`] message is serialized. Stores have kept it since their first format.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Quarantined")]
struct QuarantinedForm {
    entity: EntityId,
    changed: Timestamp,
    /// The reason's text.
    reason: String,
    panicked: bool,
}

impl From<Quarantined> for QuarantinedForm {
    fn from(Quarantined { entity, changed, reason }: Quarantined) -> Self {
        let panicked = matches!(reason, QuarantineReason::Panicked(_));
        Self { entity, changed, reason: reason.to_string(), panicked }
    }
}

impl From<QuarantinedForm> for Quarantined {
    fn from(QuarantinedForm { entity, changed, reason, panicked }: QuarantinedForm) -> Self {
        let reason = if panicked {
            QuarantineReason::Panicked(ReducerPanic::from_text(&reason))
        } else {
            QuarantineReason::Unfit { text: reason }
        };
        Self { entity, changed, reason }
    }
}

impl Quarantined {
    const fn has_panicked(&self) -> bool {
        matches!(self.reason, QuarantineReason::Panicked(_))
    }
}

impl Unread {
    /// Returns the number of messages of each unknown type. Those without a type are under "".
    pub fn unknown(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in self.latest() {
            if let Why::Unknown { type_name, .. } = &entry.why {
                *counts.entry(type_name).or_default() += 1;
            }
        }
        counts.into_iter()
    }

    /// Returns the messages of known types that could not be applied.
    pub fn quarantined(&self) -> impl Iterator<Item = &Quarantined> {
        self.latest().into_iter().filter_map(|entry| match &entry.why {
            Why::Quarantined(quarantined) => Some(quarantined),
            Why::Unknown { .. } => None,
        })
    }

    /// Returns the latest version of each entity, which is the one that would count.
    fn latest(&self) -> Vec<&UnreadEntry> {
        let mut seen = HashSet::with_capacity(self.entries.len());
        let mut latest: Vec<_> = self.entries.values().rev().filter(|entry| seen.insert(entry.entity())).collect();
        latest.reverse();
        latest
    }
}

/// The numbers of unknown messages by their types, and the messages of known types.
impl Serialize for Unread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename = "Unread")]
        struct Form<'a> {
            unknown: BTreeMap<&'a str, u64>,
            quarantined: Vec<&'a Quarantined>,
        }
        Form { unknown: self.unknown().collect(), quarantined: self.quarantined().collect() }.serialize(serializer)
    }
}

impl PartialEq for Unread {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Unread {}

impl UnreadEntry {
    /// A message of a type that this build does not know.
    pub(crate) const fn unknown(entity: EntityId, type_name: String) -> Self {
        Self { why: Why::Unknown { type_name, entity }, stand_in: None }
    }

    const fn entity(&self) -> &EntityId {
        match &self.why {
            Why::Unknown { entity, .. } | Why::Quarantined(Quarantined { entity, .. }) => entity,
        }
    }

    /// A message whose payload does not fit its variant.
    pub(crate) fn unfit(entity: EntityId, changed: Timestamp, error: &DecodeEventError) -> Self {
        Self::quarantined(entity, changed, QuarantineReason::Unfit { text: error.to_string() })
    }

    /// A message over which the reducer panicked.
    pub(crate) const fn panicked(entity: EntityId, changed: Timestamp, panic: ReducerPanic) -> Self {
        Self::quarantined(entity, changed, QuarantineReason::Panicked(panic))
    }

    const fn quarantined(entity: EntityId, changed: Timestamp, reason: QuarantineReason) -> Self {
        Self { why: Why::Quarantined(Quarantined { entity, changed, reason }), stand_in: None }
    }

    /// Tells whether another version counts in its place.
    #[cfg(feature = "store")]
    pub(crate) const fn hides(&self) -> bool {
        self.stand_in.is_some()
    }

    /// Names the version that counts in its place.
    pub(crate) fn with_stand_in(self, stand_in: Option<Position>) -> Self {
        Self { stand_in, ..self }
    }

    const fn has_panicked(&self) -> bool {
        matches!(&self.why, Why::Quarantined(quarantined) if quarantined.has_panicked())
    }
}

/// What only those need who fold.
impl Unread {
    pub(crate) fn contains(&self, position: &Position) -> bool {
        self.entries.contains_key(position)
    }

    /// Returns where the version is that counts in the place of an entry.
    pub(crate) fn stand_in(&self, position: &Position) -> Option<Position> {
        self.entries.get(position)?.stand_in
    }

    /// Returns the first version after `after` that counts in the place of entries.
    pub(crate) fn next_stand_in(&self, after: Option<&Position>) -> Option<Position> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        self.hiding.range((start, Unbounded)).next().map(|(stand_in, _)| *stand_in)
    }

    /// Returns the entries over which the reducer panicked and that hide another version, with that.
    fn hiding_panics(&self) -> impl DoubleEndedIterator<Item = (Position, Position)> {
        self.panicked.iter().filter_map(|position| Some((*position, self.stand_in(position)?)))
    }

    /// Tells whether the reducer panicked over this message in place: nothing stands in for it.
    pub(crate) fn was_skipped(&self, position: &Position) -> bool {
        self.panicked.contains(position) && self.stand_in(position).is_none()
    }

    /// Tells whether the reducer panicked over any message after `position`.
    pub(crate) fn has_panics_after(&self, position: &Position) -> bool {
        self.panicked.last().is_some_and(|last| last > position)
    }

    /// Tells whether a fold may start from the state as of `at`: it comes out as a fold from nothing would.
    ///
    /// It would not if a version counts in it whose place a later message may take when it is tried again, nor where
    /// messages were tried [together](window) with ones that come later.
    pub(crate) fn is_sound(&self, at: &Position) -> bool {
        self.hiding_panics().all(
            |(position, stand_in)| {
                if position > *at { stand_in > *at } else { window(&position) != window(at) }
            },
        )
    }

    /// Adds an entry.
    pub(crate) fn note(&mut self, position: Position, entry: UnreadEntry) {
        self.remove(&position);
        if let Some(stand_in) = entry.stand_in {
            self.hiding.entry(stand_in).or_default().insert(position);
        }
        if entry.has_panicked() {
            self.panicked.insert(position);
        }
        self.entries.insert(position, entry);
        self.changed.insert(position);
    }

    /// Adds an entry for a version that counted in the place of others until now: `entry` names what does instead.
    pub(crate) fn note_stand_in(&mut self, position: Position, entry: UnreadEntry) {
        let stand_in = entry.stand_in;
        for hidden_by in self.hiding.get(&position).cloned().unwrap_or_default() {
            self.set_stand_in(&hidden_by, stand_in);
        }
        self.note(position, entry);
    }

    pub(crate) fn set_stand_in(&mut self, position: &Position, stand_in: Option<Position>) {
        if let Some(entry) = self.remove(position) {
            self.note(*position, entry.with_stand_in(stand_in));
        }
    }

    pub(crate) fn remove(&mut self, position: &Position) -> Option<UnreadEntry> {
        let entry = self.entries.remove(position)?;
        self.panicked.remove(position);
        self.changed.insert(*position);
        if let Some(stand_in) = entry.stand_in
            && let Some(hidden_by) = self.hiding.get_mut(&stand_in)
        {
            hidden_by.remove(position);
            if hidden_by.is_empty() {
                self.hiding.remove(&stand_in);
            }
        }
        Some(entry)
    }

    /// Forgets the entries after `at`.
    pub(crate) fn forget_after(&mut self, at: Option<&Position>) {
        let late = |position: &&Position| at.is_none_or(|at| *position > at);
        for position in self.entries.keys().filter(late).copied().collect::<Vec<_>>() {
            self.remove(&position);
        }
    }

    /// Forgets the panics after `at`, which are found again where they still happen.
    pub(crate) fn forget_panics_after(&mut self, at: Option<&Position>) {
        self.forget_skipped_after(at);
        let late = |position: &Position| at.is_none_or(|at| position > at);
        let mut groups: BTreeMap<Position, Position> = BTreeMap::new();
        for (position, stand_in) in self.hiding_panics().filter(|(position, _)| late(position)) {
            groups.insert(stand_in, position);
        }
        for (stand_in, latest) in groups {
            // The latest version that can be read is tried again; what it hides does not matter then.
            for position in self.hiding.get(&stand_in).cloned().unwrap_or_default() {
                if position > latest {
                    self.set_stand_in(&position, Some(latest));
                } else {
                    self.remove(&position);
                }
            }
        }
    }

    /// Forgets the panics after `at` that hide nothing.
    pub(crate) fn forget_skipped_after(&mut self, at: Option<&Position>) {
        let skipped = |position: &&Position| at.is_none_or(|at| *position > at) && self.was_skipped(position);
        for position in self.panicked.iter().filter(skipped).copied().collect::<Vec<_>>() {
            self.remove(&position);
        }
    }
}

/// What only a device needs, which keeps it on disk.
#[cfg(feature = "store")]
impl Unread {
    /// Makes it from what was saved.
    pub(crate) fn from_saved(saved: impl IntoIterator<Item = (Position, UnreadEntry)>) -> Self {
        let mut unread = Self::default();
        saved.into_iter().for_each(|(position, entry)| unread.note(position, entry));
        unread.changed.clear();
        unread
    }

    /// Returns what has to be saved: the positions that changed, with their entries where there still are any.
    pub(crate) fn unsaved(&self) -> impl Iterator<Item = (&Position, Option<&UnreadEntry>)> {
        self.changed.iter().map(|position| (position, self.entries.get(position)))
    }

    pub(crate) fn is_saved(&self) -> bool {
        self.changed.is_empty()
    }

    pub(crate) fn saved(&mut self) {
        self.changed.clear();
    }

    /// Returns the reducer's panic over this message.
    pub(crate) fn panic_at(&self, position: &Position) -> Option<&ReducerPanic> {
        match &self.entries.get(position)?.why {
            Why::Quarantined(Quarantined { reason: QuarantineReason::Panicked(panic), .. }) => Some(panic),
            _ => None,
        }
    }

    /// Returns the messages that did not fit their variants.
    pub(crate) fn unfit(&self) -> impl Iterator<Item = &Position> {
        let is_unfit =
            |entry: &UnreadEntry| matches!(&entry.why, Why::Quarantined(quarantined) if !quarantined.has_panicked());
        self.entries.iter().filter(move |(_, entry)| is_unfit(entry)).map(|(position, _)| position)
    }

    pub(crate) fn has_panicked(&self, position: &Position) -> bool {
        self.panicked.contains(position)
    }

    /// Tells whether the reducer panicked over nothing, and no entry hides another version.
    pub(crate) fn hides_nothing(&self) -> bool {
        self.panicked.is_empty() && self.hiding.is_empty()
    }

    /// Returns the version of an entity that counts, given its latest; it may be one over which the reducer panics.
    pub(crate) fn effective(&self, latest: &Position) -> Option<Position> {
        match self.entries.get(latest) {
            Some(entry) if entry.stand_in.is_none() && !entry.has_panicked() => None,
            Some(entry) => Some(entry.stand_in.unwrap_or(*latest)),
            None => Some(*latest),
        }
    }

    /// Returns an entry as it is when another version counts in its place.
    pub(crate) fn entry_with_stand_in(&self, position: &Position, stand_in: Position) -> Option<UnreadEntry> {
        self.entries.get(position).cloned().map(|entry| entry.with_stand_in(Some(stand_in)))
    }

    /// Takes up a change that is saved already.
    pub(crate) fn take_up(&mut self, position: Position, entry: Option<UnreadEntry>) {
        match entry {
            Some(entry) => self.note(position, entry),
            None => drop(self.remove(&position)),
        }
        self.changed.remove(&position);
    }

    /// Tells whether the reducer panicked over a message in the same window that hides another version.
    pub(crate) fn hides_in_window_of(&self, position: &Position) -> bool {
        self.hiding_panics().rev().any(|(panicked, _)| window(&panicked) == window(position))
    }
}

/// Returns the number of the hour in which a message was written.
///
/// Where the reducer panics over messages that hide earlier versions, the fold looks through the rest of the hour for more
/// of them before it goes back: it must not depend on where a fold starts how far that is.
pub(crate) const fn window(position: &Position) -> u64 {
    const HOUR: u64 = 3_600_000;
    position.changed.as_millis() / HOUR
}

/// A position, written as its bytes.
mod as_bytes {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    use crate::order::Position;

    pub(super) fn serialize<S: Serializer>(position: &Option<Position>, serializer: S) -> Result<S::Ok, S::Error> {
        position.map(|position| position.to_bytes().to_vec()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Position>, D::Error> {
        let Some(bytes) = Option::<Vec<u8>>::deserialize(deserializer)? else { return Ok(None) };
        let bytes = bytes.as_slice().try_into().map_err(|_| D::Error::custom("a position has 48 bytes"))?;
        Ok(Some(Position::from_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics says where")]

    use super::*;

    /// The form of stores that older builds have written.
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Older {
        entity: EntityId,
        changed: Timestamp,
        reason: String,
        panicked: bool,
    }

    #[test]
    fn older_and_newer_builds_read_each_others_quarantine() {
        let (entity, changed) = (EntityId::from_uuid([7; 16]), Timestamp::EPOCH);
        for (text, panicked, reason) in [
            ("the reducer panicked: no such item", true, QuarantineReason::Panicked(ReducerPanic::of(&"no such item"))),
            ("the payload is odd", false, QuarantineReason::Unfit { text: "the payload is odd".to_owned() }),
        ] {
            let older = Older { entity: entity.clone(), changed, reason: text.to_owned(), panicked };
            let newer = Quarantined { entity: entity.clone(), changed, reason };
            let bytes = rmp_serde::to_vec_named(&older).unwrap();
            assert_eq!(rmp_serde::to_vec_named(&newer).unwrap(), bytes);
            assert_eq!(rmp_serde::from_slice::<Quarantined>(&bytes).unwrap(), newer);
            assert_eq!(newer.reason.to_string(), text);
        }
    }
}
