//! The sync engine, and its interface to the log.
//!
//! A [`Session`] syncs one device with one host. It is a state machine without I/O: time, bytes and the log go in;
//! requests and a [status](HostStatus) come out. A driver connects it to a network and a clock, and tests connect many
//! sessions to simulated ones.
//!
//! ```text
//! PEEK after the cursor ─► PULL bodies that are not here ─► log, with the cursor behind it
//!         ▲                                                   │
//!         │ gap, new channel, failed push                     ▼
//! live channel or looks at intervals ◄──── PUSH the queue, until it is empty
//! ```

mod action;
mod backoff;
mod clock;
mod config;
mod failure;
mod fetching;
mod live;
mod log;
mod opening;
mod pace;
mod pushing;
mod random;
mod reading;
mod session;
mod settling;
mod skipped;
mod status;
mod stream;
mod utc;
mod window;
mod witnessing;

#[cfg(feature = "client")]
pub(crate) use reading::MAX_LISTED;
#[cfg(feature = "client")]
pub(crate) use stream::ResponseStream;

pub use action::{Action, LiveEvent, RequestId};
pub use config::{Now, SessionConfig, Transport};
pub use failure::{Failure, ProxyFault, TlsFault};
pub use log::{Arrival, Audited, Claimed, Cursor, Drained, Mark, Outgoing, PushLimits, Received, SyncLog, Unread};
pub use session::Session;
pub use skipped::{SkipReason, Skipped};
pub use status::{BlockCause, Bodies, HostStatus, Live, Phase, Refusal, RefusedMessage, SyncProgress, Trouble};
