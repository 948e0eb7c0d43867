//! Event sourcing for local-first apps, with end-to-end encrypted sync.
//!
//! An app defines an enum of events and a [`Reducer`] that turns them into a state. This crate does the rest: a durable,
//! encrypted log on the device, offline work, encrypted sync between the user's devices through any DIPLOMATIC host, and
//! the same state on every device. A host stores and relays what it cannot read. The user owns everything through one
//! secret, the [`Seed`].
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
//!     fn apply(&mut self, event: TodoEvent, at: &Meta) {
//!         match event {
//!             TodoEvent::Added { title } => {
//!                 self.titles.insert(at.entity.clone(), title);
//!             }
//!             TodoEvent::Renamed { todo, title } => {
//!                 // A todo that was deleted on another device stays deleted.
//!                 if let Some(old) = self.titles.get_mut(&todo) {
//!                     *old = title;
//!                 }
//!             }
//!             TodoEvent::Removed { todo } => {
//!                 self.titles.remove(&todo);
//!             }
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The same 64 hex digits on every device of the user; `Seed::random` makes a new seed.
//! let seed: Seed = std::env::var("DIP_SEED")?.parse()?;
//! let client = Client::<Todos>::builder(seed).store("todo.redb").host("http://localhost:31337").open().await?;
//! // Durable and applied when `emit` returns, even without a network, and queued for the other devices.
//! let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
//! client.emit(TodoEvent::Renamed { todo: milk, title: "oat milk".into() }).await?;
//! client.read(|todos| println!("{:?}", todos.titles.values()));
//! # Ok(())
//! # }
//! ```
//!
//! The repository's README builds an app step by step, from `cargo new` to its tests.
//!
//! # From event to message
//!
//! Each variant becomes a message with its own type, such as `todo.added`, and its fields as a MessagePack map. The
//! variant's *shape* determines the message's *entity*. Among messages about the same entity, the latest counts, so the
//! shape determines what can overwrite what:
//!
//! | shape | attribute | entity | effect |
//! | --- | --- | --- | --- |
//! | fact | none | a new one; `emit` returns its ID, and [`Meta::entity`] holds it | every event counts |
//! | register | `overwrites = "todo"`, or several fields | derived from the type and the key fields | the latest event per key counts, so a rename on one device and a tick on another both survive |
//! | entity | `entity = "todo"` | the ID in the field | the event replaces the whole entity |
//! | delete | `deletes = "todo"` | the ID in the field | the entity and its registers are deleted |
//! | singleton | `singleton` | derived from the type | there is one value per account |
//!
//! The derive macro [`DiplomaticEvent`](derive@DiplomaticEvent) documents all attributes, including those that read what
//! older builds wrote.
//!
//! # From messages to state
//!
//! All devices sort messages in the same total order: by time of change, a counter and a hash (see [`Position`]). The
//! state is the fold of the live messages in this order, and depends on nothing else: not on when messages arrived, how
//! often the app was restarted, or which host delivered them. Whatever a device emits sorts after everything it has seen,
//! even if its clock is slow. New messages are applied on top of the state, and late ones at their place, starting from a
//! snapshot, or from their entity alone if the reducer promises [independent roots](Reducer::INDEPENDENT_ROOTS).
//! [`Reducer`] documents what the fold relies on, and `testing::check_reducer` tests it.
//!
//! # Sync
//!
//! [`Client`] keeps a queue on disk for each host. It reads new messages, sends queued ones, and then listens for news,
//! independently for each host. If a host cannot be reached, it retries at growing intervals. [`SyncStatus`] can be read
//! or watched, and names a cause and a remedy if something is wrong. A host knows keys, sizes and times of arrival, but
//! no contents, types or relations between messages. It cannot forge or change anything, because every message is signed
//! and checked before it is used.
//!
//! # Guarantees
//!
//! - When `emit` returns, the event is on disk, applied, and queued for every host. If it fails, none of this happened.
//! - No crash loses a message, applies it twice, or drops it from a queue.
//! - Devices with the same messages have the same state.
//! - An event that this build does not know or cannot read is kept and passed on, and does not hold up others.
//! - No bytes from a host, a file or another device make the library panic.
//!
//! # Where to start
//!
//! - [`Client`]: emit, read, wait for changes, history, backups.
//! - [`Device`]: the same without network and async, for tools and simulations.
//! - [`Replay`]: the state at any time, from an export file alone.
//! - [`raw`]: any account of any app, without its types.
//! - `testing` (a feature): tests that a reducer keeps its promises, that devices converge, and that old messages stay
//!   readable.
//! - [`inspect`]: checks of a store, and of what a host has, for tools.
//! - [`sync`]: the sync engine without I/O, for other transports.
//! - [`standard`]: the wire format as pure functions.
//!
//! Guides, in the order in which an app grows: [undo and restore](undo_and_restore), [read models](read_models),
//! [side effects](side_effects), [large states](large_states), [attachments], [how schemas live on](schemas),
//! [what last-write-wins cannot do](last_write_wins), and [front ends in a browser and on phones](rust_front_ends).
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | (none) | the public part of the standard: bytes, calls, statuses, signatures. A host needs no more, and cannot decrypt |
//! | `seal` | seeds, keys, sealing and opening, export files |
//! | `engine` | typed events, reducers, the total order, the sync engine: pure, without clock, threads or I/O |
//! | `replay` | [`Replay`] of export files from any reader, without a store, network or async runtime |
//! | `store` | the log on redb and [`Device`]: no network, no async runtime; it also builds for browsers |
//! | `client` (default) | [`Client`] and its transports |
//! | `web` | [`Client`] in a browser's worker (`wasm32-unknown-unknown`), instead of `client` |
//! | `testing` | tools for an app's tests: scenarios, a checker of reducers, simulated devices, a lock on the schema |
//! | `derive` (default) | `#[derive(DiplomaticEvent)]` |
//! | `jiff` | a [`Timestamp`] converts to and from jiff's |
//! | `words` | a [`Seed`] as 24 words to write down, and its fingerprint of four words to compare devices |

