//! The device that this process is.

use std::env;
use std::path::PathBuf;

use diplomatic::error::AddressError;
use diplomatic::{Client, OpenError, OpenLogError};
use todo::device::Device;

use crate::account::Account;
use crate::tell;

/// Why this device cannot work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenDeviceError {
    #[error("DIP_HOST cannot be used")]
    Host(#[source] AddressError),
    #[error(
        "another `todo` is at work on {}: end it, or give each device a directory of its own with --data",
        .directory.display()
    )]
    InUse { directory: PathBuf },
    #[error(transparent)]
    Open(OpenError),
}

/// Opens the device that this process is, with the host that `DIP_HOST` names.
pub(crate) async fn open(account: Account) -> Result<Device, OpenDeviceError> {
    let log = account.log();
    let Account { seed, directory } = account;
    let mut builder = Client::builder(seed).store(log);
    match env::var("DIP_HOST") {
        Ok(address) if !address.trim().is_empty() => builder = builder.host(address.trim()),
        _ => tell("DIP_HOST is not set, so this device works offline."),
    }
    let client = builder.open().await.map_err(|error| match error {
        OpenError::Address(error) => OpenDeviceError::Host(error),
        OpenError::OpenLog(OpenLogError::InUse { .. }) => OpenDeviceError::InUse { directory },
        error => OpenDeviceError::Open(error),
    })?;
    Ok(Device { name: "this", client, has_log: false })
}
