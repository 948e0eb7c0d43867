//! Checking whether a host knows the account, before its first use.

use std::time::Duration;

use diplomatic::error::AddressError;
use diplomatic::inspect::{HostAccount, HostInspector, InspectError};
use diplomatic::{Fingerprint, Seed};

use crate::exit::Exit;
use crate::hosts::Host;

/// How long a host may be silent before a command continues without it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// Why a host was not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error(transparent)]
    Address(AddressError),
    #[error("{address} could not be asked for the account, so nothing was written: try again when it can be reached")]
    Unreachable { address: String, source: InspectError },
    #[error(
        "{address} has nothing of the account {fingerprint} under the label {label}, and nothing was written: if another \
         device uses it, compare fingerprint, label and address with that one (`dip status`); if this is the first device, \
         use --create"
    )]
    UnknownAccount { address: String, label: String, fingerprint: Fingerprint },
}

impl HostError {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Address(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::Host,
            Self::UnknownAccount { .. } => Exit::UnknownAccount,
        }
    }
}

/// Asks a host whether it knows the account. Refuses a host that has nothing of it, unless `create` is set.
pub(crate) async fn check_account(seed: &Seed, host: &Host, create: bool) -> Result<HostAccount, HostError> {
    let problem = |error| match error {
        InspectError::Address(error) => HostError::Address(error),
        source => HostError::Unreachable { address: host.place(), source },
    };
    let inspector = HostInspector::new(seed, &host.label(), &host.address).map_err(problem)?.silence(PATIENCE);
    let account = inspector.account().await.map_err(problem)?;
    if account == HostAccount::Known || create {
        return Ok(account);
    }
    Err(HostError::UnknownAccount { address: host.place(), label: host.to_string(), fingerprint: seed.fingerprint() })
}
