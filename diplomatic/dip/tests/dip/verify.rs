//! `dip verify`: the store, and every host against it.

use serde_json::json;

use crate::device::{Device, Outcome};
use crate::host::TestHost;

#[track_caller]
fn host(outcome: &Outcome) -> serde_json::Value {
    outcome.json()["hosts"][0].clone()
}

#[test]
fn where_all_is_well_nothing_is_found() {
    let host = TestHost::start();
    let (phone, laptop) = (Device::at(&host.url()), Device::at(&host.url()));
    phone.cat("one");
    laptop.cat("two");
    phone.run(&["sync"]).succeeds();
    let verified = phone.run(&["verify"]);
    let words = phone.run(&["status", "--json"]).json()["kept"]["words"].as_str().unwrap().to_owned();
    assert_eq!(words.split(' ').count(), 4);
    verified.prints(&format!(
        "Store: 2 messages, in order ({words})\nHost host at {}: 2 bags, in order ({words})\n",
        host.url()
    ));
    assert_eq!(
        phone.run(&["verify", "--offline", "--json"]).json(),
        json!({"messages": 2, "words": words, "problems": [], "hosts": []})
    );
    laptop.run(&["sync"]).succeeds();
    assert!(laptop.run(&["status"]).succeeds().contains(&format!("Data: {words} ")), "equal words, equal data");
}

#[test]
fn what_is_merely_on_its_way_is_not_wrong() {
    let mut server = TestHost::start();
    let (phone, laptop) = (Device::at(&server.url()), Device::at(&server.url()));
    phone.cat("one");
    laptop.cat("two");
    server.stop();
    phone.cat("three");
    server.resume();
    let verified = phone.run(&["verify", "--json"]);
    verified.succeeds();
    let report = host(&verified);
    assert_eq!((&report["bags"], &report["to_receive"], &report["to_send"]), (&json!(2), &json!(1), &json!(1)));
    let verified = phone.run(&["verify"]);
    assert!(verified.succeeds().contains("1 message to receive"), "{verified:?}");
}

#[test]
fn a_host_that_lost_bags_is_found_out_and_mended_by_sync() {
    let mut server = TestHost::start();
    let phone = Device::at(&server.url());
    phone.cat("kept");
    server.back_up();
    phone.cat("lost");
    phone.cat("lost too");
    server.go_back();
    let verified = phone.run(&["verify", "--json"]);
    assert_eq!(verified.code, Some(5), "{verified:?}");
    let report = host(&verified);
    assert_eq!((&report["bags"], &report["missing_there"], &report["to_send"]), (&json!(1), &json!(2), &json!(0)));
    let verified = phone.run(&["verify"]);
    verified.fails(5, "something is wrong");
    assert!(verified.out.contains("2 messages missing on the host"), "{verified:?}");
    // Looking has changed nothing, and sync mends it.
    assert_eq!(server.messages(&crate::device::seed()).len(), 1);
    phone.run(&["sync"]).succeeds();
    phone.run(&["verify"]).succeeds();
    assert_eq!(server.messages(&crate::device::seed()).len(), 3);
}

#[test]
fn what_was_compacted_away_is_not_missed() {
    let server = TestHost::start();
    let phone = Device::at(&server.url());
    phone.cat("one");
    phone.run(&["compact", "--keep", "latest"]).succeeds();
    phone.run(&["verify"]).succeeds();
}

#[test]
fn a_host_that_cannot_be_read_has_the_code_of_that() {
    let mut server = TestHost::start();
    let phone = Device::at(&server.url());
    phone.cat("one");
    server.stop();
    let verified = phone.run(&["verify"]);
    verified.fails(4, &server.url());
    assert!(verified.out.starts_with("Store: 1 message, in order ("), "{verified:?}");
    phone.run(&["verify", "--offline"]).succeeds();
}

#[test]
fn a_changed_byte_of_the_store_is_found() {
    let phone = Device::new();
    for number in 0..30 {
        phone.cat(&format!("message number {number}"));
    }
    let store = phone.data().join("dip.redb");
    let whole = std::fs::read(&store).unwrap();
    let mut found = 0;
    for place in (0..whole.len()).step_by(whole.len() / 60) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        std::fs::write(&store, damaged).unwrap();
        let verified = phone.run(&["verify", "--offline"]);
        // Free space may change as it likes; whatever is found, it is said with a code and no panic.
        assert!(matches!(verified.code, Some(0 | 5 | 7)), "byte {place}: {verified:?}");
        found += u32::from(verified.code != Some(0));
    }
    assert!(found > 0);
}
