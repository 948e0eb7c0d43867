//! How much a server takes, and how long it waits.

use std::time::Duration;

use crate::budget::Bounds;

/// How much a server takes from its clients, and how long it waits for them.
///
/// ```
/// use diplomatic_host::Limits;
///
/// let mut limits = Limits::default();
/// assert_eq!(limits.body, 64 << 20);
/// limits.body = 1 << 20;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// The largest body of a bag, in bytes; 64 MiB by default. A bag with a larger one is refused for itself
    /// ([`Status::INVALID_REQUEST`](diplomatic::standard::Status::INVALID_REQUEST)), and the others of its request are
    /// stored. A PUSH as a whole has no limit.
    pub body: usize,
    /// How many bytes of requests are in memory at once; 512 MiB by default. One account has a quarter of it at most,
    /// one address a half (but for those of this machine, as a proxy has them), and nobody less than two bags need. Requests wait for room for at most [`Limits::idle`].
    pub bodies: usize,
    /// How many bytes of responses and of frames are in memory at once; 256 MiB by default, shared in the same way.
    /// Responses wait for room, and sockets that would need more are let go.
    pub outgoing: usize,
    /// How many connections are served at once, sockets of the live channel included; 10,000 by default. More wait.
    /// One address has a half of them at most.
    pub connections: usize,
    /// How many sockets of the live channel one account has; 64 by default. More are refused.
    pub sockets: usize,
    /// How long a request's header may take, and how long a connection may be kept open between two requests; 30 s by
    /// default.
    pub header: Duration,
    /// How long a client may send nothing of a body, or take nothing of a response; 30 s by default.
    pub idle: Duration,
    /// How many bytes of a body have to come in a second, but for pauses of [`Limits::idle`] in all; 1,024 by default.
    pub rate: usize,
    /// How often a socket of the live channel is pinged; 30 s by default. One that is silent for two of them is dropped.
    pub ping: Duration,
    /// How long a socket of the live channel lives; about a day by default, some longer than others. Clients connect
    /// again.
    pub socket_life: Duration,
    /// How long requests that were accepted may take to finish at shutdown; 8 s by default, for containers are killed
    /// after 10 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 << 20,
            bodies: 512 << 20,
            outgoing: 256 << 20,
            connections: 10_000,
            sockets: 64,
            header: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            rate: 1024,
            ping: Duration::from_secs(30),
            socket_life: Duration::from_secs(24 * 60 * 60),
            grace: Duration::from_secs(8),
        }
    }
}

impl Limits {
    /// Returns how the memory for bodies is shared.
    pub(crate) fn body_bounds(&self) -> Bounds {
        // Of a large bag one is stored while the next one comes.
        let least = 2 * (self.body + (4 << 20));
        Bounds {
            total: self.bodies.max(least),
            account: (self.bodies / 4).max(least),
            address: (self.bodies / 2).max(least),
        }
    }

    /// Returns how the memory for responses and frames is shared.
    pub(crate) fn outgoing_bounds(&self) -> Bounds {
        let least = 4 << 20;
        Bounds {
            total: self.outgoing.max(least),
            account: (self.outgoing / 4).max(least),
            address: (self.outgoing / 2).max(least),
        }
    }

    /// Returns how connections are shared. Their accounts are not known.
    pub(crate) const fn connection_bounds(&self) -> Bounds {
        let total = if self.connections == 0 { 1 } else { self.connections };
        Bounds { total, account: total, address: total.div_ceil(2) }
    }
}
