//! What goes between a session and its driver.

use std::fmt;

use crate::standard::calls::{AuthToken, Call};

/// Names one request, or one live channel, of one session. Ids are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// What a session wants its driver to do.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send an HTTP POST with `body` to the path of `call` below the host's address, and report what comes back.
    Request {
        /// The request's name in the calls that report on it.
        id: RequestId,
        /// The call, with its path.
        call: Call,
        /// The whole body.
        body: Vec<u8>,
    },
    /// Give up a request. What is reported about it from now on is ignored.
    Cancel {
        /// The request.
        id: RequestId,
    },
    /// Open a WebSocket at the host's address with the query `t` = `token`.
    OpenLive {
        /// The channel's name in the calls that report on it.
        id: RequestId,
        /// The query's value.
        token: AuthToken,
    },
    /// Close the WebSocket. What is reported about it from now on is ignored.
    CloseLive {
        /// The channel.
        id: RequestId,
    },
    /// Send a ping on the WebSocket, and report [`LiveEvent::Alive`] when its pong comes.
    Ping {
        /// The channel.
        id: RequestId,
    },
    /// Nothing to do for this session: the log has `messages` new ones. The sessions of the other hosts have more to
    /// push now (see [`Session::handle_pending`](super::Session::handle_pending)), and the app has more to apply.
    Arrived {
        /// How many messages were stored; some may have been in the log already.
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

/// Why a request came to nothing, or ended before its response did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// There was no connection to the host.
    Unreachable,
    /// The connection broke while the request was sent or the response read.
    Cut,
    /// The transport ran into a time limit of its own.
    Timeout,
    /// The HTTP status was not 200; the body does not matter.
    HttpStatus(u16),
    /// The app wants to stay offline: nothing was sent.
    Offline,
}

/// What happens to a live channel.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiveEvent {
    /// The WebSocket is open.
    Opened,
    /// The upgrade was answered with an ordinary success: the host has no live channel.
    NotSupported,
    /// The upgrade was refused with this HTTP status.
    Refused(u16),
    /// A binary frame came.
    Frame(Vec<u8>),
    /// Another sign of life came, such as a pong.
    Alive,
    /// The WebSocket is closed, or could not be opened.
    Closed,
}

impl fmt::Debug for LiveEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened => f.write_str("Opened"),
            Self::NotSupported => f.write_str("NotSupported"),
            Self::Refused(status) => write!(f, "Refused({status})"),
            Self::Frame(bytes) => write!(f, "Frame({} bytes)", bytes.len()),
            Self::Alive => f.write_str("Alive"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}
