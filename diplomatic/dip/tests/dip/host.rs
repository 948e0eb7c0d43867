//! A host on a port and a file of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use diplomatic::standard::{HostKeys, Message, Seq};
use diplomatic::{Label, Seed};
use diplomatic_host::{BagStore, Host, RedbStore, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A host in a runtime of its own; it is gone when this is dropped.
pub(crate) struct TestHost {
    address: SocketAddr,
    folder: TempDir,
    running: Option<(Arc<Host<RedbStore>>, Runtime)>,
}

impl TestHost {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let address = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap().local_addr().unwrap();
        drop(runtime);
        let mut host = Self { address, folder: TempDir::new().unwrap(), running: None };
        host.resume();
        host
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("host.redb")
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.redb")
    }

    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    pub(crate) fn resume(&mut self) {
        let data = self.data();
        let runtime = Runtime::new().unwrap();
        // What was stopped a moment ago may still be letting go.
        let host = Arc::new(Host::new(patiently(|| RedbStore::open(&data))));
        let listener = patiently(|| runtime.block_on(TcpListener::bind(self.address)));
        runtime.spawn(Server::new(host.clone()).serve(listener, std::future::pending()));
        self.running = Some((host, runtime));
    }

    /// Keeps a copy of what it has.
    pub(crate) fn back_up(&mut self) {
        self.stop();
        patiently(|| RedbStore::open(self.data()).map(drop));
        fs::copy(self.data(), self.backup()).unwrap();
        self.resume();
    }

    /// Goes back to the copy: what came since is lost.
    pub(crate) fn go_back(&mut self) {
        self.stop();
        patiently(|| RedbStore::open(self.data()).map(drop));
        fs::copy(self.backup(), self.data()).unwrap();
        self.resume();
    }

    /// Tells whether the account was ever here.
    pub(crate) fn knows(&self, seed: &Seed) -> bool {
        let keys = HostKeys::derive(seed, &Label::default());
        let (host, runtime) = self.running.as_ref().unwrap();
        runtime.block_on(host.store().last(*keys.public_key())).unwrap().is_some()
    }

    /// Returns the messages of an account.
    pub(crate) fn messages(&self, seed: &Seed) -> Vec<Message> {
        let keys = HostKeys::derive(seed, &Label::default());
        let (host, runtime) = self.running.as_ref().unwrap();
        let (store, user) = (host.store(), *keys.public_key());
        let Some(last) = runtime.block_on(store.last(user)).unwrap() else { return Vec::new() };
        let heads = runtime.block_on(store.heads(user, Seq::ZERO, last, usize::MAX)).unwrap();
        let open = heads.iter().map(|item| {
            let bodies = runtime.block_on(store.bodies(user, vec![item.seq], usize::MAX)).unwrap();
            keys.open_head(&item.head).unwrap().open_body(bodies[0].as_ref().unwrap()).unwrap()
        });
        open.collect()
    }
}

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
