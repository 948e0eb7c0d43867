//! `dip verify --bodies` and `--repair`: what is wrong at a host is found, repaired where that can be done, and told
//! where it cannot.

use serde_json::{Value, json};

use crate::device::{Device, Outcome, seed};
use crate::host::{Damage, TestHost};

const WRITTEN: usize = 6;
/// The bag that something happens to.
const BAG: u64 = 3;

const OF_HEADS: [Damage; 5] = [Damage::Lost, Damage::Signature, Damage::Kdm, Damage::HeadLength, Damage::Head];

/// A device that has written some messages, all of which its host has.
fn written() -> (TestHost, Device) {
    let host = TestHost::start();
    let phone = Device::at(&host.url());
    for number in 0..WRITTEN {
        phone.cat(&format!("message {number}"));
    }
    (host, phone)
}

#[track_caller]
fn host(outcome: &Outcome) -> Value {
    outcome.json()["hosts"][0].clone()
}

#[track_caller]
fn repairs_all(device: &Device, sent: u64, received: u64) {
    let repaired = device.run(&["verify", "--bodies", "--repair", "--json"]);
    repaired.succeeds();
    let report = host(&repaired);
    assert_eq!(report["repaired"], json!({"sent": sent, "received": received}), "{repaired:?}");
    assert_eq!((&report["damaged"], &report["gaps"]), (&json!([]), &json!([])), "{repaired:?}");
    assert_eq!((&report["missing_there"], &report["missing_here"]), (&json!(0), &json!(0)), "{repaired:?}");
    for arguments in [&["verify", "--bodies"][..], &["verify"], &["sync"]] {
        let again = device.run(arguments);
        again.succeeds();
        assert!(!again.out.contains("not in order"), "{again:?}");
    }
}

#[test]
fn what_a_host_lost_or_damaged_is_found_and_put_there_again_and_then_all_is_well() {
    for damage in OF_HEADS.into_iter().chain([Damage::Body]) {
        // A host that knows the bag again heals it; one that does not stores it under a new number.
        for is_known in [true, false] {
            let (mut server, phone) = written();
            server.damage(BAG, damage);
            if !is_known {
                server.forget_signature(BAG);
            }
            let found = phone.run(&["verify", "--bodies", "--json"]);
            assert_eq!(found.code, Some(5), "{damage:?}: {found:?}");
            let report = host(&found);
            assert_eq!((&report["missing_there"], &report["repaired"]), (&json!(1), &Value::Null), "{damage:?}");
            assert_eq!(phone.run(&["verify", "--bodies"]).code, Some(5), "looking changes nothing");

            repairs_all(&phone, 1, 0);
            let report = host(&phone.run(&["verify", "--bodies", "--json"]));
            let harmless =
                [&report["harmless_damage"], &report["harmless_gaps"]].map(|list| list.as_array().unwrap().len());
            assert_eq!(harmless.iter().sum::<usize>(), usize::from(!is_known), "{damage:?}: {report}");
            let laptop = Device::at(&server.url());
            laptop.run(&["sync"]);
            assert_eq!(laptop.payloads(), phone.payloads(), "{damage:?}");
        }
    }
}

#[test]
fn without_bodies_a_damaged_body_goes_unnoticed_where_the_message_is_here() {
    let (mut server, phone) = written();
    server.damage(BAG, Damage::Body);
    phone.run(&["verify"]).succeeds();
    phone.run(&["sync"]).succeeds();
    let found = phone.run(&["verify", "--bodies"]);
    found.fails(5, "something is wrong");
    assert!(found.out.contains(&format!("damaged: bag {BAG}: the body cannot be decrypted")), "{found:?}");
    assert!(found.out.contains("`dip verify --repair` sends what is missing"), "{found:?}");
    assert_eq!(host(&phone.run(&["verify", "--bodies", "--json"]))["bodies"], WRITTEN);
    assert_eq!(host(&phone.run(&["verify", "--json"]))["bodies"], Value::Null);
}

#[test]
fn a_repair_that_is_not_needed_changes_nothing() {
    let (server, phone) = written();
    let before = phone.run(&["verify", "--bodies"]);
    assert_eq!(phone.run(&["verify", "--bodies", "--repair"]), before);
    assert_eq!(server.messages(&seed()).len(), WRITTEN);
    phone.run(&["verify", "--repair", "--offline"]).fails_with_usage();
}

