//! Looking at what a host has.

use diplomatic::Timestamp;
use diplomatic::compact::Keep;
use diplomatic::inspect::{HostAccount, HostInspector, InspectError, MissingReason};
use diplomatic::standard::calls::{PeekItem, ResponseHead};
use diplomatic::standard::{Encode, Label, Seed, Status};
use diplomatic::sync::Failure;
use diplomatic_simulation::todo::{Event, added};

use crate::device::{Device, add, caught_up, soon};
use crate::host::{TestHost, new_seed};
use crate::wrong::{impostor, page};

fn inspector(seed: &Seed, url: &str) -> HostInspector {
    HostInspector::new(seed, &Label::default(), url).unwrap()
}

#[tokio::test]
async fn a_host_tells_which_accounts_it_knows_and_learns_of_none() {
    let (host, seed, other) = (TestHost::start().await, new_seed(), new_seed());
    let phone = Device::new(&seed);
    assert_eq!(inspector(&seed, &host.url()).account().await.unwrap(), HostAccount::Unknown);
    let phone = phone.open(&host.url()).await;
    caught_up(&phone).await;
    assert_eq!(inspector(&seed, &host.url()).account().await.unwrap(), HostAccount::Empty);
    add(&phone, "milk", 3).await;
    caught_up(&phone).await;
    assert_eq!(inspector(&seed, &host.url()).account().await.unwrap(), HostAccount::Known);
    // Asking registers nobody.
    for _ in 0..2 {
        assert_eq!(inspector(&other, &host.url()).account().await.unwrap(), HostAccount::Unknown);
    }
    let mistyped = HostInspector::new(&seed, &Label::new("hots"), &host.url()).unwrap();
    assert_eq!(mistyped.account().await.unwrap(), HostAccount::Unknown);
}

#[tokio::test]
async fn an_audit_tells_what_is_missing_where_and_whether_there_is_a_reason() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let milk = phone.emit(added("milk")).await.unwrap();
    for title in ["oat milk", "soy milk"] {
        phone.emit(Event::Renamed { todo: milk.clone(), title: title.into() }).await.unwrap();
    }
    phone.emit_all((0..2_500).map(|n| added(format!("item {n}"))).collect()).await.unwrap();
    caught_up(&phone).await;
    let inspector = inspector(&seed, &host.url());
    let mut looks = Vec::new();
    let audit = inspector.audit(&phone, |bags| looks.push(bags)).await.unwrap();
    assert_eq!((audit.bags, audit.messages, audit.repeated, audit.is_complete()), (2_503, 2_503, 0, true), "{audit:?}");
    assert!(audit.missing_here.is_empty() && audit.missing_there.is_empty());
    assert_eq!(looks.last(), Some(&2_503));

    // What was compacted away here, and what has still to go there, is missing for a reason.
    phone.compact(Keep::Latest).await.unwrap();
    phone.go_offline();
    phone.emit(added("offline")).await.unwrap();
    let audit = inspector.audit(&phone, |_| ()).await.unwrap();
    assert_eq!(audit.missing_here.iter().map(|one| one.reason).collect::<Vec<_>>(), [Some(MissingReason::Overwritten)]);
    assert_eq!(audit.missing_there.iter().map(|one| one.reason).collect::<Vec<_>>(), [Some(MissingReason::Queued)]);
    assert!(audit.is_complete());

    // A device that has not synced lacks everything, without a reason.
    let laptop = laptop.builder().open().await.unwrap();
    let audit = inspector.audit(&laptop, |_| ()).await.unwrap();
    assert_eq!((audit.missing_here.len(), audit.is_complete()), (2_503, false));
    assert!(audit.missing_here.iter().all(|one| one.reason.is_none()));

    host.lose_everything().await;
    assert!(matches!(inspector.audit(&phone, |_| ()).await, Err(InspectError::Refused { .. })));
    let again = Device::new(&seed).open(&host.url()).await;
    caught_up(&again).await;
    let audit = inspector.audit(&phone, |_| ()).await.unwrap();
    assert_eq!((audit.bags, audit.is_complete()), (0, false));
    assert_eq!(audit.missing_there.iter().filter(|one| one.reason.is_none()).count(), 2_502);
}

