//! Aggregates: what the events of one root come to.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::DiplomaticEvent;
use crate::reducer::Meta;

/// A value that is folded from the events of one *root*: an entity with its registers.
///
/// It is made when it is asked for, from the log, so the state need not hold it, and a state of 100,000 notes may be
/// empty. [`Client::load`](crate::Client::load) and [`Device::load`](crate::Device::load) return one, `list` pages of
/// them, and a [`Projection`](crate::Projection) keeps rows of them elsewhere.
///
/// The rules are those of the state: the live events count, in the total order, and an event that cannot be read, or
/// over which
/// `apply` panics, leaves the value as if it had not arrived. Only the events of the root are among them: its own, and those of
/// registers that hang on it (by their `pid`, or by their key if that is one `EntityId`). A register that names several
/// entities, or none, is a root of its own.
///
/// ```
/// use diplomatic::{Backing, Device, DiplomaticEvent, EntityId, Meta, Reducer, Seed, Timestamp};
/// use diplomatic::Aggregate;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(DiplomaticEvent)]
/// enum NoteEvent {
///     Added { title: String },
///     #[diplomatic(overwrites = "note")]
///     Written { note: EntityId, text: String },
///     #[diplomatic(deletes = "note")]
///     Removed { note: EntityId },
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Note {
///     title: String,
///     text: String,
/// }
///
/// impl Aggregate for Note {
///     type Event = NoteEvent;
///
///     fn apply(note: &mut Option<Self>, event: NoteEvent, _: &Meta) {
///         match event {
///             NoteEvent::Added { title } => *note = Some(Note { title, text: String::new() }),
///             NoteEvent::Written { text, .. } => {
///                 if let Some(note) = note {
///                     note.text = text;
///                 }
///             }
///             NoteEvent::Removed { .. } => *note = None,
///         }
///     }
/// }
///
/// /// The notes are not in it.
/// #[derive(Default, Serialize, Deserialize)]
/// struct State;
///
/// impl Reducer for State {
///     type Event = NoteEvent;
///
///     fn apply(&mut self, _: NoteEvent, _: &Meta) {}
/// }
///
/// let rng: rand::rngs::StdRng = rand::make_rng();
/// let mut device = Device::<State>::open(Backing::memory(), &Seed::random(), rng)?;
/// let now = Timestamp::from_millis(1_764_000_000_000);
/// let note = device.emit(now, &NoteEvent::Added { title: "Milk".into() })?;
/// device.emit(now, &NoteEvent::Written { note: note.clone(), text: "Two litres.".into() })?;
/// assert_eq!(device.load::<Note>(&note)?.expect("it is there").text, "Two litres.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `testing::check_aggregate` compares aggregates with the state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made of one root's events: implement `diplomatic::Aggregate` for it"
)]
pub trait Aggregate: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The events, as those of the app's [`Reducer`](crate::Reducer).
    type Event: DiplomaticEvent;

    /// Applies one event of the root. There is nothing at first, and nothing again after a delete.
    fn apply(this: &mut Option<Self>, event: Self::Event, at: &Meta);
}
