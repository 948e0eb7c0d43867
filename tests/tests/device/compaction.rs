//! What compaction drops, and that it stays away.

use diplomatic::backup::Progress;
use diplomatic::compact::Keep;
use diplomatic::error::HistoryError;
use diplomatic::raw::Raw;
use diplomatic::standard::{Body, EntityBody, EntityId, Head, HostKeys, Label, Message, Seq};
use diplomatic::sync::{Arrival, Audited, PushLimits, Received, SyncLog};
use diplomatic::{Backing, Client, Device, Reducer, UndoError};

use crate::todo::{Event, Todos, added, at, device, open, seed};

fn renamed(todo: &EntityId, title: &str) -> Event {
    Event::Renamed { todo: todo.clone(), title: title.into() }
}

/// Pretends that a host stored everything that waits for it.
fn acknowledge(device: &mut Device<Todos>, link: u32) {
    let keys = HostKeys::derive(&seed(), &Label::default());
    let mut log = device.session_log(link);
    let limits = PushLimits { bags: 10_000, bytes: 10_000_000 };
    let queued = log.outgoing(None, limits, &mut |message| keys.seal(message)).unwrap();
    let positions: Vec<_> = queued.iter().map(|outgoing| outgoing.position).collect();
    log.acknowledge(&positions, None).unwrap();
}

fn messages<R: Reducer>(device: &Device<R>) -> Vec<Message> {
    let mut messages = Vec::new();
    device.each_message(|message| messages.push(message.clone())).unwrap();
    messages
}

fn receive<R: Reducer>(device: &mut Device<R>, link: u32, messages: Vec<Message>) {
    let arrivals = messages.into_iter().zip(1..);
    let messages = arrivals.map(|(message, seq)| Arrival { seq: Seq::new(seq).unwrap(), message }).collect();
    device.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
}

/// A later message of an entity, with a body that the app cannot read.
fn unreadable(todo: &Message, type_name: &str, later: u64) -> Message {
    let head = todo.head();
    let body = EntityBody::new(type_name, b"\xc0").to_bytes();
    let changed = head.changed().plus(std::time::Duration::from_millis(later));
    Message::new(head.entity().clone(), changed, head.counter() + later, Some(Body::new(body).unwrap())).unwrap()
}

#[test]
fn what_was_dropped_counts_as_known_when_a_host_lists_or_sends_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut device = open(&backing);
    let home = device.link_host(&Label::default()).unwrap();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    for title in ["bread", "cheese", "wine"] {
        device.emit(at(2), &renamed(&milk, title)).unwrap();
    }
    acknowledge(&mut device, home);
    let before = messages(&device);
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 2);
    drop(device);

    let mut device = open(&backing);
    let heads: Vec<&Head> = before.iter().map(Message::head).collect();
    assert_eq!(device.session_log(home).contains(&heads).unwrap(), [true; 4]);
    let second = device.link_host(&Label::new("second")).unwrap();
    assert_eq!(device.session_log(second).pending().unwrap(), 2, "a host linked later gets what counts");
    receive(&mut device, home, before);
    assert_eq!(messages(&device).len(), 2);
    assert_eq!(device.session_log(second).pending().unwrap(), 2);
    assert_eq!(device.session_log(home).pending().unwrap(), 0);
    device.session_log(home).reconcile(Audited::default()).unwrap();
    assert_eq!(device.session_log(home).pending().unwrap(), 2);
    assert_eq!(device.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn an_import_after_compaction_brings_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.dpl");
    let mut device = device();
    let home = device.link_host(&Label::default()).unwrap();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    for n in 0..50 {
        device.emit(at(2), &renamed(&milk, &n.to_string())).unwrap();
    }
    acknowledge(&mut device, home);
    device.export(&backup, &seed()).unwrap();
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 49);
    let report = device.import(&backup, &seed()).unwrap();
    assert_eq!((report.new, report.known), (0, 51));
    assert_eq!(messages(&device).len(), 2);
    assert_eq!(device.session_log(home).pending().unwrap(), 0);
}

#[test]
fn what_compaction_made_untellable_is_refused_and_the_horizon_named() {
    let mut device = device();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&milk, "bread")).unwrap();
    device.emit(at(3), &renamed(&milk, "cheese")).unwrap();
    let cheese = device.history(None, 3).unwrap()[2].position;
    assert_eq!(device.horizon().unwrap(), None);
    device.compact(Keep::Latest).unwrap();

    assert_eq!(device.horizon().unwrap(), Some(cheese));
    for time in [at(1), at(2)] {
        let error = device.state_at(time).unwrap_err();
        assert!(matches!(error, HistoryError::BeforeHorizon { horizon } if horizon == cheese), "{error:?}");
        assert!(error.to_string().contains(&at(3).to_string()), "{error}");
        assert!(matches!(device.diff(time, at(9)).unwrap_err(), HistoryError::BeforeHorizon { .. }));
    }
    assert_eq!(device.state_at(at(3)).unwrap().items[&milk].0, "cheese");
    assert!(matches!(device.undo(at(4)).unwrap_err(), UndoError::BeforeHorizon { horizon } if horizon == cheese));
    assert_eq!(device.read(|todos| todos.items[&milk].0.clone()), "cheese");

    device.emit(at(5), &renamed(&milk, "wine")).unwrap();
    device.undo(at(6)).unwrap();
    assert_eq!(device.read(|todos| todos.items[&milk].0.clone()), "cheese");
}

