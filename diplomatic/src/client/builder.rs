//! Opening a client.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;

use super::address::{Address, AddressError, without_credentials};
use super::driver::Driver;
#[cfg(feature = "client")]
use super::network::TlsError;
use super::network::{Network, NetworkConfig, NetworkConfigError, TRANSPORT};
use super::shared::Shared;
use super::tasks::{Tasks, blocking, can_spawn};
use super::wall_clock::WallClock;
use super::{Client, tending, wake};
#[cfg(target_family = "wasm")]
use super::{crash_notes, online, private_file};
use crate::device::{Device, DeviceConfig, KeepAttachments};
use crate::log::{Backing, LogError, OpenLogError};
use crate::reducer::Reducer;
use crate::standard::{HostKeys, Label, Seed, Timestamp};
use crate::sync::{Session, SessionConfig};
use crate::system_error::io_is_retryable;

/// Configures and opens a [`Client`].
///
/// ```no_run
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Client, Seed};
/// use diplomatic::Label;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::<Todos>::builder("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".parse()?)
///     .store("todo.redb")
///     .host("http://localhost:31337")
///     // A second host, under another label: everything is stored at both.
///     .host_as(Label::new("home"), "https://host.example.org")
///     .open()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct ClientBuilder<R> {
    seed: Seed,
    backing: Option<Backing>,
    hosts: Vec<(Label, String)>,
    device: DeviceConfig,
    session: SessionConfig,
    pub(super) network: NetworkConfig,
    clock: WallClock,
    reducer: PhantomData<fn() -> R>,
}

