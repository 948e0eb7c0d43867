//! The status of sync with one host, as a value to watch.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::{Failure, ProxyFault, TlsFault, is_temporary_http};
use crate::standard::calls::{Quota, ResponseHead};
use crate::standard::serde_forms::{millis, shared_text};
use crate::standard::{ClockOffset, EntityId, Status, Timestamp};

/// The status of sync with one host.
///
/// It is small, so a driver can detect changes by comparing it with the last one it published.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostStatus {
    /// What the session is doing.
    pub phase: Phase,
    /// How news from other devices arrive.
    pub live: Live,
    /// Why there is no live channel, if an attempt to open one failed.
    pub live_failure: Option<Failure>,
    /// The number of messages that wait to be pushed, parts of attachments included.
    pub pending: u64,
    /// How many of them are parts of attachments.
    pub to_send: Bodies,
    /// The parts of attachments that are to be fetched, from any host.
    pub to_fetch: Bodies,
    /// How many of them the host refused. They are set aside, retried slowly, and do not hold up the others.
    pub refused: u64,
    /// Why the host refused the last of them.
    pub refusal: Option<Refusal>,
    /// Which message that was.
    pub refused_message: Option<RefusedMessage>,
    /// How many of the host's bags could not be read and were skipped. They are requested again now and then.
    pub skipped: u64,
    /// How many messages the host has, by the word of the devices that sent them there, and withholds.
    pub withheld: u64,
    /// How many bags the host does not list, though it must have had them. It is asked for them again now and then.
    pub holes: u64,
    /// How far the host's clock is ahead of the device's, if they differ by more than five seconds. Sync uses the host's
    /// time, but the device's clock is probably wrong.
    pub clock_offset: Option<ClockOffset>,
    /// How often the host turned out to have lost bags in this session, so that it was read from the start and sent what
    /// it lacked.
    pub audits: u32,
}

impl HostStatus {
    /// Returns whether this device and the host have everything of each other, as far as this device can know: everything
    /// was read and sent, and nothing was skipped, left out or refused. Attachments that stay at the host until they are
    /// opened lack nothing.
    pub fn is_in_sync(&self) -> bool {
        let Self { phase, pending, to_fetch, refused, skipped, holes, withheld, .. } = self;
        let counts = [pending, &to_fetch.parts, refused, skipped, holes, withheld];
        *phase == Phase::CaughtUp && counts.into_iter().all(|count| *count == 0)
    }

    /// Returns what is wrong with the host though it can be used; `None` if nothing is.
    pub const fn withholding(&self) -> Option<BlockCause> {
        match self.withheld {
            0 => None,
            messages => Some(BlockCause::Withholds { messages }),
        }
    }
}

/// Some parts of attachments, which have up to 256 KiB each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bodies {
    /// How many there are.
    pub parts: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl Bodies {
    /// Counts parts and their bytes.
    pub const fn new(parts: u64, bytes: u64) -> Self {
        Self { parts, bytes }
    }
}

/// Part of a sentence, for people.
impl std::fmt::Display for Bodies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bytes {
            bytes @ 0..1_000 => write!(f, "{bytes} bytes of attachments"),
            bytes @ 1_000..1_000_000 => write!(f, "{} kB of attachments", bytes / 1_000),
            bytes => write!(f, "{}.{} MB of attachments", bytes / 1_000_000, bytes / 100_000 % 10),
        }
    }
}

/// A sentence without its end, for people: the phase, and what stands in the way of being in sync.
impl std::fmt::Display for HostStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.phase {
            Phase::CaughtUp if !self.is_in_sync() => f.write_str("not in sync")?,
            phase => phase.fmt(f)?,
        }
        let bags = |count: u64| if count == 1 { "1 bag".to_owned() } else { format!("{count} bags") };
        if self.to_fetch.parts > 0 {
            write!(f, "; {} to be fetched", self.to_fetch)?;
        }
        if self.skipped > 0 {
            write!(f, "; {} of the host cannot be read", bags(self.skipped))?;
        }
        if self.holes > 0 {
            write!(f, "; the host leaves out {}", bags(self.holes))?;
        }
        if let Some(refusal) = self.refusal.filter(|_| self.refused > 0) {
            write!(f, "; {refusal}: {}", refusal.remedy())?;
        }
        if let Some(cause) = self.withholding() {
            write!(f, "; {cause}")?;
        }
        if self.skipped > 0 || self.holes > 0 || self.withheld > 0 {
            f.write_str("; sync a device that has what is missing, or add another host")?;
        }
        Ok(())
    }
}

