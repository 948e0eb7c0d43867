//! Accepts connections until it is told to stop, and finishes what it accepted.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diplomatic::standard::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::{App, Clock, Seat};
use crate::budget::Budget;
use crate::guard::Guard;
use crate::http::{self, Router};
use crate::{BagStore, Health, Host, Limits, Metrics, Policy, Proxies, Stage, StoreError, Tls, housekeeping};

/// How long noting what was counted may take at the end.
const LAST_NOTES: Duration = Duration::from_secs(1);

/// A host on HTTP, with the live channel.
///
/// # Examples
///
/// A host in a test, on a port of its own:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use diplomatic_host::{Host, MemoryStore, Server};
/// use tokio::net::TcpListener;
/// use tokio::sync::oneshot;
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let url = format!("http://{}", listener.local_addr()?);
/// let (stop, stopped) = oneshot::channel::<()>();
/// let server = Server::new(Host::new(MemoryStore::new()));
/// let serving = tokio::spawn(server.serve(listener, async { drop(stopped.await) }));
///
/// // ... clients sync with `url` ...
///
/// drop(stop);
/// serving.await?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    host: Arc<Host<dyn BagStore>>,
    limits: Limits,
    clock: Clock,
    tls: Option<Arc<Tls>>,
    health: Health,
    metrics: Metrics,
    guard: Guard,
}

impl Server {
    /// Makes a server with the default limits and the system's clock. It takes a [`Host`], or an `Arc` of one that the
    /// caller wants to look into meanwhile.
    pub fn new<S: BagStore>(host: impl Into<Arc<Host<S>>>) -> Self {
        Self {
            host: host.into() as Arc<Host<S>>,
            limits: Limits::default(),
            clock: Arc::new(system_time),
            tls: None,
            health: Health::new(),
            metrics: Metrics::new(),
            guard: Guard::new(Policy::default()),
        }
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the clock, that of a test for one.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Returns an axum router that answers every request, for those who serve it themselves. It must be called in a tokio
    /// runtime.
    ///
    /// Limits of connections ([`Limits`]'s `connections`, `header`, `grace`, and `idle` for responses) are up to them.
    pub fn router(self) -> Router {
        http::router(self.start())
    }

    /// Sets whom the server serves, and how much.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { guard: Guard::new(policy), ..self }
    }

    /// Serves HTTPS instead of HTTP.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(Arc::new(tls)), ..self }
    }

    /// Tells through `health` whether it serves.
    #[must_use]
    pub fn with_health(self, health: Health) -> Self {
        Self { health, ..self }
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Returns who carries out the operator's commands on this server, while it serves. The policy has to be set before.
    #[cfg(unix)]
    pub fn admin(&self) -> crate::Admin {
        crate::Admin {
            host: Arc::clone(&self.host),
            gate: Arc::clone(&self.guard.gate),
            ledger: Arc::clone(&self.guard.ledger),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Serves the connections of `listener` until `shutdown` is ready, then finishes the requests that were accepted,
    /// for at most [`Limits::grace`].
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (health, tls) = (self.health.clone(), self.tls.clone());
        health.watch(Arc::clone(&self.host));
        if let Some(tls) = tls.clone() {
            let clock = Arc::clone(&self.clock);
            health.watch_certificate(move || tls.stage(clock()));
        }
        let app = self.start();
        let bounds = app.limits.connection_bounds();
        let count = bounds.total.min(Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let seats = Arc::new(Semaphore::new(count));
        let addresses = Budget::new(bounds);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let mut certificates = pin!(follow(tls, &app));
        let mut housekeeping = pin!(housekeeping::keep(&app));
        health.enter(Stage::Ready);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                () = &mut certificates => {}
                () = &mut housekeeping => {}
                accepted = accept(&listener, &seats, &addresses, &app.guard.proxies) => match accepted {
                    Ok(Some((seat, stream))) => {
                        connections.spawn(http::serve_connection(app.clone(), seat, stream));
                    }
                    Ok(None) => {}
                    Err(error) => pause_after(&error).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        health.enter(Stage::Stopping);
        app.closing.send_replace(true);
        let finished = async {
            while connections.join_next().await.is_some() {}
            // Sockets of the live channel have left their connections behind and hold their seats still.
            drop(seats.acquire_many(u32::try_from(count).unwrap_or(u32::MAX)).await);
        };
        if timeout(app.limits.grace, finished).await.is_err() {
            tracing::warn!("closed connections that did not finish in time");
        }
        let noting = app.guard.ledger.traffic.note_all(app.host.store(), app.now());
        match timeout(LAST_NOTES, noting).await {
            // A store that never opened has nothing to be noted.
            Ok(Ok(()) | Err(StoreError::Starting)) => {}
            Ok(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error, "could not note traffic"),
            Err(_) => tracing::warn!("there was no time to note the traffic of every account"),
        }
    }

    fn start(self) -> App {
        App::start(self.host, self.limits, self.clock, self.tls, self.metrics, self.guard)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host: _, limits, clock: _, tls: _, health: _, metrics: _, guard: _ } = self;
        f.debug_struct("Server").field("limits", limits).finish_non_exhaustive()
    }
}

/// Takes up new certificates; never ends.
async fn follow(tls: Option<Arc<Tls>>, app: &App) {
    match tls {
        Some(tls) => tls.follow(&|| app.now(), &app.metrics).await,
        None => std::future::pending().await,
    }
}

/// Accepts a connection; `None` when its address has as many as it may have. A proxy stands for many addresses.
async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
    addresses: &Arc<Budget>,
    proxies: &Proxies,
) -> io::Result<Option<(Seat, TcpStream)>> {
    let permit = seats.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    let mut of_address = addresses.share(None, (!proxies.trusts(peer.ip().to_canonical())).then(|| peer.ip()));
    Ok(of_address.try_grow(1).then(|| (Seat::new(peer.ip(), of_address, permit), stream)))
}

/// Waits a moment where the next accept would fail likewise, as when the process has no file descriptor left.
async fn pause_after(error: &io::Error) {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {}
        _ => {
            tracing::warn!(%error, "could not accept a connection");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn system_time() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus(since_epoch)
}
