//! Attachments to which nothing refers any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diplomatic::attachments::{AttachmentError, KeepAttachments, Tended};
use diplomatic::standard::{Bag, Body, EntityBody, EntityId, Label, Message, Seq, Timestamp};
use diplomatic::sync::{Arrival, PushLimits, Received, SyncLog};
use diplomatic::{Attachment, Backing, Device, DeviceConfig, Position};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::attachments::{CHUNK, bytes, copy, keys, linked, list, send};
use crate::todo::{Event, Todos, added, at, device, seed};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn removed(device: &mut Device<Todos>, on: u64) -> (u64, u64) {
    let removed = device.remove_unused_attachments(day(on), 10 * DAY).unwrap();
    assert_eq!((removed.undecided, device.verify(|_| ()).unwrap().problems), (0, vec![]));
    (removed.parts, removed.waiting)
}

#[test]
fn what_nothing_refers_to_is_removed_after_the_grace_period_and_nothing_else() {
    let (mut phone, link) = linked();
    let [used, shared] = [bytes(3 * CHUNK, 1), [&bytes(3 * CHUNK, 1)[..CHUNK], b"other"].concat()];
    let kept = phone.attach(&used[..]).unwrap();
    let dropped = phone.attach(&shared[..]).unwrap();
    phone.emit(at(1), &added(&format!("see {kept}"))).unwrap();
    assert_eq!(removed(&mut phone, 1), (0, 2));
    assert_eq!(removed(&mut phone, 10), (0, 2), "not yet");
    assert_eq!(removed(&mut phone, 11), (2, 0));
    assert_eq!(removed(&mut phone, 40), (0, 0));
    assert!(copy(&phone, &kept).unwrap() == used, "also the part that both had");
    assert!(matches!(copy(&phone, &dropped), Err(AttachmentError::Removed { parts: 1 })));
    // The event, three parts and a list, and two deletes.
    assert_eq!(phone.session_log(link).pending().unwrap(), 1 + 4 + 2);
    // It can be attached again.
    assert_eq!(phone.attach(&shared[..]).unwrap(), dropped);
    assert!(copy(&phone, &dropped).unwrap() == shared);
    assert_eq!(phone.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn what_only_removed_or_overwritten_events_refer_to_comes_back_with_undo_within_the_grace_period_and_goes_after_it() {
    let mut phone = device();
    let photo = phone.attach(&b"photo"[..]).unwrap();
    let first = phone.attach(&b"first title"[..]).unwrap();
    let todo = phone.emit(at(1), &added(&photo.to_string())).unwrap();
    let note = EntityId::from_uuid([3; 16]);
    phone.emit(at(2), &Event::Noted { note: note.clone(), text: first.to_string() }).unwrap();
    assert_eq!(removed(&mut phone, 1), (0, 0));
    phone.emit(at(3), &Event::Noted { note, text: "none".into() }).unwrap();
    phone.emit(at(4), &Event::Removed { todo }).unwrap();
    assert_eq!(removed(&mut phone, 2), (0, 2));
    assert_eq!(removed(&mut phone, 11), (0, 2));
    assert!(copy(&phone, &photo).is_ok() && copy(&phone, &first).is_ok(), "the history is whole");
    phone.undo(at(5)).unwrap();
    assert_eq!(removed(&mut phone, 12), (1, 0), "the photo is referred to again");
    assert!(copy(&phone, &photo).unwrap() == b"photo");
    assert!(matches!(copy(&phone, &first), Err(AttachmentError::Removed { parts: 1 })));
}

#[test]
fn what_was_removed_and_is_referred_to_again_is_still_at_the_host_and_comes_from_there() {
    let ((mut phone, link), mut host) = (linked(), Vec::new());
    let photo = bytes(2 * CHUNK, 1);
    let attachment = phone.attach(&photo[..]).unwrap();
    let todo = phone.emit(at(1), &added(&attachment.to_string())).unwrap();
    send(&mut phone, link, &mut host);
    list(&mut phone, link, &host);
    phone.emit(at(2), &Event::Removed { todo }).unwrap();
    assert_eq!((removed(&mut phone, 1), removed(&mut phone, 11)), ((0, 3), (3, 0)));
    phone.undo(at(3)).unwrap();
    assert!(matches!(copy(&phone, &attachment), Err(AttachmentError::NotHere { .. })), "it can be fetched");
}

#[test]
fn attaching_again_or_a_reference_ends_the_grace_period() {
    let mut phone = device();
    let photo = phone.attach(&b"photo"[..]).unwrap();
    let other = phone.attach(&b"other"[..]).unwrap();
    assert_eq!(removed(&mut phone, 1), (0, 2));
    phone.attach(&b"photo"[..]).unwrap();
    phone.emit(at(1), &added(&other.to_string())).unwrap();
    assert_eq!(removed(&mut phone, 11), (0, 1));
    assert_eq!(removed(&mut phone, 20), (0, 1));
    assert!(copy(&phone, &photo).is_ok() && copy(&phone, &other).is_ok());
}

#[test]
fn a_device_that_refers_to_what_another_removed_loses_nothing_and_brings_it_back() {
    let ((mut phone, phone_link), (mut laptop, link), mut host) = (linked(), linked(), Vec::new());
    let photo = bytes(2 * CHUNK, 1);
    let attachment = phone.attach(&photo[..]).unwrap();
    send(&mut phone, phone_link, &mut host);
    list(&mut laptop, link, &host);
    // The laptop knows of no event, while the phone is about to write one.
    assert_eq!(removed(&mut laptop, 1), (0, 3));
    assert_eq!(removed(&mut laptop, 11), (3, 0));
    send(&mut laptop, link, &mut host);
    phone.emit(at(1), &added(&attachment.to_string())).unwrap();
    list(&mut phone, phone_link, &host);
    assert!(copy(&phone, &attachment).unwrap() == photo);
    assert_eq!(removed(&mut phone, 12), (0, 0));
    assert!(copy(&phone, &attachment).unwrap() == photo);
    send(&mut phone, phone_link, &mut host);
    let mut fresh = device();
    let link = fresh.link_host(&Label::default()).unwrap();
    list(&mut fresh, link, &host);
    let report = fresh.remove_unused_attachments(at(0), DAY).unwrap();
    assert_eq!((report.parts, report.waiting, report.undecided), (0, 0, 0));
    assert!(matches!(copy(&fresh, &attachment), Err(AttachmentError::NotHere { parts: 2 })));
    for device in [&phone, &laptop, &fresh] {
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    }
}

#[test]
fn nothing_is_removed_while_the_parts_of_an_attachment_are_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("without.dpl");
    let mut phone = device();
    let attachment = phone.attach(&bytes(2 * CHUNK, 1)[..]).unwrap();
    phone.emit(at(1), &added(&attachment.to_string())).unwrap();
    phone.export_without_attachments(&file, &seed()).unwrap();
    let mut laptop = device();
    laptop.import(&file, &seed()).unwrap();
    laptop.attach(&b"unused"[..]).unwrap();
    let report = laptop.remove_unused_attachments(at(0), Duration::ZERO).unwrap();
    assert_eq!((report.parts, report.undecided), (0, 1));
}

fn open_with(backing: &Backing, config: impl FnOnce(&mut DeviceConfig)) -> Device<Todos> {
    let mut settings = DeviceConfig::default();
    config(&mut settings);
    Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(1), settings).unwrap()
}

