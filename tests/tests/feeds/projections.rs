//! Projections: rows elsewhere that follow a log.

use std::collections::BTreeMap;

use diplomatic::error::ProjectError;
use diplomatic::projection::{Mark, Page};
use diplomatic::standard::{EntityId, HeadHash};
use diplomatic::{Backing, Device, Projection, Replay, Seed};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::aggregates::Journal;
use crate::board::{Board, Event, added, at, open, renamed, roots, seed};
use crate::histories::live;

/// A database that may fail, and that keeps its mark as text.
#[derive(Debug, Default)]
struct Table<const VERSION: u32 = 0> {
    rows: BTreeMap<EntityId, Vec<HeadHash>>,
    mark: Option<String>,
    pages: usize,
    /// How many pages can be saved until the disk is full.
    room: Option<usize>,
}

#[derive(Debug, PartialEq)]
struct DiskFull;

impl<const VERSION: u32> Projection for Table<VERSION> {
    type Aggregate = Journal;
    type Error = DiskFull;

    const VERSION: u32 = VERSION;

    fn mark(&mut self) -> Result<Option<Mark>, DiskFull> {
        Ok(self.mark.as_ref().map(|mark| mark.parse().unwrap()))
    }

    fn save(&mut self, page: Page<Journal>) -> Result<(), DiskFull> {
        match &mut self.room {
            Some(0) => return Err(DiskFull),
            Some(room) => *room -= 1,
            None => {}
        }
        if page.is_anew {
            self.rows.clear();
        }
        for (id, row) in page.rows {
            match row {
                Some(journal) => drop(self.rows.insert(id, journal.hashes())),
                None => drop(self.rows.remove(&id)),
            }
        }
        self.mark = Some(page.mark.to_string());
        self.pages += 1;
        Ok(())
    }
}

impl<const VERSION: u32> Table<VERSION> {
    fn with_mark_of<const OTHER: u32>(other: Table<OTHER>) -> Self {
        let Table { rows, mark, pages, room } = other;
        Self { rows, mark, pages, room }
    }
}

fn device_with(count: u64) -> (Device<Board>, Vec<EntityId>) {
    let mut device = open(&Backing::memory(), 1);
    let events: Vec<Event> = (0..count).map(|n| added(&n.to_string())).collect();
    let ids = device.emit_all(at(1), &events).unwrap();
    (device, ids)
}

#[test]
fn rows_that_follow_a_log_equal_those_of_a_rebuild() {
    for number in 0..200 {
        let (_, mut device) = live(number);
        let mut rng = StdRng::seed_from_u64(number);
        let mut table = <Table>::default();
        device.project(&mut table, |_| ()).unwrap();
        assert_eq!(table.rows, roots(&device), "history {number}");
        let known: Vec<EntityId> = table.rows.keys().filter(|id| !id.is_derived()).cloned().collect();
        for _ in 0..5 {
            if known.is_empty() {
                break;
            }
            let id = &known[rng.random_range(0..known.len())];
            let event = if rng.random_bool(0.3) { Event::Removed { card: id.clone() } } else { renamed(id, "later") };
            // It may refer to something that is not there any more, which is no fault here.
            let _ = device.emit(at(1_000), &event);
        }
        device.project(&mut table, |_| ()).unwrap();
        assert_eq!(table.rows, roots(&device), "history {number}, later");
    }
}

#[test]
fn only_the_rows_that_changed_are_saved_again() {
    let (mut device, ids) = device_with(2_000);
    let (mut table, mut watched) = (<Table>::default(), Vec::new());
    device.project(&mut table, |progress| watched.push((progress.done, progress.total))).unwrap();
    assert_eq!((table.rows.len(), watched.last()), (2_000, Some(&(2_000, 2_000))));
    assert!(watched.len() > 1 && watched.is_sorted());
    let pages = table.pages;
    device.project(&mut table, |_| ()).unwrap();
    assert_eq!(table.pages, pages, "nothing has changed");

    device.emit(at(2), &renamed(&ids[0], "zero")).unwrap();
    device.emit(at(3), &Event::Removed { card: ids[1].clone() }).unwrap();
    // What it does not touch stays as it is, even what should not be there.
    table.rows.get_mut(&ids[2]).unwrap().clear();
    device.project(&mut table, |_| ()).unwrap();
    assert_eq!((table.rows.len(), table.pages), (1_999, pages + 1));
    assert_eq!((table.rows[&ids[0]].len(), table.rows[&ids[2]].len()), (2, 0));
}

