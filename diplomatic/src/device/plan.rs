//! What new messages mean for a state: events to apply on top, or a place to fold from again.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::anew::{Anew, Extent, Roots, collect};
use crate::event::{DecodeEventError, DiplomaticEvent, Draft, Shape, Target};
use crate::fold::{Item, Reading, Unread, UnreadEntry, delete_is_event, event_type, root_of, weight};
use crate::log::{Change, LogError, LogWriter, Winner};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Content, EntityId, HeadHash, Timestamp};
use crate::witness::{is_own_type, kind};

/// What new messages mean for a state.
pub(super) struct Plan<E> {
    /// The new messages that count, in total order.
    pub(super) new: Vec<NewVersion<E>>,
    /// Where to fold from again: the state as of this place or a later one is wrong. `None`: all go on top.
    pub(super) rewind: Option<Position>,
    /// The roots that are wrong, while making them anew is enough.
    roots: Option<Roots>,
    /// What is to be made anew instead of folding from `rewind`.
    pub(super) anew: Option<Vec<Anew<E>>>,
    /// Where to fold from again if the reducer panics over that.
    pub(super) anew_from: Option<Position>,
    /// Whether the root of every new event is known.
    pub(super) is_tidy: bool,
    /// The places as of which kept states are not sound any more, though the state is right.
    pub(super) spoiled: Vec<Range<Position>>,
    /// What changes of what cannot be applied; it is in the log already.
    pub(super) unread: Vec<(Position, Option<UnreadEntry>)>,
    /// The first and the last of all new messages.
    pub(super) first: Option<Position>,
    pub(super) last: Option<Position>,
    /// How many there are.
    pub(super) messages: u64,
    /// About how many bytes they have.
    pub(super) bytes: u64,
    /// Why one of them does not fit its variant.
    pub(super) unfit: Option<DecodeEventError>,
}

/// A new message that counts for its entity.
pub(super) struct NewVersion<E> {
    pub(super) item: Item<E>,
    /// Where to fold from again if the reducer panics over it: the version in whose place it counts counts again then.
    pub(super) from: Position,
}

/// What is known of a state for which a plan is made.
pub(super) struct Known<'a> {
    /// The last message that the state covers.
    pub(super) applied: Option<Position>,
    pub(super) unread: &'a Unread,
    /// Whether roots can be made anew.
    pub(super) is_tidy: bool,
    pub(super) fingerprint: &'a [u8; 32],
}

/// Drops the states that new messages may spoil of a fold that is not known here.
pub(super) fn plan_blindly<E>(writer: &mut LogWriter<'_>, changes: &[Change]) -> Result<Plan<E>, LogError> {
    let doubtful = changes.iter().map(|change| match change.previous {
        Some(_) => start_of(change.message.head().entity()),
        None => change.position,
    });
    if let Some(doubtful) = doubtful.min() {
        writer.retain_snapshots(|at, _| *at < doubtful)?;
    }
    let last = changes.iter().map(|change| change.position).max();
    let messages = changes.len() as u64;
    Ok(Plan { last, messages, ..Plan::new(false) })
}

/// Plans for new messages, inside the transaction that stores them, and drops the snapshots that they spoil.
pub(super) fn plan<R: Reducer>(
    writer: &mut LogWriter<'_>,
    known: &Known<'_>,
    mut changes: Vec<Change>,
) -> Result<Plan<R::Event>, LogError> {
    changes.retain(|change| !is_without_effect(change));
    if R::IS_EMPTY {
        return plan_blindly(writer, &changes);
    }
    // Where something is set aside or hidden, more than the roots decides what counts.
    let mut plan = Plan {
        first: changes.iter().map(|change| change.position).min(),
        last: changes.iter().map(|change| change.position).max(),
        messages: changes.len() as u64,
        bytes: changes.iter().map(|change| weight(&change.message) as u64).sum(),
        ..Plan::new(known.is_tidy && known.unread.hides_nothing())
    };
    for (entity, Arrivals { before, items }) in by_entity(changes, R::INDEPENDENT_ROOTS) {
        plan.take_up(writer, known, &entity, before, items)?;
    }
    plan.new.sort_unstable_by_key(|new| new.item.position);
    plan.is_tidy = plan.new.iter().all(|new| !new.item.is_event() || new.item.root.is_some());
    plan.make_anew(writer, known)?;
    let is_on_top = plan.first.is_none_or(|first| known.applied.is_none_or(|applied| first > applied));
    if !is_on_top || plan.rewind.is_some() || !plan.spoiled.is_empty() {
        writer.retain_snapshots(|at, _| !plan.spoils(at))?;
    }
    write_unread(writer, known.fingerprint, plan.unread.iter().map(|(position, entry)| (position, entry.as_ref())))?;
    Ok(plan)
}

