//! This device: its store and its hosts.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use diplomatic::attachments::KeepAttachments;
use diplomatic::raw::Raw;
use diplomatic::sync::{Phase, SessionConfig, SyncProgress};
use diplomatic::{Backing, Client, Device, DeviceConfig, DeviceReader, HostReport, OpenLogError, Seed, SyncStatus};
use rand::rngs::StdRng;

use crate::account::{self, Directory};
use crate::check::{PATIENCE, check_account};
use crate::failure::Failure;
use crate::hosts::{self, Host, Hosts};
use crate::output::Output;
use crate::peers;
use crate::progress::Meter;
use crate::shown::Shown;

/// Where this device keeps its data, and how it prints.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) data: Option<PathBuf>,
    pub(crate) store: Option<PathBuf>,
    /// How long to wait for another program that has the store open.
    pub(crate) wait: Duration,
    pub(crate) output: Output,
    /// Which attachments are fetched.
    pub(crate) keep: KeepAttachments,
}

/// A store that is open for looking: as a writer would, if nobody else does, or for reading alone.
pub(crate) enum Open {
    Alone(Device<Raw>),
    Beside(DeviceReader<Raw>),
}

impl Deref for Open {
    type Target = Device<Raw>;

    fn deref(&self) -> &Device<Raw> {
        match self {
            Self::Alone(device) => device,
            Self::Beside(reader) => reader,
        }
    }
}

impl Place {
    pub(crate) fn directory(&self) -> Result<Directory, Failure> {
        Ok(Directory::find(self.data.as_deref())?)
    }

    /// Finds the seed. It may ask for the passphrase.
    pub(crate) fn seed(&self) -> Result<Seed, Failure> {
        Ok(account::find(&self.directory()?)?)
    }

    /// Returns the path of the store.
    pub(crate) fn store(&self) -> Result<PathBuf, Failure> {
        match &self.store {
            Some(store) => Ok(store.clone()),
            None => Ok(self.directory()?.store()),
        }
    }

    /// Returns the hosts to sync with.
    pub(crate) fn hosts(&self) -> Result<Vec<Host>, Failure> {
        match hosts::given()? {
            Some(host) => Ok(vec![host]),
            None => Ok(Hosts::read(&self.directory()?)?.hosts),
        }
    }

    /// Opens the existing store for changes, without the network.
    pub(crate) fn open(&self, seed: &Seed) -> Result<Device<Raw>, Failure> {
        let path = self.existing_store()?;
        Ok(Device::open_with(Backing::file(path), seed, rand::make_rng::<StdRng>(), self.config())?)
    }

    /// Opens the existing store for reading, which other programs do not prevent.
    pub(crate) fn open_reader(&self, seed: &Seed) -> Result<DeviceReader<Raw>, Failure> {
        let path = self.existing_store()?;
        Ok(DeviceReader::open_with(Backing::file(path), seed, rand::make_rng::<StdRng>(), self.config())?)
    }

