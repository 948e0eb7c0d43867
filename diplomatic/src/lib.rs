//! Event sourcing for apps that belong to their user.
//!
//! An app says what can happen, as an enum, and what it makes of it, as a [`Reducer`]. The rest is done here: a durable
//! encrypted log on the device, offline work, end-to-end encrypted sync between the user's devices through any
//! DIPLOMATIC host, and a state that comes out the same on every device. A host stores and passes on what it cannot
//! read, and the user owns everything by one secret, the [`Seed`].
//!
//! # A program
//!
//! ```no_run
//! use std::collections::BTreeMap;
//!
//! use diplomatic::{Client, DiplomaticEvent, EntityId, Meta, Reducer, Seed};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(DiplomaticEvent)]
//! #[diplomatic(prefix = "todo")]
//! enum TodoEvent {
//!     Added { title: String },
//!     #[diplomatic(overwrites = "todo")]
//!     Renamed { todo: EntityId, title: String },
//!     #[diplomatic(deletes = "todo")]
//!     Removed { todo: EntityId },
//! }
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Todos {
//!     titles: BTreeMap<EntityId, String>,
//! }
//!
//! impl Reducer for Todos {
//!     type Event = TodoEvent;
//!
//!     fn apply(&mut self, event: &TodoEvent, at: &Meta) {
//!         match event {
//!             TodoEvent::Added { title } => {
//!                 self.titles.insert(at.entity.clone(), title.clone());
//!             }
//!             TodoEvent::Renamed { todo, title } => {
//!                 // A todo that was deleted on another device stays deleted.
//!                 if let Some(old) = self.titles.get_mut(todo) {
//!                     old.clone_from(title);
//!                 }
//!             }
//!             TodoEvent::Removed { todo } => {
//!                 self.titles.remove(todo);
//!             }
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The same 64 hex digits on every device of the user; `Seed::random` makes new ones.
//! let seed: Seed = std::env::var("DIP_SEED")?.parse()?;
//! let client = Client::<Todos>::builder(seed).store("todo.redb").host("http://localhost:31337").open().await?;
//! // Durable, applied, and on its way to the other devices; also without a network.
//! let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
//! client.emit(TodoEvent::Renamed { todo: milk, title: "oat milk".into() }).await?;
//! client.read(|todos| println!("{:?}", todos.titles.values()));
//! # Ok(())
//! # }
//! ```
//!
//! The README of the repository builds an app step by step, from `cargo new` to its tests.
//!
//! # How an event becomes a message
//!
//! Each variant becomes a message of a type of its own, `todo.added` for one, with its fields as a MessagePack map.
//! What the message is about, its *entity*, depends on the variant's shape. Of several messages about one entity the
//! latest counts, so that the shape decides what can overwrite what:
//!
//! | shape | attribute | it is about | so |
//! | --- | --- | --- | --- |
//! | fact | none | a new entity, whose id `emit` returns and [`Meta::entity`] names | every one counts |
//! | register | `overwrites = "todo"`, or several fields | an id that every device derives from the type and the fields | the latest for each key counts; a rename here and a tick there both survive |
//! | entity | `entity = "todo"` | the entity in the field | the whole of an entity is written at once, and the latest counts |
//! | delete | `deletes = "todo"` | the entity in the field | it is gone, and the registers that hang on it with it |
//! | singleton | `singleton` | an id that every device derives from the type | there is one value for the account |
//!
//! [`DiplomaticEvent`](derive@DiplomaticEvent) has all attributes, also those that read what older builds wrote.
//!
//! # How the state is made
//!
//! Messages have one order, which all devices agree on: by the time of the change, a counter and a hash (see
//! [`Position`]). The state is the fold of those that count, in this order, and of nothing else: not of when they
//! arrived, how often the app was restarted, or which host brought them. What a device emits comes after all that it
//! has seen, even if its clock is slow. What is new goes on top of the state; what comes late goes in its place, from
//! a snapshot before it. [`Reducer`] says what the fold relies on, and `testing::check_reducer` whether it may.
//!
//! # How sync goes
//!
//! [`Client`] keeps a queue for each host on disk. It reads what the host has and is new, sends what waits, and then
//! listens for news, each host on its own; one that cannot be reached is tried again, at growing intervals. How it goes
//! is a value to read or watch ([`SyncStatus`]), with a reason and a remedy where something is wrong. A host knows keys,
//! sizes and times of arrival. It sees neither contents nor types nor which messages belong together, and it can forge
//! or change nothing: every message is signed, and checked before it is believed.
//!
//! # What is promised
//!
//! - When `emit` returns, the event is on disk, applied, and in the queue of every host: all of it or nothing.
//! - No crash loses a message, applies it twice, or forgets it in a queue.
//! - Devices that have the same messages have the same state.
//! - An event that this build does not know or cannot read is kept and passed on, and holds up no other.
//! - No bytes from a host, a file or another device make the library panic.
//!
//! # Where to go on
//!
//! - [`Client`]: emitting, reading, waiting for changes, history, undo, backups.
//! - [`Device`]: the same without network and async, for tools and simulations.
//! - [`Replay`]: what a state was at any time, from an export file alone.
//! - [`raw`]: any account of any app, without its types.
//! - `testing` (with the feature of that name): whether a reducer keeps its promises, devices converge, and old messages
//!   still read, each in a test of ten lines.
//! - [`sync`]: the sync engine without I/O, for other transports.
//! - [`standard`]: the wire format, in pure functions.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | (none) | the public side of the standard: bytes, calls, statuses, bags to verify. A host needs no more, and cannot decrypt |
//! | `seal` | seeds, keys, sealing and opening, export files |
//! | `engine` | typed events, reducers, the order, the sync engine: pure, without clock, threads or I/O |
//! | `replay` | [`Replay`] of export files: from any reader, without a store, a network or an async runtime |
//! | `store` | the log on redb and [`Device`]: no network, no async runtime; it also builds for browsers |
//! | `client` (default) | [`Client`] and its transports |
//! | `testing` | tools for the tests of an app: scenarios, a checker of reducers, simulated devices, a lock on the schema |
//! | `derive` (default) | `#[derive(DiplomaticEvent)]` |
//! | `words` | a [`Seed`] as the 24 words that people write down, and as the four by which they compare two devices |

// The derive macro's code names the crate, also in the crate's own tests.
#[cfg(test)]
extern crate self as diplomatic;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "store")]
mod device;
#[cfg(feature = "engine")]
pub mod event;
#[cfg(feature = "replay")]
mod fold;
#[cfg(feature = "store")]
mod log;
#[cfg(feature = "engine")]
pub mod order;
#[cfg(feature = "engine")]
pub mod raw;
#[cfg(feature = "engine")]
mod reducer;
#[cfg(feature = "replay")]
pub mod replay;
pub mod standard;
#[cfg(feature = "engine")]
pub mod sync;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "words")]
mod words;