/// Tells whether a new message is the framework's own, and takes the place of nothing else.
fn is_without_effect(change: &Change) -> bool {
    let previous = change.previous.as_ref().and_then(|previous| previous.type_name.as_deref());
    kind(&change.message).is_some() && previous.is_none_or(is_own_type)
}

/// Writes down what changes of what the fold with this fingerprint cannot apply.
pub(super) fn write_unread<'a>(
    writer: &mut LogWriter<'_>,
    fingerprint: &[u8; 32],
    changes: impl IntoIterator<Item = (&'a Position, Option<&'a UnreadEntry>)>,
) -> Result<(), LogError> {
    for (position, entry) in changes {
        match entry.map(rmp_serde::to_vec_named) {
            Some(Ok(why)) => writer.put_unapplied(position, fingerprint, &why)?,
            _ => writer.remove_unapplied(position)?,
        }
    }
    Ok(())
}

/// New messages of one entity, in total order, and what counted for the log before.
struct Arrivals<E> {
    before: Option<Winner>,
    items: Vec<Item<E>>,
}

fn by_entity<E: DiplomaticEvent>(changes: Vec<Change>, wants_roots: bool) -> HashMap<EntityId, Arrivals<E>> {
    let mut entities: HashMap<EntityId, Arrivals<E>> = HashMap::with_capacity(changes.len());
    for Change { message, previous, .. } in changes {
        let item = if wants_roots { Item::with_root(message) } else { Item::of(message) };
        match entities.entry(item.entity().clone()) {
            Entry::Occupied(mut arrivals) => arrivals.get_mut().items.push(item),
            Entry::Vacant(vacant) => {
                vacant.insert(Arrivals { before: previous, items: vec![item] });
            }
        }
    }
    for Arrivals { items, .. } in entities.values_mut() {
        items.sort_unstable_by_key(|item| item.position);
    }
    entities
}

impl<E> Plan<E> {
    const fn new(can_make_anew: bool) -> Self {
        Self {
            new: Vec::new(),
            rewind: None,
            roots: if can_make_anew { Some(Roots::new()) } else { None },
            anew: None,
            anew_from: None,
            is_tidy: true,
            spoiled: Vec::new(),
            unread: Vec::new(),
            first: None,
            last: None,
            messages: 0,
            bytes: 0,
            unfit: None,
        }
    }

    /// Tells whether a state that was kept as of this position is not sound any more, or lacks what came late: it could
    /// show a moment of the past otherwise.
    pub(super) fn spoils(&self, at: &Position) -> bool {
        self.first.into_iter().chain(self.rewind).any(|from| from <= *at)
            || self.spoiled.iter().any(|spoiled| spoiled.contains(at))
    }
}

impl<E: DiplomaticEvent> Plan<E> {
    fn rewind_to(&mut self, position: Position) {
        self.rewind = Some(self.rewind.map_or(position, |rewind| rewind.min(position)));
        self.roots = None;
    }

    /// Like [`rewind_to`](Self::rewind_to), but making this root anew is enough.
    fn rewind_or_make_anew(&mut self, position: Position, root: Option<EntityId>, extent: Extent) {
        let mut roots = self.roots.take();
        self.rewind_to(position);
        if let (Some(roots), Some(root)) = (&mut roots, root) {
            let noted = roots.entry(root).or_insert(extent);
            *noted = extent.max(*noted);
            self.roots = Some(std::mem::take(roots));
        }
    }

    /// Like [`rewind_to`](Self::rewind_to), but no root is wrong.
    fn rewind_or_make_nothing_anew(&mut self, position: Position) {
        let roots = self.roots.take();
        self.rewind_to(position);
        self.roots = roots;
    }

    /// Collects what to make anew, if that is enough.
    fn make_anew(&mut self, writer: &LogWriter<'_>, known: &Known<'_>) -> Result<(), LogError> {
        let hides = self.unread.iter().any(|(_, entry)| entry.as_ref().is_some_and(UnreadEntry::hides));
        let Some(roots) = self.roots.take().filter(|_| self.rewind.is_some() && self.is_tidy && !hides) else {
            return Ok(());
        };
        let new: HashSet<Position> = self.new.iter().map(|new| new.item.position).collect();
        self.anew = collect(writer, known.unread, &roots, |position| new.contains(position))?;
        if self.anew.is_some() {
            self.anew_from = self.new.iter().map(|new| new.from).chain(self.rewind).min();
            self.new.retain(|new| new.item.root.as_ref().is_none_or(|root| !roots.contains_key(root)));
        }
        Ok(())
    }