#[test]
fn what_a_host_delivers_at_last_is_fetched_by_a_repair() {
    for damage in [Damage::Body, Damage::Head, Damage::HeadLength, Damage::Kdm] {
        let (mut server, phone) = written();
        let laptop = Device::at(&server.url());
        server.damage(BAG, damage);
        laptop.run(&["sync"]).fails(4, "not in sync");
        assert_eq!(laptop.payloads().len(), WRITTEN - 1);
        // The same bit again: it is as it was.
        server.damage(BAG, damage);
        let found = laptop.run(&["verify", "--json"]);
        assert_eq!((found.code, &host(&found)["missing_here"]), (Some(5), &json!(1)), "{damage:?}: {found:?}");
        repairs_all(&laptop, 0, 1);
        assert_eq!(laptop.payloads(), phone.payloads());
    }
}

#[test]
fn what_cannot_be_repaired_from_here_is_said_with_what_would_help_and_repaired_from_there() {
    for damage in OF_HEADS.into_iter().chain([Damage::Body]) {
        let (mut server, phone) = written();
        let laptop = Device::at(&server.url());
        server.damage(BAG, damage);
        laptop.run(&["sync"]).fails(4, "not in sync");
        let told = laptop.run(&["verify", "--bodies", "--repair"]);
        told.fails(5, "something is wrong");
        assert!(told.out.contains("on the device that has it"), "{damage:?}: {told:?}");
        assert_eq!(laptop.payloads().len(), WRITTEN - 1);
        repairs_all(&phone, 1, 0);
        // The host has healed the bag.
        let expected = usize::from(!matches!(damage, Damage::Lost));
        let found = host(&laptop.run(&["verify", "--json"]))["missing_here"].as_u64().unwrap();
        assert!(found as usize <= expected.max(1), "{damage:?}");
        laptop.run(&["verify", "--bodies", "--repair"]).succeeds();
        assert_eq!(laptop.payloads(), phone.payloads(), "{damage:?}");
    }
}

#[test]
fn the_device_that_has_what_is_missing_is_named() {
    let server = TestHost::start();
    let (phone, laptop) = (Device::at(&server.url()), Device::at(&server.url()));
    let [phone, laptop] = [phone, laptop].map(|device| device.with("DIP_WITNESSES", "0"));
    let mut server = server;
    for number in 0..WRITTEN {
        phone.cat(&format!("message {number}"));
    }
    phone.run(&["sync"]).succeeds();
    server.damage(BAG, Damage::Body);
    laptop.cat("from the laptop");
    laptop.run(&["sync"]);
    let told = laptop.run(&["verify", "--repair"]);
    told.fails(5, "something is wrong");
    phone.run(&["sync"]);
    let status = phone.run(&["status", "--json"]).json();
    let name = status["device"].as_str().unwrap()[..8].to_owned();
    let line = told.out.lines().find(|line| line.starts_with("Missing: 1 message")).unwrap_or_default();
    assert!(line.contains(&format!("(device {name}")), "{name}: {told:?}");
    assert!(line.contains(": sync the device that has them"), "{told:?}");
    assert!(phone.run(&["status"]).succeeds().contains(&format!("This device: {name}\n")));
}

#[test]
fn a_host_that_lost_the_account_gets_everything_again() {
    let (mut server, phone) = written();
    server.lose_everything();
    let found = phone.run(&["verify"]);
    found.fails(5, "something is wrong");
    assert!(found.out.contains("does not know the account any more"), "{found:?}");
    repairs_all(&phone, WRITTEN as u64, 0);
    assert_eq!(server.messages(&seed()).len(), WRITTEN);
}

#[test]
fn what_is_merely_held_back_for_a_host_is_not_missing_there() {
    let (mut first, second) = (TestHost::start(), TestHost::start());
    let phone = Device::at(&first.url()).with("DIP_WITNESSES", "0");
    phone.run(&["host", "add", &second.url(), "--create", "--label", "second"]).succeeds();
    phone.cat("hello");
    phone.run(&["sync"]).succeeds();
    first.stop();
    // The second host gets it and a witness; the first gets neither.
    phone.cat("world");
    phone.run(&["sync"]);
    first.resume();
    let verified = phone.run(&["verify", "--json"]);
    verified.succeeds();
    let report = host(&verified);
    assert_eq!(report["missing_there"], 0, "{verified:?}");
    assert!(report["to_send"].as_u64().unwrap() >= 1, "{verified:?}");
}