#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder, HostReport, OpenError, SyncStatus};
#[cfg(feature = "store")]
pub use device::{Device, DeviceConfig, DeviceLink, EmitError, TransactError, Undo, UndoError};
/// # Examples
///
/// ```
/// use diplomatic::event::{Draft, EncodeEventError, Target};
/// use diplomatic::{DiplomaticEvent, EntityId, Timestamp};
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     // Every one counts, and is a new entity.
///     Added { title: String },
///     // The latest per `todo` counts.
///     #[diplomatic(overwrites = "todo")]
///     Renamed { todo: EntityId, title: String },
///     // The latest per list and day counts; all of a list are one group.
///     #[diplomatic(overwrites("list", "day"), gid = "list")]
///     Planned { list: String, day: u16, hours: f32 },
///     // The whole of an entity. `type` keeps the name that the type had before the variant was renamed.
///     #[diplomatic(entity = "id", type = "todo.note")]
///     Annotated { id: EntityId, text: String, #[serde(default)] pinned: bool },
///     #[diplomatic(deletes = "todo")]
///     Removed { todo: EntityId },
///     // One value for the account.
///     #[diplomatic(singleton)]
///     Theme(String),
/// }
///
/// let milk = EntityId::new(b"milkmilk", Timestamp::EPOCH);
/// let renamed = TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".to_owned() };
/// let Draft::Content { type_name, target, parent, .. } = renamed.to_draft()? else { unreachable!() };
/// assert_eq!(type_name, "todo.renamed");
/// assert!(matches!(target, Target::Register { .. }));
/// assert_eq!(parent, Some(milk));
/// # Ok::<_, EncodeEventError>(())
/// ```
///
/// A later build, which reads what that one wrote:
///
/// ```
/// use diplomatic::event::{DecodeEventError, Stored};
/// use diplomatic::{DiplomaticEvent, EntityId, Timestamp};
/// use serde::Deserialize;
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     // Renamed; what is missing in an old payload has a default.
///     #[diplomatic(was = "todo.added")]
///     Created { title: String, #[serde(default)] tags: Vec<String> },
///     // Another form of payload under a new name, and the old one through a function.
///     #[diplomatic(entity = "id", was("todo.note", upcast = "from_note"))]
///     Annotated { id: EntityId, lines: Vec<String> },
/// }
///
/// #[derive(Deserialize)]
/// struct Note {
///     text: String,
/// }
///
/// fn from_note(old: Note, id: &EntityId) -> TodoEvent {
///     TodoEvent::Annotated { id: id.clone(), lines: old.text.lines().map(str::to_owned).collect() }
/// }
///
/// let milk = EntityId::new(b"milkmilk", Timestamp::EPOCH);
/// let payload = b"\x81\xa4text\xa3a\nb";
/// let old = Stored::Content { type_name: "todo.note", entity: &milk, payload };
/// let TodoEvent::Annotated { lines, .. } = TodoEvent::from_stored(old)? else { unreachable!() };
/// assert_eq!(lines, ["a", "b"]);
/// # Ok::<_, DecodeEventError>(())
/// ```
///
/// # Reference
///
#[cfg(feature = "derive")]
#[doc(inline)]
pub use diplomatic_derive::DiplomaticEvent;
#[cfg(feature = "engine")]
#[doc(inline)]
pub use event::DiplomaticEvent;
#[cfg(feature = "store")]
pub use log::{Backing, LogError, OpenLogError};
#[cfg(feature = "engine")]
#[doc(inline)]
pub use order::Position;
#[cfg(feature = "engine")]
pub use reducer::{Meta, Origin, Reducer};
#[cfg(feature = "replay")]
#[doc(inline)]
pub use replay::Replay;
#[cfg(feature = "seal")]
#[doc(inline)]
pub use standard::{EntityId, Label, Seed, Timestamp};
#[cfg(feature = "words")]
pub use words::Fingerprint;

