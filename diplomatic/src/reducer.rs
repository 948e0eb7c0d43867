//! Reducers: how an app turns events into a state.

mod views;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::DiplomaticEvent;
use crate::order::Position;
use crate::standard::{EntityId, HeadHash, Timestamp};

/// A state, and how events change it.
///
/// The state is a pure function of the live messages in their total order. It never depends on the order in which they
/// arrived, on restarts, or on the host that delivered them. A reducer has to keep three promises for this:
///
/// - `apply` depends only on the state, the event and its [`Meta`]. It uses no clock, no randomness and no other outside
///   state.
/// - For a variant with `overwrites`, `entity` or `singleton`, applying only the later of two events for the same key
///   gives the same state as applying both, whatever comes between them.
/// - For a variant with `deletes`, applying it gives the same state as if the events of that entity and of its
///   registers had never happened.
///
/// Ignore events about things that do not exist: they may have been deleted on another device, or not arrived yet.
///
/// `diplomatic::testing::check_reducer` tests these promises. If `apply` panics, `emit` refuses the event. An event from
/// another device is quarantined instead, and the state is as if it had not arrived.
///
/// # Several views over one log
///
/// A tuple of two to four reducers of the same events is a reducer, too, so that `Client<(Todos, Statistics)>` keeps both
/// states up to date. Its events have to be `Clone`, because each reducer gets one of its own. All of them change
/// together: a reader never sees one with an event that another has not got yet, and an event over which one panics counts
/// in none. If the version of one changes, all are folded again once.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use std::collections::BTreeMap;
/// # use diplomatic::{Backing, Device, EntityId, Meta, Reducer, Seed, Timestamp};
/// # use serde::{Deserialize, Serialize};
/// /// When each todo was added.
/// #[derive(Default, Serialize, Deserialize)]
/// struct Calendar(BTreeMap<EntityId, Timestamp>);
///
/// impl Reducer for Calendar {
///     type Event = TodoEvent;
///
///     fn apply(&mut self, event: TodoEvent, at: &Meta) {
///         match event {
///             TodoEvent::Added { .. } => drop(self.0.insert(at.entity.clone(), at.changed)),
///             TodoEvent::Removed { todo } => drop(self.0.remove(&todo)),
///             TodoEvent::Renamed { .. } => {}
///         }
///     }
/// }
///
/// let rng: rand::rngs::StdRng = rand::make_rng();
/// let mut device = Device::<(Todos, Calendar)>::open(Backing::memory(), &Seed::random(), rng)?;
/// let today = Timestamp::from_millis(1_764_000_000_000);
/// let milk = device.emit(today, &TodoEvent::Added { title: "milk".into() })?;
/// device.read(|(todos, calendar)| {
///     assert_eq!(todos.titles[&milk], "milk");
///     assert_eq!(calendar.0[&milk], today);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```
/// use std::collections::BTreeMap;
///
/// use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer, Timestamp};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(DiplomaticEvent)]
/// enum NoteEvent {
///     #[diplomatic(entity = "note")]
///     Written { note: EntityId, text: String },
///     #[diplomatic(deletes = "note")]
///     Removed { note: EntityId },
/// }
///
/// /// The notes, and when each was written last.
/// #[derive(Default, Serialize, Deserialize)]
/// struct Notes(BTreeMap<EntityId, (String, Timestamp)>);
///
/// impl Reducer for Notes {
///     type Event = NoteEvent;
///
///     fn apply(&mut self, event: NoteEvent, at: &Meta) {
///         match event {
///             NoteEvent::Written { note, text } => drop(self.0.insert(note, (text, at.changed))),
///             NoteEvent::Removed { note } => drop(self.0.remove(&note)),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` is not a state: implement `diplomatic::Reducer` for it")]
pub trait Reducer: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The events.
    type Event: DiplomaticEvent;

    /// The version of the fold. Increase it when `apply` or the state's serialized form changes, so that snapshots on
    /// disk are discarded.
    const VERSION: u32 = 0;

    /// Whether this reducer promises that events about different *roots* commute. Set it to `true` if so: then a late event
    /// costs as much as the events of its root, and not as much as everything that came after it.
    ///
    /// The root of an event is the entity that it is about; for a register, the entity on which it hangs (its `pid`, or
    /// its key if that is one `EntityId`). Two events about different roots have to give the same state in either order,
    /// as most events of a list of things do: that one item was renamed and another was ticked, or that two were added to
    /// a map. It is not so where an event about one thing looks at or changes another: a counter that stops at a limit,
    /// items that are appended to a `Vec`, "delete all of this list".
    ///
    /// With the promise about deletes above, the root can then be taken out of the state, and its events be applied anew
    /// in their order. `diplomatic::testing::check_reducer` tests this promise, too.
    const INDEPENDENT_ROOTS: bool = false;

    /// Whether the state is always empty, so that nothing has to be folded.
    #[doc(hidden)]
    const IS_EMPTY: bool = false;

    /// Names the versions of what the state is made of, for the identity of snapshots.
    #[doc(hidden)]
    fn versions(add: &mut dyn FnMut(u32)) {
        add(Self::VERSION);
    }

    /// Applies one event to the state. The event was read for this call, and can be taken apart.
    fn apply(&mut self, event: Self::Event, at: &Meta);

    /// Rebuilds what the serialized form leaves out, such as an index in a field with `#[serde(skip)]`. It is called once
    /// for each state that was read from a snapshot, before any event is applied to it, and must not depend on anything but
    /// the state. A state that begins as the default is not read, so it need not be rebuilt.
    ///
    /// `apply` keeps the index up to date from then on. `diplomatic::testing::check_reducer` tests that a state which was
    /// written, read and rebuilt equals the one that was not, in the fields that its `PartialEq` compares.
    ///
    /// ```
    /// use std::collections::{BTreeMap, BTreeSet};
    ///
    /// use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(DiplomaticEvent)]
    /// #[diplomatic(prefix = "note")]
    /// enum NoteEvent {
    ///     #[diplomatic(entity = "note")]
    ///     Tagged { note: EntityId, tag: String },
    /// }
    ///
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct Notes {
    ///     tags: BTreeMap<EntityId, String>,
    ///     /// The notes of each tag.
    ///     #[serde(skip)]
    ///     by_tag: BTreeMap<String, BTreeSet<EntityId>>,
    /// }
    ///
    /// impl Notes {
    ///     fn put(&mut self, note: EntityId, tag: String) {
    ///         if let Some(old) = self.tags.insert(note.clone(), tag.clone()) {
    ///             self.by_tag.entry(old).or_default().remove(&note);
    ///         }
    ///         self.by_tag.entry(tag).or_default().insert(note);
    ///     }
    /// }
    ///
    /// impl Reducer for Notes {
    ///     type Event = NoteEvent;
    ///
    ///     fn apply(&mut self, event: NoteEvent, _: &Meta) {
    ///         let NoteEvent::Tagged { note, tag } = event;
    ///         self.put(note, tag);
    ///     }
    ///
    ///     fn loaded(&mut self) {
    ///         for (note, tag) in std::mem::take(&mut self.tags) {
    ///             self.put(note, tag);
    ///         }
    ///     }
    /// }
    /// ```
    fn loaded(&mut self) {}
}