fn day(day: u64) -> Timestamp {
    at(day * 24 * 3600 * 1000)
}

/// Takes turns until none is due, and returns when the next is, and how many turns there were.
fn tend(device: &mut Device<Todos>, now: Timestamp) -> (Option<Duration>, usize) {
    for turns in 1.. {
        let Tended { again_in, .. } = device.tend_attachments(now).unwrap();
        if again_in != Some(Duration::ZERO) {
            return (again_in, turns);
        }
    }
    unreachable!("it ends")
}

#[test]
fn a_device_looks_once_a_day_in_short_turns_and_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let open = || open_with(&backing, |config| config.remove_attachments_after = Some(10 * DAY));
    let mut phone = open();
    assert_eq!(tend(&mut phone, day(0)), (Some(DAY), 1), "without attachments there is nothing to look at");
    let kept = phone.attach(&b"kept"[..]).unwrap();
    let unused = phone.attach(&b"unused"[..]).unwrap();
    let events: Vec<Event> = (0..1_500).map(|n| added(&format!("{n}"))).collect();
    phone.emit_all(at(1), &events).unwrap();
    phone.emit(at(2), &added(&kept.to_string())).unwrap();
    let (again_in, turns) = tend(&mut phone, day(1));
    assert!(again_in == Some(DAY) && turns > 4, "{turns}");
    assert_eq!(tend(&mut phone, day(1).plus(HALF_A_DAY)), (Some(HALF_A_DAY), 1));
    // Half a look is begun anew.
    assert_eq!(phone.tend_attachments(day(5)).unwrap().again_in, Some(Duration::ZERO));
    drop(phone);
    let mut phone = open();
    assert!(tend(&mut phone, day(5)).1 > 4);
    assert!(copy(&phone, &unused).is_ok());
    tend(&mut phone, day(11));
    assert!(copy(&phone, &kept).is_ok());
    assert!(matches!(copy(&phone, &unused), Err(AttachmentError::Removed { .. })));
    drop(phone);
    let mut phone = open_with(&backing, |config| config.remove_attachments_after = None);
    phone.attach(&b"unused"[..]).unwrap();
    assert_eq!(tend(&mut phone, day(100)), (None, 1), "it is switched off");
    assert!(copy(&phone, &unused).is_ok());
}

