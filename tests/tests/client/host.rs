//! A host on a port and a data file of its own, which can be killed and started again. `DIPLOMATIC_TEST_POSTGRES` puts
//! Postgres in the place of the file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{HostKeys, Label, Seed, Seq};
use diplomatic_host::{BagStore, Host, RedbStore, Server};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

#[cfg(unix)]
#[path = "../../../diplomatic-host/tests/support/postgres.rs"]
mod postgres;

type Store = Arc<dyn BagStore>;

/// A host in a runtime of its own, so that killing it stops all of it at once, between any two steps.
pub(crate) struct TestHost {
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    life: u32,
    /// The address of a database that takes the place of the file.
    database: Option<String>,
    running: Option<(Arc<Host<Store>>, Runtime)>,
}

impl TestHost {
    pub(crate) async fn start() -> Self {
        let mut host = Self::absent().await;
        host.restart().await;
        host
    }

    /// A host that has a port and is not running.
    pub(crate) async fn absent() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        Self { address, folder: tempfile::tempdir().unwrap(), life: 0, database: empty_database().await, running: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(format!("host-{}.redb", self.life))
    }

    pub(crate) async fn restart(&mut self) {
        let (address, data, database) = (self.address, self.data(), self.database.clone());
        let starting = tokio::task::spawn_blocking(move || {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let store: Store = match database {
                None => Arc::new(patiently(|| RedbStore::open(&data))),
                Some(url) => runtime.block_on(open_database(&url)),
            };
            let host = Arc::new(Host::new(store));
            let listener = patiently(|| runtime.block_on(TcpListener::bind(address)));
            runtime.spawn(Server::new(host.clone()).serve(listener, std::future::pending()));
            (host, runtime)
        });
        self.running = Some(starting.await.unwrap());
    }

    pub(crate) async fn kill(&mut self) {
        let running = self.running.take();
        tokio::task::spawn_blocking(move || drop(running)).await.unwrap();
    }

    /// Kills it, and starts it with nothing.
    pub(crate) async fn lose_everything(&mut self) {
        self.kill().await;
        self.life += 1;
        self.database = empty_database().await;
        self.restart().await;
    }

    /// Returns the bags of an account.
    pub(crate) fn bags(&self, seed: &Seed, label: &Label) -> Vec<PeekItem> {
        let keys = HostKeys::derive(seed, label);
        let (host, runtime) = self.running.as_ref().expect("the host runs");
        let Some(last) = wait(runtime, host.store().last(*keys.public_key())).unwrap() else { return Vec::new() };
        wait(runtime, host.store().heads(*keys.public_key(), Seq::ZERO, last, usize::MAX)).unwrap()
    }

    /// Returns how many bags the account has, after checking that they are as many different messages.
    pub(crate) fn count(&self, seed: &Seed) -> usize {
        let bags = self.bags(seed, &Label::default());
        let keys = HostKeys::derive(seed, &Label::default());
        let heads = keys.open_heads(bags.iter().map(|bag| &bag.head));
        let mut hashes: Vec<_> = heads.iter().map(|head| *head.as_ref().unwrap().head().hash().as_bytes()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), bags.len(), "no message is at the host twice");
        bags.len()
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        if let Some((_, runtime)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(unix)]
async fn empty_database() -> Option<String> {
    std::env::var_os("DIPLOMATIC_TEST_POSTGRES")?;
    Some(postgres::fresh().await.expect("there is a Postgres"))
}

#[cfg(not(unix))]
async fn empty_database() -> Option<String> {
    None
}

async fn open_database(url: &str) -> Store {
    Arc::new(diplomatic_host::PostgresStore::connect(url, diplomatic_host::PostgresOptions::default()).await.unwrap())
}

/// Waits for the store of a host, also where another runtime runs already.
fn wait<T: Send>(runtime: &Runtime, future: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join().unwrap())
}

/// Tries until it works: what was killed a moment ago may still be letting go.
fn patiently<T, E: std::fmt::Debug>(act: impl Fn() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match act() {
            Ok(done) => return done,
            Err(error) if started.elapsed() > Duration::from_secs(20) => panic!("it stays impossible: {error:?}"),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A seed of its own for each test.
pub(crate) fn new_seed() -> Seed {
    static START: OnceLock<u64> = OnceLock::new();
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let start = *START.get_or_init(|| std::process::id().into());
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&start.to_le_bytes());
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    bytes[8..16].copy_from_slice(&next.to_le_bytes());
    Seed::from_bytes(bytes)
}
