//! Power cuts, failing syncs and full disks: what was acknowledged stays, and nothing is there by halves.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::{Device, DeviceConfig};
use crate::fold::crashed;
use crate::log::{Backing, Disk, LogError, QueueLimits};
use crate::order::Position;
use crate::reducer::{Meta, Reducer};
use crate::standard::{Bag, EntityId, HostKeys, Label, Message, OpenBagError, Seed, Seq, Signature, Timestamp};
use crate::sync::{Arrival, Audited, Cursor, Mark, Received, SkipReason, Skipped, SyncLog};
use crate::{DiplomaticEvent, OpenLogError};

#[derive(Debug, Clone, DiplomaticEvent)]
#[diplomatic(prefix = "tally")]
enum Event {
    Added {
        text: String,
    },
    #[diplomatic(overwrites = "item")]
    Renamed {
        item: EntityId,
        text: String,
    },
    #[diplomatic(deletes = "item")]
    Removed {
        item: EntityId,
    },
}

/// Every event that was applied, so that one applied twice shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally(Vec<String>);

impl Reducer for Tally {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Added { text } => self.0.push(format!("{} {text}", at.entity)),
            Event::Renamed { item, text } => {
                let mark = format!("{item} renamed");
                self.0.retain(|line| !line.starts_with(&mark));
                self.0.push(format!("{mark} {text}"));
            }
            Event::Removed { item } => self.0.retain(|line| !line.starts_with(&item.to_string())),
        }
    }
}

fn seed() -> Seed {
    Seed::from_bytes([7; 32])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_764_000_000_000 + millis)
}

fn added(text: impl Into<String>) -> Event {
    Event::Added { text: text.into() }
}

fn open(backing: Backing) -> Result<Device<Tally>, OpenLogError> {
    let config = DeviceConfig { snapshot_events: 3, ..DeviceConfig::default() };
    Device::open_with(backing, &seed(), StdRng::seed_from_u64(1), config)
}

/// Messages of another device.
fn foreign() -> Vec<Message> {
    let mut other =
        Device::<Tally>::open(Backing::memory(), &seed(), StdRng::seed_from_u64(2)).expect("memory does not fail");
    for n in 0..8 {
        other.emit(at(n * 3), &added(format!("foreign {n}"))).expect("memory does not fail");
    }
    other.stored().expect("memory does not fail")
}

fn cursor(seq: u64) -> Cursor {
    let mark = Mark { seq: Seq::new(seq).unwrap(), signature: Signature::from_bytes([seq as u8; 64]) };
    Cursor { seq: mark.seq, caught_up: seq > 3, read: Some(mark), vouched: mark.seq, ..Cursor::default() }
}

fn keys(link: u32) -> HostKeys {
    HostKeys::derive(&seed(), &Label::new(format!("host {link}")))
}

fn seal(link: u32, message: &Message) -> Bag {
    // The same nonce each time: a bag that was sealed anew still differs from none that was kept.
    keys(link).seal(message)
}

type Done = Result<(), Box<dyn std::error::Error>>;
type Step = Box<dyn Fn(&mut Device<Tally>) -> Done>;

/// What is queued for a host, with the bags that are kept.
type Queue = Vec<Position>;

