//! Audits that check bodies, and repairs of hosts that delete nothing.

use diplomatic::Device as LocalDevice;
use diplomatic::inspect::{Damage, HostAudit, HostInspector, InspectError};
use diplomatic::standard::calls::{PeekItem, ResponseHead};
use diplomatic::standard::{Encode, Label, Seed, Status, Timestamp};
use diplomatic::{Backing, DeviceConfig};
use diplomatic_simulation::todo::{Todos, added};
use diplomatic_simulation::world::{BodyLie, Quirks};
use rand::rngs::StdRng;

use crate::device::{Device, caught_up};
use crate::host::{TestHost, new_seed};
use crate::lying::{LyingServer, items, run};
use crate::wrong::{impostor, page};

fn open(device: &Device, seed: &Seed) -> LocalDevice<Todos> {
    let mut config = DeviceConfig::default();
    config.witness_after = None;
    LocalDevice::open_with(Backing::file(device.path()), seed, rand::make_rng::<StdRng>(), config).unwrap()
}

async fn audit(device: &Device, seed: &Seed, url: &str, with_bodies: bool) -> HostAudit {
    let inspector = HostInspector::new(seed, &Label::default(), url).unwrap().with_bodies(with_bodies);
    inspector.audit_device(&open(device, seed), |_| ()).await.unwrap()
}

/// What a repair does but for the sync that follows.
async fn prepare(device: &Device, seed: &Seed, audit: &HostAudit) -> u64 {
    open(device, seed).repair_host(&Label::default(), &audit.missing_there).unwrap()
}

#[tokio::test]
async fn a_host_that_deletes_nothing_is_repaired_and_what_stays_damaged_is_harmless() {
    // The signature, the kdm, the length of the head, the head; and the body in three ways.
    let heads = [3, 66, 72, 90].map(|byte| (Some((byte, 0)), None));
    let bodies = [BodyLie::Flipped, BodyLie::LeftOut, BodyLie::Endless].map(|lie| (None, Some(lie)));
    for (head, body) in heads.into_iter().chain(bodies) {
        let (seed, server) = (new_seed(), LyingServer::start(Quirks { repeats_bags: true, ..Quirks::default() }).await);
        let writer = Device::new(&seed);
        assert!(run(&writer, &server.url(), 6).await.0);
        if let Some(head) = head {
            server.host.lock().unwrap().lies.damaged.insert(3, head);
        }
        if let Some(body) = body {
            server.host.lock().unwrap().lies.bodies.insert(3, body);
            let unaware = audit(&writer, &seed, &server.url(), false).await;
            assert!(unaware.is_complete() && unaware.bodies == 0, "only bodies show it: {unaware:?}");
        }
        let found = audit(&writer, &seed, &server.url(), true).await;
        assert!(!found.is_complete(), "{head:?} {body:?}: {found:?}");
        assert_eq!((found.bags, found.messages, found.missing_there.len()), (6, 5, 1), "{found:?}");
        assert_eq!(found.bodies, if head.is_some() { 5 } else { 6 });
        let [damaged] = found.damaged.as_slice() else { panic!("{found:?}") };
        assert_eq!((damaged.seq.number(), damaged.is_harmless), (3, false));
        assert_eq!(damaged.cause == Damage::Layout, head == Some((72, 0)), "{damaged:?}");
        let is_left_out = matches!(body, Some(BodyLie::LeftOut | BodyLie::Endless));
        assert_eq!(damaged.cause == Damage::NoBody, is_left_out, "{damaged:?}");

        assert_eq!(prepare(&writer, &seed, &found).await, 1);
        let (in_sync, line) = run(&writer, &server.url(), 0).await;
        assert!(in_sync, "{head:?} {body:?}: {line}");
        assert_eq!(server.bags(), 7, "one bag was sent again, and no other");
        let repaired = audit(&writer, &seed, &server.url(), true).await;
        assert!(repaired.is_complete(), "{head:?} {body:?}: {repaired:?}");
        assert!(repaired.damaged.iter().all(|bag| bag.is_harmless) && repaired.damaged.len() == 1);
        if body != Some(BodyLie::Endless) {
            // Where an answer breaks off, a device that reads for the first time needs more than one sync.
            assert_eq!(items(&seed, &server.url()).await, 6);
        }
        // What is harmless stays so, and nothing is sent once more.
        assert!(run(&writer, &server.url(), 0).await.0);
        assert_eq!(server.bags(), 7);
    }
}