    /// Spoils the states in which a register still stood under another parent, when its tombstone goes on top because it
    /// went with its last one: folded from such a state, the delete of the last parent would leave it there.
    fn spoil_other_parents(&mut self, writer: &LogWriter<'_>, new: &Item<E>, old: &Position) -> Result<(), LogError> {
        if !matches!(new.reading, Reading::SilentDelete) {
            return Ok(());
        }
        let parent = parent_at(writer, old)?;
        for version in writer.superseded_of(new.entity())? {
            if version < *old && parent_at(writer, &version)? != parent {
                self.spoiled.push(version..*old);
                break;
            }
        }
        Ok(())
    }

    /// Takes up the new messages of one entity.
    fn take_up(
        &mut self,
        writer: &LogWriter<'_>,
        known: &Known<'_>,
        entity: &EntityId,
        before: Option<Winner>,
        mut items: Vec<Item<E>>,
    ) -> Result<(), LogError> {
        let unread = known.unread;
        // The version that counted until now; it may be one over which the reducer panics.
        let old = before.as_ref().and_then(|before| unread.effective(&before.position));
        if let Some(skipped) = old.filter(|old| unread.was_skipped(old))
            && let Some(stand_in) = items.iter().find(|item| item.position < skipped && item.unread().is_none())
        {
            self.rewind_to(stand_in.position);
        }
        for item in items.iter().filter(|item| old.is_some_and(|old| item.position < old)) {
            if !replaces_the_one_before(writer, item)? {
                self.spoiled.push(start_of(entity)..item.position);
            }
        }
        items.retain(|item| old.is_none_or(|old| item.position > old));
        let latest = items.iter().rposition(|item| item.unread().is_none());
        let new_position = latest.map(|latest| items[latest].position);
        let mut versions = match &before {
            Some(before) if unread.contains(&before.position) => {
                let mut versions = writer.superseded_of(entity)?;
                versions.push(before.position);
                versions
            }
            _ => Vec::new(),
        };
        versions.retain(|version| unread.contains(version));
        // What the reducer panicked over was tried without the new message.
        let is_retried = new_position
            .is_some_and(|new| versions.iter().any(|version| *version > new && unread.has_panicked(version)));
        let stand_in = if is_retried { old } else { new_position.or(old) };
        for item in &items[latest.map_or(0, |latest| latest + 1)..] {
            if let Reading::Unfit { error } = &item.reading {
                self.unfit = Some(error.clone());
            }
            let entry = item.unread().map(|entry| entry.with_stand_in(stand_in));
            self.unread.push((item.position, entry));
        }
        let Some(latest) = latest else { return Ok(()) };
        let new = items.swap_remove(latest);
        for version in versions {
            if version < new.position {
                self.unread.push((version, None));
            } else if !is_retried {
                self.unread.push((version, unread.entry_with_stand_in(&version, new.position)));
            }
        }
        if is_retried && let Some(old) = old {
            self.rewind_to(old.min(new.position));
        }
        if known.applied.is_some_and(|applied| new.position < applied) {
            if new.is_event() {
                self.rewind_or_make_anew(new.position, new.root.clone(), Extent::AfterNew);
            } else {
                // What it replaces is all that it is about.
                self.rewind_or_make_nothing_anew(new.position);
            }
        }
        let mut from = new.position;
        if let Some(old) = old.filter(|old| !unread.contains(old)) {
            from = from.min(old);
            let old_type = match &before {
                Some(before) if before.position == old => before.type_name.clone(),
                _ => writer.message(&old)?.and_then(|message| Content::of(&message).type_name().map(Into::into)),
            };
            let old_one = Winner { position: old, type_name: old_type };
            if !replaces(writer, &new, &old_one)? {
                let root = root_at::<E>(writer, &old)?.filter(|root| !root.is_derived());
                self.rewind_or_make_anew(start_of(entity), root, Extent::All);
            } else {
                self.spoil_other_parents(writer, &new, &old)?;
            }
            if unread.has_panics_after(&old) || unread.hides_in_window_of(&new.position) {
                self.rewind_to(from);
            } else if takes_others_along(writer, &new, &old)? {
                self.rewind_or_make_anew(from, new.root.clone(), Extent::All);
            }
        }
        self.new.push(NewVersion { item: new, from });
        Ok(())
    }
}