/// What a device lives through; each step is one transaction, and perhaps a snapshot.
fn steps() -> Vec<Step> {
    let foreign = foreign();
    let receive = |link: u32, messages: std::ops::Range<usize>, seq: u64| {
        let messages: Vec<_> = foreign[messages]
            .iter()
            .map(|message| Arrival { seq: cursor(seq).seq, message: message.clone() })
            .collect();
        step(move |device| {
            let received = Received { messages: messages.clone(), cursor: Some(cursor(seq)), ..Received::default() };
            Ok(device.session_log(link).receive(received)?)
        })
    };
    let emit = |time: u64, count: usize| {
        step(move |device| {
            let events: Vec<_> = (0..count).map(|n| added(format!("{time} {n}"))).collect();
            device.emit_all(at(time), &events)?;
            Ok(())
        })
    };
    let acknowledge = |link: u32, count: usize, seq: Option<u64>| {
        step(move |device| {
            let queued = queue(device, link)?;
            Ok(device.session_log(link).acknowledge(&queued[..count.min(queued.len())], seq.map(cursor))?)
        })
    };
    let link = |name: &'static str| {
        step(move |device| {
            device.link_host(&Label::new(name))?;
            Ok(())
        })
    };
    let skipped = {
        let reason = SkipReason::Body { head: seal(1, &foreign[0]).head, error: Some(OpenBagError::DecryptBody) };
        move || Skipped { seq: cursor(9).seq, reason: reason.clone() }
    };
    let last =
        |device: &Device<Tally>| Ok::<_, LogError>(device.stored()?.last().map(|last| last.head().entity().clone()));
    vec![
        link("one"),
        emit(100, 1),
        emit(110, 5),
        receive(1, 0..3, 3),
        acknowledge(1, 2, Some(4)),
        link("two"),
        emit(120, 1),
        receive(2, 2..6, 4),
        acknowledge(2, 3, None),
        step(move |device| {
            let received = Received { skipped: vec![skipped()], cursor: Some(cursor(9)), ..Received::default() };
            Ok(device.session_log(1).receive(received)?)
        }),
        step(move |device| {
            let Some(item) = last(device)? else { return Ok(()) };
            device.emit(at(130), &Event::Renamed { item, text: "renamed".into() })?;
            Ok(())
        }),
        step(|device| {
            let received = Received { settled: vec![cursor(9).seq], ..Received::default() };
            Ok(device.session_log(1).receive(received)?)
        }),
        emit(140, 20),
        acknowledge(1, 30, Some(12)),
        step(|device| {
            let listed = device.stored()?.iter().step_by(2).map(|message| message.head().hash()).collect();
            let audit = Audited { listed, skipped: Vec::new(), cursor: Cursor::default() };
            device.session_log(1).reconcile(audit)?;
            Ok(())
        }),
        receive(1, 0..8, 8),
        step(move |device| {
            let item = device.stored()?[4].head().entity().clone();
            device.emit(at(150), &Event::Removed { item })?;
            Ok(())
        }),
        acknowledge(1, 4, Some(12)),
        emit(160, 1),
    ]
}

fn step(act: impl Fn(&mut Device<Tally>) -> Done + 'static) -> Step {
    Box::new(act)
}

/// The queue of a link.
fn queue(device: &Device<Tally>, link: u32) -> Result<Queue, LogError> {
    let everything = QueueLimits { bags: usize::MAX, bytes: usize::MAX };
    let mut seal = |message: &_| seal(link, message);
    let queue = device.log.read(|reader| reader.outgoing(link, None, everything, &mut seal))?;
    Ok(queue.into_iter().map(|queued| queued.position).collect())
}

/// All that can be seen of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    messages: Vec<Vec<u8>>,
    state: Tally,
    links: Vec<(String, Cursor, Queue, Vec<u64>)>,
}

fn look(device: &mut Device<Tally>) -> Seen {
    let messages = device.stored().unwrap().iter().map(|message| message.head().as_bytes().to_vec()).collect();
    let links = device.log.links().to_vec();
    let links = links.iter().map(|link| {
        let log = device.session_log(link.number);
        let cursor = log.cursor().unwrap();
        let skipped = log.skipped().unwrap().iter().map(|skipped| skipped.seq.number()).collect();
        (link.label.name().to_owned(), cursor, queue(device, link.number).unwrap(), skipped)
    });
    let links = links.collect();
    Seen { messages, state: device.read(Clone::clone), links }
}

/// Folds the log from nothing.
fn refold(device: &mut Device<Tally>) -> Tally {
    let mut copy = open(Backing::memory()).unwrap();
    let link = copy.link_host(&Label::default()).unwrap();
    let messages = device.stored().unwrap().into_iter().map(|message| Arrival { seq: Seq::ZERO, message }).collect();
    copy.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
    copy.read(Clone::clone)
}

/// What can be seen after each step when nothing goes wrong; the first is before any step.
fn reference() -> (Vec<Seen>, u64) {
    let disk = Disk::default();
    let mut device = open(Backing::disk(disk.clone())).unwrap();
    let mut seen = vec![look(&mut device)];
    for step in steps() {
        step(&mut device).unwrap();
        seen.push(look(&mut device));
    }
    assert_eq!(device.read(Clone::clone), refold(&mut device));
    (seen, disk.syncs())
}