/// Metadata of an event: what every device knows of it.
///
/// Which device wrote the event is not among it. Devices learn that from each other some time after the event itself, so a
/// state that depends on it would differ between them. The [history](crate::history::HistoryEntry) has it.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// use diplomatic::{EntityId, Meta, Reducer, Timestamp};
///
/// // A test can call a reducer directly; `diplomatic::testing` has more tools.
/// let today = Timestamp::from_millis(1_764_000_000_000);
/// let milk = EntityId::new(b"milkmilk", today);
/// let at = Meta::new(milk.clone(), today, "todo.added");
/// let mut todos = Todos::default();
/// todos.apply(TodoEvent::Added { title: "milk".into() }, &at);
/// assert_eq!(todos.titles[&milk], "milk");
/// assert_eq!(at.created(), today);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Meta {
    /// The event's entity: a fact's own ID, the ID in the entity field, or the derived ID of a register or singleton.
    pub entity: EntityId,
    /// When the event happened, by the hybrid logical clock that all devices share.
    pub changed: Timestamp,
    /// The event type's name; empty for a delete.
    pub event_type: &'static str,
    /// The identity of the message that holds the event: no two have the same.
    pub message: HeadHash,
    /// The message's counter, which orders those of one time.
    counter: u64,
}

impl Meta {
    /// Makes metadata, for tests of a reducer. The message is one that does not exist.
    pub const fn new(entity: EntityId, changed: Timestamp, event_type: &'static str) -> Self {
        let message = HeadHash::from_bytes([0; 32]);
        Self { entity, changed, event_type, message, counter: 0 }
    }

    /// Returns the metadata of the event in a message.
    pub(crate) const fn of(entity: EntityId, position: Position, event_type: &'static str) -> Self {
        let Position { changed, counter, hash } = position;
        Self { entity, changed, event_type, message: hash, counter }
    }

    /// Returns the event's place in the total order.
    pub const fn position(&self) -> Position {
        Position { changed: self.changed, counter: self.counter, hash: self.message }
    }

    /// Returns the entity's creation time; the epoch for registers and singletons.
    pub const fn created(&self) -> Timestamp {
        self.entity.created()
    }
}