const HALF_A_DAY: Duration = Duration::from_secs(12 * 3600);

#[test]
fn what_is_emitted_between_two_turns_counts() {
    let mut phone = open_with(&Backing::memory(), |config| config.remove_attachments_after = Some(DAY));
    let photo = phone.attach(&b"photo"[..]).unwrap();
    let events: Vec<Event> = (0..600).map(|n| added(&format!("{n}"))).collect();
    phone.emit_all(at(1), &events).unwrap();
    tend(&mut phone, day(1));
    assert_eq!(phone.tend_attachments(day(3)).unwrap().again_in, Some(Duration::ZERO));
    phone.emit(at(2), &added(&photo.to_string())).unwrap();
    tend(&mut phone, day(3));
    assert!(copy(&phone, &photo).is_ok());
}

#[test]
fn all_devices_remove_by_the_same_message() {
    let ((mut phone, phone_link), (mut laptop, link), mut host) = (linked(), linked(), Vec::new());
    phone.attach(&b"unused"[..]).unwrap();
    send(&mut phone, phone_link, &mut host);
    list(&mut laptop, link, &host);
    for (device, start) in [(&mut phone, 1), (&mut laptop, 5)] {
        assert_eq!((removed(device, start), removed(device, start + 10)), ((0, 1), (1, 0)));
    }
    let (mut by_phone, mut by_laptop) = (Vec::new(), Vec::new());
    send(&mut phone, phone_link, &mut by_phone);
    send(&mut laptop, link, &mut by_laptop);
    assert!(by_phone == by_laptop && by_phone.len() == 1, "hosts store it once");
}

/// Makes a message as a newer build writes it, which this one cannot read.
fn newer(entity: &EntityId, millis: u64, text: &str) -> Message {
    let payload = rmp_serde::to_vec_named(&BTreeMap::from([("text", text)])).unwrap();
    let body = Body::new(EntityBody::new("todo.newer", &payload).to_bytes());
    Message::new(entity.clone(), at(millis), 9, body).unwrap()
}

