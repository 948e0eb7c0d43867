//! This device: its client, and its host, if any.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use diplomatic::error::AddressError;
use diplomatic::sync::SessionConfig;
use diplomatic::{Client, EmitError, HostReport, LogError, OpenError, OpenLogError, SyncStatus};

use crate::account::Account;
use crate::event::{Status, StatusEvent};
use crate::tell;
use crate::text::Text;

/// How long a host may be silent before a command continues without it.
const PATIENCE: Duration = Duration::from_secs(4);

/// This device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) client: Client<Status>,
}

/// Why this device cannot work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenDeviceError {
    #[error("DIP_HOST cannot be used")]
    Host(#[source] AddressError),
    #[error(
        "another `status` is at work on {}: end it, or give each device a directory of its own with --data",
        .directory.display()
    )]
    InUse { directory: PathBuf },
    #[error(transparent)]
    Open(OpenError),
}

impl Device {
    /// Opens the client, with the host that `DIP_HOST` names.
    pub(crate) async fn open(account: Account) -> Result<Self, OpenDeviceError> {
        let log = account.log();
        let Account { seed, directory } = account;
        let mut config = SessionConfig::default();
        config.request_timeout = PATIENCE;
        let mut builder = Client::builder(seed).store(log).session_config(config);
        match env::var("DIP_HOST") {
            Ok(address) if !address.trim().is_empty() => builder = builder.host(address.trim()),
            _ => tell("DIP_HOST is not set, so this device works offline."),
        }
        let client = builder.open().await.map_err(|error| match error {
            OpenError::Address(error) => OpenDeviceError::Host(error),
            OpenError::OpenLog(OpenLogError::InUse { .. }) => OpenDeviceError::InUse { directory },
            error => OpenDeviceError::Open(error),
        })?;
        Ok(Self { client })
    }

    pub(crate) fn text(&self) -> Option<String> {
        self.client.read(|status| status.text.clone())
    }

    /// Changes the status and, if a host can be reached, delivers it.
    pub(crate) async fn write(&self, text: String) -> Result<(), EmitError> {
        self.client.emit(StatusEvent::Written(Text(text))).await?;
        let status = self.sync().await?;
        if status.hosts().is_empty() || status.pending() > 0 {
            tell("The change is queued: the next command that reaches the host delivers it.");
        }
        Ok(())
    }

    /// Sends queued changes, receives new ones, and reports hosts for which this fails.
    pub(crate) async fn sync(&self) -> Result<SyncStatus, LogError> {
        let status = self.client.sync().await?;
        status.hosts().iter().filter_map(trouble).for_each(|trouble| tell(&trouble));
        let clock = status.clock_troubles();
        clock
            .iter()
            .for_each(|trouble| tell(&format!("Check the clock: {trouble}. To mend it, {}.", trouble.remedy())));
        Ok(status)
    }

    pub(crate) async fn close(self) {
        self.client.close().await;
    }
}

/// Describes a host's problem, if it has one.
fn trouble(host: &HostReport) -> Option<String> {
    let is_well = host.is_caught_up() && host.status.clock_offset.is_none();
    (!is_well).then(|| format!("{host}."))
}
