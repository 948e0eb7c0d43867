//! What devices tell one another of what they have emitted, and what they conclude when it is not there.

use std::collections::BTreeSet;
use std::time::Duration;

use diplomatic::compact::Keep;
use diplomatic::raw::{Raw, RawEvent};
use diplomatic::standard::{HeadHash, HostKeys, Label, Message, Seq, Timestamp};
use diplomatic::sync::{Arrival, Drained, PushLimits, Received, SyncLog, Unread};
use diplomatic::{Backing, Device, DeviceConfig, Position, Reducer, UndoError};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::todo::{Event, Todos, added, at, seed};

/// Long enough for every witness to be due.
const QUIET: u64 = 5_000;

/// A host that lists what it likes.
#[derive(Default)]
struct Host {
    list: Vec<Message>,
    withheld: BTreeSet<HeadHash>,
}

fn numbered(number: u64, backing: &Backing, quiet: Option<Duration>) -> Device<Todos> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 3;
    config.witness_after = quiet;
    Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(number), config).unwrap()
}

fn device(number: u64) -> Device<Todos> {
    numbered(number, &Backing::memory(), Some(Duration::from_millis(QUIET)))
}

/// Reads what the host lists, and pushes until nothing is left.
fn sync<R: Reducer>(device: &mut Device<R>, label: &str, host: &mut Host, now: Timestamp) -> Drained {
    let link = device.link_host(&Label::new(label)).unwrap();
    let listed: Vec<&Message> =
        host.list.iter().filter(|message| !host.withheld.contains(&message.head().hash())).collect();
    let heads: Vec<_> = listed.iter().map(|message| message.head()).collect();
    let mut log = device.session_log(link);
    let known = log.contains(&heads).unwrap();
    let mut received = Received::default();
    for ((message, is_known), seq) in listed.iter().zip(known).zip(1..) {
        let seq = Seq::new(seq).unwrap();
        if is_known {
            received.known.push((seq, Position::of(message.head())));
        } else {
            received.messages.push(Arrival { seq, message: (*message).clone() });
        }
    }
    log.receive(received).unwrap();
    let keys = HostKeys::derive(&seed(), &Label::new(label));
    loop {
        let limits = PushLimits { bags: 10_000, bytes: 10_000_000 };
        let mut taken = Vec::new();
        let mut log = device.session_log(link);
        let outgoing = log.outgoing(None, limits, &mut |message| {
            taken.push(message.clone());
            keys.seal(message)
        });
        let positions: Vec<_> = outgoing.unwrap().iter().map(|outgoing| outgoing.position).collect();
        if positions.is_empty() {
            let drained = log.on_drained(now, keys.public_key(), Unread::default()).unwrap();
            if drained.queued {
                continue;
            }
            return drained;
        }
        log.acknowledge(&positions, None).unwrap();
        host.list.extend(taken);
    }
}

fn is_witness(message: &Message) -> bool {
    message.body().is_some_and(|body| body.windows(11).any(|part| part == b"dip.witness"))
}

fn witnesses(host: &Host) -> usize {
    host.list.iter().filter(|message| is_witness(message)).count()
}

fn emit(device: &mut Device<Todos>, from: u64, count: u64) -> Vec<Position> {
    let before: BTreeSet<Position> = positions(device);
    for n in 0..count {
        device.emit(at(from + n), &added(&format!("{from} {n}"))).unwrap();
    }
    positions(device).difference(&before).copied().collect()
}

fn positions<R: Reducer>(device: &Device<R>) -> BTreeSet<Position> {
    let mut positions = BTreeSet::new();
    let mut note = |message: &Message| {
        positions.insert(Position::of(message.head()));
    };
    device.each_message(&mut note).unwrap();
    positions
}

/// A tablet that emitted an event after it had read the three of a phone, and the host that has the witnesses of both.
fn phone_and_tablet() -> (Device<Todos>, Host) {
    let (mut phone, mut tablet, mut host) = (device(1), device(2), Host::default());
    emit(&mut phone, 0, 3);
    sync(&mut phone, "home", &mut host, at(10_000));
    sync(&mut tablet, "home", &mut host, at(10_000));
    emit(&mut tablet, 20_000, 1);
    sync(&mut tablet, "home", &mut host, at(30_000));
    (tablet, host)
}