#[tokio::test]
async fn a_device_that_lacks_the_message_says_so_until_another_has_repaired_it() {
    let (seed, server) = (new_seed(), LyingServer::start(Quirks { repeats_bags: true, ..Quirks::default() }).await);
    let (writer, reader) = (Device::new(&seed), Device::new(&seed));
    assert!(run(&writer, &server.url(), 6).await.0);
    server.host.lock().unwrap().lies.bodies.insert(3, BodyLie::Flipped);
    assert!(!run(&reader, &server.url(), 0).await.0);
    let found = audit(&reader, &seed, &server.url(), true).await;
    assert_eq!((found.missing_here.len(), found.missing_there.len(), found.is_complete()), (1, 0, false), "{found:?}");
    assert_eq!(prepare(&reader, &seed, &found).await, 0);
    assert!(!run(&reader, &server.url(), 0).await.0, "there is nothing that it could send");
    let found = audit(&writer, &seed, &server.url(), true).await;
    prepare(&writer, &seed, &found).await;
    assert!(run(&writer, &server.url(), 0).await.0);
    let (in_sync, line) = run(&reader, &server.url(), 0).await;
    assert!(in_sync, "{line}");
    assert!(audit(&reader, &seed, &server.url(), true).await.is_complete());
}

#[tokio::test]
async fn bodies_are_checked_a_bounded_part_at_a_time() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let phone = Device::new(&seed);
    let client = phone.open(&host.url()).await;
    // More than is fetched at once: by number, and by size.
    client.emit_all((0..2_300).map(|n| added(format!("item {n}"))).collect()).await.unwrap();
    for _ in 0..7 {
        client.emit(added("x".repeat(1 << 20))).await.unwrap();
    }
    caught_up(&client).await;
    let inspector = HostInspector::new(&seed, &Label::default(), &host.url()).unwrap().with_bodies(true);
    let audit = inspector.audit(&client, |_| ()).await.unwrap();
    assert_eq!((audit.bags, audit.bodies, audit.is_complete()), (2_307, 2_307, true));
}

#[tokio::test]
async fn a_list_that_breaks_off_is_continued_and_one_that_goes_back_makes_no_sense() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let phone = Device::new(&seed);
    let client = phone.open(&host.url()).await;
    client.emit_all((0..20).map(|n| added(format!("item {n}"))).collect()).await.unwrap();
    caught_up(&client).await;
    let bags = host.bags(&seed, &Label::default());
    let list = |bags: &[PeekItem]| {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let mut body = ResponseHead::unlimited(Status::SUCCESS, now, now).to_bytes();
        bags.iter().for_each(|bag| bag.encode(&mut body));
        page("200 OK", &body)
    };
    let (mut first, rest) = (list(&bags), list(&bags[15..]));
    let cut = list(&bags[..15]).len() + 1;
    first.truncate(cut);
    let (address, _tasks) = impostor(move |count| if count == 0 { first.clone() } else { rest.clone() }).await;
    let inspector = |address| HostInspector::new(&seed, &Label::default(), &format!("http://{address}")).unwrap();
    let audit = inspector(address).audit(&client, |_| ()).await.unwrap();
    assert_eq!((audit.bags, audit.messages, audit.gaps.len()), (20, 20, 0));

    let back = list(&[bags[1].clone(), bags[0].clone()]);
    let (address, _tasks) = impostor(move |_| back.clone()).await;
    let error = inspector(address).audit(&client, |_| ()).await.unwrap_err();
    assert!(matches!(error, InspectError::Garbled { .. }), "{error:?}");
    assert!(error.to_string().contains("makes no sense"), "{error}");
}
