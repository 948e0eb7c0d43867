//! How much a server takes, and how long it waits.

use std::time::Duration;

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
    /// The largest body of a request, in bytes; 64 MiB by default. A larger one is refused with a status that no other
    /// refusal has (see [`Refusal::TooLarge`](crate::Refusal::TooLarge)), in a response that any client can read.
    pub body: usize,
    /// How many bytes of requests all connections together hold; 512 MiB by default, and never less than one body.
    /// Requests wait for room for at most [`Limits::idle`].
    pub bodies: usize,
    /// How many connections are served at once, sockets of the live channel included; 4,096 by default. More wait.
    pub connections: usize,
    /// How long a request's header may take, and how long a connection may be kept open between two requests; 30 s by
    /// default.
    pub header: Duration,
    /// How long a client may send nothing of a body, or take nothing of a response; 30 s by default.
    pub idle: Duration,
    /// How long a whole body may take; 15 minutes by default.
    pub upload: Duration,
    /// How often a socket of the live channel is pinged; 30 s by default. One that is silent for two of them is dropped.
    pub ping: Duration,
    /// How long requests that were accepted may take to finish at shutdown; 30 s by default.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 << 20,
            bodies: 512 << 20,
            connections: 4096,
            header: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            upload: Duration::from_secs(15 * 60),
            ping: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }
}
