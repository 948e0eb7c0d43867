//! What an app makes of its events.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::DiplomaticEvent;
use crate::standard::{EntityId, Label, Timestamp};

/// A state, and how events change it.
///
/// The state is a pure function of the messages that count, in their one order: never of the order in which they
/// arrived, of restarts, or of which host brought them. For that the reducer gives three promises, which nothing but
/// common sense asks for:
///
/// - `apply` depends on the state, the event and its [`Meta`] alone (but for [`Meta::origin`], which differs from
///   device to device): no clock, no randomness, no counter outside.
/// - For a variant with `overwrites`, `entity` or `singleton`, applying the later of two events for the same key
///   gives the same state as applying both, whatever came between them.
/// - For a variant with `deletes`, applying it gives the same state as if the events of that entity, and the
///   registers that hang on it, had never been.
///
/// An event about something that is not there (deleted on another device, or not arrived yet) has to be harmless.
///
/// `diplomatic::testing::check_reducer` finds out whether a reducer keeps them. An event over which `apply` panics is
/// refused when it is emitted here; one from elsewhere is put into quarantine, and the state is what it is without it.
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
///     fn apply(&mut self, event: &NoteEvent, at: &Meta) {
///         match event {
///             NoteEvent::Written { note, text } => drop(self.0.insert(note.clone(), (text.clone(), at.changed))),
///             NoteEvent::Removed { note } => drop(self.0.remove(note)),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` is not a state: implement `diplomatic::Reducer` for it")]
pub trait Reducer: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What can happen.
    type Event: DiplomaticEvent;

    /// The version of the fold: raise it when `apply` or the state's form changes, and states kept on disk are
    /// folded anew.
    const VERSION: u32 = 0;

    /// Whether the state is empty whatever happens, so that nothing need be folded.
    #[doc(hidden)]
    const IS_EMPTY: bool = false;

    /// Changes the state by one event.
    fn apply(&mut self, event: &Self::Event, at: &Meta);
}

/// What is known of an event beside its fields.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// use diplomatic::{EntityId, Meta, Origin, Reducer, Timestamp};
///
/// // A test may call a reducer by hand; `diplomatic::testing` has more for it.
/// let today = Timestamp::from_millis(1_764_000_000_000);
/// let milk = EntityId::new(b"milkmilk", today);
/// let at = Meta::new(milk.clone(), today, "todo.added", Origin::ThisDevice);
/// let mut todos = Todos::default();
/// todos.apply(&TodoEvent::Added { title: "milk".into() }, &at);
/// assert_eq!(todos.titles[&milk], "milk");
/// assert_eq!(at.created(), today);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// What the event is about: a fact's own id, an entity's, or the derived one of a register or singleton.
    pub entity: EntityId,
    /// When the event happened, by the clock that every device agrees on.
    pub changed: Timestamp,
    /// The event type's name; empty for a delete.
    pub event_type: &'static str,
    /// How the event came here. It differs between devices: show it, but keep it out of the state.
    pub origin: Origin,
}

impl Meta {
    /// Describes an event, for the tests of a reducer.
    pub const fn new(entity: EntityId, changed: Timestamp, event_type: &'static str, origin: Origin) -> Self {
        Self { entity, changed, event_type, origin }
    }

    /// Returns when the entity was created; the epoch for registers and singletons.
    pub const fn created(&self) -> Timestamp {
        self.entity.created()
    }
}

/// How an event came to this device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// It was emitted here.
    ThisDevice,
    /// The host with this label brought it.
    Host(Arc<Label>),
    /// It stood in an export file.
    File,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThisDevice => f.write_str("this device"),
            Self::Host(label) => label.fmt(f),
            Self::File => f.write_str("an export file"),
        }
    }
}
