//! Files that earlier versions wrote.

use std::fs;
use std::path::Path;

use diplomatic::attachments::KeepAttachments;
use diplomatic::list::Query;
use diplomatic::standard::{EntityId, Label, Message, Seq};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DeviceConfig, Seed};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::todo::{Event, Todos, added, at, open, seed};

/// A file of format 1, which was linked with `home`, has snapshots and lists, and was closed properly.
pub(crate) const FORMAT_1: &[u8] = include_bytes!("fixtures/format-1.pages");

/// A file of format 2, which was linked with `home`, compacted, has snapshots, lists and sealed bags that wait, and was
/// closed properly.
const FORMAT_2: &[u8] = include_bytes!("fixtures/format-2.pages");

/// A file of format 3 in which `dip cat` wrote two events.
const FORMAT_3: &[u8] = include_bytes!("fixtures/format-3.pages");

/// A file of format 3, which was linked with `home`, has messages that came late, a register that moved, snapshots and
/// lists, was compacted, and was closed properly.
const FORMAT_3_MOVED: &[u8] = include_bytes!("fixtures/format-3-moved.pages");

/// A file of format 5 into which `dip` imported a todo and the attachment that its title names, which was a message like any
/// other then.
const FORMAT_5: &[u8] = include_bytes!("fixtures/format-5.pages");

/// A file of format 6, which was linked with `home`, with two todos whose titles name attachments of 300 and 5000 bytes.
const FORMAT_6: &[u8] = include_bytes!("fixtures/format-6.pages");

/// Writes a fixture out as a file: it is the file's length (8, big-endian), and each page of 4096 bytes that is not
/// empty after its number (4, big-endian).
pub(crate) fn unpack(fixture: &[u8], path: &Path) {
    let (len, mut pages) = fixture.split_first_chunk::<8>().unwrap();
    let mut file = vec![0; usize::try_from(u64::from_be_bytes(*len)).unwrap()];
    while let Some((number, rest)) = pages.split_first_chunk::<4>() {
        let start = u32::from_be_bytes(*number) as usize * 4096;
        let (page, rest) = rest.split_at((file.len() - start).min(4096));
        file[start..start + page.len()].copy_from_slice(page);
        pages = rest;
    }
    fs::write(path, file).unwrap();
}

/// Checks what every file of an older format holds, in its state, its list and its tables.
fn assert_holds_the_shopping(device: &mut Device<Todos>) {
    device.read(|todos| {
        let titles: Vec<_> = todos.items.values().map(|(title, done)| (title.as_str(), *done)).collect();
        assert_eq!(titles, [("soy milk", false)]);
        assert_eq!(todos.notes[&EntityId::new(b"shopping", at(7))], "for Sunday");
        assert_eq!(todos.status, "at home");
    });
    assert_eq!(device.list_latest(&Query::of_type("todo.added"), None).unwrap().entries.len(), 1);
    assert_eq!(device.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn a_file_of_format_1_opens_with_all_that_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_1, &path);
    for _ in 0..2 {
        let mut device = open(&Backing::file(&path));
        assert_holds_the_shopping(&mut device);
        let home = device.link_host(&Label::new("home")).unwrap();
        assert_eq!(device.session_log(home).pending().unwrap(), device.messages().unwrap().len() as u64);
    }
    let mut device = open(&Backing::file(&path));
    let milk = device.read(|todos| todos.items.keys().next().unwrap().clone());
    device.emit(at(9), &Event::Renamed { todo: milk, title: "rice milk".into() }).unwrap();
    device.emit(at(10), &added("bread")).unwrap();
    assert_eq!(device.history(None, 100).unwrap().len(), 11);
}

#[test]
fn a_file_of_format_2_opens_with_all_that_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_2, &path);
    for _ in 0..2 {
        let mut device = open(&Backing::file(&path));
        assert_holds_the_shopping(&mut device);
        assert_eq!(device.message_count().unwrap(), 5);
        assert!(device.horizon().unwrap().is_some());
        let home = device.link_host(&Label::new("home")).unwrap();
        assert_eq!(device.session_log(home).pending().unwrap(), 2);
    }
    let mut device = open(&Backing::file(&path));
    device.emit(at(10), &added("bread")).unwrap();
    assert_eq!(device.history(None, 100).unwrap().len(), 6);
}

#[test]
fn a_file_of_format_3_opens_with_all_that_it_held_and_what_was_written_can_be_undone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_3, &path);
    let titles = |device: &diplomatic::Device<crate::todo::Todos>| {
        device.read(|todos| todos.items.values().map(|item| item.0.clone()).collect::<Vec<_>>())
    };
    for _ in 0..2 {
        let device = open(&Backing::file(&path));
        assert_eq!(titles(&device), ["milk", "bread"]);
        assert_eq!(device.can_undo().unwrap().unwrap().to_string(), "todo.added");
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    }
    let mut device = open(&Backing::file(&path));
    device.undo(at(10)).unwrap();
    assert_eq!(titles(&device), ["milk"]);
    device.undo(at(11)).unwrap();
    device.redo(at(12)).unwrap();
    device.redo(at(13)).unwrap();
    assert_eq!(titles(&device), ["milk", "bread"]);
}

