//! Attachments on devices: what is stored, sent, listed, exported and imported.

use diplomatic::attachments::{AttachmentError, KeepAttachments};
use diplomatic::standard::{Bag, EntityBody, EntityId, HostKeys, Label, Message, SealedBody, Seq, Timestamp};
use diplomatic::sync::{Arrival, Bodies, PushLimits, Received, SyncLog, Unread};
use diplomatic::{Attachment, Backing, Device, DeviceConfig, EmitError, Position};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::todo::{Event, Todos, added, at, device, open, seed};

pub(crate) const CHUNK: usize = 256 << 10;
const ALL: PushLimits = PushLimits { bags: 10_000, bytes: usize::MAX };

pub(crate) fn keys() -> HostKeys {
    HostKeys::derive(&seed(), &Label::default())
}

pub(crate) fn bytes(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|place| (place / 777 % 251) as u8 ^ salt).collect()
}

pub(crate) fn copy(device: &Device<Todos>, attachment: &Attachment) -> Result<Vec<u8>, AttachmentError> {
    let mut copied = Vec::new();
    device.copy_attachment(attachment, &mut copied).map(|()| copied)
}

pub(crate) fn linked() -> (Device<Todos>, u32) {
    let mut device = device();
    let link = device.link_host(&Label::default()).unwrap();
    (device, link)
}

/// Sends all that waits to a host, which takes it in this order.
pub(crate) fn send(device: &mut Device<Todos>, link: u32, host: &mut Vec<Bag>) {
    let (keys, mut after) = (keys(), None);
    loop {
        let mut log = device.session_log(link);
        let outgoing = log.outgoing(after, ALL, &mut |message| keys.seal(message)).unwrap();
        let Some(last) = outgoing.last() else { return };
        after = Some(last.position);
        let stored: Vec<Position> = outgoing.iter().map(|outgoing| outgoing.position).collect();
        host.extend(outgoing.into_iter().map(|outgoing| outgoing.bag));
        log.acknowledge(&stored, None).unwrap();
    }
}

/// Lists everything at the host, and fetches what the device does not leave there.
pub(crate) fn list(device: &mut Device<Todos>, link: u32, host: &[Bag]) {
    list_after(device, link, host, 0);
}

/// Lists what a host has after the first so many bags.
pub(crate) fn list_after(device: &mut Device<Todos>, link: u32, host: &[Bag], listed: usize) {
    let (keys, mut received) = (keys(), Received::default());
    let mut log = device.session_log(link);
    for (seq, bag) in (1..).zip(host).skip(listed) {
        let (seq, head) = (Seq::new(seq).unwrap(), keys.open_head(&bag.head).unwrap());
        let position = Position::of(head.head());
        if log.contains(&[head.head()]).unwrap()[0] {
            received.known.push((seq, position));
        } else if log.defers(head.head()) {
            received.listed.push((seq, head.head().clone()));
        } else {
            received.messages.push(Arrival { seq, message: keys.open(bag).unwrap() });
        }
    }
    log.receive(received).unwrap();
}