#[test]
fn power_cut_at_any_sync_leaves_every_step_whole_or_undone() {
    let (reference, syncs) = reference();
    let steps = steps();
    assert!(syncs > steps.len() as u64, "every step syncs");
    for sync in 1..=syncs {
        let disk = Disk::default();
        disk.cut_at(sync);
        let mut done = None;
        if let Ok(mut device) = open(Backing::disk(disk.clone())) {
            done = Some(steps.iter().take_while(|step| step(&mut device).is_ok()).count());
        }
        for chance in 0..12 {
            let context = format!("cut at sync {sync} after {done:?} steps, chance {chance}");
            let rest = disk.after_power_cut(chance);
            let mut device = match open(Backing::disk(rest.clone())) {
                Ok(device) => device,
                Err(error) => panic!("{context}: {error:?}"),
            };
            let seen = look(&mut device);
            let done = done.unwrap_or(0);
            let is_whole = seen == reference[done] || reference.get(done + 1).is_some_and(|next| seen == *next);
            assert!(is_whole, "{context}: {seen:#?} is neither {:#?} nor what follows", reference[done]);
            // It goes on from there, and what was acknowledged then survives the next cut.
            let item = device.emit(at(500), &added("after")).unwrap_or_else(|error| panic!("{context}: {error}"));
            let before = look(&mut device);
            drop(device);
            let mut device = open(Backing::disk(rest.after_power_cut(0))).unwrap();
            assert_eq!(look(&mut device), before, "{context}");
            assert!(device.read(|tally| tally.0.iter().any(|line| line.starts_with(&item.to_string()))), "{context}");
            assert_eq!(device.read(Clone::clone), refold(&mut device), "{context}");
        }
    }
}

#[test]
fn sync_that_fails_once_leaves_state_log_and_cursor_in_step() {
    let (_, syncs) = reference();
    let steps = steps();
    for failing in 0..syncs {
        let disk = Disk::default();
        let mut device = open(Backing::disk(disk.clone())).unwrap();
        let mut failed = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if disk.syncs() >= failing && failed.is_empty() {
                disk.fail_syncs(1);
            }
            if step(&mut device).is_err() {
                failed.push(index);
            }
        }
        let context = format!("sync {failing} failed, and with it the steps {failed:?}");
        // A failure is that of one step, unless a later one cannot go on without it.
        device.emit(at(500), &added("after")).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(device.read(Clone::clone), refold(&mut device), "{context}");
        let seen = look(&mut device);
        drop(device);
        let mut device = open(Backing::disk(disk)).unwrap();
        assert_eq!(look(&mut device), seen, "{context}");
    }
}

#[test]
fn full_disk_is_an_error_that_stores_nothing_and_passes_by_itself() {
    for blocks in 0..40 {
        let disk = Disk::default();
        let mut device = open(Backing::disk(disk.clone())).unwrap();
        let link = device.link_host(&Label::new("one")).unwrap();
        device.emit(at(1), &added("before")).unwrap();
        let context = format!("room for {blocks} blocks");
        disk.leave_room(Some(blocks));
        let mut emitted = 1;
        let error = loop {
            let before = look(&mut device);
            match device.emit(at(10), &added("x".repeat(20_000))) {
                Ok(_) => emitted += 1,
                Err(error) => {
                    assert_eq!(look(&mut device), before, "{context}");
                    break error;
                }
            }
            assert!(emitted < 1000, "{context}: the disk is full some time");
        };
        assert!(matches!(error, crate::EmitError::Log(LogError::Storage(_))), "{context}: {error:?}");
        for _ in 0..3 {
            device.emit(at(10), &added("x".repeat(20_000))).unwrap_err();
            assert_eq!(device.read(|tally| tally.0.len()), emitted, "{context}: reading goes on");
        }
        disk.leave_room(None);
        device.emit(at(20), &added("after")).unwrap_or_else(|error| panic!("{context}: {error}"));
        let seen = look(&mut device);
        assert_eq!((seen.messages.len(), seen.state.0.len()), (emitted + 1, emitted + 1), "{context}");
        assert_eq!(queue(&device, link).unwrap().len(), emitted + 1, "{context}");
        drop(device);
        assert_eq!(look(&mut open(Backing::disk(disk)).unwrap()), seen, "{context}");
    }
}

/// Where panics end the program, the message at work is noted and named at the next start.
#[test]
fn message_over_which_the_program_ended_is_set_aside_and_everything_else_counts() {
    let messages = foreign();
    let receive = |messages: Vec<Message>| {
        let mut device = open(Backing::memory()).unwrap();
        let link = device.link_host(&Label::default()).unwrap();
        let messages = messages.into_iter().map(|message| Arrival { seq: Seq::ZERO, message }).collect();
        device.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
        device
    };
    let bad = messages[3].head().hash();
    let others = messages.iter().filter(|message| message.head().hash() != bad).cloned().collect();
    let without = receive(others).read(Clone::clone);
    crashed::remember([bad]);
    let device = receive(messages.clone());
    assert_eq!(device.read(Clone::clone), without);
    let unread = device.unread();
    let reasons: Vec<_> = unread.quarantined().map(|quarantined| quarantined.reason.to_string()).collect();
    assert!(matches!(&reasons[..], [reason] if reason.contains(crashed::REASON)), "{reasons:?}");
    assert_eq!(device.stored().unwrap().len(), messages.len(), "it is kept");
    assert_eq!(crashed::current(), None);
}
