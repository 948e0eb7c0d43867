//! History, states of the past, undo, transactions and compaction.

use diplomatic::compact::Keep;
use diplomatic::history::{Diff, Happened};
use diplomatic::standard::{EntityId, Label, Seq};
use diplomatic::sync::{Arrival, PushLimits, Received, SyncLog};
use diplomatic::{Backing, Device, Meta, TransactError, Undo, UndoError};

use crate::todo::{Event, Todos, added, at, device, open};

impl Undo<Todos> for Event {
    fn inverse(&self, at: &Meta, before: &Todos) -> Option<Vec<Self>> {
        match self {
            Self::Added { .. } => Some(vec![Self::Removed { todo: at.entity.clone() }]),
            Self::Renamed { todo, .. } => {
                Some(vec![Self::Renamed { todo: todo.clone(), title: before.items.get(todo)?.0.clone() }])
            }
            Self::Removed { todo } => Some(vec![added(&before.items.get(todo)?.0)]),
            _ => None,
        }
    }
}

impl Diff for Todos {
    type Difference = (usize, usize);

    fn diff(&self, later: &Self) -> (usize, usize) {
        (self.items.len(), later.items.len())
    }
}

fn renamed(todo: &EntityId, title: &str) -> Event {
    Event::Renamed { todo: todo.clone(), title: title.into() }
}

/// Pretends that a host stored everything.
fn acknowledge(device: &mut Device<Todos>, link: u32) {
    let keys = diplomatic::standard::HostKeys::derive(&crate::todo::seed(), &Label::default());
    let mut log = device.session_log(link);
    let limits = PushLimits { bags: 10_000, bytes: 10_000_000 };
    let queued = log.outgoing(None, limits, &mut |message| keys.seal(message)).unwrap();
    let positions: Vec<_> = queued.iter().map(|outgoing| outgoing.position).collect();
    log.acknowledge(&positions, None).unwrap();
}

/// Brings everything that one device has to another, as a host would.
fn deliver(from: &mut Device<Todos>, to: &mut Device<Todos>, link: u32) {
    let keys = diplomatic::standard::HostKeys::derive(&crate::todo::seed(), &Label::default());
    let sender = from.link_host(&Label::default()).unwrap();
    let limits = PushLimits { bags: 10_000, bytes: 10_000_000 };
    let log = from.session_log(sender);
    let queued = log.outgoing(None, limits, &mut |message| keys.seal(message)).unwrap();
    let messages =
        queued.iter().map(|outgoing| Arrival { seq: Seq::ZERO, message: keys.open(&outgoing.bag).unwrap() }).collect();
    to.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
}

#[test]
fn history_tells_what_happened_and_what_overwrote_it() {
    let mut device = device();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&todo, "bread")).unwrap();
    device.emit(at(3), &renamed(&todo, "cheese")).unwrap();
    let all = device.history(None, 10).unwrap();
    let told: Vec<_> = all.iter().map(|entry| (entry.meta.event_type, entry.overwritten_by.is_some())).collect();
    assert_eq!(told, [("todo.added", false), ("todo.renamed", true), ("todo.renamed", false)]);

    let register = device.history_of(&all[1].meta.entity).unwrap();
    assert_eq!(register.len(), 2);
    assert_eq!(register[0].overwritten_by, Some(register[1].position));
    assert_eq!(register[1].what, Happened::Event(renamed(&todo, "cheese")));
    assert_eq!(device.history(Some(&all[0].position), 1).unwrap(), all[1..2]);
}

#[test]
fn a_state_of_the_past_is_the_fold_of_what_had_happened() {
    let mut device = device();
    let todo = device.emit(at(10), &added("milk")).unwrap();
    device.emit(at(20), &renamed(&todo, "bread")).unwrap();
    device.emit(at(30), &renamed(&todo, "cheese")).unwrap();
    device.emit(at(40), &Event::Removed { todo: todo.clone() }).unwrap();
    let title = |time| device.state_at(at(time)).unwrap().items.get(&todo).map(|item| item.0.clone());
    assert_eq!(title(5), None);
    assert_eq!(title(10).unwrap(), "milk");
    assert_eq!(title(29).unwrap(), "bread");
    assert_eq!(title(30).unwrap(), "cheese");
    assert_eq!(title(50), None);
    assert_eq!(device.diff(at(30), at(50)).unwrap(), (1, 0));
}

#[test]
fn undo_goes_back_step_by_step_also_after_a_restart() {
    let backing = Backing::memory();
    let mut device = open(&backing);
    let todo = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&todo, "bread")).unwrap();
    device.emit(at(3), &renamed(&todo, "cheese")).unwrap();
    let title = |device: &Device<Todos>| device.read(|todos| todos.items.values().next().map(|item| item.0.clone()));
    device.undo(at(4)).unwrap();
    assert_eq!(title(&device).unwrap(), "bread");
    drop(device);
    let mut device = open(&backing);
    device.undo(at(5)).unwrap();
    assert_eq!(title(&device).unwrap(), "milk");
    device.undo(at(6)).unwrap();
    assert_eq!(title(&device), None);
    assert!(matches!(device.undo(at(7)).unwrap_err(), UndoError::Nothing));
}