/// What a session is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// It has not heard from the host yet.
    #[default]
    Connecting,
    /// It is reading the host's whole history.
    FirstSync(SyncProgress),
    /// It is reading what is new.
    CatchingUp(SyncProgress),
    /// It has read everything and is pushing what is pending.
    Pushing,
    /// Everything has been read, and nothing is pending except what the host refused.
    CaughtUp,
    /// The host cannot be used at the moment. The session retries.
    Waiting {
        /// What happened last.
        trouble: Trouble,
        /// How many times in a row.
        failures: u32,
        /// When the session retries, in the driver's elapsed time.
        #[serde(with = "millis")]
        retry_at: Duration,
    },
    /// The host cannot be used until someone acts. The session still retries now and then.
    Blocked {
        /// What is wrong.
        cause: BlockCause,
        /// When the session retries, in the driver's elapsed time.
        #[serde(with = "millis")]
        retry_at: Duration,
    },
}

/// The progress of reading a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncProgress {
    /// How many bags have been read.
    pub done: u64,
    /// How many bags the host has listed.
    pub total: u64,
    /// Whether the host is still listing, so that `total` may grow.
    pub listing: bool,
}

/// How news from other devices arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Live {
    /// There is no live channel at the moment. The host is polled until it is back.
    #[default]
    Down,
    /// The live channel is open.
    Open,
    /// The host has no live channel. It is polled, often after activity and rarely when idle.
    Polling,
}

/// A temporary failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trouble {
    /// No address was found for the host's name.
    #[error("no address was found for the name {name}")]
    NoAddress {
        /// The name.
        #[serde(with = "shared_text")]
        name: Arc<str>,
    },
    /// Nothing listens at the host's address.
    #[error("nothing answers at the host's address (connection refused)")]
    ConnectionRefused,
    /// There is no connection to the host.
    #[error("there is no connection to the host")]
    Unreachable,
    /// The proxy that the app or the environment names cannot be used.
    #[error("the proxy {proxy} {fault}")]
    Proxy {
        /// The proxy's address, without credentials.
        #[serde(with = "shared_text")]
        proxy: Arc<str>,
        /// What is wrong with it.
        fault: ProxyFault,
    },
    /// A connection broke.
    #[error("the connection broke")]
    Cut,
    /// The app went offline.
    #[error("sync is switched off")]
    Offline,
    /// The host does not answer.
    #[error("the host does not answer")]
    Timeout,
    /// The host's answers trickle in so slowly that they would never end.
    #[error("the host answers too slowly")]
    TooSlow,
    /// The host answered with an HTTP status other than 200.
    #[error("the host answered with HTTP status {0}")]
    HttpStatus(u16),
    /// The host asked to be left alone for a while.
    #[error("the host asks to wait {} s (HTTP status {status})", retry_after.as_secs())]
    Busy {
        /// The HTTP status.
        status: u16,
        /// For how long, from its answer on.
        #[serde(with = "millis")]
        retry_after: Duration,
    },
    /// The host could not carry out the request at the moment.
    #[error("the host could not do it: {0}")]
    HostFailed(Status),
    /// A response does not match its layout, or is incomplete.
    #[error("the host's answer makes no sense")]
    Garbled,
    /// The host acknowledged messages that it cannot have stored under the numbers it names.
    #[error("the host says that it stored changes, but it cannot have done so")]
    FalseAcknowledgement,
}

impl Trouble {
    /// Returns what the user can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoAddress { .. } => "check the host's address, and whether this device is online",
            Self::ConnectionRefused => "check the host's address and port, and whether the host runs",
            Self::Unreachable => "check the network, and the host's address",
            Self::Proxy { .. } => {
                "check the proxy's address: the app sets it, or HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY in the environment do"
            }
            Self::Cut | Self::Timeout => "check the network; it is tried again",
            Self::Offline => "switch it on",
            Self::TooSlow => "check the network; ask the host's operator if it stays so",
            Self::HttpStatus(_) => "check the host's address, and any proxy in front of the host",
            Self::Busy { .. } => "wait: it is tried again then",
            Self::HostFailed(_) => "ask the host's operator if it stays so; it is tried again",
            Self::Garbled => "check what stands between this device and the host, and update this app and the host",
            Self::FalseAcknowledgement => {
                "it is asked again; do not trust the host before its operator explains it, and add another host"
            }
        }
    }
}