#![cfg_attr(
    not(feature = "_client"),
    allow(dead_code, unused_imports, reason = "a feature needs only a part of what it shares with those above it")
)]

// The derive macro's code names the crate, also in the crate's own tests.
#[cfg(test)]
extern crate self as diplomatic;

#[cfg(feature = "replay")]
mod aggregate;
#[cfg(feature = "engine")]
mod attachment;
#[cfg(feature = "_client")]
mod client;
#[cfg(feature = "store")]
mod device;
#[cfg(feature = "engine")]
pub mod event;
#[cfg(feature = "replay")]
mod fold;
#[cfg(feature = "replay")]
mod following;
#[cfg(feature = "jiff")]
mod jiff_time;
#[cfg(feature = "store")]
mod log;
#[cfg(feature = "engine")]
pub mod order;
#[cfg(feature = "engine")]
mod parallel;
#[cfg(feature = "replay")]
mod projecting;
#[cfg(feature = "engine")]
pub mod raw;
#[cfg(feature = "engine")]
mod reducer;
#[cfg(feature = "replay")]
pub mod replay;
pub mod standard;
#[cfg(feature = "engine")]
pub mod sync;
#[cfg(feature = "replay")]
mod system_error;
#[cfg(feature = "engine")]
mod system_time;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "derive")]
mod typed_id;
// The part without I/O is tested everywhere.
#[cfg(any(test, all(feature = "web", target_family = "wasm")))]
pub mod web;
#[cfg(feature = "replay")]
mod witness;
#[cfg(feature = "words")]
mod words;

