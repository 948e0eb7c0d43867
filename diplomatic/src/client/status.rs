//! The sync status, as a value to watch.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::address::Address;
use super::clock::ClockTrouble;
use super::storage::Storage;
use crate::device::{Ahead, KeptAttachments, Peers};
use crate::standard::Label;
use crate::sync::{HostStatus, RefusedMessage};

/// The sync status of every host.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Client, Seed};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Nobody listens on port 9.
/// let client = Client::<Todos>::builder(Seed::random()).in_memory().host("http://localhost:9").open().await?;
/// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
/// let status = client.sync().await?;
/// assert!(!status.is_caught_up());
/// assert_eq!(status.pending(), 1);
/// # Ok(())
/// # }
/// ```
///
/// In JSON, it also says whether everything `is_caught_up`, and how many messages are `pending`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SyncStatus {
    hosts: Vec<HostReport>,
    ahead: Option<Ahead>,
    peers: Peers,
    storage: Option<Storage>,
    kept: Option<KeptAttachments>,
}

impl SyncStatus {
    pub(super) fn new(hosts: Vec<HostReport>) -> Self {
        Self { hosts, ahead: None, peers: Peers::default(), storage: None, kept: None }
    }

    /// Returns where the browser keeps the log, and how safe it is there; `None` outside browsers, and if the app chose a
    /// storage of its own.
    pub const fn storage(&self) -> Option<&Storage> {
        self.storage.as_ref()
    }

    /// Returns how much of attachments is on this device, if there is a
    /// [limit](crate::attachments::KeepAttachments::UpTo); in JSON `kept`.
    pub const fn kept_attachments(&self) -> Option<&KeptAttachments> {
        self.kept.as_ref()
    }

    /// Takes how much of attachments is here, and returns whether it has changed.
    pub(super) fn update_kept(&mut self, kept: Option<KeptAttachments>) -> bool {
        std::mem::replace(&mut self.kept, kept) != kept
    }

    #[cfg(target_family = "wasm")]
    pub(super) fn update_storage(&mut self, storage: Storage) -> bool {
        let storage = Some(storage);
        let differs = self.storage != storage;
        self.storage = storage;
        differs
    }

    /// Returns the status of each host, in the order in which they were added.
    pub fn hosts(&self) -> &[HostReport] {
        &self.hosts
    }

    /// Returns the report of a host, by its driver's number; `None` once it is unlinked.
    pub(super) fn host(&self, number: usize) -> Option<&HostReport> {
        self.hosts.iter().find(|host| host.number == number)
    }

    pub(super) fn host_mut(&mut self, number: usize) -> Option<&mut HostReport> {
        self.hosts.iter_mut().find(|host| host.number == number)
    }

    /// Removes the report of a host that is unlinked, and returns its driver's number.
    pub(super) fn remove(&mut self, label: &Label) -> Option<usize> {
        let place = self.hosts.iter().position(|host| host.label == *label)?;
        Some(self.hosts.remove(place).number)
    }

    /// Returns problems with clocks, this device's first; usually none.
    pub fn clock_troubles(&self) -> Vec<ClockTrouble> {
        let ahead = self.ahead.clone().map(ClockTrouble::Ahead);
        ClockTrouble::of_this_device(self.hosts.iter().map(|host| &host.status)).into_iter().chain(ahead).collect()
    }

    /// Returns the messages dated further in the future than this device's clock follows; `None` if there are none.
    pub const fn ahead(&self) -> Option<&Ahead> {
        self.ahead.as_ref()
    }

    /// Returns what is known of the account's other devices, and what is missing of them.
    pub const fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Takes what is known of other devices, and returns whether it has changed.
    pub(super) fn update_peers(&mut self, peers: &Peers) -> bool {
        let differs = self.peers != *peers;
        if differs {
            self.peers = peers.clone();
        }
        differs
    }

    /// Updates the messages dated too far in the future, and returns whether they changed by more than the passage of
    /// time.
    pub(super) fn update_ahead(&mut self, ahead: Option<Ahead>) -> bool {
        let differs = match (&self.ahead, &ahead) {
            (Some(old), Some(new)) => !old.is_same_as(new),
            (old, new) => old.is_some() != new.is_some(),
        };
        self.ahead = ahead;
        differs
    }

    /// Returns whether this device and every host have everything of each other, as far as is known.
    pub fn is_caught_up(&self) -> bool {
        self.peers.is_complete() && self.hosts.iter().all(HostReport::is_caught_up)
    }

    /// Returns the number of messages that wait to be sent to the host that lacks most.
    pub fn pending(&self) -> u64 {
        self.hosts.iter().map(|host| host.status.pending).max().unwrap_or_default()
    }
}

/// The sync status of one host.
///
/// Its `Display` form is one line for people:
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::{Client, Seed};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = Client::<Todos>::builder(Seed::random()).in_memory().host("http://localhost:9").open().await?;
/// # client.emit(TodoEvent::Added { title: "milk".into() }).await?;
/// let status = client.sync().await?;
/// let host = &status.hosts()[0];
/// assert!(!host.is_caught_up());
/// assert!(host.to_string().contains("waiting, nothing answers at the host's address (connection refused): check"));
/// assert!(host.to_string().ends_with("; 1 change waits to be sent"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Form", from = "Form")]
#[non_exhaustive]
pub struct HostReport {
    /// The user's name for the host.
    pub label: Label,
    /// The host's address.
    pub address: String,
    /// The status.
    pub status: HostStatus,
    /// The number of the host's driver.
    number: usize,
    is_first_synced: bool,
    answered: u64,
    /// How often the host's driver was told that there is more to push, and how many of these the status includes.
    told: u64,
    heard: u64,
    /// How many of these have been sent, as far as possible for now.
    relayed: u64,
}