/// Tells whether applying the new message on top of a state in which the old one was applied gives the state
/// without the old one.
fn replaces<E: DiplomaticEvent>(writer: &LogWriter<'_>, new: &Item<E>, old: &Winner) -> Result<bool, LogError> {
    let Some(old_type) = &old.type_name else {
        // A delete that was applied took away more than its entity's own events, and that comes back with it.
        return Ok(matches!(new.reading, Reading::Delete { .. }) || !delete_is_event::<E>(new.entity()));
    };
    let Some(old_type) = event_type::<E>(old_type) else { return Ok(true) };
    Ok(match &new.reading {
        // Another client may write a type under any entity; what a delete then undoes is for the fold to find out.
        Reading::Delete { .. } => matches!(old_type.shape, Shape::Fact | Shape::Entity),
        Reading::Event { event_type, event } if *event_type == old_type.name => match old_type.shape {
            Shape::Entity | Shape::Singleton => true,
            Shape::Register => same_register(writer, event, new, old)?,
            _ => false,
        },
        Reading::SilentDelete | Reading::Foreign => went_with_its_parent::<E>(writer, new.entity(), old)?,
        Reading::Event { .. } | Reading::Unknown { .. } | Reading::Unfit { .. } => false,
    })
}

/// Tells whether a message that does not count any more went on top of the version before it, when it did: if not, a state
/// of the past that shows it cannot be folded from one before.
fn replaces_the_one_before<E: DiplomaticEvent>(writer: &LogWriter<'_>, late: &Item<E>) -> Result<bool, LogError> {
    let earlier = writer.superseded_of(late.entity())?;
    let Some(position) = earlier.into_iter().rfind(|earlier| *earlier < late.position) else { return Ok(true) };
    let Some(message) = writer.message(&position)? else { return Ok(true) };
    let type_name = Content::of(&message).type_name().map(Into::into);
    Ok(matches!(late.reading, Reading::Event { .. }) && replaces(writer, late, &Winner { position, type_name })?)
}

/// Tells whether both events are about the key that their entity is derived from. Another client may write a register's
/// type under any entity, and two of those need not be about the same.
fn same_register<E: DiplomaticEvent>(
    writer: &LogWriter<'_>,
    event: &E,
    new: &Item<E>,
    old: &Winner,
) -> Result<bool, LogError> {
    let stands_there = |event: &E, stored_type: &str| match event.to_draft() {
        Ok(Draft::Content { target: Target::Register { key }, .. }) => {
            EntityId::register(stored_type, &key) == *new.entity()
        }
        _ => false,
    };
    let Some(old_type) = &old.type_name else { return Ok(false) };
    // Under one derived entity, the new event has the old one's type name too, or it is not at its place.
    if !stands_there(event, old_type) {
        return Ok(false);
    }
    let Some(message) = writer.message(&old.position)? else { return Ok(false) };
    Ok(matches!(Reading::<E>::of(&message), Reading::Event { event, .. } if stands_there(&event, old_type)))
}

/// Tells whether a register went already when the entity on which it hung was deleted after the register's last event.
fn went_with_its_parent<E: DiplomaticEvent>(
    writer: &LogWriter<'_>,
    register: &EntityId,
    last: &Winner,
) -> Result<bool, LogError> {
    let Some(message) = writer.message(&last.position)? else { return Ok(false) };
    let Content::Typed { parent: Some(parent), .. } = Content::of(&message) else { return Ok(false) };
    if !register.is_derived() || !delete_is_event::<E>(&parent) {
        return Ok(false);
    }
    let parent = writer.winner(&parent)?;
    Ok(parent.is_some_and(|parent| parent.type_name.is_none() && parent.position > last.position))
}

/// Tells whether a delete takes along what was written after the version that it deletes, by a device that did not know
/// of the delete: the reducer may panic over that now.
fn takes_others_along<E>(writer: &LogWriter<'_>, new: &Item<E>, old: &Position) -> Result<bool, LogError> {
    if !matches!(new.reading, Reading::Delete { .. }) {
        return Ok(false);
    }
    let registers = writer.registers_of(new.entity())?;
    Ok(registers.iter().any(|(_, last)| last.type_name.is_some() && last.position > *old))
}

/// Returns what a message in the log is about.
fn root_at<E: DiplomaticEvent>(writer: &LogWriter<'_>, position: &Position) -> Result<Option<EntityId>, LogError> {
    let message = writer.message(position)?;
    Ok(message.and_then(|message| root_of(&message, &Reading::<E>::of(&message))))
}

/// Returns the parent that a message names.
fn parent_at(writer: &LogWriter<'_>, position: &Position) -> Result<Option<EntityId>, LogError> {
    let message = writer.message(position)?;
    Ok(message.and_then(|message| match Content::of(&message) {
        Content::Typed { parent, .. } => parent,
        _ => None,
    }))
}

/// Returns a place before every message of the entity.
fn start_of(entity: &EntityId) -> Position {
    let changed = if entity.is_derived() { Timestamp::EPOCH } else { entity.created() };
    Position { changed, counter: 0, hash: HeadHash::from_bytes([0; 32]) }
}