#[test]
fn bytes_of_any_length_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let lens = [0, 1, 5_000, CHUNK - 1, CHUNK, CHUNK + 1, 17 * CHUNK + 3];
    let mut device = open(&backing);
    let attachments: Vec<_> = lens.iter().map(|len| device.attach(&bytes(*len, 0)[..]).unwrap()).collect();
    drop(device);
    let device = open(&backing);
    for (len, attachment) in lens.iter().zip(&attachments) {
        assert_eq!(attachment.len(), *len as u64);
        assert!(copy(&device, attachment).unwrap() == bytes(*len, 0), "{len}");
    }
    assert_eq!(device.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn equal_bytes_have_one_address_and_are_stored_and_sent_once() {
    let (mut phone, link) = linked();
    let photo = bytes(2 * CHUNK + 5, 1);
    let first = phone.attach(&photo[..]).unwrap();
    let waiting = phone.session_log(link).pending().unwrap();
    assert_eq!(phone.attach(&photo[..]).unwrap(), first);
    assert_eq!(device().attach(&photo[..]).unwrap(), first, "on every device");
    assert_eq!(phone.session_log(link).pending().unwrap(), waiting);
    // Another file that begins with the same chunk brings only what differs: its second chunk and its list.
    phone.attach(&[&photo[..CHUNK], b"other"].concat()[..]).unwrap();
    assert_eq!(phone.session_log(link).pending().unwrap(), waiting + 2);
}

#[test]
fn apps_meet_no_attachment_among_their_messages() {
    let (mut phone, _) = linked();
    phone.emit(at(1), &added("milk")).unwrap();
    phone.attach(&bytes(3 * CHUNK, 1)[..]).unwrap();
    assert_eq!(phone.message_count().unwrap(), 1);
    assert_eq!(phone.messages().unwrap().len(), 1);
    assert_eq!(phone.history(None, 100).unwrap().len(), 1);
    assert_eq!(phone.arrivals(None, 100).unwrap().rows.len(), 1);
    assert_eq!(*phone.unread(), Default::default());
    assert_eq!(phone.can_undo().unwrap().unwrap().to_string(), "todo.added");
}

#[test]
fn events_are_sent_before_attachments_also_those_that_are_emitted_meanwhile() {
    let (mut phone, link) = linked();
    phone.attach(&bytes(5 * CHUNK, 1)[..]).unwrap();
    phone.emit(at(1), &added("milk")).unwrap();
    let keys = keys();
    let log = phone.session_log(link);
    let next = |after| log.outgoing(after, PushLimits { bags: 2, bytes: 1 << 20 }, &mut |message| keys.seal(message));
    let first = next(None).unwrap();
    assert_eq!(first.iter().map(|outgoing| outgoing.is_attachment).collect::<Vec<_>>(), [false]);
    let second = next(Some(first[0].position)).unwrap();
    assert_eq!(second.iter().map(|outgoing| outgoing.is_attachment).collect::<Vec<_>>(), [true, true]);
    phone.emit(at(2), &added("bread")).unwrap();
    let mut host = Vec::new();
    send(&mut phone, link, &mut host);
    let large: Vec<bool> = host.iter().map(|bag| bag.body.as_bytes().len() > 1_000).collect();
    assert_eq!(large.iter().position(|large| *large), Some(2), "{large:?}");
}

#[test]
fn an_upload_that_was_cut_off_goes_on_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let mut phone = open(&backing);
    let link = phone.link_host(&Label::default()).unwrap();
    phone.attach(&bytes(10 * CHUNK, 1)[..]).unwrap();
    let keys = keys();
    let mut log = phone.session_log(link);
    assert_eq!(log.pending().unwrap(), 11);
    let sent = log.outgoing(None, PushLimits { bags: 4, bytes: ALL.bytes }, &mut |message| keys.seal(message)).unwrap();
    let stored: Vec<Position> = sent.iter().map(|outgoing| outgoing.position).collect();
    log.acknowledge(&stored, None).unwrap();
    drop(phone);
    let mut phone = open(&backing);
    let log = phone.session_log(link);
    assert_eq!(log.pending().unwrap(), 7);
    let left = log.outgoing(None, ALL, &mut |message| keys.seal(message)).unwrap();
    assert_eq!(left.len(), 7);
    assert!(left.iter().all(|outgoing| !stored.contains(&outgoing.position)));
    let (to_send, _) = log.bodies().unwrap();
    assert_eq!(to_send.parts, 7);
}

