//! Inspecting what a host has, without changing anything.

mod comparison;
mod conversation;
mod report;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use comparison::{Comparison, Side};
use conversation::Conversation;
pub use report::{Damage, DamagedBag, Gap, HostAudit};

use super::Client;
use super::address::{Address, AddressError};
use super::network::{Network, NetworkSettings, TlsError};
use crate::device::Device;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::{HostKeys, Label, Seed, Status, Timestamp};
use crate::sync::{Failure, Trouble};

/// How long a host may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Inspects what a host has of an account, without changing anything.
///
/// Tools use it before they join an account, because a mistyped seed looks like an account that nobody has used yet:
///
/// ```no_run
/// use diplomatic::inspect::{HostAccount, HostInspector};
/// use diplomatic::{Label, Seed};
///
/// # async fn example(seed: Seed) -> Result<(), Box<dyn std::error::Error>> {
/// let inspector = HostInspector::new(&seed, &Label::default(), "https://host.example.org")?;
/// if inspector.account().await? != HostAccount::Known {
///     println!("The host has nothing of this account: is the seed the right one?");
/// }
/// # Ok(())
/// # }
/// ```
pub struct HostInspector {
    keys: HostKeys,
    label: Label,
    address: Address,
    network: Network,
    silence: Duration,
    with_bodies: bool,
}

/// What a host has of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostAccount {
    /// The host does not know the account.
    Unknown,
    /// The host has nothing of the account. Hosts that do not check registrations return this for any unknown account.
    Empty,
    /// The host has something of the account.
    Known,
}

/// Why a host could not be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The host's address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Encrypted connections cannot be set up on this machine.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The host could not be asked, or its answer broke off.
    #[error("{address} cannot be used, because {cause}: {}", cause.remedy())]
    Unreachable {
        /// The host's address.
        address: String,
        /// Why.
        cause: Failure,
    },
    /// The server is not a DIPLOMATIC host.
    #[error("the server at {address} is not a DIPLOMATIC host: {}", Failure::WebPage.remedy())]
    NotAHost {
        /// The host's address.
        address: String,
    },
    /// The host's answer makes no sense.
    #[error("the answer of {address} makes no sense: {}", Trouble::Garbled.remedy())]
    Garbled {
        /// The host's address.
        address: String,
    },
    /// The host refuses.
    #[error("{address} refuses: {status}")]
    Refused {
        /// The host's address.
        address: String,
        /// Why.
        status: Status,
    },
    /// The device's log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl InspectError {
    /// Returns whether the same question may be answered later, without anybody's doing.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => cause.is_retryable(),
            Self::Refused { status, .. } => status.is_temporary(),
            Self::Log(error) => error.is_retryable(),
            Self::Garbled { .. } => true,
            Self::Address(_) | Self::Tls(_) | Self::NotAHost { .. } => false,
        }
    }
}

impl HostInspector {
    /// Prepares to inspect the host at `address`, without sending anything yet.
    ///
    /// # Errors
    ///
    /// [`InspectError::Address`] or [`InspectError::Tls`].
    pub fn new(seed: &Seed, label: &Label, address: &str) -> Result<Self, InspectError> {
        let address = Address::parse(address)?;
        let network = Network::new(address.clone(), &NetworkSettings::usual(), Arc::new(Timestamp::now), PATIENCE)?;
        let keys = HostKeys::derive(seed, label);
        Ok(Self { keys, label: label.clone(), address, network, silence: PATIENCE, with_bodies: false })
    }

    /// Sets how long the host may be silent.
    #[must_use]
    pub const fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Makes audits fetch and check every body as well, also those of messages that the device has. That costs as much
    /// traffic as a first sync, and the memory of a few megabytes.
    #[must_use]
    pub const fn with_bodies(mut self, with_bodies: bool) -> Self {
        self.with_bodies = with_bodies;
        self
    }

    /// Asks what the host has of the account.
    ///
    /// # Errors
    ///
    /// [`InspectError`].
    pub async fn account(&self) -> Result<HostAccount, InspectError> {
        let mut account = HostAccount::Empty;
        let mut conversation = Conversation::new(self);
        let listed = conversation.list(async |_| {
            account = HostAccount::Known;
            Ok(ControlFlow::Break(()))
        });
        match listed.await {
            Ok(()) => Ok(account),
            Err(InspectError::Refused { status: Status::USER_NOT_REGISTERED, .. }) => Ok(HostAccount::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Reads the host's whole list, opens every head, and compares the messages with those of the client's device.
    /// Reports the number of bags read so far to `watch`.
    ///
    /// Messages that are emitted or arrive meanwhile may count as missing.
    ///
    /// ```no_run
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// use diplomatic::inspect::HostInspector;
    /// # use diplomatic::{Client, Label, Seed};
    ///
    /// # async fn example(seed: Seed, client: Client<Todos>) -> Result<(), Box<dyn std::error::Error>> {
    /// let inspector = HostInspector::new(&seed, &Label::default(), "https://host.example.org")?.with_bodies(true);
    /// let audit = inspector.audit(&client, |_| ()).await?;
    /// for bag in audit.damaged.iter().filter(|bag| !bag.is_harmless) {
    ///     println!("bag {}: {}", bag.seq, bag.cause);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InspectError`].
    pub async fn audit<R: Reducer>(
        &self,
        client: &Client<R>,
        watch: impl FnMut(u64),
    ) -> Result<HostAudit, InspectError> {
        Comparison::new(self, Side::Client(client)).run(watch).await
    }

    /// Compares as [`audit`](Self::audit) does, with the messages of a device that is not a client's, such as one that
    /// can only be [read](crate::DeviceReader).
    ///
    /// What is wrong can be mended: [`Device::repair_host`] has the next sync do it.
    ///
    /// # Errors
    ///
    /// [`InspectError`].
    pub async fn audit_device<R: Reducer>(
        &self,
        device: &Device<R>,
        watch: impl FnMut(u64),
    ) -> Result<HostAudit, InspectError> {
        Comparison::new(self, Side::Device(device)).run(watch).await
    }
}

impl fmt::Debug for HostInspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys: _, label, address, .. } = self;
        f.debug_struct("HostInspector").field("label", label).field("address", address).finish_non_exhaustive()
    }
}
