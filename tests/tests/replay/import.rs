//! Merging files into a device.

use std::cell::Cell;
use std::io::{Cursor, Error, Read, Result as IoResult, Seek, SeekFrom};
use std::rc::Rc;

use diplomatic::error::ImportError;
use diplomatic::standard::{Label, Seed};
use diplomatic::sync::SyncLog;
use diplomatic::{Backing, Replay};

use crate::files::{busy_device, file, folder, hashes, messages, parts};
use crate::todo::{Event, Todos, added, at, device, open, seed};

#[test]
fn an_import_into_a_fresh_device_gives_the_same_messages_and_state() {
    let (_folder, path) = folder();
    let mut old = busy_device();
    old.export(&path, &seed()).unwrap();
    let backing = Backing::memory();
    let mut new = open(&backing);
    let report = new.import(&path, &seed()).unwrap();
    assert_eq!((report.new, report.known, report.unreadable.count()), (11, 0, 0));
    assert_eq!(new.messages().unwrap(), old.messages().unwrap());
    assert_eq!(new.read(Clone::clone), old.read(Clone::clone));
    assert_eq!(new.unread(), old.unread());
    drop(new);
    assert_eq!(open(&backing).read(Clone::clone), old.read(Clone::clone));
}

#[test]
fn importing_again_finds_everything_known_and_changes_nothing() {
    let (_folder, path) = folder();
    let mut device = busy_device();
    device.export(&path, &seed()).unwrap();
    let (before, version) = (device.messages().unwrap(), device.version());
    let report = device.import(&path, &seed()).unwrap();
    assert_eq!((report.new, report.known), (0, 11));
    assert_eq!((device.messages().unwrap(), device.version()), (before, version));
}

#[test]
fn an_import_merges_with_what_is_there_and_keeps_what_is_newer() {
    let (_folder, path) = folder();
    let mut one = device();
    let milk = one.emit(at(10), &added("milk")).unwrap();
    one.emit(at(20), &Event::Renamed { todo: milk.clone(), title: "old".into() }).unwrap();
    one.export(&path, &seed()).unwrap();

    let mut other = device();
    other.import(&path, &seed()).unwrap();
    other.emit(at(30), &Event::Renamed { todo: milk.clone(), title: "new".into() }).unwrap();
    other.emit(at(40), &added("bread")).unwrap();
    let before = other.read(Clone::clone);
    other.import(&path, &seed()).unwrap();
    assert_eq!(other.read(Clone::clone), before);

    one.emit(at(25), &Event::Done { todo: milk, done: true }).unwrap();
    one.emit(at(26), &added("late")).unwrap();
    one.export(&path, &seed()).unwrap();
    assert_eq!(other.import(&path, &seed()).unwrap().new, 2);
    // All of one's messages are in the other by now, so that its own export folds to the merged state.
    other.export(&path, &seed()).unwrap();
    let mut replay = Replay::open(&path, &seed()).unwrap();
    assert_eq!(replay.fold::<Todos>(None).unwrap().state, other.read(Clone::clone));
    assert_eq!(replay.len(), 6);
    assert_eq!(other.read(|todos| todos.items.len()), 3);
}

#[test]
fn what_a_file_brings_is_queued_for_every_host() {
    let mut device = device();
    let link = device.link_host(&Label::default()).unwrap();
    let other = device.link_host(&Label::new("other")).unwrap();
    let replay = Replay::from_source(Cursor::new(file(&messages(50))), &seed()).unwrap();
    device.import_from(replay, |_| ()).unwrap();
    assert_eq!(device.session_log(link).pending().unwrap(), 50);
    assert_eq!(device.session_log(other).pending().unwrap(), 50);
}

#[test]
fn a_file_of_another_seed_is_refused_and_changes_nothing() {
    let (_folder, path) = folder();
    busy_device().export(&path, &seed()).unwrap();
    let mut device = device();
    let error = device.import(&path, &Seed::from_bytes([9; 32])).unwrap_err();
    assert!(error.to_string().contains("another seed"), "{error}");
    assert_eq!(device.messages().unwrap().len(), 0);
}

/// A file that fails once so many bytes were read.
struct Failing {
    file: Cursor<Vec<u8>>,
    left: Rc<Cell<usize>>,
}

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
        let most = out.len().min(self.left.get());
        if most == 0 && !out.is_empty() {
            return Err(Error::other("the disk was pulled"));
        }
        let read = self.file.read(&mut out[..most])?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

impl Seek for Failing {
    fn seek(&mut self, place: SeekFrom) -> IoResult<u64> {
        self.file.seek(place)
    }
}

#[test]
fn an_import_that_is_cut_off_keeps_whole_batches_and_is_finished_by_the_next() {
    let messages = messages(9_500);
    let bytes = file(&messages);
    let backing = Backing::memory();
    let left = Rc::new(Cell::new(usize::MAX));
    let replay =
        Replay::from_source(Failing { file: Cursor::new(bytes.clone()), left: left.clone() }, &seed()).unwrap();
    let mut device = open(&backing);
    let mut stored = Vec::new();
    let error = device
        .import_from(replay, |progress| {
            stored.push(progress.done);
            left.set(1_000);
        })
        .unwrap_err();
    assert!(matches!(error, ImportError::Replay(_)), "{error:?}");
    drop(device);

    let &[stored] = &stored[..] else { panic!("one batch was stored: {stored:?}") };
    let count = usize::try_from(stored).unwrap();
    let mut device = open(&backing);
    assert_eq!(device.messages().unwrap(), hashes(&messages[..count]));
    let mut seen = Vec::new();
    let replay = Replay::from_source(Cursor::new(bytes), &seed()).unwrap();
    let report = device.import_from(replay, |progress| seen.push((progress.done, progress.total))).unwrap();
    assert_eq!((report.new, report.known), (9_500 - stored, stored));
    assert!(seen.is_sorted() && seen[0] == (stored, 9_500) && seen.last() == Some(&(9_500, 9_500)), "{seen:?}");
    assert_eq!(device.messages().unwrap(), hashes(&messages));
}

#[test]
fn a_damaged_body_is_reported_and_the_rest_comes_in() {
    let (_folder, path) = folder();
    let messages = messages(2_500);
    let mut bytes = file(&messages);
    let body = parts(&bytes).items[1_234].1.clone();
    bytes[body.start + 30] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut device = device();
    let report = device.import(&path, &seed()).unwrap();
    assert_eq!((report.new, report.known, report.unreadable.count()), (2_499, 0, 1));
    let damage = &report.unreadable.places()[0];
    assert_eq!((damage.item, damage.bytes.clone()), (Some(1_234), body.start as u64..body.end as u64));
}

#[test]
fn what_is_left_of_a_damaged_file_comes_in_when_it_is_recovered() {
    let messages = messages(1_500);
    let mut bytes = file(&messages);
    bytes.truncate(bytes.len() - 500);
    let replay = Replay::recover_from(Cursor::new(bytes), &seed()).unwrap();
    let lost = replay.damage().count();
    let mut device = device();
    let report = device.import_from(replay, |_| ()).unwrap();
    assert_eq!(report.unreadable.count(), lost);
    // The cut itself is a damaged place beside the bodies behind it.
    assert_eq!(report.new + report.unreadable.count() - 1, 1_500);
}