/// What happened, and what could not be applied: results of `history`, `undo` and `diff`.
#[cfg(feature = "replay")]
pub mod history {
    #[cfg(feature = "store")]
    pub use crate::device::{Diff, Happened, HistoryEntry};
    pub use crate::fold::{Quarantined, Unread};
}

/// Pages of entities by type, group or parent: [`Client::list`](crate::Client::list) and its query.
#[cfg(feature = "store")]
pub mod list {
    pub use crate::device::{Page, PageStart, Query};
}

/// Streams of changes, of the state and of sync.
#[cfg(feature = "client")]
pub mod changes {
    pub use crate::client::{Changes, StatusChanges};
}

/// Writing and merging export files.
#[cfg(feature = "store")]
pub mod backup {
    pub use crate::device::{Exported, ImportReport, Progress};
}

/// Dropping what was overwritten or deleted, once every host has it.
#[cfg(feature = "store")]
pub mod compact {
    pub use crate::device::{Compacted, Keep};
}

/// Looking for what is wrong: in the store, and at a host. Made for tools; an app needs none of it.
#[cfg(feature = "store")]
pub mod inspect {
    #[cfg(feature = "client")]
    pub use crate::client::{DamagedBag, HostAccount, HostAudit, HostInspector, InspectError};
    pub use crate::device::{Missing, MissingReason};
    pub use crate::log::{StoreProblem, StoreProblemKind, StoreReport};
}

/// Why a call failed: one enum for each.
///
/// Those of the everyday calls are at the crate root, too.
#[cfg(feature = "engine")]
pub mod error {
    #[cfg(feature = "client")]
    pub use crate::client::{AddressError, OpenError, SeedFileError, TlsError};
    #[cfg(feature = "store")]
    pub use crate::device::{EmitError, ExportFileError, HistoryError, ImportError, TransactError, UndoError};
    pub use crate::event::{DecodeEventError, EncodeEventError};
    #[cfg(feature = "store")]
    pub use crate::log::{LogError, OpenLogError, StorageError};
    #[cfg(feature = "words")]
    pub use crate::words::WordsError;
}

/// What the derive macro's code names; not for other use.
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod __private;