impl HostReport {
    pub(super) fn new(number: usize, label: Label, address: &Address, is_first_synced: bool) -> Self {
        let (address, status) = (address.to_string(), HostStatus::default());
        Self { label, address, status, number, is_first_synced, answered: 0, told: 0, heard: 0, relayed: 0 }
    }

    /// Returns whether this store has read everything at the host at least once, with this client or an earlier one.
    pub const fn is_first_synced(&self) -> bool {
        self.is_first_synced
    }

    /// Returns whether this device and the host have everything of each other, as far as is known: nothing is pending,
    /// skipped, left out or refused.
    pub fn is_caught_up(&self) -> bool {
        self.heard == self.told && self.status.is_in_sync()
    }

    /// Notes that there is more to push, which the status does not include yet.
    pub(super) const fn tell(&mut self) {
        self.told += 1;
    }

    /// Returns how often there has been more to push.
    pub(super) const fn told(&self) -> u64 {
        self.told
    }

    /// Takes a new status, which includes the first `heard` times that there was more to push, and the number of the
    /// request to sync that it answers, if any. Returns whether anything changed.
    pub(super) fn update(
        &mut self,
        status: &HostStatus,
        is_first_synced: bool,
        heard: u64,
        answered: Option<u64>,
    ) -> bool {
        let before = (self.is_first_synced, self.heard, self.answered, self.relayed);
        self.is_first_synced |= is_first_synced;
        self.heard = heard;
        if let Some(answered) = answered {
            (self.answered, self.relayed) = (answered, heard);
        }
        let after = (self.is_first_synced, self.heard, self.answered, self.relayed);
        let differs = self.status != *status || before != after;
        if self.status != *status {
            self.status = status.clone();
        }
        differs
    }

    /// Returns whether the request to sync with this number has been carried out, as far as possible for now.
    pub(super) const fn has_answered(&self, request: u64) -> bool {
        self.answered >= request
    }

    /// Returns whether what there was to push when it was told for the `told`th time has been sent, as far as possible for
    /// now.
    pub(super) const fn has_relayed(&self, told: u64) -> bool {
        self.relayed >= told
    }
}

impl Serialize for SyncStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { hosts, ahead, peers, storage, kept } = self;
        let fields = 5 + usize::from(storage.is_some()) + usize::from(kept.is_some());
        let mut form = serializer.serialize_struct("SyncStatus", fields)?;
        form.serialize_field("is_caught_up", &self.is_caught_up())?;
        form.serialize_field("pending", &self.pending())?;
        form.serialize_field("hosts", hosts)?;
        form.serialize_field("ahead", ahead)?;
        form.serialize_field("peers", peers)?;
        match storage {
            Some(storage) => form.serialize_field("storage", storage)?,
            None => form.skip_field("storage")?,
        }
        match kept {
            Some(kept) => form.serialize_field("kept", kept)?,
            None => form.skip_field("kept")?,
        }
        form.end()
    }
}

/// What others learn of a report, without what the client's drivers use it for.
#[derive(Serialize, Deserialize)]
struct Form {
    label: Label,
    address: String,
    is_first_synced: bool,
    is_caught_up: bool,
    status: HostStatus,
}

impl From<HostReport> for Form {
    fn from(report: HostReport) -> Self {
        let is_caught_up = report.is_caught_up();
        let HostReport { label, address, is_first_synced, status, .. } = report;
        Self { label, address, is_first_synced, is_caught_up, status }
    }
}

impl From<Form> for HostReport {
    fn from(form: Form) -> Self {
        let Form { label, address, is_first_synced, is_caught_up, status } = form;
        // Something to be sent that the status does not include keeps a report from being caught up.
        let (told, heard) = (u64::from(!is_caught_up), 0);
        Self { label, address, is_first_synced, status, number: 0, answered: 0, told, heard, relayed: 0 }
    }
}

/// One line for people.
impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, address, status, .. } = self;
        write!(f, "{label} at {address}: {status}")?;
        if status.to_send.parts > 0 {
            write!(f, "; {} to be sent", status.to_send)?;
        }
        match status.pending.saturating_sub(status.to_send.parts) {
            0 => {}
            1 => f.write_str("; 1 change waits to be sent")?,
            pending => write!(f, "; {pending} changes wait to be sent")?,
        }
        if let Some(RefusedMessage { entity, bytes, .. }) = &status.refused_message {
            write!(f, "; it is a change of {bytes} bytes about the entity {entity}")?;
        }
        if let Some(offset) = status.clock_offset {
            let seconds = offset.as_millis() / 1000;
            let (seconds, side) = if seconds > 0 { (seconds, "behind") } else { (-seconds, "ahead of") };
            write!(f, "; this device's clock is {seconds} s {side} the host's")?;
        }
        Ok(())
    }
}
