//! A device with its network: the type that apps use.

mod address;
mod attach;
#[cfg(feature = "client")]
mod blocking;
mod builder;
mod changes;
mod clock;
mod closed;
#[cfg(target_family = "wasm")]
mod crash_notes;
mod driver;
mod feed;
mod files;
#[cfg(feature = "client")]
mod inspect;
mod load;
mod network;
#[cfg(feature = "client")]
mod network_options;
#[cfg(target_family = "wasm")]
mod online;
mod past;
#[cfg(target_family = "wasm")]
mod private_file;
mod projector;
mod random;
#[cfg(feature = "client")]
mod seed_file;
mod shared;
mod status;
mod storage;
mod tasks;
mod tending;
mod waiting;
mod wake;
mod wall_clock;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use address::AddressError;
#[cfg(feature = "client")]
pub use blocking::Client as BlockingClient;
pub use builder::{ClientBuilder, OpenError};
pub use changes::{Changes, StatusChanges};
pub use clock::ClockTrouble;
pub use feed::Feed;
#[cfg(feature = "client")]
pub use inspect::{Damage, DamagedBag, Gap, HostAccount, HostAudit, HostInspector, InspectError};
pub use network::NetworkConfigError;
#[cfg(feature = "client")]
pub use network::{HttpClient, HttpRequest, HttpResponse, TlsError};
pub use projector::Projector;
#[cfg(feature = "client")]
pub use seed_file::SeedFileError;
use shared::Shared;
pub use status::{HostReport, SyncStatus};
pub use storage::Storage;
use tasks::Tasks;

use crate::device::EmitError;
use crate::fold::Unread;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::{EntityId, Label, Seed};

