//! What opening accepts and refuses.

use std::fs;
use std::path::PathBuf;

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
fn a_file_that_is_open_elsewhere_is_refused() {
    let (_folder, path) = path();
    let _open = try_open(&path, &seed()).unwrap();
    assert!(matches!(try_open(&path, &seed()).unwrap_err(), OpenLogError::InUse { .. }));
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
    assert!(matches!(error, OpenLogError::NewerFormat { found: 9, supported: 1, .. }), "{error:?}");
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
