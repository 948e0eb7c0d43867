//! A device with its network: what an app holds.

mod address;
mod builder;
mod changes;
mod driver;
mod files;
mod http;
mod inspect;
mod live;
mod past;
mod seed;
mod seed_file;
mod shared;
mod status;
mod tls;

use std::sync::Arc;

pub use address::AddressError;
pub use builder::{ClientBuilder, OpenError};
pub use changes::{Changes, StatusChanges};
pub use inspect::{DamagedBag, HostAccount, HostAudit, HostInspector, InspectError};
pub use seed_file::SeedFileError;
use shared::Shared;
pub use status::{HostReport, SyncStatus};
pub use tls::TlsError;
use tokio::task::JoinSet;

use crate::device::EmitError;
use crate::fold::Unread;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::{EntityId, Seed};

/// An app's events and state on this device, in sync with the user's other devices.
///
/// Events are durable when [`emit`](Self::emit) returns, whether or not a host can be reached. Sync goes on by itself
/// while the client is open, for each host on its own.
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
///     fn apply(&mut self, event: &Drink, _: &Meta) {
///         let Drink::Drunk { cups } = event;
///         self.cups += cups;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let seed: Seed = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".parse()?;
/// // An app names a file by `.store("day.redb")`, and hosts by `.host("https://host.example.org")`.
/// let client = Client::<Day>::builder(seed).in_memory().open().await?;
/// client.emit(Drink::Drunk { cups: 2 }).await?;
/// assert_eq!(client.read(|day| day.cups), 2);
/// client.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client<R: Reducer> {
    /// For export files; the device does not keep it.
    seed: Seed,
    shared: Arc<Shared<R>>,
    drivers: JoinSet<()>,
}

impl<R: Reducer> Client<R> {
    /// Starts to describe a client for the account of this seed.
    pub fn builder(seed: Seed) -> ClientBuilder<R> {
        ClientBuilder::new(seed)
    }

    /// Shows the state to `look`. It holds up changes meanwhile, so `look` should be quick.
    pub fn read<T>(&self, look: impl FnOnce(&R) -> T) -> T {
        self.shared.read(look)
    }

    /// Writes one event: when this returns, it is durable, visible to [`read`](Self::read), and queued for every host.
    ///
    /// Returns the entity that the event is about; for a fact it is new.
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after it was polled, the event may or may not have been written.
    pub async fn emit(&self, event: R::Event) -> Result<EntityId, EmitError> {
        let entities = self.emit_all(vec![event]).await?;
        Ok(entities.into_iter().next().expect("every event is about one entity"))
    }

    /// Writes events in their order, all or none, in one transaction.
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
        let now = self.shared.now();
        let entities = self.shared.with_device(move |device| device.emit_all(now, &events)).await??;
        self.shared.something_is_pending(None);
        Ok(entities)
    }

    /// Returns a handle that tells when the state changes.
    pub fn changes(&self) -> Changes {
        self.shared.changes()
    }

    /// Waits until the state is as `is` wants it; returns at once if it is already.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`], when the client is closed before.
    pub async fn wait_until(&self, is: impl Fn(&R) -> bool) -> Result<(), LogError> {
        let mut changes = self.changes();
        while !self.read(&is) {
            changes.next().await.ok_or(LogError::Closed)?;
        }
        Ok(())
    }

    /// Returns how it goes with every host.
    pub fn status(&self) -> SyncStatus {
        self.shared.status()
    }

    /// Returns a handle that tells when the status changes.
    pub fn status_changes(&self) -> StatusChanges {
        self.shared.status_changes()
    }

    /// Waits until every host was read to its end once, be it before this client was opened. Without hosts it
    /// returns at once; while a host cannot be reached, it waits.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`], when the client is closed before.
    pub async fn first_sync(&self) -> Result<(), LogError> {
        self.status_changes().until(|status| status.hosts().iter().all(HostReport::is_first_synced)).await.map(|_| ())
    }

    /// Syncs now with every host that can be reached, and returns when each has everything, or cannot be used.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`], when the client is closed before.
    pub async fn sync(&self) -> Result<SyncStatus, LogError> {
        let request = self.shared.ask_for_sync();
        self.status_changes().until(|status| status.hosts().iter().all(|host| host.has_answered(request))).await
    }

    /// Stops sync, for a switch that the user can turn: what is on its way is broken off, and nothing is sent or fetched
    /// until [`go_online`](Self::go_online). Emitting goes on as ever, and what is emitted waits.
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

    /// Goes on with sync after [`go_offline`](Self::go_offline), at once.
    pub fn go_online(&self) {
        self.shared.go_online();
    }

    /// Tells whether sync was stopped by [`go_offline`](Self::go_offline). (That no host can be reached shows in the
    /// [status](Self::status).)
    pub fn is_offline(&self) -> bool {
        self.shared.is_offline()
    }

    /// Returns what counts but is no event of this build.
    ///
    /// # Errors
    ///
    /// [`LogError::Closed`].
    pub async fn unread(&self) -> Result<Unread, LogError> {
        self.shared.with_device(|device| device.unread().clone()).await
    }

    /// Ends sync and closes the log. What was emitted and not pushed yet is pushed by the next client on the store.
    pub async fn close(mut self) {
        self.drivers.shutdown().await;
        self.shared.close().await;
    }
}
