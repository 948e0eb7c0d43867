//! Aggregates: what the events of one root come to.

use diplomatic::list::{PageStart, Query};
use diplomatic::standard::{EntityBody, EntityId, HeadHash};
use diplomatic::{Aggregate, Backing, Device, Meta};
use serde::{Deserialize, Serialize};

use crate::board::{Board, Event, added, at, card, message, open, placed, receive, renamed, roots, written};
use crate::histories::live;

/// Which messages of a root count, in the total order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Journal(Vec<[u8; 32]>);

impl Journal {
    pub(crate) fn hashes(&self) -> Vec<HeadHash> {
        self.0.iter().copied().map(HeadHash::from_bytes).collect()
    }
}

impl Aggregate for Journal {
    type Event = Event;

    fn apply(this: &mut Option<Self>, event: Event, at: &Meta) {
        if !matches!(event, Event::Removed { .. }) {
            this.get_or_insert_with(|| Self(Vec::new())).0.push(*at.message.as_bytes());
        }
    }
}

/// A card, as a list would show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shown {
    title: String,
    holds: usize,
}

impl Aggregate for Shown {
    type Event = Event;

    fn apply(this: &mut Option<Self>, event: Event, _: &Meta) {
        match event {
            Event::Added { title } => *this = Some(Self { title, holds: 0 }),
            Event::Removed { .. } => *this = None,
            Event::Renamed { title, .. } if title == "boom" => panic!("boom"),
            Event::Renamed { title, .. } => this.iter_mut().for_each(|card| card.title.clone_from(&title)),
            Event::Placed { .. } => this.iter_mut().for_each(|card| card.holds += 1),
            Event::Set { .. } => {}
        }
    }
}

fn shown(title: &str, holds: usize) -> Option<Shown> {
    Some(Shown { title: title.into(), holds })
}

#[test]
fn an_aggregate_is_the_fold_of_what_counts_of_its_root() {
    for number in 0..500 {
        let (_, device) = live(number);
        let roots = roots(&device);
        for root in device.changed_entities(None, usize::MAX).unwrap().rows {
            let journal = device.load::<Journal>(&root).unwrap();
            assert_eq!(journal.map(|journal| journal.hashes()), roots.get(&root).cloned(), "history {number}, {root}");
        }
    }
}

#[test]
fn an_aggregate_follows_renames_moves_and_deletes() {
    let mut device = open(&Backing::memory(), 1);
    let ids = device.emit_all(at(1), &[added("todo"), added("done"), added("milk")]).unwrap();
    let [todo, done, milk] = &ids[..] else { unreachable!() };
    assert_eq!(device.load::<Shown>(&card(7)).unwrap(), None, "it was never there");
    device.emit_all(at(2), &[renamed(milk, "oat milk"), placed(milk, todo)]).unwrap();
    assert_eq!(device.load(milk).unwrap(), shown("oat milk", 0));
    assert_eq!(device.load(todo).unwrap(), shown("todo", 1));
    device.emit(at(3), &placed(milk, done)).unwrap();
    assert_eq!(device.load(todo).unwrap(), shown("todo", 0), "it moved away");
    assert_eq!(device.load(done).unwrap(), shown("done", 1));
    device.emit(at(4), &Event::Removed { card: done.clone() }).unwrap();
    assert_eq!(device.load::<Shown>(done).unwrap(), None);
    // As another device, which had not seen the delete, wrote it.
    receive(&mut device, vec![written(&renamed(done, "done!"), done, 5, 0)]);
    assert_eq!(device.load::<Shown>(done).unwrap(), None);
}

#[test]
fn what_an_aggregate_cannot_apply_leaves_it_as_if_it_had_not_arrived() {
    let mut device = open(&Backing::memory(), 1);
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&milk, "oat milk")).unwrap();
    device.emit(at(3), &renamed(&milk, "boom")).unwrap();
    assert_eq!(device.load(&milk).unwrap(), shown("oat milk", 0), "the rename before counts instead");
    let register = written(&renamed(&milk, ""), &milk, 0, 0).head().entity().clone();
    let nil = EntityBody { parent: Some(milk.clone()), ..EntityBody::new("board.renamed", EntityBody::NIL) };
    receive(&mut device, vec![message(&register, 9, 0, Some(nil))]);
    assert_eq!(device.load(&milk).unwrap(), shown("oat milk", 0));
    receive(&mut device, vec![message(&register, 10, 0, None)]);
    assert_eq!(device.load(&milk).unwrap(), shown("milk", 0), "the rename was taken back");
}

fn titles(device: &mut Device<Board>, query: &Query) -> Vec<(EntityId, String)> {
    let (mut found, mut start) = (Vec::new(), None::<PageStart>);
    loop {
        let page = device.list::<Shown>(query, start.as_ref()).unwrap();
        found.extend(page.entries.into_iter().map(|(id, card)| (id, card.title)));
        start = page.next;
        if start.is_none() {
            return found;
        }
    }
}

#[test]
fn a_list_shows_current_titles_page_by_page_and_no_deleted_entities() {
    let mut device = open(&Backing::memory(), 1);
    let ids: Vec<_> = (0..7).map(|n| device.emit(at(n), &added(&n.to_string())).unwrap()).collect();
    let of = |titles: &[&str], ids: &[EntityId]| -> Vec<(EntityId, String)> {
        ids.iter().cloned().zip(titles.iter().map(|title| (*title).to_owned())).collect()
    };
    let query = Query::of_type("board.added").limit(3);
    assert_eq!(titles(&mut device, &query), of(&["0", "1", "2", "3", "4", "5", "6"], &ids));
    device.emit(at(10), &renamed(&ids[1], "one")).unwrap();
    device.emit(at(11), &Event::Removed { card: ids[0].clone() }).unwrap();
    assert_eq!(titles(&mut device, &query), of(&["one", "2", "3", "4", "5", "6"], &ids[1..]));
    // A register stands for its root.
    assert_eq!(titles(&mut device, &Query::of_type("board.renamed")), of(&["one"], &ids[1..]));
}