/// A lasting obstacle to sync with a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockCause {
    /// The host rejects the time of requests, even after correction by its own clock.
    #[error("the host rejects the time of requests, even after correction")]
    Clock,
    /// The host does not register this account.
    #[error("the host does not register this account: {0}")]
    Registration(Status),
    /// The host reports that it is misconfigured.
    #[error("the host is set up wrongly")]
    Misconfigured,
    /// There is no DIPLOMATIC host at the address.
    #[error("there is no such call at the host's address")]
    NotAHost,
    /// What answers at the address is something else, such as the sign-in page of a hotel's network.
    #[error("what answers at the host's address is not a DIPLOMATIC host")]
    SomethingElse,
    /// What answers at the address does not speak HTTP.
    #[error("what answers at the host's address is not a DIPLOMATIC host: it does not speak HTTP")]
    NotHttp,
    /// The address leads elsewhere. Redirects are not followed.
    #[error("the host's address redirects to {target} (HTTP status {status})")]
    Redirected {
        /// The HTTP status.
        status: u16,
        /// Where it leads.
        #[serde(with = "shared_text")]
        target: Arc<str>,
    },
    /// The connection could not be encrypted, or the host did not prove its identity.
    #[error("{0}")]
    Tls(TlsFault),
    /// The host refuses with a permanent status.
    #[error("the host refuses: {0}")]
    Refused(Status),
    /// The host denies access.
    #[error("access to the host is denied with HTTP status {0}")]
    Denied(u16),
    /// The device's own log cannot be read or written.
    #[error("the device's log cannot be read or written")]
    Storage,
    /// The host lists bags that this account did not sign.
    #[error("the host lists bags that this account did not sign")]
    ForeignBags,
    /// The account may store no more on the host.
    #[error("the account may store no more on the host")]
    OverQuota,
    /// The host lists more damaged bags, or leaves out more, than this device takes note of.
    #[error("the host lists too many bags that cannot be read")]
    TooManyUnreadable,
    /// The host lists far more bags than there are messages.
    #[error("the host lists the same bags over and over")]
    RepeatsBags,
    /// The host lost bags again soon after it was sent what it lacked.
    #[error("the host keeps losing bags")]
    LosesBags,
    /// The host withholds messages that other devices stored there. Reading and pushing go on.
    #[error("the host withholds {messages} message{} that another device stored there", if *.messages == 1 { "" } else { "s" })]
    Withholds {
        /// How many.
        messages: u64,
    },
}

impl Trouble {
    /// Returns whether it may pass without anybody's doing: a network that is down, a host that is busy or restarts. If not,
    /// someone has to do what the [remedy](Self::remedy) says. A client tries again in either case.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::NoAddress { .. }
            | Self::ConnectionRefused
            | Self::Unreachable
            | Self::Cut
            | Self::Timeout
            | Self::TooSlow
            | Self::Busy { .. }
            | Self::HostFailed(_) => true,
            Self::Proxy { fault, .. } => fault.is_retryable(),
            Self::HttpStatus(status) => is_temporary_http(*status),
            Self::Offline | Self::Garbled | Self::FalseAcknowledgement => false,
        }
    }
}

