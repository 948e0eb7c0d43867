//! Data files that are damaged, foreign or of another version, and disks that are full.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use diplomatic::standard::Seq;
use diplomatic_host::{BagStore, OpenStoreError, Placed, RedbOptions, RedbStore, StoreError};
use redb::{Database, TableDefinition};
use tokio::runtime::Builder;

use support::account::Account;

/// Waits for the store, which needs no runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().build().unwrap().block_on(future)
}

fn push(store: &RedbStore, account: &Account, count: usize, body: usize) -> Result<Vec<Placed>, StoreError> {
    wait(store.append(account.key(), account.verified(count, body))).into_whole()
}

/// Makes a data file with some bags in it.
fn data_file(folder: &Path) -> PathBuf {
    let path = folder.join("host.redb");
    let store = RedbStore::open(&path).unwrap();
    push(&store, &Account::new(1), 200, 500).unwrap();
    path
}

#[test]
fn what_was_stored_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = data_file(folder.path());
    let store = RedbStore::open(&path).unwrap();
    let account = Account::device(1, 2);
    assert_eq!(wait(store.last(account.key())).unwrap(), Seq::new(200));
    assert_eq!(push(&store, &account, 1, 0).unwrap(), [Placed::New(Seq::new(201).unwrap())]);
}

#[test]
fn a_file_of_the_first_format_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.redb");
    fs::write(&path, include_bytes!("data/format-1.redb")).unwrap();
    for next in [201, 202] {
        let store = RedbStore::open(&path).unwrap();
        let account = Account::device(1, next);
        assert_eq!(push(&store, &account, 1, 10).unwrap(), [Placed::New(Seq::new(next).unwrap())]);
    }
}

#[test]
fn a_file_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = data_file(folder.path());
    let _first = RedbStore::open(&path).unwrap();
    assert!(matches!(RedbStore::open(&path), Err(OpenStoreError::InUse { .. })));
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for content in [&b"a"[..], b"not a database, but somebody's letter", &[0; 9000]] {
        let path = folder.path().join("letter.txt");
        fs::write(&path, content).unwrap();
        let error = RedbStore::open(&path).unwrap_err();
        assert!(matches!(error, OpenStoreError::NotOurs { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.redb");
    const OTHER: TableDefinition<'_, u64, u64> = TableDefinition::new("other");
    let database = Database::create(&path).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(OTHER).unwrap().insert(1, 1).unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&path).unwrap_err();
    assert!(error.to_string().ends_with("is not a data file of this program: choose another file"), "{error}");
}

#[test]
fn a_file_of_another_format_is_refused_with_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let path = data_file(folder.path());
    const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
    let database = Database::create(&path).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(META).unwrap().insert("format", "diplomatic-host 3").unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&path).unwrap_err().to_string();
    assert!(error.contains("has format diplomatic-host 3 and this version reads format diplomatic-host 2"), "{error}");
}

#[test]
fn a_file_that_was_cut_or_changed_is_refused_by_a_check_or_still_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(data_file(folder.path())).unwrap();
    let path = folder.path().join("damaged.redb");
    let cut = (0..8).map(|eighth| whole[..whole.len() * eighth / 8 + 10].to_vec());
    let changed = (0..whole.len()).step_by(1021).map(|at| {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        damaged
    });
    let mut refused = 0;
    for damaged in cut.chain(changed) {
        fs::write(&path, damaged).unwrap();
        let mut options = RedbOptions::default();
        options.check = true;
        match RedbStore::open_with(&path, options) {
            Err(OpenStoreError::Damaged { .. } | OpenStoreError::NotOurs { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
            // Free space was hit, or what redb could mend.
            Ok(store) => {
                let account = Account::new(1);
                let last = wait(store.last(account.key())).unwrap().unwrap();
                assert_eq!(wait(store.heads(account.key(), Seq::ZERO, last, usize::MAX)).unwrap().len(), 200);
            }
        }
    }
    assert!(refused > 20, "only {refused} were refused");
}

#[test]
fn an_empty_file_is_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.redb");
    fs::write(&path, b"").unwrap();
    RedbStore::open_with(&path, RedbOptions::default()).unwrap();
}

/// A small disk of its own, where the system lets us have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_takes_writes_again_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("size=8m") else {
        eprintln!("skipped: no disk could be mounted here");
        return;
    };
    let folder = disk.0.path();
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let store = RedbStore::open(folder.join("host.redb")).unwrap();
    let account = Account::new(1);
    let mut stored = 0;
    let refused = loop {
        match push(&store, &account, 10, 10_000) {
            Ok(placed) => stored += placed.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Write(_)), "{refused:?}");
    assert!(stored > 0);
    for _ in 0..3 {
        assert!(push(&store, &account, 10, 10_000).is_err());
        let seqs: Vec<_> = (1..=stored as u64).map(|seq| Seq::new(seq).unwrap()).collect();
        let bodies = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            wait(store.bodies(account.key(), seqs.clone(), usize::MAX)).ok()
        });
        assert!(bodies.is_some_and(|bodies| bodies.len() == stored && bodies.iter().all(Option::is_some)));
    }
    fs::remove_file(&ballast).unwrap();
    let placed = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        push(&store, &account, 1, 100).ok()
    });
    let placed = placed.unwrap();
    assert_eq!(placed, [Placed::New(Seq::new(stored as u64 + 1).unwrap())]);
}
