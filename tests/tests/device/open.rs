//! What opening accepts and refuses.

use std::fs;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use diplomatic::standard::Seed;
use diplomatic::{Backing, Device, OpenLogError};

use crate::todo::{Todos, added, at, open, seed};

fn path() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    (folder, path)
}

fn try_open(path: &PathBuf, seed: &Seed) -> Result<Device<Todos>, OpenLogError> {
    Device::open(Backing::file(path), seed, rand::make_rng::<rand::rngs::StdRng>())
}

#[test]
fn what_was_emitted_is_there_after_a_restart() {
    let (_folder, path) = path();
    let mut device = open(&Backing::file(&path));
    let todo = device.emit(at(1), &added("milk")).unwrap();
    drop(device);
    assert_eq!(open(&Backing::file(&path)).read(|todos| todos.items[&todo].0.clone()), "milk");
}

#[test]
fn another_seed_is_refused() {
    let (_folder, path) = path();
    drop(try_open(&path, &seed()).unwrap());
    let error = try_open(&path, &Seed::from_bytes([8; 32])).unwrap_err();
    assert!(matches!(error, OpenLogError::WrongSeed { .. }), "{error:?}");
    assert!(error.to_string().contains("another seed"));
    try_open(&path, &seed()).unwrap();
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_alone() {
    let (_folder, path) = path();
    fs::write(&path, "dear diary".repeat(1000)).unwrap();
    assert!(matches!(try_open(&path, &seed()).unwrap_err(), OpenLogError::NotALog { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary".repeat(1000));
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = path();
    let table = redb::TableDefinition::<u32, u32>::new("theirs");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(try_open(&path, &seed()).unwrap_err(), OpenLogError::NotALog { .. }));
}

#[test]
fn a_newer_format_is_refused_with_the_way_out() {
    let (_folder, path) = path();
    drop(try_open(&path, &seed()).unwrap());
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta-1");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(meta).unwrap().insert("format", 9_u32.to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = try_open(&path, &seed()).unwrap_err();
    assert!(matches!(error, OpenLogError::NewerFormat { found: 9, supported: 7, .. }), "{error:?}");
    assert!(error.to_string().contains("update the program"));
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let (_folder, path) = path();
    let error = try_open(&path.join("deeper"), &seed()).unwrap_err();
    assert!(error.to_string().contains("todo.redb/deeper"), "{error}");
}

#[test]
fn a_damaged_file_is_refused_or_opens_but_never_panics() {
    let (_folder, path) = path();
    let mut device = try_open(&path, &seed()).unwrap();
    for n in 0..200 {
        device.emit(at(n), &added("milk")).unwrap();
    }
    drop(device);
    let whole = fs::read(&path).unwrap();
    for place in (0..whole.len()).step_by(whole.len() / 150) {
        let mut damaged = whole.clone();
        let end = (place + 16).min(whole.len());
        damaged[place..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(&path, &damaged).unwrap();
        if let Ok(device) = try_open(&path, &seed()) {
            assert!(device.read(|todos| todos.items.len()) <= 200);
        }
        fs::write(&path, &whole[..place]).unwrap();
        let _ = try_open(&path, &seed());
    }
}

#[test]
fn the_file_tells_nothing_of_the_content() {
    let (_folder, path) = path();
    let mut device = try_open(&path, &seed()).unwrap();
    device.emit(at(1), &added("a very secret plan")).unwrap();
    drop(device);
    let bytes = fs::read(&path).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(b"secret plan") && !holds(b"todo.added") && !holds(seed().expose_bytes()));
}

#[test]
fn a_file_whose_making_was_cut_short_is_made_anew() {
    let (_folder, path) = path();
    // As redb leaves it: long, with a header but for its magic number.
    let mut stump = vec![0; 1 << 20];
    stump[9..100].fill(0x5a);
    for stump in [&stump[..], &[0; 5], &[0; 9], &[0; 4096], &[]] {
        fs::write(&path, stump).unwrap();
        let mut device = open(&Backing::file(&path));
        device.emit(at(1), &added("milk")).unwrap();
        drop(device);
        assert_eq!(open(&Backing::file(&path)).read(|todos| todos.items.len()), 1);
    }
}

#[test]
fn a_file_that_only_begins_with_zeros_is_left_alone() {
    let (_folder, path) = path();
    for place in [9_usize, 600, 5000, 99_999] {
        let mut bytes = vec![0; 100_000];
        bytes[place] = 1;
        bytes[99_999] = 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(try_open(&path, &seed()).unwrap_err(), OpenLogError::NotALog { .. }));
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

/// A file as a storage of one's own, which fails when it is told to.
#[derive(Debug)]
struct Storage {
    file: redb::backends::FileBackend,
    fails: Arc<AtomicBool>,
}

impl redb::StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) { Err(io::Error::other("unplugged")) } else { self.file.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, redb::BackendError> {
        self.file.try_lock_range(start, end)
    }
}

#[test]
fn a_log_stands_on_any_storage_of_redb_and_comes_back_when_that_failed() {
    let (_folder, path) = path();
    let fails = Arc::new(AtomicBool::new(false));
    let opened = Arc::new(AtomicUsize::new(0));
    let backing = Backing::storage({
        let (fails, opened) = (fails.clone(), opened.clone());
        move || {
            opened.fetch_add(1, Ordering::SeqCst);
            let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
            let file = redb::backends::FileBackend::new(file).map_err(io::Error::other)?;
            Ok(Storage { file, fails: fails.clone() })
        }
    });
    let mut device = open(&backing);
    let milk = device.emit(at(1), &added("milk")).unwrap();
    fails.store(true, Ordering::SeqCst);
    device.emit(at(2), &added("bread")).unwrap_err();
    fails.store(false, Ordering::SeqCst);
    let cheese = device.emit(at(3), &added("cheese")).unwrap();
    assert!(opened.load(Ordering::SeqCst) > 1, "the storage is opened again after it failed");
    drop(device);
    let items = open(&backing).read(|todos| todos.items.clone());
    assert!(items.contains_key(&milk) && items.contains_key(&cheese));
}