#[test]
fn what_was_attached_again_at_a_device_that_lists_it_is_not_sent_again() {
    let ((mut phone, phone_link), (mut laptop, link), mut host) = (linked(), linked(), Vec::new());
    let photo = bytes(3 * CHUNK, 1);
    let attachment = phone.attach(&photo[..]).unwrap();
    send(&mut phone, phone_link, &mut host);
    list(&mut laptop, link, &host);
    assert!(matches!(copy(&laptop, &attachment), Err(AttachmentError::NotHere { parts: 3 })));
    assert_eq!(laptop.attach(&photo[..]).unwrap(), attachment);
    assert!(copy(&laptop, &attachment).unwrap() == photo);
    assert_eq!(laptop.session_log(link).pending().unwrap(), 0);
    assert_eq!(laptop.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn a_body_that_stays_at_the_host_is_not_missing_and_is_never_asked_for_by_mistake() {
    let ((mut phone, phone_link), (mut laptop, link), mut host) = (linked(), linked(), Vec::new());
    phone.emit(at(1), &added("milk")).unwrap();
    let attachment = phone.attach(&bytes(3 * CHUNK, 1)[..]).unwrap();
    send(&mut phone, phone_link, &mut host);
    list(&mut laptop, link, &host);
    let keys = keys();
    let log = laptop.session_log(link);
    for bag in &host {
        assert!(log.contains(&[keys.open_head(&bag.head).unwrap().head()]).unwrap()[0]);
    }
    assert_eq!(log.wanted(ALL).unwrap().len(), 0);
    assert_eq!(log.bodies().unwrap(), (Bodies::default(), Bodies::default()));
    let listed = (1..).zip(&host).map(|(seq, bag)| (Seq::new(seq).unwrap(), keys.open_head(&bag.head).unwrap()));
    let listed: Vec<_> = listed.collect();
    assert_eq!(laptop.missing_here(&Label::default(), &listed).unwrap(), []);
    assert_eq!(laptop.digest().unwrap(), phone.digest().unwrap());
    assert!(matches!(copy(&laptop, &attachment), Err(AttachmentError::NotHere { parts: 3 })));
    assert_eq!(laptop.verify(|_| ()).unwrap().problems, []);
    // A device that lacks a body cannot send it to another host; that is left to those that have it.
    assert_eq!(laptop.missing_there(&Label::default(), &Default::default()).unwrap().len(), 2);
}

#[test]
fn a_device_that_keeps_everything_wants_what_it_only_listed_before() {
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::file(folder.path().join("todo.redb"));
    let ((mut phone, phone_link), mut host) = (linked(), Vec::new());
    let attachment = phone.attach(&bytes(3 * CHUNK, 1)[..]).unwrap();
    send(&mut phone, phone_link, &mut host);
    let mut laptop = open(&backing);
    let link = laptop.link_host(&Label::default()).unwrap();
    list(&mut laptop, link, &host);
    assert_eq!(laptop.session_log(link).wanted(ALL).unwrap().len(), 0);
    drop(laptop);
    let mut config = DeviceConfig::default();
    config.attachments = KeepAttachments::All;
    let mut laptop = Device::<Todos>::open_with(backing, &seed(), StdRng::seed_from_u64(1), config).unwrap();
    let mut log = laptop.session_log(link);
    let wanted = log.wanted(ALL).unwrap();
    assert_eq!(wanted.len(), 3);
    let (_, to_fetch) = log.bodies().unwrap();
    assert!(to_fetch.parts == 3 && to_fetch.bytes > 3 * CHUNK as u64, "{to_fetch:?}");
    let keys = keys();
    let fetched = wanted.into_iter().map(|(seq, head)| {
        let body = SealedBody::from_bytes(host[seq.number() as usize - 1].body.as_bytes().to_vec());
        Arrival { seq, message: keys.expect_head(head).open_body(&body).unwrap() }
    });
    let messages = fetched.collect();
    log.receive(Received { messages, ..Received::default() }).unwrap();
    assert_eq!(log.wanted(ALL).unwrap().len(), 0);
    assert!(copy(&laptop, &attachment).unwrap() == bytes(3 * CHUNK, 1));
    assert_eq!(laptop.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn a_second_host_gets_what_the_first_has() {
    let ((mut phone, phone_link), (mut laptop, link), mut host) = (linked(), linked(), Vec::new());
    phone.attach(&bytes(3 * CHUNK, 1)[..]).unwrap();
    send(&mut phone, phone_link, &mut host);
    list(&mut laptop, link, &host);
    let second = laptop.link_host(&Label::new("second")).unwrap();
    let mut log = laptop.session_log(link);
    let keys = keys();
    let messages: Vec<_> = log
        .wanted(ALL)
        .unwrap()
        .into_iter()
        .map(|(seq, _)| Arrival { seq, message: keys.open(&host[seq.number() as usize - 1]).unwrap() })
        .collect();
    assert_eq!(messages.len(), 3, "with two hosts, everything is fetched");
    log.receive(Received { messages, ..Received::default() }).unwrap();
    assert_eq!(laptop.session_log(link).pending().unwrap(), 0);
    assert_eq!(laptop.session_log(second).pending().unwrap(), 4);
}

#[test]
fn a_host_that_lost_attachments_gets_them_again() {
    let ((mut phone, link), mut host) = (linked(), Vec::new());
    phone.attach(&bytes(3 * CHUNK, 1)[..]).unwrap();
    send(&mut phone, link, &mut host);
    assert_eq!(phone.session_log(link).unlisted(&Default::default()).unwrap(), 4);
    let queued = phone.session_log(link).reconcile(diplomatic::sync::Audited::default()).unwrap();
    assert_eq!(queued, 4);
    let mut again = Vec::new();
    send(&mut phone, link, &mut again);
    assert!(again == host, "sealing is deterministic");
    assert!(phone.unlink_host(&Label::default()).unwrap());
    assert_eq!(phone.verify(|_| ()).unwrap().problems, []);
}

#[test]
fn exports_hold_the_attachments_that_are_here_or_none_and_both_can_be_imported() {
    let folder = tempfile::tempdir().unwrap();
    let [with, without] = ["with.dpl", "without.dpl"].map(|name| folder.path().join(name));
    let ((mut phone, phone_link), (mut laptop, link), mut host) = (linked(), linked(), Vec::new());
    phone.emit(at(1), &added("milk")).unwrap();
    let photo = bytes(20 * CHUNK, 1);
    let attachment = phone.attach(&photo[..]).unwrap();
    send(&mut phone, phone_link, &mut host);
    let exported = phone.export(&with, &seed()).unwrap();
    assert_eq!((exported.messages, exported.left_out), (22, 0));
    let exported = phone.export_without_attachments(&without, &seed()).unwrap();
    assert_eq!((exported.messages, exported.left_out), (1, 21));
    // The laptop has listed it, and has only the list of its parts.
    list(&mut laptop, link, &host);
    let exported = laptop.export(folder.path().join("some.dpl"), &seed()).unwrap();
    assert_eq!((exported.messages, exported.left_out), (2, 20));

    let mut fresh = device();
    assert_eq!(fresh.import(&without, &seed()).unwrap().new, 1);
    assert!(matches!(copy(&fresh, &attachment), Err(AttachmentError::NotListed { parts: 1 })));
    let report = fresh.import(&with, &seed()).unwrap();
    assert_eq!((report.new, report.known), (21, 1));
    assert!(copy(&fresh, &attachment).unwrap() == photo);
    assert_eq!(fresh.import(&with, &seed()).unwrap().new, 0);
    // What was only listed comes from the file, and need not be fetched.
    assert_eq!(laptop.import(&with, &seed()).unwrap().new, 20);
    assert!(copy(&laptop, &attachment).unwrap() == photo);
    assert_eq!(laptop.session_log(link).pending().unwrap(), 0, "the host has it");
    for device in [&fresh, &laptop] {
        assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    }
    let mut replay = diplomatic::Replay::open(&with, &seed()).unwrap();
    let folded = replay.fold::<Todos>(None).unwrap();
    assert_eq!(folded.unread, Default::default());
}

#[test]
fn an_address_that_was_changed_opens_nothing() {
    let mut phone = device();
    let attachment = phone.attach(&bytes(2 * CHUNK + 7, 1)[..]).unwrap().to_string();
    let (hash, _) = attachment.split_once('.').unwrap();
    for (len, is_expected) in [
        (2 * CHUNK + 8, (|error| matches!(error, AttachmentError::Mismatch)) as fn(&AttachmentError) -> bool),
        (4 * CHUNK, |error| matches!(error, AttachmentError::Mismatch)),
        (7, |error| matches!(error, AttachmentError::NotListed { .. })),
    ] {
        let changed: Attachment = format!("{hash}.{len}").parse().unwrap();
        let error = copy(&phone, &changed).unwrap_err();
        assert!(is_expected(&error), "{len}: {error:?}");
    }
}

#[test]
fn other_clients_see_entities_of_an_unknown_type() {
    let ((mut phone, link), mut host) = (linked(), Vec::new());
    phone.attach(&bytes(CHUNK + 1, 1)[..]).unwrap();
    send(&mut phone, link, &mut host);
    let keys = keys();
    let mut types: Vec<String> = host
        .iter()
        .map(|bag| {
            let message = keys.open(bag).unwrap();
            let body = EntityBody::decode(message.body().unwrap()).unwrap();
            assert_eq!(message.head().entity().created(), Timestamp::EPOCH);
            assert_eq!(message.head().changed(), Timestamp::EPOCH, "every device makes the same message");
            body.type_name.to_owned()
        })
        .collect();
    types.sort();
    assert_eq!(types, ["dip.chunk", "dip.chunk", "dip.parts"]);
}

#[test]
fn an_event_cannot_delete_a_part_of_an_attachment() {
    let (mut phone, link) = linked();
    let attachment = phone.attach(&b"some bytes"[..]).unwrap();
    let keys = keys();
    let outgoing = phone.session_log(link).outgoing(None, ALL, &mut |message| keys.seal(message)).unwrap();
    let part: EntityId = keys.open_head(&outgoing[0].bag.head).unwrap().head().entity().clone();
    let error = phone.emit(at(1), &Event::Removed { todo: part.clone() }).unwrap_err();
    assert!(matches!(&error, EmitError::PartOfAttachment { entity } if *entity == part), "{error:?}");
    assert!(copy(&phone, &attachment).unwrap() == b"some bytes");
}

#[test]
fn a_message_that_only_looks_like_a_part_is_a_message_like_any_other() {
    let mut phone = device();
    let link = phone.link_host(&Label::default()).unwrap();
    let id = [&b"dip.chunk"[..], &[7; 32]].concat();
    let body = EntityBody::new("dip.chunk", &[0xc4, 1, 0]).to_bytes();
    let entity = EntityId::new(&id, Timestamp::EPOCH);
    let message = Message::new(entity, Timestamp::EPOCH, 0, diplomatic::standard::Body::new(body)).unwrap();
    let messages = vec![Arrival { seq: Seq::new(1).unwrap(), message }];
    phone.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
    assert_eq!(phone.messages().unwrap().len(), 1);
    assert_eq!(phone.verify(|_| ()).unwrap().problems, []);
}

/// Lets a device speak that has read everything.
fn speak(device: &mut Device<Todos>, link: u32, seconds: u64, host: &mut Vec<Bag>) {
    send(device, link, host);
    for _ in 0..4 {
        let (now, keys) = (at(seconds * 1_000), keys());
        let drained = device.session_log(link).on_drained(now, keys.public_key(), Unread::default()).unwrap();
        send(device, link, host);
        if !drained.queued {
            return;
        }
    }
}

#[test]
fn parts_that_a_host_hides_or_lists_in_vain_are_asked_of_the_other_devices_and_come_from_them() {
    for is_hidden in [true, false] {
        let ((mut phone, phone_link), (mut laptop, link), mut host) = (linked(), linked(), Vec::new());
        let photo = bytes(2 * CHUNK + 5, 1);
        let attachment = phone.attach(&photo[..]).unwrap();
        phone.emit(at(1), &added(&attachment.to_string())).unwrap();
        speak(&mut phone, phone_link, 10, &mut host);
        let mut listed = host.len();
        list_after(&mut laptop, link, &host[..if is_hidden { 1 } else { listed }], 0);
        for round in 1..10 {
            if laptop.want_attachment(&attachment).unwrap() {
                break;
            }
            // Whatever is asked for where it was first is not delivered.
            let wanted: Vec<Position> = {
                let wanted = laptop.session_log(link).wanted(ALL).unwrap();
                let first = wanted.into_iter().filter(|(seq, _)| seq.number() as usize <= listed);
                first.map(|(_, head)| Position::of(&head)).collect()
            };
            laptop.session_log(link).not_delivered(&wanted).unwrap();
            speak(&mut laptop, link, 700 * round, &mut host);
            list_after(&mut phone, phone_link, &host, 0);
            speak(&mut phone, phone_link, 700 * round, &mut host);
            list_after(&mut laptop, link, &host, listed);
            let (keys, mut log) = (keys(), laptop.session_log(link));
            let fetched = log.wanted(ALL).unwrap().into_iter().filter(|(seq, _)| seq.number() as usize > listed);
            let messages: Vec<_> = fetched
                .map(|(seq, _)| Arrival { seq, message: keys.open(&host[seq.number() as usize - 1]).unwrap() })
                .collect();
            log.receive(Received { messages, ..Received::default() }).unwrap();
            listed = host.len();
        }
        assert!(copy(&laptop, &attachment).unwrap() == photo, "hidden: {is_hidden}");
        // Once it is here, nobody is asked any more, and nothing is sent over and over.
        speak(&mut laptop, link, 10_000, &mut host);
        list(&mut phone, phone_link, &host);
        speak(&mut phone, phone_link, 10_000, &mut host);
        let before = host.len();
        speak(&mut laptop, link, 20_000, &mut host);
        speak(&mut phone, phone_link, 20_000, &mut host);
        assert_eq!(host.len(), before);
        for device in [&phone, &laptop] {
            assert_eq!(device.verify(|_| ()).unwrap().problems, []);
        }
    }
}