#[test]
fn a_projection_goes_on_after_its_database_failed() {
    let (mut device, ids) = device_with(2_000);
    let mut table = <Table>::default();
    for (room, id) in ids.iter().enumerate() {
        table.room = Some(room % 3);
        match device.project(&mut table, |_| ()) {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, ProjectError::Projection(DiskFull))),
        }
        device.emit(at(2), &renamed(id, "meanwhile")).unwrap();
    }
    assert!(table.pages > 3, "it took several runs");
    assert_eq!(table.rows, roots(&device));
}

#[test]
fn all_rows_are_made_anew_for_another_version_or_another_store() {
    let (mut device, ids) = device_with(3);
    let mut table = <Table>::default();
    device.project(&mut table, |_| ()).unwrap();
    let odd = EntityId::new(b"leftover", at(0));
    table.rows.insert(odd.clone(), Vec::new());
    device.emit(at(2), &renamed(&ids[0], "zero")).unwrap();
    device.project(&mut table, |_| ()).unwrap();
    assert!(table.rows.contains_key(&odd), "it went on");

    let mut next = Table::<1>::with_mark_of(table);
    device.project(&mut next, |_| ()).unwrap();
    assert_eq!(next.rows, roots(&device));

    let (other, _) = device_with(5);
    other.project(&mut next, |_| ()).unwrap();
    assert_eq!(next.rows, roots(&other));

    let empty = Device::<Board>::open(Backing::memory(), &Seed::random(), StdRng::seed_from_u64(1)).unwrap();
    empty.project(&mut next, |_| ()).unwrap();
    assert_eq!(next.rows, BTreeMap::new(), "also if the other store has nothing");
}

#[test]
fn an_export_gives_the_rows_of_the_device_that_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.dpl");
    for number in 0..200 {
        let (_, mut device) = live(number);
        device.export(&path, &seed()).unwrap();
        let (mut live, mut replayed) = (<Table>::default(), <Table>::default());
        device.project(&mut live, |_| ()).unwrap();
        let mut replay = Replay::open(&path, &seed()).unwrap();
        replay.project(&mut replayed, |_| ()).unwrap();
        assert_eq!(replayed.rows, live.rows, "history {number}");
        let pages = replayed.pages;
        Replay::open(&path, &seed()).unwrap().project(&mut replayed, |_| ()).unwrap();
        assert_eq!(replayed.pages, pages, "the same file again leaves nothing to do");
    }
}

#[test]
fn a_longer_export_and_one_that_failed_in_between_make_all_rows_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.dpl");
    let (mut device, ids) = device_with(10_000);
    device.export(&path, &seed()).unwrap();
    let mut table: Table = Table { room: Some(1), ..Table::default() };
    let failed = Replay::open(&path, &seed()).unwrap().project(&mut table, |_| ());
    assert!(matches!(failed, Err(ProjectError::Projection(DiskFull))));
    table.room = None;
    let mut watched = Vec::new();
    let mut replay = Replay::open(&path, &seed()).unwrap();
    replay.project(&mut table, |progress| watched.push((progress.done, progress.total))).unwrap();
    assert_eq!((&table.rows, watched.last()), (&roots(&device), Some(&(10_000, 10_000))));
    device.emit(at(2), &Event::Removed { card: ids[0].clone() }).unwrap();
    device.export(&path, &seed()).unwrap();
    Replay::open(&path, &seed()).unwrap().project(&mut table, |_| ()).unwrap();
    assert_eq!(table.rows, roots(&device));
}