impl BlockCause {
    /// Returns whether it may pass without anybody's doing at this device or host: a host that has trouble of its own, or
    /// another device that has what is withheld. If not, someone has to do what the [remedy](Self::remedy) says. A client
    /// tries again in either case.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Registration(status) | Self::Refused(status) => status.is_temporary(),
            Self::Withholds { .. } => true,
            Self::Clock
            | Self::Misconfigured
            | Self::NotAHost
            | Self::SomethingElse
            | Self::NotHttp
            | Self::Redirected { .. }
            | Self::Tls(_)
            | Self::Denied(_)
            | Self::Storage
            | Self::ForeignBags
            | Self::OverQuota
            | Self::TooManyUnreadable
            | Self::RepeatsBags
            | Self::LosesBags => false,
        }
    }

    /// Returns what the user can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Clock => "set this device's clock, or ask the host's operator to check the host's",
            Self::Registration(_) => "ask the host's operator to admit this account, or use another host",
            Self::Misconfigured => "ask the host's operator to check the host's configuration",
            Self::NotAHost => "check the host's address",
            Self::SomethingElse => {
                "if this network has a sign-in page, sign in there with a browser; otherwise check the host's address"
            }
            Self::NotHttp => "check the host's address and port; perhaps it begins with https:// instead of http://",
            Self::Redirected { .. } => {
                "use that address if it is the host's; if this network has a sign-in page, sign in there with a browser"
            }
            Self::Tls(fault) => fault.remedy(),
            Self::Refused(_) => "update this app or the host: they do not understand each other",
            Self::Denied(_) => "check the host's address and whatever guards the way to it",
            Self::Storage => "free some space on this device, and check that its files can be written",
            Self::ForeignBags => "check the host's label, and do not trust the host before its operator explains it",
            Self::OverQuota => "ask the host's operator for more room, or add another host",
            Self::Withholds { .. } => "sync the device that has them, or add another host",
            Self::TooManyUnreadable | Self::RepeatsBags | Self::LosesBags => {
                "ask the host's operator to check the host's storage, and add another host"
            }
        }
    }
}

/// A message that does not get to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedMessage {
    /// The entity that it is about.
    pub entity: EntityId,
    /// When it was written.
    pub changed: Timestamp,
    /// How many bytes it takes, sealed.
    pub bytes: u64,
}

/// Why a host refused a message, or why a message does not get to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The host refused it with this status.
    #[error("the host refused the message: {0}")]
    Status(Status),
    /// The message is larger than the host accepts.
    #[error("the message is larger than what the host takes")]
    TooLarge,
    /// The host says that it has the message, but does not list it, so no other device gets it from there.
    #[error("the host says that it has the message, but does not list it")]
    NotListed,
    /// The host refuses any request with the message.
    #[error("the host takes no request with the message")]
    NotTaken,
    /// The host answers other requests, but those with the message fail each time.
    #[error("the message does not get through to the host, though others do")]
    Undelivered,
    /// The account has no room for the message: it may store no more than the host allows it.
    #[error("the account has stored {used} of the {limit} bytes that the host allows it")]
    OverQuota {
        /// How many bytes the account may store.
        limit: u64,
        /// How many bytes it has stored.
        used: u64,
    },
    /// The account has sent and fetched as much as the host allows it for now.
    #[error("the account has used up the {limit} bytes of traffic that the host allows it")]
    OverTraffic {
        /// How many bytes the account may send and fetch.
        limit: u64,
    },
}

impl Refusal {
    /// Returns why a host refused one message of a push, given what the head of its response says.
    pub(super) fn of_message(status: Status, head: &ResponseHead) -> Self {
        let of = |quota: Quota| quota.limit().zip(quota.used());
        match (status, of(head.traffic), of(head.stored)) {
            (Status::STORAGE_ERROR, Some((limit, used)), _) if used >= limit => Self::OverTraffic { limit },
            (Status::STORAGE_ERROR, _, Some((limit, used))) => Self::OverQuota { limit, used },
            _ => Self::Status(status),
        }
    }

    /// Returns whether it says nothing about other messages.
    pub(super) const fn is_of_one(self) -> bool {
        matches!(self, Self::TooLarge | Self::NotTaken | Self::Undelivered)
    }

    /// Returns whether the same message may get to the host later, without anybody's doing. A client tries again in either
    /// case.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Undelivered | Self::OverTraffic { .. } => true,
            Self::Status(status) => status.is_temporary(),
            Self::TooLarge | Self::NotListed | Self::NotTaken | Self::OverQuota { .. } => false,
        }
    }

    /// Returns what the user can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Undelivered => {
                "it is tried again now and then; check what stands between this device and the host, or add another host"
            }
            Self::Status(_) | Self::NotListed | Self::NotTaken => {
                "it is tried again now and then; add another host to be safe"
            }
            Self::TooLarge => "ask the host's operator to take larger messages, or add another host",
            Self::OverQuota { .. } => "ask the host's operator for more room, or add another host",
            Self::OverTraffic { .. } => {
                "wait until the host counts anew, ask its operator for more, or add another host"
            }
        }
    }
}

