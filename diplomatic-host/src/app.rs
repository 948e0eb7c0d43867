//! What every connection of a server shares.

use std::fmt;
use std::sync::Arc;

use diplomatic::standard::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::live::Hub;
use crate::{Host, Limits};

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A connection's place among [`Limits::connections`]; free again when the last clone is dropped.
pub(crate) type Seat = Arc<OwnedSemaphorePermit>;

/// Bytes of a permit for a part of [`Limits::bodies`].
pub(crate) const PERMIT_BYTES: usize = 1024;

/// What every connection of a server shares.
pub(crate) struct App<S> {
    pub(crate) host: Arc<Host<S>>,
    pub(crate) hub: Hub,
    pub(crate) limits: Arc<Limits>,
    /// A permit for every [`PERMIT_BYTES`] of request bodies in memory.
    pub(crate) bodies: Arc<Semaphore>,
    /// Whether the server shuts down.
    pub(crate) closing: Arc<watch::Sender<bool>>,
    clock: Clock,
}

impl<S> App<S> {
    pub(crate) fn new(host: Arc<Host<S>>, limits: Limits, clock: Clock) -> Self {
        let permits = limits.bodies.max(limits.body).div_ceil(PERMIT_BYTES) + 1;
        Self {
            host,
            hub: Hub::default(),
            limits: Arc::new(limits),
            bodies: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            closing: Arc::new(watch::Sender::new(false)),
            clock,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Waits until the server shuts down.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub(crate) async fn closed(&self) {
        // The sender is `self`'s own, so that the wait cannot fail.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

impl<S> Clone for App<S> {
    fn clone(&self) -> Self {
        Self {
            host: Arc::clone(&self.host),
            hub: self.hub.clone(),
            limits: Arc::clone(&self.limits),
            bodies: Arc::clone(&self.bodies),
            closing: Arc::clone(&self.closing),
            clock: Arc::clone(&self.clock),
        }
    }
}

impl<S> fmt::Debug for App<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("limits", &self.limits).finish_non_exhaustive()
    }
}
