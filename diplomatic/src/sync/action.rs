//! Actions of a session, and reports from its driver.

use std::fmt;

use super::Failure;
use crate::standard::calls::{AuthToken, Call};

/// The ID of a request or live channel of a session. IDs are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// An action that a session asks its driver to carry out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send an HTTP POST with `body` to the path of `call` below the host's address, and report the response.
    Request {
        /// The request's ID in reports.
        id: RequestId,
        /// The call, with its path.
        call: Call,
        /// The request's body.
        body: Vec<u8>,
    },
    /// Abort a request. Later reports about it are ignored.
    Cancel {
        /// The request.
        id: RequestId,
    },
    /// Open a WebSocket at the host's address with the query `t` = `token`.
    OpenLive {
        /// The channel's ID in reports.
        id: RequestId,
        /// The value of the query parameter.
        token: AuthToken,
    },
    /// Close the WebSocket. Later reports about it are ignored.
    CloseLive {
        /// The channel.
        id: RequestId,
    },
    /// Send a ping on the WebSocket, and report [`LiveEvent::Alive`] when the pong arrives.
    Ping {
        /// The channel.
        id: RequestId,
    },
    /// The session stored `messages` new messages in the log. Tell the sessions of the other hosts that there is more to
    /// push (see [`Session::handle_pending`](super::Session::handle_pending)), and apply the messages.
    Arrived {
        /// How many messages were stored. Some may already have been in the log.
        messages: u64,
    },
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { id, call, body } => write!(f, "Request({}, {call:?}, {} bytes)", id.0, body.len()),
            Self::Cancel { id } => write!(f, "Cancel({})", id.0),
            Self::OpenLive { id, token: _ } => write!(f, "OpenLive({})", id.0),
            Self::CloseLive { id } => write!(f, "CloseLive({})", id.0),
            Self::Ping { id } => write!(f, "Ping({})", id.0),
            Self::Arrived { messages } => write!(f, "Arrived({messages})"),
        }
    }
}

/// An event on a live channel.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiveEvent {
    /// The WebSocket is open.
    Opened,
    /// The host answered the upgrade with an ordinary success, so it has no live channel.
    NotSupported,
    /// The upgrade was refused with this HTTP status.
    Refused(u16),
    /// The channel could not be opened, for another reason.
    Failed(Failure),
    /// A binary frame arrived.
    Frame(Vec<u8>),
    /// Another sign of life arrived, such as a pong.
    Alive,
    /// The WebSocket is closed, or could not be opened.
    Closed,
}

impl LiveEvent {
    /// Returns whether nothing follows on this channel.
    pub const fn is_last(&self) -> bool {
        match self {
            Self::NotSupported | Self::Refused(_) | Self::Failed(_) | Self::Closed => true,
            Self::Opened | Self::Frame(_) | Self::Alive => false,
        }
    }
}

impl fmt::Debug for LiveEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened => f.write_str("Opened"),
            Self::NotSupported => f.write_str("NotSupported"),
            Self::Refused(status) => write!(f, "Refused({status})"),
            Self::Failed(failure) => write!(f, "Failed({failure:?})"),
            Self::Frame(bytes) => write!(f, "Frame({} bytes)", bytes.len()),
            Self::Alive => f.write_str("Alive"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}