    /// Opens the existing store so that as much as possible of it can be checked.
    pub(crate) fn open_for_check(&self, seed: &Seed) -> Result<Open, Failure> {
        let path = self.existing_store()?;
        let mut config = self.config();
        config.lock_wait = Duration::ZERO;
        match Device::open_with(Backing::file(path), seed, rand::make_rng::<StdRng>(), config) {
            Ok(device) => Ok(Open::Alone(device)),
            Err(OpenLogError::InUse { .. } | OpenLogError::Io { .. }) => Ok(Open::Beside(self.open_reader(seed)?)),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the store, or creates it if needed.
    pub(crate) fn open_or_make(&self, seed: &Seed) -> Result<Device<Raw>, Failure> {
        let backing = Backing::file(self.future_store()?);
        Ok(Device::open_with(backing, seed, rand::make_rng::<StdRng>(), self.config())?)
    }

    fn config(&self) -> DeviceConfig {
        let mut config = DeviceConfig::default();
        config.lock_wait = self.wait;
        config.attachments = self.keep;
        // What an app's build cannot read of its own events, only the app knows.
        config.remove_attachments_after = None;
        match std::env::var("DIP_WITNESSES").as_deref() {
            Ok("off") => config.witness_after = None,
            Ok(seconds) => {
                config.witness_after = seconds.parse().map(Duration::from_secs).ok().or(config.witness_after);
            }
            Err(_) => {}
        }
        config
    }

    fn existing_store(&self) -> Result<PathBuf, Failure> {
        let path = self.store()?;
        if path.exists() { Ok(path) } else { Err(Failure::NoStore { path }) }
    }

    /// Returns the path of the store, which may not exist yet.
    fn future_store(&self) -> Result<PathBuf, Failure> {
        let path = self.store()?;
        if self.store.is_none() {
            self.directory()?.make()?;
        } else if !path.exists() {
            // Creating a new file under a mistyped name would help nobody.
            return Err(Failure::NoStore { path });
        }
        Ok(path)
    }

    /// Opens the store, or creates it if needed, and starts sync with these hosts.
    pub(crate) async fn connect(&self, seed: &Seed, hosts: &[Host]) -> Result<Client<Raw>, Failure> {
        let path = self.future_store()?;
        let mut config = SessionConfig::default();
        config.request_timeout = PATIENCE;
        let builder = Client::builder(seed.clone()).store(path).device_config(self.config()).session_config(config);
        let builder = hosts.iter().fold(builder, |builder, host| builder.host_as(host.label(), &host.address));
        Ok(builder.open().await?)
    }

    /// Connects to all hosts. A host that only `DIP_HOST` names is first asked whether it knows the account, unless the
    /// store has synced with it before.
    pub(crate) async fn connect_to_all(&self, seed: &Seed, create: bool) -> Result<Client<Raw>, Failure> {
        self.check_hosts(seed, create).await?;
        self.connect(seed, &self.hosts()?).await
    }

    /// Asks a host that only `DIP_HOST` names whether it knows the account, unless the store has synced with it before.
    pub(crate) async fn check_hosts(&self, seed: &Seed, create: bool) -> Result<(), Failure> {
        if let Some(host) = hosts::given()?
            && !self.has_synced(seed, &host)?
        {
            check_account(seed, &host, create).await?;
        }
        Ok(())
    }

    fn has_synced(&self, seed: &Seed, host: &Host) -> Result<bool, Failure> {
        match self.open_reader(seed) {
            Ok(device) => Ok(device.host_progress(&host.label())?.is_some_and(|progress| progress.cursor.caught_up)),
            Err(Failure::NoStore { .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }
}

/// Syncs until every host is up to date or unusable, and shows the progress.
pub(crate) async fn sync(client: &Client<Raw>, output: Output) -> Result<SyncStatus, Failure> {
    let bar = Bar { progress: output.progress("Looking for news"), most_pending: 0 };
    let mut changes = client.status_changes();
    let watching = async {
        let mut bar = bar;
        while let Some(status) = changes.next().await {
            bar.show(&status);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        status = client.sync() => Ok(status?),
        () = watching => unreachable!("it never ends"),
    }
}

/// The progress of all hosts in one bar.
struct Bar {
    progress: Meter,
    most_pending: u64,
}

impl Bar {
    fn show(&mut self, status: &SyncStatus) {
        let reading = status.hosts().iter().filter_map(|host| match host.status.phase {
            Phase::FirstSync(reading) | Phase::CatchingUp(reading) => Some(reading),
            _ => None,
        });
        let (done, total) =
            reading.fold((0, 0), |(done, total), reading: SyncProgress| (done + reading.done, total + reading.total));
        if done < total {
            self.progress.turn_to("Receiving");
            self.progress.set(done, total);
            return;
        }
        let pending = status.hosts().iter().map(|host| host.status.pending).sum::<u64>();
        self.most_pending = self.most_pending.max(pending);
        if pending > 0 {
            self.progress.turn_to("Sending");
            self.progress.set(self.most_pending - pending, self.most_pending);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.progress.end();
    }
}

/// Describes the outcome for a host in one line.
pub(crate) fn line(host: &HostReport) -> String {
    Shown(&host.to_string()).to_string()
}

/// Prints every host that is not up to date or has another problem.
pub(crate) fn tell_troubles(status: &SyncStatus, output: Output) {
    let troubled = |host: &&HostReport| !host.is_caught_up() || host.status.clock_offset.is_some();
    status.hosts().iter().filter(troubled).for_each(|host| output.tell(format_args!("{}.", line(host))));
    peers::troubles(status.peers()).for_each(|trouble| output.tell(format_args!("{trouble}.")));
    for trouble in status.clock_troubles() {
        output.tell(format_args!("Clock: {}: {}.", Shown(&trouble.to_string()), trouble.remedy()));
    }
}
