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
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What happens to a bag in the host's file. Damage is a flipped bit, so that the same damage once more mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    Lost,
    Signature,
    Kdm,
    HeadLength,
    Head,
    Body,
}

const HEADS: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("heads-1");
const BODIES: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("bodies-1");
const SEQS: TableDefinition<'_, &[u8; 48], &[u8; 8]> = TableDefinition::new("seqs-2");

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

    /// Loses its file, and is started again without one.
    pub(crate) fn lose_everything(&mut self) {
        self.stop();
        patiently(|| RedbStore::open(self.data()).map(drop));
        fs::remove_file(self.data()).unwrap();
        self.resume();
    }

    /// Damages a bag of the only account in its file.
    pub(crate) fn damage(&mut self, bag: u64, damage: Damage) {
        self.change(|transaction| {
            let (table, byte) = match damage {
                Damage::Lost => {
                    for table in [HEADS, BODIES] {
                        let mut table = transaction.open_table(table).unwrap();
                        table.retain(|key, _| !is_bag(key, bag)).unwrap();
                    }
                    return;
                }
                Damage::Signature => (HEADS, 5),
                Damage::Kdm => (HEADS, 64),
                Damage::HeadLength => (HEADS, 72),
                Damage::Head => (HEADS, 110),
                Damage::Body => (BODIES, 30),
            };
            let mut table = transaction.open_table(table).unwrap();
            let rows = table.iter().unwrap().map(Result::unwrap);
            let row = rows.map(|(key, value)| (*key.value(), value.value().to_vec())).find(|(key, _)| is_bag(key, bag));
            let (key, mut value) = row.unwrap();
            value[byte] ^= 1;
            table.insert(&key, value.as_slice()).unwrap();
        });
    }

    /// Forgets that it has a bag, so that the bag gets a new number when it is pushed again, as at hosts of others.
    pub(crate) fn forget_signature(&mut self, bag: u64) {
        self.change(|transaction| {
            let mut table = transaction.open_table(SEQS).unwrap();
            table.retain(|_, seq| *seq != bag.to_be_bytes()).unwrap();
        });
    }

    fn change(&mut self, change: impl FnOnce(&WriteTransaction)) {
        self.stop();
        let database = patiently(|| Database::open(self.data()));
        let transaction = database.begin_write().unwrap();
        change(&transaction);
        transaction.commit().unwrap();
        drop(database);
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

fn is_bag(key: &[u8; 40], bag: u64) -> bool {
    key.ends_with(&bag.to_be_bytes())
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
