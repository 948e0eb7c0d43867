//! What it takes to open a client.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use tokio::task::JoinSet;

use super::address::{Address, AddressError};
use super::driver::Driver;
use super::http::HttpClient;
use super::shared::{Shared, WallClock};
use super::tls::TlsError;
use super::{Client, tls};
use crate::device::{Device, DeviceConfig};
use crate::log::{Backing, LogError, OpenLogError};
use crate::reducer::Reducer;
use crate::standard::{HostKeys, Label, Seed, Timestamp};
use crate::sync::{Session, SessionConfig};

/// Describes a client before it is opened.
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
///     // A second host, under another name: what one does not have, the other has.
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
    clock: WallClock,
    reducer: PhantomData<fn() -> R>,
}

/// Why a client cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nobody said where the events are kept.
    #[error("a client needs a place for its events: name a file by `store`, or say `in_memory`")]
    NoStore,
    /// Two hosts have one label.
    #[error("two hosts have the label {label}: a label names one host, so give each its own by `host_as`")]
    SameLabel {
        /// The label.
        label: Label,
    },
    /// An address that cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The log cannot be opened.
    #[error(transparent)]
    OpenLog(#[from] OpenLogError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Encrypted connections cannot be set up on this machine.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl<R: Reducer> ClientBuilder<R> {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            backing: None,
            hosts: Vec::new(),
            device: DeviceConfig::default(),
            session: SessionConfig::default(),
            clock: Arc::new(system_time),
            reducer: PhantomData,
        }
    }

    /// Keeps the events in a file, which is made if it is not there. Its folder has to exist.
    #[must_use]
    pub fn store(mut self, path: impl Into<PathBuf>) -> Self {
        self.backing = Some(Backing::file(path));
        self
    }

    /// Keeps the events in memory, for tests and throw-away tools: they are gone with the client, unless a host has
    /// them.
    #[must_use]
    pub fn in_memory(self) -> Self {
        self.backing(Backing::memory())
    }

    /// Keeps the events where `backing` says.
    #[must_use]
    pub fn backing(mut self, backing: Backing) -> Self {
        self.backing = Some(backing);
        self
    }

    /// Syncs with the host at `address`, under the label that the standard's tools use, `host`.
    #[must_use]
    pub fn host(self, address: impl Into<String>) -> Self {
        self.host_as(Label::default(), address)
    }

    /// Syncs with the host at `address`, under a label of the user's choice. The label fixes the keys: every device
    /// must use the same for the same host.
    #[must_use]
    pub fn host_as(mut self, label: Label, address: impl Into<String>) -> Self {
        self.hosts.push((label, address.into()));
        self
    }

    /// Sets how the log is kept.
    #[must_use]
    pub const fn device_config(mut self, config: DeviceConfig) -> Self {
        self.device = config;
        self
    }

    /// Sets how sync paces itself.
    #[must_use]
    pub fn session_config(mut self, config: SessionConfig) -> Self {
        self.session = config;
        self
    }

    /// Takes the time from `clock` and not from the system, for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the client and starts sync.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. That no host can be reached is none.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and I/O.
    pub async fn open(self) -> Result<Client<R>, OpenError> {
        let Self { seed, backing, hosts, device: config, session, clock, reducer: _ } = self;
        let backing = backing.ok_or(OpenError::NoStore)?;
        let hosts = check_hosts(hosts)?;
        let labels: Vec<Label> = hosts.iter().map(|(label, _)| label.clone()).collect();
        let device_seed = seed.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let mut device = Device::<R>::open_with(backing, &device_seed, rand::make_rng::<StdRng>(), config)?;
            let links = labels.iter().map(|label| device.link_host(label)).collect::<Result<Vec<u32>, _>>()?;
            Ok::<_, OpenError>((device, links))
        });
        let (device, links) = match opening.await {
            Ok(opened) => opened?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };

        let tls = tls::config(hosts.iter().any(|(_, address)| address.is_https()))?;
        let http = HttpClient::new(tls.clone())?;
        let shared = Arc::new(Shared::new(device, clock, &hosts, &links));
        let mut drivers = JoinSet::new();
        for (index, ((label, address), link)) in hosts.into_iter().zip(links).enumerate() {
            let random_seed: [u8; 32] = rand::random();
            let session = Session::new(HostKeys::derive(&seed, &label), session.clone(), &random_seed);
            let driver = Driver::new(index, link, address, session, shared.clone(), http.clone(), tls.clone());
            drivers.spawn(driver.run());
        }
        Ok(Client { seed, shared, drivers })
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

pub(super) fn system_time() -> Timestamp {
    // A clock before 1970 counts as 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus(since)
}

impl<R> fmt::Debug for ClientBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed: _, backing, hosts, device, session, clock: _, reducer: _ } = self;
        f.debug_struct("ClientBuilder")
            .field("backing", backing)
            .field("hosts", hosts)
            .field("device", device)
            .field("session", session)
            .finish_non_exhaustive()
    }
}
