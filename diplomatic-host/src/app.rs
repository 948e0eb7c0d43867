//! What every connection of a server shares.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use diplomatic::standard::{Bag, InvalidSignature, PublicKey, Timestamp, VerifiedBag};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, spawn_blocking};

use crate::budget::{Budget, Share};
use crate::guard::Guard;
use crate::live::Hub;
use crate::{BagStore, Host, Limits, Metrics, Tls};

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A connection's place among [`Limits::connections`]; free again when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Seat(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    address: IpAddr,
    /// Dropped in this order: whoever waits for the permit finds that the address has room.
    _of_address: Share,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    pub(crate) fn new(address: IpAddr, of_address: Share, permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Taken { address, _of_address: of_address, _permit: permit }))
    }

    /// Returns where the connection comes from.
    pub(crate) fn address(&self) -> IpAddr {
        self.0.address
    }
}

/// How many chunks are read for responses at once: each may be as large as a body, whatever there is room for.
const READS: usize = 8;

/// What every connection of a server shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) host: Arc<Host<dyn BagStore>>,
    pub(crate) hub: Hub,
    pub(crate) limits: Arc<Limits>,
    /// The memory for request bodies.
    pub(crate) bodies: Arc<Budget>,
    /// The memory for responses.
    pub(crate) outgoing: Arc<Budget>,
    pub(crate) reads: Arc<Semaphore>,
    /// Whether the server shuts down.
    pub(crate) closing: Arc<watch::Sender<bool>>,
    /// A permit for every core that checks signatures.
    checks: Arc<Semaphore>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) metrics: Metrics,
    pub(crate) guard: Guard,
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
    pub(crate) fn start(
        host: Arc<Host<dyn BagStore>>,
        limits: Limits,
        clock: Clock,
        tls: Option<Arc<Tls>>,
        metrics: Metrics,
        guard: Guard,
    ) -> Self {
        let outgoing = Budget::new(limits.outgoing_bounds());
        let hub = Hub::new(limits.sockets, Arc::clone(&outgoing));
        guard.gate.on_block({
            let hub = hub.clone();
            move |key| hub.close(key)
        });
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let following = tokio::spawn({
            let (hub, host) = (hub.clone(), Arc::clone(&host));
            async move { hub.follow(host.store()).await }
        });
        Self {
            host,
            hub,
            _following: Arc::new(Following(following.abort_handle())),
            bodies: Budget::new(limits.body_bounds()),
            limits: Arc::new(limits),
            outgoing,
            reads: Arc::new(Semaphore::new(READS)),
            closing: Arc::new(watch::Sender::new(false)),
            checks: Arc::new(Semaphore::new(cores.div_ceil(2))),
            tls,
            metrics,
            guard,
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

impl App {
    /// Checks signatures on a part of the cores, however many are to be checked.
    pub(crate) async fn check_signatures(
        &self,
        user: PublicKey,
        bags: Vec<Bag>,
    ) -> Vec<Result<VerifiedBag, InvalidSignature>> {
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
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("limits", &self.limits).finish_non_exhaustive()
    }
}
