//! A user's device: a client on a file of its own.

use std::path::PathBuf;
use std::time::Duration;

use diplomatic::standard::Seed;
use diplomatic::sync::SessionConfig;
use diplomatic::{Client, ClientBuilder, SyncStatus};
use diplomatic_simulation::todo::{Event, Todos};

/// A device's file, and whose it is.
pub(crate) struct Device {
    folder: tempfile::TempDir,
    seed: Seed,
}

impl Device {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), seed: seed.clone() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("todo.redb")
    }

    /// Describes a client with short pauses, which emits nothing that the test does not ask for.
    pub(crate) fn builder(&self) -> ClientBuilder<Todos> {
        Client::builder(self.seed.clone()).store(self.path()).session_config(brisk()).witness_after(None)
    }

    pub(crate) async fn open(&self, url: &str) -> Client<Todos> {
        self.builder().host(url).open().await.unwrap()
    }
}

/// Pauses for tests: nobody waits a minute for a dead socket there.
pub(crate) fn brisk() -> SessionConfig {
    let mut config = SessionConfig::default();
    config.shortest_backoff = Duration::from_millis(50);
    config.longest_backoff = Duration::from_millis(500);
    config.request_timeout = Duration::from_secs(2);
    config.ping_after = Duration::from_millis(300);
    config.dead_after = Duration::from_millis(900);
    config.poll = (Duration::from_millis(50), Duration::from_millis(400));
    config
}

/// Fails a test that hangs, and says at what.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(done) => done,
        Err(_) => panic!("a minute was not enough until {what}"),
    }
}

/// Waits until the status is as `is` wants it.
pub(crate) async fn status(client: &Client<Todos>, what: &str, is: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
    let mut changes = client.status_changes();
    let waiting = async {
        loop {
            let status = client.status();
            if is(&status) {
                return status;
            }
            changes.next().await.expect("the client is open");
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), waiting).await {
        Ok(status) => status,
        Err(_) => panic!("a minute was not enough until {what}; the status is {:?}", client.status()),
    }
}

/// Syncs until everything that was emitted is at every host.
pub(crate) async fn caught_up(client: &Client<Todos>) {
    let syncing = async {
        while !client.sync().await.unwrap().is_caught_up() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), syncing).await.is_err() {
        panic!("a minute was not enough to catch up; the status is {:?}", client.status());
    }
}

/// Waits until the state is as `is` wants it.
pub(crate) async fn state(client: &Client<Todos>, what: &str, is: impl Fn(&Todos) -> bool) {
    if tokio::time::timeout(Duration::from_secs(60), client.wait_until(is)).await.is_err() {
        panic!("a minute was not enough until {what}; the status is {:?}", client.status());
    }
}

pub(crate) fn todos(client: &Client<Todos>) -> Todos {
    client.read(Clone::clone)
}

/// Emits items called `prefix` 0, 1, 2 and so on.
pub(crate) async fn add(client: &Client<Todos>, prefix: &str, count: usize) {
    for n in 0..count {
        client.emit(Event::Added { title: format!("{prefix} {n}") }).await.unwrap();
    }
}
