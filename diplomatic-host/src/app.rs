//! What every connection of a server shares.

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use diplomatic::standard::{Bag, InvalidSignature, PublicKey, Timestamp, VerifiedBag};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, spawn_blocking};

use crate::live::Hub;
use crate::{BagStore, Host, Limits, Notice, StoreFuture, Surroundings};

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A connection's place among [`Limits::connections`]; free again when the last clone is dropped.
pub(crate) type Seat = Arc<OwnedSemaphorePermit>;

/// Bytes of a permit for a part of [`Limits::bodies`].
pub(crate) const PERMIT_BYTES: usize = 1024;

/// What every connection of a server shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) host: Arc<Host<dyn BagStore>>,
    pub(crate) hub: Hub,
    pub(crate) limits: Arc<Limits>,
    /// A permit for every [`PERMIT_BYTES`] of request bodies in memory.
    pub(crate) bodies: Arc<Semaphore>,
    /// Whether the server shuts down.
    pub(crate) closing: Arc<watch::Sender<bool>>,
    /// A permit for every core that checks signatures.
    checks: Arc<Semaphore>,
    clock: Clock,
    _following: Arc<Following>,
}

/// The task that keeps the hub up with the store; it ends with the last connection.
struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl App {
    /// Starts to follow the store, on the tokio runtime that this is called in.
    pub(crate) fn start(host: Arc<Host<dyn BagStore>>, limits: Limits, clock: Clock) -> Self {
        let hub = Hub::default();
        let permits = limits.bodies.max(limits.body).div_ceil(PERMIT_BYTES) + 1;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let following = tokio::spawn({
            let (hub, host) = (hub.clone(), Arc::clone(&host));
            async move { hub.follow(host.store()).await }
        });
        Self {
            host,
            hub,
            _following: Arc::new(Following(following.abort_handle())),
            limits: Arc::new(limits),
            bodies: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            closing: Arc::new(watch::Sender::new(false)),
            checks: Arc::new(Semaphore::new(cores.div_ceil(2))),
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

/// How many signatures are checked on the spot: to hand over so few would cost more.
const FEW: usize = 4;

/// Signatures are checked on a part of the cores, however many are to be checked.
impl Surroundings for App {
    fn check(&self, user: PublicKey, bags: Vec<Bag>) -> StoreFuture<'_, Vec<Result<VerifiedBag, InvalidSignature>>> {
        Box::pin(async move {
            if bags.len() <= FEW {
                return Bag::verify_each(bags, &user);
            }
            let count = bags.len();
            let permit = self.checks.clone().acquire_owned().await;
            let checked = spawn_blocking(move || {
                let _permit = permit;
                Bag::verify_each(bags, &user)
            });
            // It fails only where the runtime is shut down, which nobody hears any more.
            checked.await.unwrap_or_else(|_| vec![Err(InvalidSignature); count])
        })
    }

    fn tell(&self, notice: Notice) {
        self.hub.publish(notice);
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("limits", &self.limits).finish_non_exhaustive()
    }
}