/// Why a client could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No place was given for the events.
    #[error("a client needs a place for its events: call `store` with a file, or `in_memory`")]
    NoStore,
    /// There is no tokio runtime.
    #[error(
        "a client needs a tokio runtime: call `open` from async code in one, such as `#[tokio::main]`, or use \
         `diplomatic::blocking::Client`"
    )]
    NoRuntime,
    /// The runtime of a [blocking client](crate::blocking::Client) could not be started.
    #[error("the runtime of the client cannot be started")]
    Runtime(#[source] std::io::Error),
    /// Two hosts have the same label.
    #[error("two hosts have the label {label}: give each host its own label with `host_as`")]
    SameLabel {
        /// The label.
        label: Label,
    },
    /// A host's address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The log cannot be opened.
    #[error(transparent)]
    OpenLog(#[from] OpenLogError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A setting of the network cannot be used.
    #[error(transparent)]
    Network(#[from] NetworkConfigError),
    /// Encrypted connections cannot be set up on this machine.
    #[cfg(feature = "client")]
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl OpenError {
    /// Returns whether opening may work later as it is: once another process has closed the file, or the disk works or has
    /// room again. Otherwise something has to be changed, as the error says.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::OpenLog(error) => error.is_retryable(),
            Self::Log(error) => error.is_retryable(),
            Self::Runtime(error) => io_is_retryable(error),
            Self::NoStore | Self::NoRuntime | Self::SameLabel { .. } | Self::Address(_) | Self::Network(_) => false,
            #[cfg(feature = "client")]
            Self::Tls(_) => false,
        }
    }
}

impl<R: Reducer> ClientBuilder<R> {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            backing: None,
            hosts: Vec::new(),
            device: DeviceConfig::default(),
            session: SessionConfig::default(),
            network: NetworkConfig::default(),
            clock: Arc::new(Timestamp::now),
            reducer: PhantomData,
        }
    }

    /// Keeps the events in a file, which is created if it does not exist. Its folder must exist.
    ///
    /// In a browser, it is a private file of the page's origin, and `path` is its name, without slashes. Where the browser
    /// offers no private files, the events are kept in memory, and [`SyncStatus::storage`](super::SyncStatus::storage) says so.
    #[must_use]
    pub fn store(mut self, path: impl Into<PathBuf>) -> Self {
        self.backing = Some(Backing::file(path));
        self
    }

    /// Keeps the events in memory, for tests and throwaway tools. They are lost when the client is dropped, unless a
    /// host has them.
    #[must_use]
    pub fn in_memory(self) -> Self {
        self.backing(Backing::memory())
    }

    /// Keeps the events in `backing`.
    #[must_use]
    pub fn backing(mut self, backing: Backing) -> Self {
        self.backing = Some(backing);
        self
    }

    /// Syncs with the host at `address`, under the label `host`, which the standard's tools use.
    #[must_use]
    pub fn host(self, address: impl Into<String>) -> Self {
        self.host_as(Label::default(), address)
    }

    /// Syncs with the host at `address`, under a label of the user's choice. The keys depend on the label, so every
    /// device must use the same label for the same host.
    #[must_use]
    pub fn host_as(mut self, label: Label, address: impl Into<String>) -> Self {
        self.hosts.push((label, address.into()));
        self
    }

    /// Sets the options of the log.
    #[must_use]
    pub fn device_config(mut self, config: DeviceConfig) -> Self {
        self.device = config;
        self
    }

    /// Sets the timing and limits of sync.
    #[must_use]
    pub fn session_config(mut self, config: SessionConfig) -> Self {
        self.session = config;
        self
    }

    /// Sends a header with every call and with the upgrade to the live channel, such as for a gateway in front of the hosts.
    /// Call it again for another header. It is checked when the client is opened; its value is kept out of logs.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = Client::<Todos>::builder(Seed::random()).in_memory().host("http://localhost:9");
    /// let client = builder.header("x-api-key", "secret").no_proxy().open().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.network.headers.insert(name.into(), value.into());
        self
    }

    /// Switches off that this device tells the others what it has emitted (see [`peers`](crate::peers)), or sets after how
    /// long a pause it does. By default it does after five seconds.
    #[must_use]
    pub const fn witness_after(mut self, quiet: Option<Duration>) -> Self {
        self.device.witness_after = quiet;
        self
    }

    /// Sets which attachments of other devices are fetched before anybody opens them, and how many bytes of them stay on this
    /// device. By default none are fetched, if there is one host, and there is no limit.
    #[must_use]
    pub const fn keep_attachments(mut self, keep: KeepAttachments) -> Self {
        self.device.attachments = keep;
        self
    }

    /// Switches off that attachments to which no live event refers are removed, or sets for how long none must have referred
    /// to them. By default it is 30 days (see [`attachments`](crate::attachments)).
    #[must_use]
    pub const fn remove_attachments_after(mut self, grace: Option<Duration>) -> Self {
        self.device.remove_attachments_after = grace;
        self
    }

    /// Names this device for the user's other devices, such as "Anna's phone". They learn the name with what this device
    /// has emitted, and show it in [`Peer::name`](crate::peers::Peer::name). Hosts cannot read it.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::<Todos>::builder(Seed::random()).in_memory().device_name("Anna's phone").open().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device.name = Some(name.into());
        self
    }

    /// Takes the time from `clock` instead of the system, for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the client and starts sync.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. An unreachable host is not an error.
    ///
    /// # Panics
    ///
    /// Panics in a tokio runtime without time and I/O.
    pub async fn open(self) -> Result<Client<R>, OpenError> {
        if !can_spawn() {
            return Err(OpenError::NoRuntime);
        }
        let Self { seed, backing, hosts, device: config, mut session, network, clock, reducer: _ } = self;
        session.transport = TRANSPORT;
        let backing = backing.ok_or(OpenError::NoStore)?;
        let hosts = check_hosts(hosts)?;
        let settings = network.check()?;
        #[cfg(target_family = "wasm")]
        let (backing, storage) = {
            let path = backing.path().to_owned();
            let (backing, storage) = private_file::settle(backing).await?;
            if storage.as_ref().is_some_and(|storage| !storage.is_memory()) {
                crash_notes::heed(&path).await;
            }
            (backing, storage)
        };
        let labels: Vec<Label> = hosts.iter().map(|(label, _)| label.clone()).collect();
        let device_seed = seed.clone();
        let opening = blocking(move || {
            let mut device = Device::<R>::open_with(backing, &device_seed, rand::make_rng::<StdRng>(), config)?;
            let links = labels.iter().map(|label| device.link_host(label)).collect::<Result<Vec<u32>, _>>()?;
            Ok::<_, OpenError>((device, links))
        });
        let (device, links) = opening.await??;

        let networks = hosts
            .iter()
            .map(|(_, address)| Network::new(address.clone(), &settings, clock.clone(), session.request_timeout));
        let networks = networks.collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared::new(device, clock, &hosts, &links));
        let mut drivers = Tasks::default();
        drivers.spawn(shared.clone().watch_clock());
        drivers.spawn(wake::watch(shared.clone()));
        drivers.spawn(tending::tend(shared.clone()));
        drivers.spawn(tending::make_room(shared.clone()));
        #[cfg(target_family = "wasm")]
        drivers.spawn(online::watch(shared.clone()));
        #[cfg(target_family = "wasm")]
        if let Some(storage) = storage {
            if !storage.is_memory() {
                drivers.spawn(private_file::watch(shared.clone()));
            }
            shared.publish_storage(storage);
        }
        for (index, (((label, _), network), link)) in hosts.into_iter().zip(networks).zip(links).enumerate() {
            let random_seed: [u8; 32] = rand::random();
            let session = Session::new(HostKeys::derive(&seed, &label), session.clone(), &random_seed);
            let driver = Driver::new(index, link, session, shared.clone(), network);
            drivers.spawn(driver.run());
        }
        Ok(Client { seed, shared, drivers: Arc::new(Mutex::new(drivers)) })
    }
}

fn check_hosts(hosts: Vec<(Label, String)>) -> Result<Vec<(Label, Address)>, OpenError> {
    let mut checked: Vec<(Label, Address)> = Vec::with_capacity(hosts.len());
    for (label, address) in hosts {
        if checked.iter().any(|(other, _)| *other == label) {
            return Err(OpenError::SameLabel { label });
        }
        checked.push((label, Address::parse(&address)?));
    }
    Ok(checked)
}

impl<R> fmt::Debug for ClientBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed: _, backing, hosts, device, session, network, clock: _, reducer: _ } = self;
        let hosts: Vec<_> = hosts.iter().map(|(label, address)| (label, without_credentials(address))).collect();
        f.debug_struct("ClientBuilder")
            .field("backing", backing)
            .field("hosts", &hosts)
            .field("device", device)
            .field("session", session)
            .field("network", network)
            .finish_non_exhaustive()
    }
}