#[test]
fn undo_takes_back_what_this_device_did_last_wherever_that_stands_in_the_order() {
    let (mut device, far) = (device(), 500_000_000_000);
    let link = device.link_host(&Label::default()).unwrap();
    let mut there = crate::todo::device();
    let todo = there.emit(at(far), &added("from 2038")).unwrap();
    deliver(&mut there, &mut device, link);
    // What is about it sorts behind it.
    device.emit(at(1), &renamed(&todo, "from far ahead")).unwrap();
    device.emit(at(2), &added("milk")).unwrap();
    device.undo(at(3)).unwrap();
    assert_eq!(device.read(|todos| todos.items.len()), 1, "milk was added last");
    device.undo(at(4)).unwrap();
    assert_eq!(device.read(|todos| todos.items[&todo].0.clone()), "from 2038");
}

#[test]
fn undo_does_not_touch_what_another_device_did_since() {
    let (mut here, mut there) = (device(), device());
    let todo = here.emit(at(1), &added("milk")).unwrap();
    here.emit(at(2), &renamed(&todo, "bread")).unwrap();
    let link = here.link_host(&Label::default()).unwrap();
    there.emit(at(3), &renamed(&todo, "cheese")).unwrap();
    deliver(&mut there, &mut here, link);
    assert!(matches!(here.undo(at(4)).unwrap_err(), UndoError::Overtaken { .. }));
    assert_eq!(here.read(|todos| todos.items[&todo].0.clone()), "cheese");
}

#[test]
fn a_removal_is_undone_with_the_title_it_had() {
    let mut device = device();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&todo, "bread")).unwrap();
    device.emit(at(3), &Event::Removed { todo }).unwrap();
    device.undo(at(4)).unwrap();
    assert_eq!(device.read(|todos| todos.items.values().map(|item| item.0.clone()).collect::<Vec<_>>()), ["bread"]);
}

#[test]
fn a_removal_that_is_undone_does_not_stand_in_the_way_of_undoing_more() {
    let mut device = device();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&todo, "bread")).unwrap();
    device.emit(at(3), &Event::Removed { todo }).unwrap();
    // The removal, the new title, and that there was a todo at all.
    for time in 4..7 {
        device.undo(at(time)).unwrap();
    }
    assert!(matches!(device.undo(at(7)).unwrap_err(), UndoError::Nothing));
}

#[test]
fn undo_says_why_it_refuses() {
    let mut device = device();
    assert!(matches!(device.undo(at(1)).unwrap_err(), UndoError::Nothing));
    device.emit(at(2), &Event::Status("away".into())).unwrap();
    assert!(matches!(device.undo(at(3)).unwrap_err(), UndoError::Irreversible { .. }));
    assert_eq!(device.read(|todos| todos.status.clone()), "away");
}

#[test]
fn what_cannot_be_undone_does_not_stand_in_the_way_of_undoing_more() {
    let mut device = device();
    device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &Event::Status("away".into())).unwrap();
    assert!(matches!(device.undo(at(3)).unwrap_err(), UndoError::Irreversible { .. }));
    device.undo(at(4)).unwrap();
    assert!(device.read(|todos| todos.items.is_empty()));
    assert!(matches!(device.undo(at(5)).unwrap_err(), UndoError::Nothing));
}

#[test]
fn a_transaction_decides_on_the_state_and_writes_all_or_nothing() {
    let mut device = device();
    let add_once = |todos: &Todos| match todos.items.len() {
        0 => Ok(vec![added("milk"), added("bread")]),
        count => Err(std::io::Error::other(format!("there are {count}"))),
    };
    assert_eq!(device.transact(at(1), add_once).unwrap().len(), 2);
    let refused = device.transact(at(2), add_once).unwrap_err();
    assert!(matches!(&refused, TransactError::Refused(error) if error.to_string() == "there are 2"));
    assert_eq!(device.messages().unwrap().len(), 2);
}

#[test]
fn compacting_keeps_the_state_and_what_hosts_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut device = open(&backing);
    let link = device.link_host(&Label::default()).unwrap();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    let texts: Vec<Event> = (0..2_000).map(|n| renamed(&todo, &format!("{n:0500}"))).collect();
    device.emit_all(at(2), &texts).unwrap();
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 0, "the host has none of it yet");
    acknowledge(&mut device, link);

    let state = device.read(Clone::clone);
    assert_eq!(device.compact(Keep::Since(at(0))).unwrap().dropped, 0);
    let compacted = device.compact(Keep::Latest).unwrap();
    assert_eq!(compacted.dropped, 1_999);
    assert!(compacted.bytes_freed > 500_000, "{compacted:?}");
    assert_eq!(device.read(Clone::clone), state);
    assert_eq!(device.messages().unwrap().len(), 2);
    drop(device);
    let mut device = open(&backing);
    assert_eq!(device.read(Clone::clone), state);
    device.emit(at(9), &renamed(&todo, "fresh")).unwrap();
    assert_eq!(device.history(None, 10).unwrap().len(), 3);
}