#[cfg(feature = "replay")]
pub use aggregate::Aggregate;
#[cfg(feature = "engine")]
pub use attachment::Attachment;
#[cfg(feature = "_client")]
pub use client::{Client, ClientBuilder, HostReport, OpenError, SyncStatus};
#[cfg(feature = "store")]
pub use device::{Batch, Device, DeviceConfig, DeviceLink, DeviceReader, EmitError, TransactError, UndoError};
/// # Examples
///
/// ```
/// use diplomatic::event::{Draft, EncodeEventError, Target};
/// use diplomatic::{DiplomaticEvent, EntityId, Timestamp};
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     // Every event counts and creates a new entity.
///     Added { title: String },
///     // The latest event per `todo` counts.
///     #[diplomatic(overwrites = "todo")]
///     Renamed { todo: EntityId, title: String },
///     // The latest event per list and day counts. All events of a list form a group.
///     #[diplomatic(overwrites("list", "day"), gid = "list")]
///     Planned { list: String, day: u16, hours: f32 },
///     // Replaces a whole entity. `type` keeps the name that the type had before the variant was renamed.
///     #[diplomatic(entity = "id", type = "todo.note")]
///     Annotated { id: EntityId, text: String, #[serde(default)] pinned: bool },
///     #[diplomatic(deletes = "todo")]
///     Removed { todo: EntityId },
///     // One value per account.
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
/// A later build that reads what the first one wrote:
///
/// ```
/// use diplomatic::event::{DecodeEventError, Stored};
/// use diplomatic::{DiplomaticEvent, EntityId, Timestamp};
/// use serde::Deserialize;
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     // A renamed variant. Fields that old payloads lack have a default.
///     #[diplomatic(was = "todo.added")]
///     Created { title: String, #[serde(default)] tags: Vec<String> },
///     // A new form of payload under a new name. A function converts the old one.
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
/// An enum whose parts are other enums, and that deletes entities of two kinds:
///
/// ```
/// use diplomatic::event::EncodeEventError;
/// use diplomatic::{DiplomaticEvent, EntityId, Timestamp, entity_id};
///
/// entity_id!(pub struct NoteId;);
/// entity_id!(pub struct TagId;);
///
/// // A module owns its events, with a prefix and deletes of their own.
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "tag")]
/// enum TagEvent {
///     Added { name: String },
///     #[diplomatic(deletes = "tag")]
///     Removed { tag: TagId },
/// }
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "note")]
/// enum Event {
///     #[diplomatic(entity = "note")]
///     Written { note: NoteId, text: String },
///     #[diplomatic(deletes = "note")]
///     Removed { note: NoteId },
///     #[diplomatic(flatten)]
///     Tag(TagEvent),
/// }
///
/// let names: Vec<_> = Event::TYPES.iter().map(|known| known.name).collect();
/// assert_eq!(names, ["note.written", "note.removed", "tag.added", "tag.removed"]);
/// let added = TagEvent::Added { name: "home".into() };
/// assert_eq!(added.to_draft()?, Event::Tag(added).to_draft()?);
/// // A delete is stored without its type, so it is applied as each of them.
/// assert_eq!(Event::from_delete(&EntityId::new(b"homehome", Timestamp::EPOCH)).len(), 2);
/// # Ok::<_, EncodeEventError>(())
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
#[cfg(feature = "replay")]
pub use projecting::Projection;
#[cfg(feature = "engine")]
pub use reducer::{Meta, Reducer};
#[cfg(feature = "replay")]
#[doc(inline)]
pub use replay::Replay;
#[cfg(feature = "seal")]
#[doc(inline)]
pub use standard::{EntityId, Label, Seed, Timestamp};
#[cfg(feature = "words")]
pub use words::Fingerprint;

/// The history of entities, undo and restore, and messages that could not be applied.
#[cfg(feature = "replay")]
pub mod history {
    #[cfg(feature = "store")]
    pub use crate::device::{Diff, Happened, HistoryEntry, Origin, Restore, RestoreChange, Restored, Undoable, Undone};
    pub use crate::fold::{QuarantineReason, Quarantined, Unread};
}

/// Guide: large states
///
#[doc = include_str!("../docs/large-states.md")]
#[cfg(all(feature = "client", feature = "derive"))]
pub mod large_states {}

/// Guide: attachments
///
#[cfg_attr(all(feature = "client", feature = "derive"), doc = include_str!("../docs/attachments.md"))]
#[cfg(feature = "engine")]
pub mod attachments {
    pub use crate::attachment::AttachmentParseError;
    #[cfg(feature = "store")]
    pub use crate::device::{
        AttachError, AttachmentError, AttachmentPart, KeepAttachments, KeptAttachments, RemovedAttachments, Tended,
    };
}

/// Guide: undo and restore
///
#[doc = include_str!("../docs/undo-and-restore.md")]
#[cfg(all(feature = "client", feature = "derive"))]
pub mod undo_and_restore {}

/// Guide: read models
///
#[doc = include_str!("../docs/read-models.md")]
#[cfg(all(feature = "client", feature = "derive", feature = "testing"))]
pub mod read_models {}

/// Guide: other people's schemas, and your own in ten years
///
#[doc = include_str!("../docs/schemas.md")]
#[cfg(all(feature = "client", feature = "derive", feature = "testing"))]
pub mod schemas {}

/// Guide: what last-write-wins cannot do, and what to do instead
///
#[doc = include_str!("../docs/last-write-wins.md")]
#[cfg(all(feature = "client", feature = "derive", feature = "testing"))]
pub mod last_write_wins {}

