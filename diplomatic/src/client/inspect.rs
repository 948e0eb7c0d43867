//! Inspecting what a host has, without changing anything.

use std::collections::HashSet;
use std::fmt;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Client;
use super::address::{Address, AddressError};
use super::network::{HttpEvent, Network, Sent, TlsError};
use crate::device::{Device, Missing};
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::calls::{Call, PeekItem, PeekRequest, ResponseHead};
use crate::standard::{
    BagHead, ClockOffset, Digest, Encode, HeadHash, HostKeys, Label, OpenBagError, OpenedHead, Seed, Seq, Status,
    Timestamp,
};
use crate::sync::{Failure, MAX_LISTED, ResponseStream};

/// How long a host may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many heads are opened at once.
const BATCH: usize = 1_000;

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

/// What a host has, compared with a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostAudit {
    /// The number of bags at the host.
    pub bags: u64,
    /// The number of messages in them.
    pub messages: u64,
    /// The number of bags whose message is also in another bag, which hosts may allow.
    pub repeated: u64,
    /// The digest of these messages; `None` if none was looked at. A device with the same
    /// [digest](crate::Device::digest) has just these.
    pub digest: Option<Digest>,
    /// The bags whose signature is invalid, or whose head cannot be opened.
    pub damaged: Vec<DamagedBag>,
    /// The numbers that the host leaves out, where it has lost bags.
    pub gaps: Vec<RangeInclusive<u64>>,
    /// The messages that the host has but this device does not.
    pub missing_here: Vec<Missing>,
    /// The messages that this device has but the host does not.
    pub missing_there: Vec<Missing>,
}

impl HostAudit {
    /// Returns whether nothing is damaged, and nothing is missing without a reason.
    pub fn is_complete(&self) -> bool {
        let Self { damaged, gaps, missing_here, missing_there, .. } = self;
        let is_explained = |missing: &Missing| missing.reason.is_some();
        damaged.is_empty()
            && gaps.is_empty()
            && missing_here.iter().all(is_explained)
            && missing_there.iter().all(is_explained)
    }
}

/// A bag that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedBag {
    /// Its number at the host.
    pub seq: Seq,
    /// What is wrong with it.
    pub cause: OpenBagError,
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

impl HostInspector {
    /// Prepares to inspect the host at `address`, without sending anything yet.
    ///
    /// # Errors
    ///
    /// [`InspectError::Address`] or [`InspectError::Tls`].
    pub fn new(seed: &Seed, label: &Label, address: &str) -> Result<Self, InspectError> {
        let address = Address::parse(address)?;
        let network = Network::new(address.clone(), Arc::new(Timestamp::now), PATIENCE)?;
        Ok(Self { keys: HostKeys::derive(seed, label), label: label.clone(), address, network, silence: PATIENCE })
    }

