//! Hosts that lack what they had: what a device sends again, and until when.

use std::collections::HashSet;

use diplomatic::inspect::MissingReason;
use diplomatic::standard::{HostKeys, Label, Seq};
use diplomatic::sync::{Audited, Cursor, PushLimits, Received, SyncLog};
use diplomatic::{Backing, Device, Position};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::todo::{Todos, added, at, seed};

fn queued(device: &mut Device<Todos>, link: u32) -> Vec<Position> {
    let keys = HostKeys::derive(&seed(), &Label::new("home"));
    let limits = PushLimits { bags: 100, bytes: 100_000 };
    let outgoing = device.session_log(link).outgoing(None, limits, &mut |message| keys.seal(message));
    outgoing.unwrap().iter().map(|outgoing| outgoing.position).collect()
}

#[test]
fn what_a_host_lists_but_does_not_deliver_is_sent_until_the_host_acknowledges_it() {
    let label = Label::new("home");
    let mut device = Device::<Todos>::open(Backing::memory(), &seed(), StdRng::seed_from_u64(1)).unwrap();
    for title in ["one", "two", "three"] {
        device.emit(at(1), &added(title)).unwrap();
    }
    let everything = device.missing_there(&label, &HashSet::new()).unwrap();
    assert!(everything.iter().all(|missing| missing.reason.is_none()), "no host is linked");
    assert_eq!(device.repair_host(&label, &everything).unwrap(), 0, "a host that is not linked gets everything anyway");
    let link = device.link_host(&label).unwrap();
    let waiting = device.missing_there(&label, &HashSet::new()).unwrap();
    assert!(waiting.iter().all(|missing| missing.reason == Some(MissingReason::Queued)));

    let all = queued(&mut device, link);
    let (cursor, known) =
        (Cursor { caught_up: true, ..Cursor::default() }, all.iter().map(|position| (Seq::ZERO, *position)));
    let mut log = device.session_log(link);
    log.acknowledge(&all, Some(cursor)).unwrap();
    let lacking = device.missing_there(&label, &all[1..].iter().map(|position| position.hash).collect()).unwrap();
    assert_eq!((lacking.len(), lacking[0].position, lacking[0].reason), (1, all[0], None));
    assert_eq!(device.repair_host(&label, &lacking).unwrap(), 1);
    assert!(device.session_log(link).cursor().unwrap().is_suspect, "the whole list is compared");
    assert_eq!(queued(&mut device, link), all[..1]);

    // The host lists it, in whatever way: that is no proof that it has it.
    let known: Vec<(Seq, Position)> = known.collect();
    device.session_log(link).receive(Received { known, ..Received::default() }).unwrap();
    assert_eq!(queued(&mut device, link), all[..1]);
    let listed = all.iter().map(|position| position.hash).collect();
    device.session_log(link).reconcile(Audited { listed, ..Audited::default() }).unwrap();
    let none_listed = Audited::default();
    device.session_log(link).reconcile(none_listed).unwrap();
    assert_eq!(queued(&mut device, link), all);
    let known = all.iter().map(|position| (Seq::ZERO, *position)).collect();
    device.session_log(link).receive(Received { known, ..Received::default() }).unwrap();
    assert_eq!(queued(&mut device, link), all[..1]);
    assert_eq!(device.verify(|_| ()).unwrap().problems, []);
    device.session_log(link).acknowledge(&all[..1], None).unwrap();
    assert_eq!(queued(&mut device, link), []);
}