#[test]
fn a_file_of_format_3_opens_with_all_that_it_held_and_feeds_begin_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_3_MOVED, &path);
    let [milk, bread] = [&b"the milk"[..], b"the bread"].map(|name| EntityId::new(name, at(1)));
    let mut cursor = None;
    for _ in 0..2 {
        let mut device = open(&Backing::file(&path));
        device.read(|todos| {
            let titles: Vec<_> = todos.items.values().map(|(title, _)| title.as_str()).collect();
            assert_eq!(titles, ["bread", "soy milk"]);
            assert_eq!(todos.notes[&EntityId::new(b"shopping", at(7))], "for Sunday");
            assert_eq!(todos.status, "at home");
        });
        assert_eq!(device.list_latest(&Query::of_type("todo.added"), None).unwrap().entries.len(), 2);
        let home = device.link_host(&Label::new("home")).unwrap();
        assert_eq!(device.session_log(home).pending().unwrap(), 6);
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
        let arrived = device.arrivals(None, 100).unwrap();
        let places: Vec<_> = arrived.rows.iter().map(|row| row.entry.position).collect();
        assert!(places.is_sorted() && arrived.rows.iter().all(|row| !row.is_late));
        assert_eq!(places.len() as u64, device.message_count().unwrap());
        let roots = device.changed_entities(None, 100).unwrap();
        assert!(roots.rows.contains(&milk) && roots.rows.contains(&bread));
        assert_eq!(*cursor.get_or_insert(roots.cursor), roots.cursor, "the file is migrated once");
    }
    let mut device = open(&Backing::file(&path));
    let moved = EntityId::register("later.placed", &[0x91, 0x01]);
    let gone = Message::new(moved, at(20), 0, None).unwrap();
    let messages = vec![Arrival { seq: Seq::ZERO, message: gone }];
    device.session_log(1).receive(Received { messages, ..Received::default() }).unwrap();
    let mut changed = device.changed_entities(cursor.as_ref(), 100).unwrap().rows;
    changed.sort();
    let mut both = [milk, bread];
    both.sort();
    assert_eq!(changed, both, "it hung on the milk before");
}

#[test]
fn a_file_of_format_1_is_left_alone_by_another_seed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_1, &path);
    let rng: rand::rngs::StdRng = rand::make_rng();
    let stranger = Seed::from_bytes([8; 32]);
    diplomatic::Device::<crate::todo::Todos>::open(Backing::file(&path), &stranger, rng).unwrap_err();
    assert_eq!(open(&Backing::file(&path)).read(|todos| todos.items.len()), 1);
}

#[test]
fn a_file_of_format_5_opens_with_all_that_it_held_and_takes_attachments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_5, &path);
    for _ in 0..2 {
        let mut device = open(&Backing::file(&path));
        let titles: Vec<_> = device.read(|todos| todos.items.values().map(|item| item.0.clone()).collect());
        let [title] = titles.as_slice() else { panic!("{titles:?}") };
        let attachment: diplomatic::Attachment = title.parse().unwrap();
        let mut bytes = Vec::new();
        device.copy_attachment(&attachment, &mut bytes).unwrap();
        assert_eq!(bytes, b"some bytes");
        assert_eq!(device.attach(&b"some bytes"[..]).unwrap(), attachment);
        let other = device.attach(&b"other bytes"[..]).unwrap();
        assert_eq!(other.len(), 11);
        assert_eq!(device.messages().unwrap().len(), 2);
        // Apps do not meet the part of it among their messages, though it is one there.
        assert_eq!(device.history(None, 1).unwrap().len(), 1);
        let last = device.history(None, 1).unwrap()[0].position;
        assert_eq!(device.history(Some(&last), 10).unwrap().len() + device.history(None, 10).unwrap().len(), 1);
        assert_eq!(device.full_history(None, 10).unwrap().len(), 2);
        assert_eq!(device.arrivals(None, 10).unwrap().rows.len(), 1);
        assert_eq!(device.changed_entities(None, 10).unwrap().rows.len(), 1);
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    }
}

#[test]
fn a_file_of_format_6_opens_with_all_that_it_held_and_knows_how_much_of_attachments_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_6, &path);
    for _ in 0..2 {
        let mut config = DeviceConfig::default();
        config.attachments = KeepAttachments::UpTo(1);
        let rng = StdRng::seed_from_u64(1);
        let mut device = Device::<Todos>::open_with(Backing::file(&path), &seed(), rng, config).unwrap();
        let titles: Vec<_> = device.read(|todos| todos.items.values().map(|item| item.0.clone()).collect());
        assert_eq!(titles.len(), 2);
        let kept = device.evict_attachments().unwrap().unwrap();
        // Small parts do not count, and what no host has stays.
        assert!(kept.parts == 1 && kept.bytes > 5_000, "{kept:?}");
        for title in titles {
            device.copy_attachment(&title.parse().unwrap(), &mut Vec::new()).unwrap();
        }
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    }
}
