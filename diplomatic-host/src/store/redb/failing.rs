//! Disks that fail: full ones, and ones that come back.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use diplomatic::standard::Seq;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tokio::runtime::Builder;

use super::RedbStore;
use super::open::Medium;
use crate::account::Account;
use crate::store::{BagStore, Placed, StoreError};

/// A disk that survives the database. It can be full, where only bytes that lie on it already can be written again, and
/// it can fail altogether after some writes.
#[derive(Debug, Clone)]
struct Disk {
    bytes: Arc<InMemoryBackend>,
    blocks: Arc<Mutex<HashSet<u64>>>,
    blocks_left: Arc<AtomicI64>,
    /// What a power cut leaves of the disk.
    synced: Arc<Mutex<Vec<u8>>>,
    writes_left: Arc<AtomicI64>,
}

impl Disk {
    const BLOCK: u64 = 4096;

    fn new() -> Self {
        let endless = || Arc::new(AtomicI64::new(i64::MAX));
        Self {
            bytes: Arc::new(InMemoryBackend::new()),
            blocks: Arc::default(),
            blocks_left: endless(),
            synced: Arc::default(),
            writes_left: endless(),
        }
    }

    /// The disk as a power cut leaves it: only what was synced.
    fn after_power_cut(&self) -> Self {
        let disk = Self::new();
        let synced = self.synced.lock().unwrap();
        disk.bytes.set_len(synced.len() as u64).unwrap();
        disk.bytes.write(0, &synced).unwrap();
        disk
    }

    fn open(&self) -> RedbStore {
        let disk = self.clone();
        RedbStore::start(Medium::backend(move || Box::new(disk.clone()))).unwrap()
    }
}

fn spend(left: &AtomicI64) -> io::Result<()> {
    match left.fetch_sub(1, Ordering::SeqCst) {
        ..=0 => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // As on a real disk, room is taken by what is written, not by the length.
        self.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap();
        synced.resize(usize::try_from(self.bytes.len()?).unwrap(), 0);
        self.bytes.read(0, &mut synced)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        spend(&self.writes_left)?;
        let mut blocks = self.blocks.lock().unwrap();
        for block in offset / Self::BLOCK..(offset + data.len() as u64).div_ceil(Self::BLOCK) {
            if !blocks.contains(&block) {
                spend(&self.blocks_left)?;
                blocks.insert(block);
            }
        }
        self.bytes.write(offset, data)
    }
}

/// Waits for the store, which needs no runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().build().unwrap().block_on(future)
}

fn push(store: &RedbStore, account: &Account, count: usize) -> Result<Vec<Placed>, StoreError> {
    wait(store.append(account.key(), account.verified(count, 1000))).into_whole()
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_takes_writes_again_when_there_is_room() {
    for blocks in [0, 1, 2, 3, 5, 8, 13] {
        let disk = Disk::new();
        let store = disk.open();
        let account = Account::new(1);
        assert_eq!(push(&store, &account, 20).unwrap().len(), 20);
        disk.blocks_left.store(blocks, Ordering::SeqCst);
        let refused = push(&store, &account, 50);
        assert!(matches!(refused, Err(StoreError::Write(_))), "{refused:?} with room for {blocks} blocks");

        let read_back = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            wait(store.heads(account.key(), Seq::ZERO, Seq::new(100).unwrap(), usize::MAX)).ok()
        });
        assert_eq!(read_back.map(|items| items.len()), Some(20), "with room for {blocks} blocks");

        disk.blocks_left.store(i64::MAX, Ordering::SeqCst);
        let placed = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            push(&store, &account, 1).ok()
        });
        let placed = placed.unwrap();
        assert_eq!(placed, [Placed::New(Seq::new(21).unwrap())]);
    }
}

#[test]
fn every_acknowledged_bag_is_there_however_many_writes_the_disk_took() {
    for writes in 0..60 {
        let disk = Disk::new();
        let account = Account::new(1);
        let store = disk.open();
        disk.writes_left.store(writes, Ordering::SeqCst);
        let stored = (0..20).filter_map(|_| push(&store, &account, 1).ok()).flatten().map(Placed::seq).max();
        drop(store);
        disk.writes_left.store(i64::MAX, Ordering::SeqCst);
        let last = wait(disk.open().last(account.key())).unwrap();
        assert!(last >= stored, "{stored:?} was acknowledged and {last:?} is there after {writes} writes");
    }
}

#[test]
fn every_acknowledged_bag_survives_a_power_cut() {
    let disk = Disk::new();
    let store = disk.open();
    let account = Account::new(1);
    for count in [1, 5, 1, 50, 2, 1] {
        let placed = push(&store, &account, count).unwrap();
        let after = disk.after_power_cut().open();
        let last = wait(after.last(account.key())).unwrap();
        assert_eq!(last, placed.last().map(|placed| placed.seq()));
        let heads = wait(after.heads(account.key(), Seq::ZERO, last.unwrap(), usize::MAX)).unwrap();
        assert_eq!(heads.len() as u64, last.unwrap().number());
    }
}