fn receive(device: &mut Device<Todos>, link: u32, message: Message) {
    let messages = vec![Arrival { seq: Seq::new(1 << 40).unwrap(), message }];
    device.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
}

#[test]
fn what_an_event_of_a_newer_build_refers_to_stays_and_so_does_what_shows_in_its_place() {
    let (mut phone, link) = linked();
    let [shown, hidden, unused] = ["shown", "hidden", "unused"].map(|text| phone.attach(text.as_bytes()).unwrap());
    let note = EntityId::new(&[5; 8], at(0));
    let noted = |file: &Attachment| Event::Noted { note: note.clone(), text: file.to_string() };
    phone.emit(at(1), &noted(&unused)).unwrap();
    phone.emit(at(2), &noted(&shown)).unwrap();
    receive(&mut phone, link, newer(&note, 1_000_000, &hidden.to_string()));
    assert_eq!(phone.read(|todos| todos.notes[&note].clone()), shown.to_string());
    assert_eq!((removed(&mut phone, 1), removed(&mut phone, 11)), ((0, 1), (1, 0)));
    assert!(copy(&phone, &shown).is_ok() && copy(&phone, &hidden).is_ok());
    assert!(copy(&phone, &unused).is_err());
}

/// Lists what is new at a host, and fetches what the device wants.
fn fetch(device: &mut Device<Todos>, link: u32, host: &[Bag]) {
    list(device, link, host);
    let (keys, mut log) = (keys(), device.session_log(link));
    let wanted = log.wanted(PushLimits { bags: 10_000, bytes: usize::MAX }).unwrap().into_iter();
    let messages =
        wanted.map(|(seq, _)| Arrival { seq, message: keys.open(&host[seq.number() as usize - 1]).unwrap() });
    let messages = messages.collect();
    log.receive(Received { messages, ..Received::default() }).unwrap();
}

/// Where a message is, and its body.
type Version = (Position, Option<Vec<u8>>);

/// Returns what live messages mention of some attachments: the last of each entity, and the last that this build can read.
fn live(device: &Device<Todos>, attachments: &[(Attachment, Vec<u8>)]) -> BTreeSet<usize> {
    let mut latest: BTreeMap<(EntityId, bool), Version> = BTreeMap::new();
    device
        .each_message(|message| {
            let (position, body) = (Position::of(message.head()), message.body().map(<[u8]>::to_vec));
            let is_newer = body.as_ref().is_some_and(|body| body.windows(10).any(|part| part == b"todo.newer"));
            for is_readable in [false, true] {
                if !(is_readable && is_newer) {
                    let last = latest.entry((message.head().entity().clone(), is_readable));
                    let last = last.or_insert((position, body.clone()));
                    if last.0 < position {
                        *last = (position, body.clone());
                    }
                }
            }
        })
        .unwrap();
    let bodies: Vec<Vec<u8>> = latest.into_values().filter_map(|(_, body)| body).collect();
    let is_in = |body: &Vec<u8>, name: &str| body.windows(name.len()).any(|part| part == name.as_bytes());
    let numbered = attachments.iter().enumerate();
    let live = numbered.filter(|(_, (name, _))| bodies.iter().any(|body| is_in(body, &name.to_string())));
    live.map(|(number, _)| number).collect()
}

fn is_whole(device: &Device<Todos>, attachment: &Attachment) -> bool {
    device.holds_attachment(attachment).unwrap()
}