/// An app's events and state on this device, in sync with the user's other devices.
///
/// A client is a handle: clone it wherever it is needed. [`close`](Self::close) works through any clone. When the last
/// one is dropped instead, sync stops, and the log is closed as soon as nothing works with it any more, which may be a
/// moment later; nothing acknowledged is lost either way. [Feeds](crate::feed), [changes](crate::changes) and status
/// handles end with the client, and keep nothing open.
///
/// Events are durable when [`emit`](Self::emit) returns, whether or not a host can be reached. While the client is
/// open, it syncs in the background, with each host independently.
///
/// ```
/// use diplomatic::standard::Seed;
/// use diplomatic::{Client, DiplomaticEvent, Meta, Reducer};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(DiplomaticEvent)]
/// enum Drink {
///     Drunk { cups: u32 },
/// }
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Day {
///     cups: u32,
/// }
///
/// impl Reducer for Day {
///     type Event = Drink;
///
///     fn apply(&mut self, event: Drink, _: &Meta) {
///         let Drink::Drunk { cups } = event;
///         self.cups += cups;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let seed: Seed = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".parse()?;
/// // An app calls `.store("day.redb")` and `.host("https://host.example.org")`.
/// let client = Client::<Day>::builder(seed).in_memory().open().await?;
/// client.emit(Drink::Drunk { cups: 2 }).await?;
/// assert_eq!(client.read(|day| day.cups), 2);
/// client.close().await;
/// # Ok(())
/// # }
/// ```
pub struct Client<R: Reducer> {
    /// Needed for export files; the device does not keep it.
    seed: Seed,
    shared: Arc<Shared<R>>,
    /// Sync with the hosts, which stops when this is dropped.
    drivers: Arc<Mutex<Tasks>>,
}

impl<R: Reducer> Client<R> {
    /// Configures a client for the account of this seed.
    pub fn builder(seed: Seed) -> ClientBuilder<R> {
        ClientBuilder::new(seed)
    }

    /// Calls `look` with the current state. Changes wait until it returns, so it should be quick. Nested calls are
    /// allowed.
    ///
    /// It waits neither for the disk nor for a long batch of events, so a user interface can call it at any time:
    /// [large states](crate::large_states) says what it waits for, and what it shows while events come.
    ///
    /// # Panics
    ///
    /// Panics if it is called while an event is being applied to the state, for example by a reducer. Calls inside
    /// `look` that would deadlock, such as an [`emit`](Self::emit), panic, too.
    pub fn read<T>(&self, look: impl FnOnce(&R) -> T) -> T {
        self.shared.read(look)
    }

    /// Writes one event. When this returns, it is durable, visible to [`read`](Self::read), and queued for every host.
    ///
    /// Returns the ID of the event's entity, which is new for a fact.
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the first poll, the event may or may not have been written.
    pub async fn emit(&self, event: R::Event) -> Result<EntityId, EmitError> {
        let entities = self.emit_all(vec![event]).await?;
        Ok(entities.into_iter().next().expect("every event is about one entity"))
    }

    /// Writes events in order, in one transaction: either all of them or none.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let added = ["milk", "bread"].map(|title| TodoEvent::Added { title: title.into() });
    /// let todos = client.emit_all(added.to_vec()).await?;
    /// assert_eq!(todos.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    ///
    /// # Cancel safety
    ///
    /// As for [`emit`](Self::emit).
    pub async fn emit_all(&self, events: Vec<R::Event>) -> Result<Vec<EntityId>, EmitError> {
        self.shared.write(move |device, now| device.emit_all(now, &events)).await
    }

    /// Returns a handle that notifies of changes to the state.
    pub fn changes(&self) -> Changes {
        self.shared.changes()
    }

    /// Waits until `is` returns true for the state. Checks the current state first.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`] if the client is closed first.
    pub async fn wait_until(&self, is: impl Fn(&R) -> bool) -> Result<(), LogError> {
        let mut changes = self.changes();
        while !self.read(&is) {
            changes.next().await.ok_or(LogError::Closed)?;
        }
        Ok(())
    }

    /// Returns the sync status of every host.
    pub fn status(&self) -> SyncStatus {
        self.shared.status()
    }

    /// Returns a handle that notifies of changes to the sync status.
    pub fn status_changes(&self) -> StatusChanges {
        self.shared.status_changes()
    }

    /// Waits until this store has read everything at every host at least once. Returns at once if it has done so
    /// before, or if there are no hosts; waits as long as a host cannot be reached.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`] if the client is closed first.
    pub async fn first_sync(&self) -> Result<(), LogError> {
        self.status_changes().until(|status| status.hosts().iter().all(HostReport::is_first_synced)).await.map(|_| ())
    }

    /// Syncs with every host now, and returns once each host is up to date or turned out to be unusable. What one host
    /// brings has then been sent to the others.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`] if the client is closed first.
    pub async fn sync(&self) -> Result<SyncStatus, LogError> {
        let request = self.shared.ask_for_sync();
        let mut changes = self.status_changes();
        let status = changes.until(|status| status.hosts().iter().all(|host| host.has_answered(request))).await?;
        // Each host has been read now. What it brought was told to the others, which may not have sent it yet.
        let told: Vec<_> = status.hosts().iter().map(|host| (host.label.clone(), host.told())).collect();
        changes
            .until(|status| {
                let has_relayed = |host: &HostReport| {
                    told.iter().all(|(label, told)| *label != host.label || host.has_relayed(*told))
                };
                status.hosts().iter().all(has_relayed)
            })
            .await
    }

    /// Stops sync, for a switch in the user interface: aborts requests, and sends and fetches nothing until
    /// [`go_online`](Self::go_online). Events can still be emitted; they wait in the queues.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let builder = Client::<Todos>::builder(Seed::random()).in_memory();
    /// # let client = builder.host("http://localhost:9").open().await?;
    /// client.go_offline();
    /// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// client.status_changes().until(|status| status.pending() == 1).await?;
    /// client.go_online();
    /// # Ok(())
    /// # }
    /// ```
    pub fn go_offline(&self) {
        self.shared.go_offline();
    }

    /// Resumes sync after [`go_offline`](Self::go_offline).
    pub fn go_online(&self) {
        self.shared.go_online();
    }

    /// Returns whether [`go_offline`](Self::go_offline) stopped sync. (The [status](Self::status) says whether hosts can
    /// be reached.)
    pub fn is_offline(&self) -> bool {
        self.shared.is_offline()
    }

    /// Unlinks a host for good: sync with it ends, and its queue, how far it was read and its skipped bags are
    /// forgotten. Messages that waited only for it no longer stop compaction from dropping them. Messages from there
    /// stay. Returns whether it was linked.
    ///
    /// What the host did not get yet is not lost: this device has it. A host that is linked again gets everything.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Label, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let builder = Client::<Todos>::builder(Seed::random()).in_memory();
    /// let client = builder.host("http://localhost:9").open().await?;
    /// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// assert!(client.unlink_host(&Label::default()).await?);
    /// assert_eq!(client.status().pending(), 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn unlink_host(&self, label: &Label) -> Result<bool, LogError> {
        self.shared.unlink(label);
        let label = label.clone();
        self.shared.with_device(move |device| device.unlink_host(&label)).await?
    }

    /// Returns the messages that this build cannot apply.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`].
    pub async fn unread(&self) -> Result<Unread, LogError> {
        self.shared.with_device(|device| device.unread().clone()).await
    }

    /// Stops sync and closes the log, for all clones: what they are asked for from now on fails with
    /// [`LogError::Closed`], except [`read`](Self::read), which shows the last state. Events that have not been pushed
    /// stay queued for the next client on this store, which can be opened when this returns.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let mut changes = client.changes();
    /// client.clone().close().await;
    /// assert!(changes.next().await.is_none());
    /// assert!(client.emit(TodoEvent::Added { title: "milk".into() }).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) {
        let mut drivers = std::mem::take(&mut *self.drivers.lock().unwrap_or_else(PoisonError::into_inner));
        drivers.shutdown().await;
        self.shared.close().await;
        #[cfg(target_family = "wasm")]
        crash_notes::close();
    }
}

// A state need not be `Clone` for its client to be.
impl<R: Reducer> Clone for Client<R> {
    fn clone(&self) -> Self {
        let Self { seed, shared, drivers } = self;
        Self { seed: seed.clone(), shared: shared.clone(), drivers: drivers.clone() }
    }
}

impl<R: Reducer> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("shared", &self.shared).finish_non_exhaustive()
    }
}