    /// Sets how long the host may be silent.
    #[must_use]
    pub const fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Asks what the host has of the account.
    ///
    /// # Errors
    ///
    /// [`InspectError`].
    pub async fn account(&self) -> Result<HostAccount, InspectError> {
        let mut account = HostAccount::Empty;
        let listed = self.list(|_| {
            account = HostAccount::Known;
            ControlFlow::Break(())
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
    /// # Errors
    ///
    /// [`InspectError`].
    pub async fn audit<R: Reducer>(
        &self,
        client: &Client<R>,
        watch: impl FnMut(u64),
    ) -> Result<HostAudit, InspectError> {
        let label = self.label.clone();
        self.compare(
            async |new| client.shared.with_device(move |device| device.missing_here(&new)).await?,
            async |seen| client.shared.with_device(move |device| device.missing_there(&label, &seen)).await?,
            watch,
        )
        .await
    }

    /// Compares as [`audit`](Self::audit) does, with the messages of a device that is not a client's, such as one that
    /// can only be [read](crate::DeviceReader).
    ///
    /// # Errors
    ///
    /// [`InspectError`].
    pub async fn audit_device<R: Reducer>(
        &self,
        device: &Device<R>,
        watch: impl FnMut(u64),
    ) -> Result<HostAudit, InspectError> {
        let missing_there = async |seen| device.missing_there(&self.label, &seen);
        self.compare(async |new: Vec<_>| device.missing_here(&new), missing_there, watch).await
    }

    async fn compare(
        &self,
        mut missing_here: impl AsyncFnMut(Vec<OpenedHead>) -> Result<Vec<Missing>, LogError>,
        missing_there: impl AsyncFnOnce(HashSet<HeadHash>) -> Result<Vec<Missing>, LogError>,
        mut watch: impl FnMut(u64),
    ) -> Result<HostAudit, InspectError> {
        let (sender, mut listed) = mpsc::unbounded_channel();
        let listing = self.list(|item| match sender.send(item) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        let mut listing = std::pin::pin!(listing);
        let mut is_listing = true;
        let (mut audit, mut seen) = (HostAudit::default(), HashSet::new());
        let mut last = Seq::ZERO;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if is_listing {
                tokio::select! {
                    biased;
                    outcome = &mut listing => {
                        outcome?;
                        is_listing = false;
                    }
                    count = listed.recv_many(&mut batch, BATCH) => debug_assert!(count > 0, "it is still listing"),
                }
            } else {
                while batch.len() < BATCH
                    && let Ok(item) = listed.try_recv()
                {
                    batch.push(item);
                }
                if batch.is_empty() {
                    break;
                }
            }
            audit.count(&batch, &mut last);
            let heads = self.open(std::mem::take(&mut batch), &mut audit).await?;
            let new: Vec<_> = heads.into_iter().filter(|opened| seen.insert(opened.head().hash())).collect();
            audit.messages = seen.len() as u64;
            audit.repeated = audit.bags - audit.damaged.len() as u64 - audit.messages;
            audit.missing_here.extend(missing_here(new).await?);
            watch(audit.bags);
        }
        audit.digest = Some(Digest::of(seen.iter().copied()));
        audit.missing_there = missing_there(seen).await?;
        Ok(audit)
    }

    /// Opens heads on a blocking thread, and records those that cannot be opened.
    async fn open(&self, items: Vec<PeekItem>, audit: &mut HostAudit) -> Result<Vec<OpenedHead>, InspectError> {
        let keys = self.keys.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let heads: Vec<&BagHead> = items.iter().map(|item| &item.head).collect();
            let opened = keys.open_heads(heads);
            items.iter().map(|item| item.seq).zip(opened).collect::<Vec<_>>()
        });
        let opened = match opening.await {
            Ok(opened) => opened,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down.
            Err(_) => return Err(LogError::Closed.into()),
        };
        Ok(opened
            .into_iter()
            .filter_map(|(seq, opened)| opened.map_err(|cause| audit.damaged.push(DamagedBag { seq, cause })).ok())
            .collect())
    }

    /// Lists the host's bags from the first one on, until `each` breaks. If the host rejects the time of the request, it
    /// is asked again with its own time.
    async fn list(&self, mut each: impl FnMut(PeekItem) -> ControlFlow<()>) -> Result<(), InspectError> {
        let mut offset = ClockOffset::from_millis(0);
        let mut is_corrected = false;
        loop {
            let sent = Timestamp::now();
            match self.peek(offset.apply(sent), sent, &mut each).await? {
                Peeked::Listed => return Ok(()),
                Peeked::Refused(Status::CLOCK_OUT_OF_SYNC, measured) if !is_corrected => {
                    (offset, is_corrected) = (measured, true);
                }
                Peeked::Refused(status, _) => {
                    return Err(InspectError::Refused { address: self.address.to_string(), status });
                }
            }
        }
    }

    async fn peek(
        &self,
        host_now: Timestamp,
        sent: Timestamp,
        each: &mut impl FnMut(PeekItem) -> ControlFlow<()>,
    ) -> Result<Peeked, InspectError> {
        let address = || self.address.to_string();
        let not_a_host = || InspectError::NotAHost { address: address() };
        let failed = |cause| InspectError::Unreachable { address: address(), cause };
        let mut body = self.keys.authenticate(host_now).to_bytes();
        PeekRequest { after: Seq::ZERO }.encode(&mut body);
        let (sender, mut events) = mpsc::channel(8);
        // It ends with the channel.
        tokio::spawn(self.network.clone().call(Call::Peek, body, Arc::new(Sent::default()), sender));
        let mut stream = ResponseStream::default();
        let mut head: Option<ResponseHead> = None;
        loop {
            let event = tokio::time::timeout(self.silence, events.recv()).await;
            match event.unwrap_or(Some(HttpEvent::Failed(Failure::Timeout))) {
                Some(HttpEvent::Chunk(bytes)) => stream.extend(&bytes),
                Some(HttpEvent::End) => match head {
                    Some(_) if !stream.is_empty() => return Err(not_a_host()),
                    Some(head) if head.status == Status::SUCCESS => return Ok(Peeked::Listed),
                    Some(head) => {
                        let offset = ClockOffset::measure(sent, head.received, head.sent, Timestamp::now());
                        return Ok(Peeked::Refused(head.status, offset));
                    }
                    None => return Err(not_a_host()),
                },
                Some(HttpEvent::Failed(Failure::HttpStatus(404 | 405 | 410))) => return Err(not_a_host()),
                Some(HttpEvent::Failed(cause)) => return Err(failed(cause)),
                None => return Err(failed(Failure::Cut)),
            }
            let status = match head {
                Some(head) => head.status,
                None => {
                    let Some(decoded) = stream.head().map_err(|_| not_a_host())? else { continue };
                    head.insert(decoded).status
                }
            };
            if status != Status::SUCCESS {
                if stream.is_empty() {
                    continue;
                }
                // A refusal is a head and nothing more.
                return Err(not_a_host());
            }
            while let Some(item) = stream.item(MAX_LISTED).map_err(|_| not_a_host())? {
                if each(item).is_break() {
                    return Ok(Peeked::Listed);
                }
            }
        }
    }
}

/// The outcome of a PEEK.
enum Peeked {
    Listed,
    Refused(Status, ClockOffset),
}

impl HostAudit {
    /// Counts bags, and records the numbers missing before and between them.
    fn count(&mut self, items: &[PeekItem], last: &mut Seq) {
        for PeekItem { seq, .. } in items {
            if seq.number() > last.number() + 1 {
                self.gaps.push(last.number() + 1..=seq.number() - 1);
            }
            *last = (*last).max(*seq);
            self.bags += 1;
        }
    }
}

impl fmt::Debug for HostInspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys: _, label, address, .. } = self;
        f.debug_struct("HostInspector").field("label", label).field("address", address).finish_non_exhaustive()
    }
}
