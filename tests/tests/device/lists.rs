//! Lists of entities from the index.

use diplomatic::history::Happened;
use diplomatic::list::{PageStart, Query};
use diplomatic::standard::EntityId;
use diplomatic::{Backing, Device, DiplomaticEvent, Meta, Reducer};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::todo::{at, seed};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
enum Note {
    #[diplomatic(entity = "note", gid = "day", pid = "book")]
    Written { note: EntityId, day: String, book: Option<EntityId>, text: String },
    #[diplomatic(deletes = "note")]
    Torn { note: EntityId },
}

#[derive(Default, Serialize, Deserialize)]
struct Nothing;

impl Reducer for Nothing {
    type Event = Note;

    fn apply(&mut self, _: Note, _: &Meta) {}
}

fn open(backing: &Backing) -> Device<Nothing> {
    Device::open(backing.clone(), &seed(), rand::make_rng::<StdRng>()).unwrap()
}

fn note(number: u64) -> EntityId {
    EntityId::new(&number.to_be_bytes(), at(number))
}

fn book() -> EntityId {
    EntityId::new(b"the book", at(0))
}

fn written(number: u64, text: &str) -> Note {
    let book = number.is_multiple_of(2).then(book);
    Note::Written { note: note(number), day: format!("day {}", number % 3), book, text: text.into() }
}

fn all(device: &mut Device<Nothing>, query: &Query) -> Vec<EntityId> {
    let mut found = Vec::new();
    let mut start: Option<PageStart> = None;
    loop {
        let page = device.list_latest(query, start.as_ref()).unwrap();
        found.extend(page.entries.into_iter().map(|entry| entry.meta.entity));
        start = page.next;
        if start.is_none() {
            return found;
        }
    }
}

#[test]
fn lists_page_by_type_group_and_parent_also_when_the_index_comes_late() {
    let backing = Backing::memory();
    let mut device = open(&backing);
    let first: Vec<Note> = (0..10).map(|n| written(n, "early")).collect();
    device.emit_all(at(100), &first).unwrap();
    let by_type = Query::of_type("written").limit(3);
    assert_eq!(all(&mut device, &by_type), (0..10).map(note).collect::<Vec<_>>());
    drop(device);

    let mut device = open(&backing);
    let second: Vec<Note> = (10..20).map(|n| written(n, "late")).collect();
    device.emit_all(at(200), &second).unwrap();
    assert_eq!(all(&mut device, &by_type), (0..20).map(note).collect::<Vec<_>>());
    let by_group = Query::of_group("day 1").limit(2);
    assert_eq!(all(&mut device, &by_group), (0..20).filter(|n| n % 3 == 1).map(note).collect::<Vec<_>>());
    let by_parent = Query::of_parent(book()).limit(100);
    assert_eq!(all(&mut device, &by_parent), (0..20).step_by(2).map(note).collect::<Vec<_>>());
    assert!(all(&mut device, &Query::of_type("torn")).is_empty());
}

#[test]
fn ranges_bound_the_time_that_a_list_is_ordered_by() {
    let mut device = open(&Backing::memory());
    device.emit_all(at(100), &(0..10).map(|n| written(n, "early")).collect::<Vec<_>>()).unwrap();
    device.emit(at(500), &written(3, "changed")).unwrap();
    let created = Query::of_type("written").within(at(2)..at(5));
    assert_eq!(all(&mut device, &created), [note(2), note(3), note(4)]);
    let changed = Query::of_type("written").by_change();
    assert_eq!(all(&mut device, &changed).last(), Some(&note(3)));
    let page = device.list_latest(&changed.within(at(500)..), None).unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].what, Happened::Event(written(3, "changed")));
    assert!(all(&mut device, &Query::of_type("written").within(at(5)..at(2))).is_empty());
}

#[test]
fn what_is_deleted_or_moved_leaves_its_lists() {
    let mut device = open(&Backing::memory());
    device.emit_all(at(100), &(0..4).map(|n| written(n, "x")).collect::<Vec<_>>()).unwrap();
    assert_eq!(all(&mut device, &Query::of_group("day 0")), [note(0), note(3)]);
    device.emit(at(200), &Note::Torn { note: note(0) }).unwrap();
    let moved = Note::Written { note: note(3), day: "day 1".into(), book: None, text: "y".into() };
    device.emit(at(201), &moved).unwrap();
    assert!(all(&mut device, &Query::of_group("day 0")).is_empty());
    assert_eq!(all(&mut device, &Query::of_group("day 1")), [note(1), note(3)]);
    device.emit(at(300), &written(0, "again")).unwrap();
    assert_eq!(all(&mut device, &Query::of_group("day 0")), [note(0)]);
}