/// Returns an answer to PEEK with these bags.
fn listing(bags: &[PeekItem]) -> Vec<u8> {
    let now = Timestamp::from_millis(1_764_000_000_000);
    let mut body = ResponseHead::unlimited(Status::SUCCESS, now, now).to_bytes();
    bags.iter().for_each(|bag| bag.encode(&mut body));
    page("200 OK", &body)
}

#[tokio::test]
async fn lost_damaged_and_repeated_bags_are_told() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let phone = Device::new(&seed);
    let phone = phone.open(&host.url()).await;
    add(&phone, "item", 6).await;
    caught_up(&phone).await;
    let mut bags = host.bags(&seed, &Label::default());
    bags.push(PeekItem { seq: bags[5].seq.next(), head: bags[0].head.clone() });
    bags.remove(3);
    bags.remove(2);
    bags[1].head.signature = bags[0].head.signature;
    bags.remove(0);
    let answer = listing(&bags);
    let (address, _tasks) = impostor(move |_| answer.clone()).await;
    let audit = inspector(&seed, &format!("http://{address}")).audit(&phone, |_| ()).await.unwrap();
    assert_eq!((audit.bags, audit.messages, audit.repeated), (4, 3, 0));
    assert_eq!(
        audit.gaps.iter().map(|gap| (gap.first.number(), gap.last.number())).collect::<Vec<_>>(),
        [(1, 1), (3, 4)]
    );
    assert!(audit.gaps.iter().all(|gap| !gap.is_harmless), "what was there is missing at this host");
    assert_eq!(audit.damaged.iter().map(|bag| bag.seq.number()).collect::<Vec<_>>(), [2]);
    assert_eq!(audit.missing_there.len(), 3);
    assert!(!audit.is_complete());

    let mut twice = host.bags(&seed, &Label::default());
    twice.push(PeekItem { seq: twice[5].seq.next(), head: twice[0].head.clone() });
    let answer = listing(&twice);
    let (address, _tasks) = impostor(move |_| answer.clone()).await;
    let audit = inspector(&seed, &format!("http://{address}")).audit(&phone, |_| ()).await.unwrap();
    assert_eq!((audit.bags, audit.messages, audit.repeated, audit.is_complete()), (7, 6, 1, true));
}

#[tokio::test]
async fn what_is_no_host_is_told_apart() {
    let seed = new_seed();
    let absent = TestHost::absent().await;
    let error = inspector(&seed, &absent.url()).account().await.unwrap_err();
    assert!(matches!(error, InspectError::Unreachable { cause: Failure::ConnectionRefused, .. }), "{error:?}");
    for (answer, is_expected) in [
        (
            page("404 Not Found", b"nothing here"),
            (|error| matches!(error, InspectError::NotAHost { .. })) as fn(&_) -> bool,
        ),
        (page("200 OK", b"<!doctype html><title>Router</title>"), |error| !matches!(error, InspectError::Log(_))),
        (page("200 OK", b""), |error| matches!(error, InspectError::NotAHost { .. })),
        (page("503 Service Unavailable", b""), |error| {
            matches!(error, InspectError::Unreachable { cause: Failure::HttpStatus(503), .. })
        }),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), |error| {
            matches!(error, InspectError::Unreachable { cause: Failure::NotHttp, .. })
        }),
    ] {
        let (address, _tasks) = impostor(move |_| answer.clone()).await;
        let inspector = inspector(&seed, &format!("http://{address}"));
        let error = soon("it answers", inspector.account()).await.unwrap_err();
        assert!(is_expected(&error), "{error:?}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_host_with_another_clock_is_asked_by_its_own() {
    let (host_time, seed) = (Timestamp::from_millis(1_500_000_000_000), new_seed());
    let (address, _tasks) = impostor(move |count| {
        let status = if count == 0 { Status::CLOCK_OUT_OF_SYNC } else { Status::USER_NOT_REGISTERED };
        page("200 OK", &ResponseHead::unlimited(status, host_time, host_time).to_bytes())
    })
    .await;
    assert_eq!(inspector(&seed, &format!("http://{address}")).account().await.unwrap(), HostAccount::Unknown);
    let (address, _tasks) = impostor(move |_| {
        page("200 OK", &ResponseHead::unlimited(Status::CLOCK_OUT_OF_SYNC, host_time, host_time).to_bytes())
    })
    .await;
    let error = inspector(&seed, &format!("http://{address}")).account().await.unwrap_err();
    assert!(matches!(error, InspectError::Refused { status: Status::CLOCK_OUT_OF_SYNC, .. }), "{error:?}");
}