/// Why a session pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pause {
    Trouble(Trouble),
    Blocked(BlockCause),
}

impl Failure {
    /// Returns whether it may pass without anybody's doing, as [`Trouble::is_retryable`] says. What blocks sync lasts.
    pub fn is_retryable(&self) -> bool {
        match Pause::from(self.clone()) {
            Pause::Trouble(trouble) => trouble.is_retryable(),
            Pause::Blocked(_) => false,
        }
    }

    /// Returns what the user can do about it.
    pub fn remedy(&self) -> &'static str {
        match Pause::from(self.clone()) {
            Pause::Trouble(trouble) => trouble.remedy(),
            Pause::Blocked(cause) => cause.remedy(),
        }
    }
}

/// In the words of the status.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Pause::from(self.clone()) {
            Pause::Trouble(trouble) => trouble.fmt(f),
            Pause::Blocked(cause) => cause.fmt(f),
        }
    }
}

impl Pause {
    /// Returns how long the host asked to be left alone.
    pub(super) const fn asked(&self) -> Option<Duration> {
        match self {
            Self::Trouble(Trouble::Busy { retry_after, .. }) => Some(*retry_after),
            _ => None,
        }
    }
}

impl From<Failure> for Pause {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoAddress { name } => Self::Trouble(Trouble::NoAddress { name }),
            Failure::ConnectionRefused => Self::Trouble(Trouble::ConnectionRefused),
            Failure::Unreachable => Self::Trouble(Trouble::Unreachable),
            Failure::Proxy { proxy, fault } => Self::Trouble(Trouble::Proxy { proxy, fault }),
            Failure::Cut => Self::Trouble(Trouble::Cut),
            Failure::Timeout => Self::Trouble(Trouble::Timeout),
            Failure::TooSlow => Self::Trouble(Trouble::TooSlow),
            Failure::Offline => Self::Trouble(Trouble::Offline),
            Failure::Busy { status, retry_after } => Self::Trouble(Trouble::Busy { status, retry_after }),
            Failure::Tls(fault) => Self::Blocked(BlockCause::Tls(fault)),
            Failure::NotHttp => Self::Blocked(BlockCause::NotHttp),
            // 511: a network asks for a sign-in.
            Failure::WebPage | Failure::HttpStatus(511 | 201..300) => Self::Blocked(BlockCause::SomethingElse),
            Failure::Redirected { status, target } => Self::Blocked(BlockCause::Redirected { status, target }),
            Failure::HttpStatus(404 | 405 | 410) => Self::Blocked(BlockCause::NotAHost),
            Failure::HttpStatus(status @ (401 | 403 | 407)) => Self::Blocked(BlockCause::Denied(status)),
            Failure::HttpStatus(status) => Self::Trouble(Trouble::HttpStatus(status)),
        }
    }
}

impl From<Status> for Pause {
    fn from(status: Status) -> Self {
        match status {
            Status::SERVER_MISCONFIGURED => Self::Blocked(BlockCause::Misconfigured),
            Status::NOT_FOUND | Status::NOT_IMPLEMENTED => Self::Blocked(BlockCause::NotAHost),
            Status::CLOCK_OUT_OF_SYNC => Self::Blocked(BlockCause::Clock),
            Status::USER_NOT_REGISTERED => Self::Blocked(BlockCause::Registration(status)),
            status if status.is_temporary() => Self::Trouble(Trouble::HostFailed(status)),
            _ => Self::Blocked(BlockCause::Refused(status)),
        }
    }
}

/// Part of a sentence, for people.
impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::FirstSync(SyncProgress { done, total, .. }) => write!(f, "first sync, {done} of {total}"),
            Self::CatchingUp(SyncProgress { done, total, .. }) => write!(f, "catching up, {done} of {total}"),
            Self::Pushing => f.write_str("sending"),
            Self::CaughtUp => f.write_str("in sync"),
            Self::Waiting { trouble, .. } => write!(f, "waiting, {trouble}: {}", trouble.remedy()),
            Self::Blocked { cause, .. } => write!(f, "{cause}: {}", cause.remedy()),
        }
    }
}