#[test]
fn nothing_that_a_live_event_refers_to_is_ever_removed_and_all_devices_agree_on_the_rest() {
    for world in 0..12 {
        let mut rng = StdRng::seed_from_u64(world);
        let mut devices: Vec<(Device<Todos>, u32)> = (0..3)
            .map(|_| {
                let mut device = open_with(&Backing::memory(), |config| config.attachments = KeepAttachments::All);
                let link = device.link_host(&Label::default()).unwrap();
                (device, link)
            })
            .collect();
        let (mut host, mut sent): (Vec<Bag>, BTreeSet<usize>) = Default::default();
        let (mut attachments, mut time): (Vec<(Attachment, Vec<u8>)>, u64) = (Vec::new(), 0);
        let notes: Vec<EntityId> = (0..4).map(|n| EntityId::new(&[n + 1; 8], at(0))).collect();
        for _ in 0..80 {
            time += rng.random_range(1..20 * 3600 * 1000);
            let (device, link) = &mut devices[rng.random_range(0..3)];
            let note = notes[rng.random_range(0..notes.len())].clone();
            let number = rng.random_range(0..attachments.len().max(1));
            let chosen = attachments.get(number).map(|(attachment, _)| *attachment);
            // Nobody refers to what cannot be opened, nor writes an event elsewhere about what never left a device.
            let some = chosen.filter(|file| is_whole(device, file));
            let at_host = chosen.filter(|_| sent.contains(&number));
            match (rng.random_range(0..9), some.or(at_host)) {
                (0 | 1, _) => {
                    let len = [3, 40, 40, 5_000, 5_000, CHUNK + 9][rng.random_range(0..6)];
                    let content = bytes(len, rng.random_range(1..5));
                    let attachment = device.attach(&content[..]).unwrap();
                    device.emit(at(time), &Event::Noted { note, text: attachment.to_string() }).unwrap();
                    attachments.push((attachment, content));
                }
                (2, Some(file)) if some.is_some() => {
                    drop(device.emit(at(time), &Event::Noted { note, text: file.to_string() }).unwrap())
                }
                (3, Some(file)) if at_host.is_some() => host.push(keys().seal(&newer(&note, time, &file.to_string()))),
                (4, _) => drop(device.emit(at(time), &Event::Removed { todo: note }).unwrap()),
                (5, _) => drop(device.undo(at(time))),
                _ => {
                    send(device, *link, &mut host);
                    sent.extend((0..attachments.len()).filter(|number| is_whole(device, &attachments[*number].0)));
                    fetch(device, *link, &host);
                }
            }
            for (device, _) in &mut devices {
                let whole: BTreeSet<usize> =
                    (0..attachments.len()).filter(|number| is_whole(device, &attachments[*number].0)).collect();
                if !rng.random_bool(0.4) {
                    continue;
                }
                device.remove_unused_attachments(at(time), DAY).unwrap();
                for number in live(device, &attachments).intersection(&whole) {
                    assert!(is_whole(device, &attachments[*number].0), "world {world}: {number}");
                }
            }
        }
        for _ in 0..8 {
            // Where devices did not agree before, a part waits for several grace periods.
            time += 100 * 24 * 3600 * 1000;
            for (device, link) in &mut devices {
                device.remove_unused_attachments(at(time), DAY).unwrap();
                send(device, *link, &mut host);
                fetch(device, *link, &host);
            }
        }
        let expected = live(&devices[0].0, &attachments);
        for (device, _) in &devices {
            assert_eq!(live(device, &attachments), expected, "world {world}");
            for (number, (attachment, content)) in attachments.iter().enumerate() {
                let is_shared = || expected.iter().any(|live| attachments[*live].0 == *attachment);
                match copy(device, attachment) {
                    Ok(copied) => assert!(copied == *content && (expected.contains(&number) || is_shared())),
                    // Undo brought back an event after all that it refers to was removed, and no host ever had it.
                    Err(AttachmentError::Removed { .. }) if !sent.contains(&number) => {}
                    Err(error) => assert!(!expected.contains(&number), "world {world}: {attachment}: {error}"),
                }
            }
            assert_eq!(device.verify(|_| ()).unwrap().problems, []);
        }
    }
}