#[test]
fn a_burst_has_one_witness_after_a_pause_and_only_once_the_host_has_everything() {
    let (mut phone, mut host) = (device(1), Host::default());
    emit(&mut phone, 0, 3);
    let early = sync(&mut phone, "home", &mut host, at(100));
    assert_eq!((host.list.len(), witnesses(&host)), (3, 0));
    assert_eq!(early.again_in, Some(Duration::from_millis(QUIET + 2 - 100)));
    let link = phone.link_host(&Label::new("home")).unwrap();
    emit(&mut phone, 200, 1);
    assert_eq!(
        phone
            .session_log(link)
            .on_drained(at(90_000), HostKeys::derive(&seed(), &Label::new("home")).public_key(), Unread::default())
            .unwrap(),
        Drained::default(),
        "something is queued"
    );
    sync(&mut phone, "home", &mut host, at(90_000));
    assert_eq!((host.list.len(), witnesses(&host)), (5, 1));
    assert!(is_witness(host.list.last().unwrap()));
    let late = sync(&mut phone, "home", &mut host, at(900_000));
    assert_eq!((late, witnesses(&host)), (Drained::default(), 1), "one burst has one witness");
}

#[test]
fn a_hole_hides_nothing_if_all_that_the_witnesses_after_it_cover_is_here() {
    let vouched = |device: &mut Device<Todos>| {
        let link = device.link_host(&Label::new("home")).unwrap();
        device.session_log(link).vouched().unwrap().number()
    };
    let (mut phone, mut tablet, mut host) = (device(1), device(2), Host::default());
    let emitted = emit(&mut phone, 0, 3);
    sync(&mut phone, "home", &mut host, at(90_000));
    let mut laptop = device(3);
    host.withheld.insert(emitted[1].hash);
    sync(&mut laptop, "home", &mut host, at(90_000));
    assert_eq!(vouched(&mut laptop), 0, "something is missing");
    host.withheld.clear();
    sync(&mut laptop, "home", &mut host, at(90_000));
    assert_eq!(vouched(&mut laptop), 4, "the witness is the fourth bag");
    // Another device speaks of itself later in the list, and the first says nothing new.
    sync(&mut tablet, "home", &mut host, at(100_000));
    emit(&mut tablet, 100_000, 2);
    sync(&mut tablet, "home", &mut host, at(190_000));
    sync(&mut laptop, "home", &mut host, at(190_000));
    assert_eq!(vouched(&mut laptop), 4);
    // Of its own messages, a device lacks none.
    assert_eq!(vouched(&mut phone), 0);
    sync(&mut phone, "home", &mut host, at(190_000));
    // What the laptop wanted, and that it wants nothing any more, are two of the bags.
    assert_eq!((vouched(&mut phone), wants(&host)), (9, 2));
}

#[test]
fn a_one_shot_program_sends_the_witness_of_its_last_run() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut host = Host::default();
    for run in 0..3 {
        let mut phone = numbered(run, &backing, Some(Duration::from_millis(QUIET)));
        sync(&mut phone, "home", &mut host, at(run * 60_000));
        emit(&mut phone, run * 60_000 + 1, 1);
        sync(&mut phone, "home", &mut host, at(run * 60_000 + 2));
    }
    assert_eq!((host.list.len(), witnesses(&host)), (5, 2));
    let mut laptop = device(9);
    sync(&mut laptop, "home", &mut host, at(0));
    let peers = laptop.peers().unwrap();
    assert_eq!((peers.devices.len(), peers.devices[0].emitted, peers.missing()), (1, 2, 0));
    assert!(peers.forked().next().is_none());
}

#[test]
fn a_device_without_witnesses_makes_none() {
    let (mut phone, mut host) = (numbered(1, &Backing::memory(), None), Host::default());
    emit(&mut phone, 0, 3);
    assert_eq!(sync(&mut phone, "home", &mut host, at(90_000)), Drained::default());
    assert_eq!(host.list.len(), 3);
}

#[test]
fn a_large_burst_has_several_witnesses_which_name_all_of_it() {
    let (mut phone, mut host) = (device(1), Host::default());
    let events: Vec<Event> = (0..1_700).map(|n| added(&n.to_string())).collect();
    phone.emit_all(at(0), &events).unwrap();
    sync(&mut phone, "home", &mut host, at(90_000));
    assert_eq!((host.list.len(), witnesses(&host)), (1_704, 4));
    host.withheld = host.list[10..15].iter().map(|message| message.head().hash()).collect();
    let mut laptop = device(2);
    let drained = sync(&mut laptop, "home", &mut host, at(90_000));
    assert_eq!((drained.withheld, laptop.peers().unwrap().missing()), (5, 5));
}

