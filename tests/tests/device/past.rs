//! History, states of the past, transactions and compaction.

use std::collections::BTreeSet;

use diplomatic::compact::Keep;
use diplomatic::history::{Diff, Happened};
use diplomatic::standard::{EntityId, Label, Seq};
use diplomatic::sync::{Arrival, PushLimits, Received, SyncLog};
use diplomatic::{Backing, Batch, Device, TransactError};

use crate::todo::{Event, Todos, added, at, device, open};

impl Diff for Todos {
    type Difference = (usize, usize);

    fn diff(&self, later: &Self) -> (usize, usize) {
        (self.items.len(), later.items.len())
    }
}

pub(crate) fn renamed(todo: &EntityId, title: &str) -> Event {
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
pub(crate) fn deliver(from: &mut Device<Todos>, to: &mut Device<Todos>, link: u32) {
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
fn a_transaction_decides_on_the_state_and_writes_all_or_nothing() {
    let mut device = device();
    let add_once = |todos: &Todos, batch: &mut Batch<Event>| match todos.items.len() {
        0 => Ok(["milk", "bread"].map(|title| batch.push(added(title)))),
        count => Err(std::io::Error::other(format!("there are {count}"))),
    };
    let todos = device.transact(at(1), add_once).unwrap();
    assert!(device.read(|state| state.items.keys().eq(BTreeSet::from(todos).iter())));
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