#[test]
fn what_counted_at_the_time_that_is_kept_can_be_told() {
    let mut device = device();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    for (time, title) in [(2, "bread"), (4, "cheese"), (6, "wine")] {
        device.emit(at(time), &renamed(&milk, title)).unwrap();
    }
    assert_eq!(device.compact(Keep::Since(at(5))).unwrap().dropped, 1);
    let title = |time| device.state_at(at(time)).unwrap().items[&milk].0.clone();
    assert_eq!([title(4), title(5), title(6)], ["cheese", "cheese", "wine"]);
    device.state_at(at(3)).unwrap_err();
}

#[test]
fn what_an_unread_message_hides_survives_compaction() {
    for type_name in ["todo.renamed", "todo.from_the_future"] {
        let folder = tempfile::tempdir().unwrap();
        let backing = Backing::file(folder.path().join("todo.redb"));
        let mut device = open(&backing);
        let home = device.link_host(&Label::default()).unwrap();
        let milk = device.emit(at(1), &added("milk")).unwrap();
        device.emit(at(2), &renamed(&milk, "bread")).unwrap();
        device.emit(at(3), &renamed(&milk, "cheese")).unwrap();
        acknowledge(&mut device, home);
        let cheese = messages(&device).pop().unwrap();
        receive(&mut device, home, vec![unreadable(&cheese, type_name, 1), unreadable(&cheese, type_name, 2)]);
        assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 1, "bread");
        assert!(messages(&device).contains(&cheese));
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    }
}

#[test]
fn a_tool_keeps_what_a_message_of_another_type_hides() {
    let rng = || rand::make_rng::<rand::rngs::StdRng>();
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut device = open(&backing);
    let home = device.link_host(&Label::default()).unwrap();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&milk, "bread")).unwrap();
    device.emit(at(3), &renamed(&milk, "cheese")).unwrap();
    acknowledge(&mut device, home);
    let cheese = messages(&device).pop().unwrap();
    drop(device);
    let mut tool = Device::<Raw>::open(backing, &seed(), rng()).unwrap();
    receive(&mut tool, home, vec![unreadable(&cheese, "todo.from_the_future", 1)]);
    assert_eq!(tool.compact(Keep::Latest).unwrap().dropped, 1, "bread");
    assert!(messages(&tool).contains(&cheese));
}

#[test]
fn nothing_that_was_dropped_is_reported_as_unread() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut device = open(&backing);
    let home = device.link_host(&Label::default()).unwrap();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&milk, "bread")).unwrap();
    let bread = messages(&device).pop().unwrap();
    receive(&mut device, home, vec![unreadable(&bread, "todo.renamed", 1)]);
    // Snapshots that know the unread message.
    for n in 0..12 {
        device.emit(at(10 + n), &added("wine")).unwrap();
    }
    assert_eq!(device.unread().quarantined().count(), 1);
    device.emit(at(30), &renamed(&milk, "cheese")).unwrap();
    acknowledge(&mut device, home);
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 2);
    assert_eq!(device.unread().quarantined().count(), 0);
    drop(device);
    let device = open(&backing);
    assert_eq!(device.unread().quarantined().count(), 0);
    assert_eq!(device.read(|todos| todos.items[&milk].0.clone()), "cheese");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_and_a_check_during_an_export_are_busy_and_the_export_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::<Todos>::builder(seed()).store(folder.path().join("todo.redb")).open().await.unwrap();
    let milk = client.emit(added("milk")).await.unwrap();
    client.emit_all((0..100).map(|n| renamed(&milk, &n.to_string())).collect()).await.unwrap();
    let (started, is_started) = tokio::sync::oneshot::channel();
    let mut started = Some(started);
    let (release, is_released) = std::sync::mpsc::channel::<()>();
    let watch = move |progress: Progress| {
        if progress.done == 1 {
            started.take().unwrap().send(()).unwrap();
            is_released.recv().unwrap();
        }
    };
    let export = client.export_with(folder.path().join("backup.dpl"), watch);
    let meanwhile = async {
        is_started.await.unwrap();
        let compacted = client.compact(Keep::Latest).await.unwrap();
        assert_eq!((compacted.dropped, compacted.is_busy), (99, true));
        let report = client.verify(|_| ()).await.unwrap();
        assert_eq!((report.problems.len(), report.is_file_checked), (0, false));
        client.emit(added("bread")).await.unwrap();
        release.send(()).unwrap();
    };
    let (exported, ()) = tokio::join!(export, meanwhile);
    assert_eq!(exported.unwrap().messages, 101, "the export has what there was when it began");
    assert!(!client.compact(Keep::Latest).await.unwrap().is_busy);
    assert!(client.verify(|_| ()).await.unwrap().is_file_checked);
}

#[test]
fn host_that_is_unlinked_stops_nothing_from_being_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut device = open(&backing);
    let (home, away) = (Label::default(), Label::new("away"));
    let link = device.link_host(&home).unwrap();
    device.link_host(&away).unwrap();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    for title in ["bread", "cheese", "wine"] {
        device.emit(at(2), &renamed(&milk, title)).unwrap();
    }
    acknowledge(&mut device, link);
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 0, "one host waits for them");
    assert!(device.unlink_host(&away).unwrap());
    assert!(!device.unlink_host(&away).unwrap());
    assert_eq!(device.host_progress(&away).unwrap().map(|progress| progress.pending), None);
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 2);
    drop(device);

    // It stays so, and what a host brought is still said to come from there.
    let mut device = open(&backing);
    assert!(device.host_progress(&away).unwrap().is_none() && device.host_progress(&home).unwrap().is_some());
    device.emit(at(3), &added("tea")).unwrap();
    assert!(device.verify(|_| ()).unwrap().problems.is_empty());
    let again = device.link_host(&away).unwrap();
    assert_ne!(again, link);
    let kept = device.messages().unwrap().len() as u64;
    assert_eq!(device.host_progress(&away).unwrap().unwrap().pending, kept);
}
