//! Checking whether a host knows the account, before its first use.

use diplomatic::error::AddressError;
use diplomatic::inspect::{HostAccount, HostInspector, InspectError};
use diplomatic::{Fingerprint, Seed};

use crate::exit::Exit;
use crate::hosts::Host;
use crate::shown::Shown;

/// Why a host was not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error(transparent)]
    Address(AddressError),
    #[error("{} could not be asked for the account, so nothing was written: try again when it can be reached", Shown(.address))]
    Unreachable { address: String, source: InspectError },
    #[error(
        "{} has nothing of the account {fingerprint} under the label {}, and nothing was written: if another device \
         uses it, compare fingerprint, label and address with that one (`dip status`); if this is the first device, \
         use --create", Shown(.address), Shown(.label)
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
        source => HostError::Unreachable { address: host.address.clone(), source },
    };
    let inspector = HostInspector::new(seed, &host.label(), &host.address).map_err(problem)?;
    let account = inspector.account().await.map_err(problem)?;
    if account == HostAccount::Known || create {
        return Ok(account);
    }
    let Host { label, address } = host.clone();
    Err(HostError::UnknownAccount { address, label, fingerprint: seed.fingerprint() })
}