/// Guide: side effects
///
#[doc = include_str!("../docs/side-effects.md")]
#[cfg(all(feature = "client", feature = "derive"))]
pub mod side_effects {}

/// Guide: Rust front ends, in a browser and on phones
///
#[doc = include_str!("../docs/rust-front-ends.md")]
#[cfg(all(feature = "client", feature = "derive"))]
pub mod rust_front_ends {}

/// Lists of entities by type, group or parent, page by page.
#[cfg(feature = "store")]
pub mod list {
    pub use crate::device::{Page, PageStart, Query};
}

/// Problems with clocks, as [`Device::ahead`](crate::Device::ahead) and the status of a client report them.
#[cfg(feature = "store")]
pub mod clock {
    #[cfg(feature = "_client")]
    pub use crate::client::ClockTrouble;
    pub use crate::device::Ahead;
}

/// The account's other devices, and what is missing of them.
///
/// Devices tell one another what they have emitted, by messages that apps do not see. So a device knows when a host
/// withholds something, whatever the host says.
#[cfg(feature = "store")]
pub mod peers {
    pub use crate::device::{Fork, Peer, Peers};
    pub use crate::witness::DeviceId;
}

/// Handles that notify of changes to the state and to the sync status.
#[cfg(feature = "_client")]
pub mod changes {
    pub use crate::client::{Changes, StatusChanges};
}

/// Projections: rows elsewhere that follow a log.
#[cfg(feature = "replay")]
pub mod projection {
    #[cfg(feature = "_client")]
    pub use crate::client::Projector;
    pub use crate::projecting::{Mark, Page};
    pub use crate::replay::Progress;
}

/// A client for code that is not async.
#[cfg(feature = "client")]
pub mod blocking {
    pub use crate::client::BlockingClient as Client;
}

/// Feeds: which entities changed, and what arrived.
#[cfg(feature = "store")]
pub mod feed {
    #[cfg(feature = "_client")]
    pub use crate::client::Feed;
    pub use crate::device::{Arrived, FeedPage};
    pub use crate::following::FeedCursor;
}

/// How a browser keeps the log.
#[cfg(feature = "_client")]
pub mod storage {
    pub use crate::client::Storage;
}

/// Results of writing and merging export files.
#[cfg(feature = "store")]
pub mod backup {
    pub use crate::device::{Exported, ImportReport};
    pub use crate::replay::Progress;
}

/// HTTP clients that an app brings along.
#[cfg(feature = "client")]
pub mod http {
    pub use crate::client::{HttpClient, HttpRequest, HttpResponse};
}

/// Settings and results of compaction, which drops overwritten and deleted messages.
#[cfg(feature = "store")]
pub mod compact {
    pub use crate::device::{Compacted, Keep};
}

/// Checks of a store, and of what a host has. This is for tools; apps rarely need it.
#[cfg(feature = "store")]
pub mod inspect {
    #[cfg(feature = "client")]
    pub use crate::client::{Damage, DamagedBag, Gap, HostAccount, HostAudit, HostInspector, InspectError};
    pub use crate::device::{HostProgress, Missing, MissingReason};
    pub use crate::log::{StoreProblem, StoreProblemKind, StoreReport};
}

/// Errors: one enum per operation.
///
/// The most common ones are also at the crate root.
#[cfg(feature = "engine")]
pub mod error {
    #[cfg(feature = "_client")]
    pub use crate::client::{AddressError, NetworkConfigError, OpenError};
    #[cfg(feature = "client")]
    pub use crate::client::{SeedFileError, TlsError};
    #[cfg(feature = "store")]
    pub use crate::device::{
        EmitError, ExportFileError, HistoryError, ImportError, RestoreError, TransactError, UndoError,
    };
    pub use crate::event::{DecodeEventError, EncodeEventError, PayloadFault};
    #[cfg(feature = "replay")]
    pub use crate::fold::ReducerPanic;
    #[cfg(feature = "replay")]
    pub use crate::following::FeedCursorParseError;
    #[cfg(feature = "store")]
    pub use crate::log::{LogError, OpenLogError, StorageError};
    #[cfg(feature = "replay")]
    pub use crate::projecting::{MarkParseError, ProjectError};
    #[cfg(feature = "replay")]
    pub use crate::replay::ReplayError;
    #[cfg(feature = "words")]
    pub use crate::words::WordsError;
}

/// Used by the code of the derive macro; not for other use.
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod __private;
