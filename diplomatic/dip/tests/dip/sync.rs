//! `dip sync` and `dip status`: devices see each other's messages, and what they know of their hosts.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use diplomatic::raw::{Raw, RawEvent};
use diplomatic::{Client, Timestamp};

use crate::device::{Device, fingerprint};
use crate::host::TestHost;

#[test]
fn two_devices_see_what_the_other_wrote() {
    let host = TestHost::start();
    let (phone, laptop) = (Device::at(&host.url()), Device::at(&host.url()));
    phone.cat("from the phone");
    laptop.cat("from the laptop");
    let synced = phone.run(&["sync"]);
    synced.prints(&format!("host at {}: in sync\n", host.url()));
    assert_eq!(phone.payloads(), ["from the phone", "from the laptop"]);
    assert_eq!(laptop.payloads(), ["from the phone", "from the laptop"]);
    let line = phone.run(&["log"]).succeeds().lines().last().unwrap().to_owned();
    assert!(line.contains(r#"-  "from the laptop"  from host"#), "{line}");
}

#[test]
fn a_host_that_cannot_be_reached_is_told_and_the_others_get_everything() {
    let (mut away, here) = (TestHost::start(), TestHost::start());
    let phone = Device::at(&here.url());
    phone.run(&["host", "add", &away.url(), "--create", "--label", "away"]).succeeds();
    away.stop();
    phone.cat("hello");
    let synced = phone.run(&["sync"]);
    synced.fails(4, &away.url());
    assert_eq!(synced.out, format!("host at {}: in sync\n", here.url()));
    assert_eq!(here.messages(&crate::device::seed()).len(), 1);

    let json = phone.run(&["sync", "--json"]);
    assert_eq!(json.code, Some(4));
    let json = json.json();
    assert_eq!(json["hosts"][0]["in_sync"], true);
    assert_eq!((&json["hosts"][1]["in_sync"], &json["hosts"][1]["pending"]), (&false.into(), &1.into()));

    away.resume();
    phone.run(&["sync"]).succeeds();
    assert_eq!(away.messages(&crate::device::seed()).len(), 0, "it is under another label");
}

#[test]
fn something_else_on_the_port_is_not_taken_for_a_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\x1b[31m\xff\xfe");
        }
    });
    let phone = Device::new();
    let added = phone.run(&["host", "add", &url, "--create"]);
    assert!(matches!(added.code, Some(4)), "{added:?}");
    assert!(!added.err.contains('\u{1b}'), "{added:?}");
    assert!(!phone.data().exists());
}

#[test]
fn without_hosts_there_is_nothing_to_sync_with() {
    Device::new().run(&["sync"]).fails(1, "dip host add");
}

#[test]
fn status_tells_what_is_known_without_asking_anybody() {
    let mut host = TestHost::start();
    let phone = Device::at(&host.url());
    let before = phone.run(&["status", "--json"]).json();
    assert_eq!(before["fingerprint"], fingerprint());
    assert!(before.get("kept").is_none());
    phone.cat("one");
    host.stop();
    phone.cat("two");
    let status = phone.run(&["status", "--json"]).json();
    assert_eq!(status["kept"]["messages"], 2);
    let known = &status["hosts"][0];
    assert_eq!((&known["synced"], &known["seq"], &known["pending"]), (&true.into(), &1.into(), &1.into()));
    let text = phone.run(&["status"]);
    for part in [&fingerprint(), "2 messages", "up to bag 1; 1 message waits to be sent", &host.url()] {
        assert!(text.succeeds().contains(part), "{part}: {text:?}");
    }
}

#[test]
fn what_a_fast_clock_dated_is_told_by_status_and_sync() {
    let host = TestHost::start();
    let phone = Device::at(&host.url());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let two_hours_fast = || Timestamp::EPOCH.plus(UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(7_200));
        let builder = Client::<Raw>::builder(crate::device::seed()).in_memory().clock(two_hours_fast);
        let fast = builder.host(host.url()).open().await.unwrap();
        fast.emit(RawEvent::Bare { body: b"\xa2hi".to_vec() }).await.unwrap();
        assert!(fast.sync().await.unwrap().is_caught_up());
        fast.close().await;
    });
    let sentence = "Clock: 1 change is dated ";
    let synced = phone.run(&["sync"]);
    assert!(synced.succeeds().contains(sentence), "{synced:?}");
    let status = phone.run(&["status"]);
    let line = status.succeeds().lines().find(|line| line.starts_with(sentence)).unwrap().to_owned();
    assert!(line.contains("ahead of this device's clock; it came from host: set the clock of the device"), "{line}");
    let ahead = &phone.run(&["status", "--json"]).json()["ahead"];
    assert_eq!((&ahead["messages"], &ahead["worst_origin"]), (&1.into(), &"host".into()));
    let offset = ahead["worst_offset_ms"].as_u64().unwrap();
    assert!((7_000_000..=7_200_000).contains(&offset), "{offset}");
}