#[test]
fn a_list_that_is_full_makes_a_witness_due_without_a_pause() {
    let (mut phone, mut host) = (device(1), Host::default());
    let events: Vec<Event> = (0..500).map(|n| added(&n.to_string())).collect();
    phone.emit_all(at(0), &events).unwrap();
    sync(&mut phone, "home", &mut host, at(1));
    assert_eq!(witnesses(&host), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_a_witness_waiting() {
    let (mut phone, mut host) = (device(1), Host::default());
    emit(&mut phone, 1_000_000, 1);
    sync(&mut phone, "home", &mut host, at(0));
    assert_eq!(witnesses(&host), 1);
}

#[test]
fn what_a_host_withholds_is_counted_until_it_arrives_from_anywhere() {
    let (mut phone, mut host, mut other) = (device(1), Host::default(), Host::default());
    emit(&mut phone, 0, 4);
    sync(&mut phone, "home", &mut host, at(90_000));
    host.withheld = host.list[1..3].iter().map(|message| message.head().hash()).collect();
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut laptop = numbered(2, &backing, Some(Duration::from_secs(5)));
    assert_eq!(sync(&mut laptop, "home", &mut host, at(100_000)).withheld, 2);
    drop(laptop);
    let mut laptop = numbered(3, &backing, Some(Duration::from_secs(5)));
    let peers = laptop.peers().unwrap();
    assert_eq!((peers.missing(), peers.is_complete()), (2, false));
    assert_eq!(peers.to_string(), "2 messages of another device are missing");
    assert_eq!(peers.missing_since(), Some(host.list[4].head().changed()));
    assert_eq!(peers.devices[0].heard, Some(host.list[4].head().changed()));
    // A second host that has them.
    sync(&mut phone, "spare", &mut other, at(100_000));
    let drained = sync(&mut laptop, "spare", &mut other, at(100_000));
    assert_eq!((drained.withheld, laptop.peers().unwrap().missing()), (0, 0));
    assert_eq!(laptop.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn a_host_that_withholds_a_devices_word_too_is_found_out_by_a_third_device() {
    let (_, mut host) = phone_and_tablet();
    let mut laptop = device(3);
    assert_eq!(witnesses(&host), 2);
    host.withheld = host.list[..4].iter().map(|message| message.head().hash()).collect();
    assert_eq!(sync(&mut laptop, "home", &mut host, at(40_000)).withheld, 3);
    let peers = laptop.peers().unwrap();
    assert_eq!((peers.missing(), peers.devices.len()), (3, 2));
    // The word of the phone comes: now it is known which messages they are.
    host.withheld.remove(&host.list[3].head().hash());
    assert_eq!(sync(&mut laptop, "home", &mut host, at(40_000)).withheld, 3);
    host.withheld.clear();
    assert_eq!(sync(&mut laptop, "home", &mut host, at(40_000)).withheld, 0);
    assert!(laptop.peers().unwrap().is_complete());
}

#[test]
fn a_gap_between_the_words_of_a_device_is_counted_and_closed_in_any_order() {
    let (mut phone, mut host) = (device(1), Host::default());
    for burst in 0..4 {
        emit(&mut phone, burst * 10_000, 2);
        sync(&mut phone, "home", &mut host, at(burst * 10_000 + 9_000));
    }
    // 0 1 w 3 4 w 6 7 w 9 10 w: the second burst and its witness are withheld.
    let all: Vec<HeadHash> = host.list.iter().map(|message| message.head().hash()).collect();
    host.withheld = all[3..6].iter().copied().collect();
    let mut laptop = device(2);
    assert_eq!(sync(&mut laptop, "home", &mut host, at(90_000)).withheld, 2);
    host.withheld.remove(&all[5]);
    assert_eq!(sync(&mut laptop, "home", &mut host, at(90_000)).withheld, 2, "they have names now");
    host.withheld.clear();
    assert_eq!(sync(&mut laptop, "home", &mut host, at(90_000)).withheld, 0);
    let peers = laptop.peers().unwrap();
    assert_eq!((peers.missing(), peers.devices[0].emitted, peers.devices[0].fork), (0, 8, None));
}

#[test]
fn whatever_the_order_of_arrival_the_same_is_known_in_the_end() {
    let (mut phone, mut tablet, mut host) = (device(1), device(2), Host::default());
    for burst in 0..4 {
        emit(&mut phone, burst * 20_000, 2);
        sync(&mut phone, "home", &mut host, at(burst * 20_000 + 9_000));
        emit(&mut tablet, burst * 20_000 + 10_000, 1);
        sync(&mut tablet, "home", &mut host, at(burst * 20_000 + 19_000));
    }
    let mut expected = None;
    for seed in 0..30 {
        let mut laptop = device(100 + seed);
        let link = laptop.link_host(&Label::new("home")).unwrap();
        let mut left = host.list.clone();
        let mut next = seed as usize;
        while !left.is_empty() {
            next = (next * 31 + 7) % left.len();
            let message = left.swap_remove(next);
            let messages = vec![Arrival { seq: Seq::new(1).unwrap(), message }];
            laptop.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
        }
        let peers = laptop.peers().unwrap().devices;
        assert!(peers.iter().all(|peer| peer.missing == 0 && peer.fork.is_none()), "{seed}: {peers:?}");
        assert_eq!(expected.get_or_insert_with(|| peers.clone()), &peers);
        assert_eq!(laptop.read(|todos| todos.items.len()), 12);
    }
}

#[test]
fn two_devices_with_one_store_are_a_fork_and_go_on_as_two() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("todo.redb"), folder.path().join("copy.redb"));
    let mut host = Host::default();
    let mut phone = numbered(1, &Backing::file(&path), Some(Duration::from_secs(5)));
    emit(&mut phone, 0, 2);
    sync(&mut phone, "home", &mut host, at(10_000));
    drop(phone);
    std::fs::copy(&path, &copy).unwrap();
    let mut phone = numbered(2, &Backing::file(&path), Some(Duration::from_secs(5)));
    let mut clone = numbered(3, &Backing::file(&copy), Some(Duration::from_secs(5)));
    emit(&mut phone, 20_000, 1);
    emit(&mut clone, 20_000, 2);
    // Both witnesses are made before either device hears of the other.
    let (mut first, mut second) = (Host::default(), Host::default());
    sync(&mut phone, "first", &mut first, at(30_000));
    sync(&mut clone, "second", &mut second, at(30_000));
    sync(&mut phone, "home", &mut host, at(40_000));
    sync(&mut clone, "home", &mut host, at(40_000));
    sync(&mut phone, "home", &mut host, at(40_000));
    let mut laptop = device(9);
    sync(&mut laptop, "home", &mut host, at(50_000));
    for device in [&phone, &clone, &laptop] {
        let peers = device.peers().unwrap();
        assert_eq!(peers.forked().count(), 1, "{peers:?}");
        assert_eq!(device.read(|todos| todos.items.len()), 5);
    }
    assert_ne!(phone.peers().unwrap().this_device, clone.peers().unwrap().this_device);
    emit(&mut phone, 60_000, 1);
    emit(&mut clone, 60_000, 1);
    for device in [&mut phone, &mut clone, &mut laptop] {
        sync(device, "home", &mut host, at(70_000));
    }
    assert!(laptop.peers().unwrap().is_complete());
    assert_eq!(laptop.peers().unwrap().forked().count(), 1, "it is not made worse");
}

#[test]
fn a_store_from_a_backup_gets_a_new_name_and_is_no_fork() {
    let folder = tempfile::tempdir().unwrap();
    let (path, backup) = (folder.path().join("todo.redb"), folder.path().join("backup.redb"));
    let mut host = Host::default();
    let quiet = Some(Duration::from_secs(5));
    let mut phone = numbered(1, &Backing::file(&path), quiet);
    emit(&mut phone, 0, 2);
    sync(&mut phone, "home", &mut host, at(10_000));
    drop(phone);
    std::fs::copy(&path, &backup).unwrap();
    let mut phone = numbered(2, &Backing::file(&path), quiet);
    emit(&mut phone, 20_000, 3);
    sync(&mut phone, "home", &mut host, at(30_000));
    drop(phone);
    let mut phone = numbered(3, &Backing::file(&backup), quiet);
    emit(&mut phone, 40_000, 1);
    sync(&mut phone, "home", &mut host, at(50_000));
    let mut laptop = device(9);
    sync(&mut laptop, "home", &mut host, at(60_000));
    let peers = laptop.peers().unwrap();
    assert_eq!((peers.devices.len(), peers.missing(), peers.forked().count()), (2, 0, 0), "{peers:?}");
    assert_eq!(laptop.read(|todos| todos.items.len()), 6);
}

#[test]
fn a_witness_is_not_passed_on_before_what_it_names() {
    let (mut phone, mut tablet, mut laptop) = (device(1), device(2), device(3));
    let (mut host, mut other) = (Host::default(), Host::default());
    emit(&mut phone, 0, 3);
    sync(&mut phone, "home", &mut host, at(10_000));
    host.withheld = BTreeSet::from([host.list[1].head().hash()]);
    sync(&mut tablet, "home", &mut host, at(20_000));
    sync(&mut tablet, "other", &mut other, at(20_000));
    assert_eq!((other.list.len() - wants(&other), witnesses(&other)), (2, 0));
    sync(&mut laptop, "other", &mut other, at(20_000));
    assert!(laptop.peers().unwrap().is_complete(), "this host is not to blame");
    host.withheld.clear();
    sync(&mut tablet, "home", &mut host, at(20_000));
    sync(&mut tablet, "other", &mut other, at(20_000));
    assert_eq!((other.list.len() - wants(&other), witnesses(&other)), (4, 1));
    let last = other.list.iter().rfind(|message| !is_want(message));
    assert!(last.is_some_and(is_witness));
}

#[test]
fn what_compaction_dropped_is_missed_by_nobody_who_joins_later() {
    let (mut phone, mut tablet) = (device(1), device(2));
    let (mut host, mut new) = (Host::default(), Host::default());
    for round in 0..5 {
        let milk = phone.emit(at(round * 20_000), &added("milk")).unwrap();
        for (n, title) in (1..).zip(["oat", "soy", "rice"]) {
            let renamed = Event::Renamed { todo: milk.clone(), title: title.into() };
            phone.emit(at(round * 20_000 + n), &renamed).unwrap();
        }
        sync(&mut phone, "home", &mut host, at(round * 20_000 + 10_000));
        phone.emit(at(round * 20_000 + 15_000), &Event::Status(round.to_string())).unwrap();
        sync(&mut phone, "home", &mut host, at(round * 20_000 + 19_999));
        sync(&mut phone, "home", &mut host, at(round * 20_000 + 20_000));
    }
    sync(&mut phone, "home", &mut host, at(200_000));
    sync(&mut tablet, "home", &mut host, at(200_000));
    assert_eq!(tablet.compact(Keep::Latest).unwrap().dropped, 14);
    sync(&mut tablet, "new", &mut new, at(200_000));
    assert!(witnesses(&new) > 0);
    let mut laptop = device(3);
    sync(&mut laptop, "new", &mut new, at(200_000));
    assert_eq!(laptop.peers().unwrap().missing(), 0, "{:?}", laptop.peers().unwrap());
    let (laptops, phones) = (laptop.read(Clone::clone), phone.read(Clone::clone));
    assert_eq!(laptops, phones);
    // What was verified stays verified, and what follows is found missing.
    assert!(tablet.peers().unwrap().is_complete());
    emit(&mut phone, 300_000, 2);
    sync(&mut phone, "home", &mut host, at(310_000));
    sync(&mut tablet, "home", &mut host, at(310_000));
    sync(&mut tablet, "new", &mut new, at(310_000));
    let last = new.list.iter().rposition(|message| !is_witness(message)).unwrap();
    new.withheld = BTreeSet::from([new.list[last].head().hash()]);
    assert_eq!(sync(&mut laptop, "new", &mut new, at(310_000)).withheld, 1);
    for device in [&phone, &tablet, &laptop] {
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    }
}

#[test]
fn compaction_drops_the_words_of_devices_with_what_they_name() {
    let (mut phone, mut host) = (device(1), Host::default());
    for round in 0..20 {
        phone.emit(at(round * 20_000), &Event::Status(round.to_string())).unwrap();
        sync(&mut phone, "home", &mut host, at(round * 20_000 + 10_000));
    }
    assert_eq!(witnesses(&host), 20);
    assert_eq!(phone.compact(Keep::Latest).unwrap().dropped, 19);
    assert_eq!(positions(&phone).len(), 2, "the status and the last witness");
    let horizon = phone.horizon().unwrap().unwrap();
    assert!(horizon.changed <= at(19 * 20_000), "no witness moves the horizon");
}

#[test]
fn an_import_is_nothing_that_this_device_emitted_and_owes_nothing() {
    let (mut phone, mut tablet, mut host) = (device(1), device(2), Host::default());
    for round in 0..3 {
        phone.emit(at(round * 20_000), &Event::Status(round.to_string())).unwrap();
        sync(&mut phone, "home", &mut host, at(round * 20_000 + 10_000));
    }
    phone.compact(Keep::Latest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.dpl");
    phone.export(&file, &seed()).unwrap();
    tablet.import(&file, &seed()).unwrap();
    assert_eq!(tablet.read(|todos| todos.status.clone()), "2");
    let peers = tablet.peers().unwrap();
    assert_eq!((peers.devices.len(), peers.devices[0].emitted, peers.missing()), (1, 3, 0));
    let mut new = Host::default();
    sync(&mut tablet, "new", &mut new, at(900_000));
    assert_eq!((new.list.len(), witnesses(&new)), (2, 1), "it has no witness of its own to give");
}

fn is_want(message: &Message) -> bool {
    message.body().is_some_and(|body| body.windows(8).any(|part| part == b"dip.want"))
}

fn wants(host: &Host) -> usize {
    host.list.iter().filter(|message| is_want(message)).count()
}

/// Takes messages out of what a host has, as if it had lost them.
fn lose(host: &mut Host, lost: std::ops::Range<usize>) {
    host.list.drain(lost);
}

#[test]
fn what_a_host_lost_is_put_there_again_by_whoever_has_it() {
    let (mut phone, mut laptop, mut host) = (device(1), device(2), Host::default());
    emit(&mut phone, 0, 5);
    sync(&mut phone, "home", &mut host, at(10_000));
    lose(&mut host, 1..3);
    assert_eq!(sync(&mut laptop, "home", &mut host, at(20_000)).withheld, 2);
    assert_eq!((host.list.len(), wants(&host)), (5, 1));
    sync(&mut phone, "home", &mut host, at(20_000));
    assert_eq!(host.list.len(), 7, "the two are there again");
    sync(&mut phone, "home", &mut host, at(20_000));
    assert_eq!(host.list.len(), 7, "a want is answered once");
    assert_eq!(sync(&mut laptop, "home", &mut host, at(21_000)).withheld, 0);
    assert!(laptop.peers().unwrap().is_complete());
    assert_eq!(laptop.read(|todos| todos.items.len()), 5);
    assert_eq!((host.list.len(), wants(&host)), (8, 2), "it wants nothing any more");
    sync(&mut phone, "home", &mut host, at(30_000));
    sync(&mut laptop, "home", &mut host, at(30_000));
    assert_eq!(host.list.len(), 8);
    assert_eq!(phone.history(None, 100).unwrap().len(), 5, "apps see none of it");
    assert_eq!(phone.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn what_a_host_lost_together_with_the_word_about_it_comes_back_too() {
    let (mut tablet, mut host) = phone_and_tablet();
    let mut laptop = device(3);
    lose(&mut host, 0..4);
    assert_eq!(sync(&mut laptop, "home", &mut host, at(40_000)).withheld, 3);
    // Neither needs to be the one that emitted it.
    sync(&mut tablet, "home", &mut host, at(40_000));
    assert_eq!(sync(&mut laptop, "home", &mut host, at(40_000)).withheld, 0);
    assert_eq!(laptop.read(Clone::clone), tablet.read(Clone::clone));
}

#[test]
fn a_want_changes_only_now_and_then() {
    let (mut phone, mut laptop, mut host) = (device(1), device(2), Host::default());
    for burst in 0..4 {
        emit(&mut phone, burst * 10_000, 2);
        sync(&mut phone, "home", &mut host, at(burst * 10_000 + 9_000));
    }
    let all: Vec<HeadHash> = host.list.iter().map(|message| message.head().hash()).collect();
    host.withheld = all.iter().copied().collect();
    for (round, shown) in (0..).zip([2, 5, 8, 11]) {
        host.withheld.remove(&all[shown]);
        let drained = sync(&mut laptop, "home", &mut host, at(100_000 + round * 1_000));
        assert!(drained.withheld > 0);
        assert_eq!(drained.again_in.is_some(), round > 0, "{drained:?}");
        assert_eq!(wants(&host), 1);
    }
    assert_eq!(sync(&mut laptop, "home", &mut host, at(700_001)).again_in, None);
    assert_eq!(wants(&host), 2);
}

#[test]
fn devices_with_the_same_messages_have_the_same_words() {
    let (mut phone, mut laptop, mut host) = (device(1), device(2), Host::default());
    assert_eq!(phone.digest().unwrap(), laptop.digest().unwrap());
    for round in 0..5 {
        phone.emit(at(round * 20_000), &Event::Status(round.to_string())).unwrap();
        emit(&mut phone, round * 20_000 + 1, 2);
        sync(&mut phone, "home", &mut host, at(round * 20_000 + 10_000));
    }
    assert_ne!(phone.digest().unwrap(), laptop.digest().unwrap());
    sync(&mut laptop, "home", &mut host, at(200_000));
    let digest = phone.digest().unwrap();
    assert_eq!(digest, laptop.digest().unwrap());
    assert_eq!(digest, diplomatic::standard::Digest::of(host.list.iter().map(|message| message.head().hash())));
    assert_eq!(phone.compact(Keep::Latest).unwrap().dropped, 4);
    assert_eq!(phone.digest().unwrap(), digest, "what was dropped counts");
    laptop.emit(at(300_000), &added("more")).unwrap();
    assert_ne!(laptop.digest().unwrap(), digest);
}

#[test]
#[ignore = "a measurement"]
fn the_digest_of_many_messages() {
    let mut phone = device(1);
    for batch in 0..100 {
        let events: Vec<Event> = (0..1_000).map(|n| added(&n.to_string())).collect();
        phone.emit_all(at(batch), &events).unwrap();
    }
    let start = std::time::Instant::now();
    let digest = phone.digest().unwrap();
    println!("{:?} for {digest}", start.elapsed());
}

#[test]
fn history_tells_which_device_wrote_a_message_once_that_has_said_so() {
    let mut config = DeviceConfig::default();
    config.name = Some("  Anna's phone ".into());
    let mut phone = Device::<Todos>::open_with(Backing::memory(), &seed(), StdRng::seed_from_u64(1), config).unwrap();
    let (mut tablet, mut laptop, mut host) = (device(2), device(3), Host::default());
    emit(&mut phone, 0, 2);
    sync(&mut phone, "home", &mut host, at(100));
    sync(&mut laptop, "home", &mut host, at(200));
    let authors = |device: &Device<Todos>| -> Vec<_> {
        device.history(None, 10).unwrap().into_iter().map(|entry| entry.device).collect()
    };
    assert_eq!(authors(&laptop), [None, None], "it has said nothing yet");
    sync(&mut phone, "home", &mut host, at(10_000));
    sync(&mut tablet, "home", &mut host, at(10_100));
    emit(&mut tablet, 10_200, 1);
    sync(&mut tablet, "home", &mut host, at(20_000));
    sync(&mut laptop, "home", &mut host, at(20_100));
    let peers = laptop.peers().unwrap();
    let named = peers.devices.iter().find(|peer| peer.name.as_deref() == Some("Anna's phone")).unwrap();
    let unnamed = peers.devices.iter().find(|peer| peer.name.is_none()).unwrap();
    assert_eq!(authors(&laptop), [Some(named.id), Some(named.id), Some(unnamed.id)]);
    let todo = laptop.history(None, 1).unwrap()[0].meta.entity.clone();
    assert_eq!(laptop.history_of(&todo).unwrap()[0].device, Some(named.id));
    assert_eq!(authors(&tablet), authors(&laptop));
}

#[test]
fn apps_see_nothing_of_witnesses() {
    let (mut phone, mut laptop, mut host) = (device(1), device(2), Host::default());
    emit(&mut phone, 0, 2);
    let (version, history) = (phone.version(), phone.history(None, 10).unwrap());
    sync(&mut phone, "home", &mut host, at(10_000));
    sync(&mut laptop, "home", &mut host, at(10_000));
    assert_eq!((host.list.len(), positions(&phone).len()), (3, 3));
    assert_eq!(phone.version(), version, "nothing changed for the app");
    let events = |device: &Device<Todos>| -> Vec<_> {
        device.history(None, 10).unwrap().into_iter().map(|entry| (entry.position, entry.what)).collect()
    };
    assert_eq!(events(&phone), history.iter().map(|entry| (entry.position, entry.what.clone())).collect::<Vec<_>>());
    assert_eq!(phone.message_count().unwrap(), 2);
    assert_eq!(laptop.history(None, 2).unwrap().len(), 2);
    assert_eq!(laptop.history(Some(&history[1].position), 2).unwrap(), []);
    assert_eq!(laptop.unread().unknown().count(), 0);
    assert!(phone.ahead(Timestamp::EPOCH).unwrap().is_some_and(|ahead| ahead.messages == 2));
    phone.undo(at(20_000)).unwrap();
    assert_eq!(phone.read(|todos| todos.items.len()), 1);
    assert_eq!(phone.state_at(at(15_000)).unwrap().items.len(), 2);
    sync(&mut phone, "home", &mut host, at(30_000));
    let mut raw = Device::<Raw>::open(Backing::memory(), &seed(), StdRng::seed_from_u64(5)).unwrap();
    sync(&mut raw, "home", &mut host, at(30_000));
    assert_eq!(raw.history(None, 100).unwrap().len(), 3);
    let full = raw.full_history(None, 100).unwrap();
    let named = |entry: &&diplomatic::history::HistoryEntry<RawEvent>| match &entry.what {
        diplomatic::history::Happened::Event(RawEvent::Typed { type_name, .. }) => type_name == "dip.witness",
        _ => false,
    };
    assert_eq!((full.len(), full.iter().filter(named).count()), (5, 2));
    let query = diplomatic::list::Query::of_type("dip.witness");
    assert_eq!(raw.list_latest(&query, None).unwrap().entries.len(), 0);
    assert!(matches!(laptop.undo(at(0)), Err(UndoError::Nothing)));
}

#[test]
fn a_witness_older_than_a_kept_state_spoils_none() {
    let (mut phone, mut laptop, mut host) = (device(1), device(2), Host::default());
    emit(&mut phone, 0, 4);
    sync(&mut phone, "home", &mut host, at(10_000));
    emit(&mut laptop, 500_000, 10);
    let before = laptop.version();
    let witness = host.list.pop().unwrap();
    sync(&mut laptop, "home", &mut host, at(600_000));
    let after = laptop.version();
    assert!(after > before);
    host.list.insert(4, witness);
    let mut raw = Device::<Raw>::open(Backing::memory(), &seed(), StdRng::seed_from_u64(6)).unwrap();
    sync(&mut raw, "home", &mut host, at(600_000));
    sync(&mut laptop, "home", &mut host, at(600_000));
    assert_eq!(laptop.version(), after, "nothing was folded again");
    assert_eq!(laptop.read(|todos| todos.items.len()), 14);
}

#[test]
fn what_a_device_cannot_read_at_a_host_is_wanted_though_no_witness_names_it() {
    let (mut phone, mut laptop, mut host) = (device(1), device(2), Host::default());
    // Another client of the standard wrote it: it makes no witnesses.
    let mut foreign = numbered(3, &Backing::memory(), None);
    let written = emit(&mut foreign, 0, 4);
    sync(&mut foreign, "home", &mut host, at(10));
    sync(&mut phone, "home", &mut host, at(20));
    let home = HostKeys::derive(&seed(), &Label::new("home"));
    // The laptop reads all but two: of one it knows the head, of the other only the number.
    host.withheld = [written[1].hash, written[2].hash].into();
    sync(&mut laptop, "home", &mut host, at(30_000));
    assert_eq!(wants(&host), 0, "nothing shows that something is missing");
    let link = laptop.link_host(&Label::new("home")).unwrap();
    let unread = Unread { messages: vec![written[1]], bags: vec![(Seq::new(3).unwrap(), Seq::new(3).unwrap())] };
    let mut ask = |unread: &Unread, now| {
        let mut log = laptop.session_log(link);
        let drained = log.on_drained(at(now), home.public_key(), unread.clone()).unwrap();
        let limits = PushLimits { bags: 10, bytes: 10_000 };
        let mut taken = Vec::new();
        let outgoing = log.outgoing(None, limits, &mut |message| {
            taken.push(message.clone());
            home.seal(message)
        });
        let positions: Vec<_> = outgoing.unwrap().iter().map(|outgoing| outgoing.position).collect();
        log.acknowledge(&positions, None).unwrap();
        (drained, taken)
    };
    let (drained, asked) = ask(&unread, 30_000);
    assert!(drained.queued && asked.len() == 1 && is_want(&asked[0]), "{asked:?}");
    assert_eq!(ask(&unread, 40_000).1, [], "it asks once");
    host.list.extend(asked);

    // The phone has read both of them there: one is sent again at once, and for the other the list is compared.
    let link = phone.link_host(&Label::new("home")).unwrap();
    let read = diplomatic::sync::Cursor { vouched: Seq::new(4).unwrap(), audited_at: at(5), ..Default::default() };
    let mut log = phone.session_log(link);
    log.receive(Received { cursor: Some(read), ..Received::default() }).unwrap();
    let want = host.list.last().unwrap().clone();
    log.receive(Received {
        messages: vec![Arrival { seq: Seq::new(5).unwrap(), message: want }],
        ..Received::default()
    })
    .unwrap();
    let drained = log.on_drained(at(50_000), home.public_key(), Unread::default()).unwrap();
    assert!(drained.queued && drained.compare, "{drained:?}");
    assert_eq!(log.cursor().unwrap(), diplomatic::sync::Cursor { audited_at: Timestamp::EPOCH, ..read });
    let outgoing = log.outgoing(None, PushLimits { bags: 10, bytes: 10_000 }, &mut |message| home.seal(message));
    let queued: Vec<Position> = outgoing.unwrap().iter().map(|outgoing| outgoing.position).collect();
    assert_eq!(queued, [written[1]]);
    log.acknowledge(&queued, None).unwrap();
    let drained = log.on_drained(at(60_000), home.public_key(), Unread::default()).unwrap();
    assert!(!drained.compare, "a want is answered once");

    // Nothing is unreadable any more, so nothing is wanted.
    let (_, asked) = ask(&Unread::default(), 50_000);
    assert!(asked.iter().filter(|message| is_want(message)).count() == 1, "{asked:?}");
}
