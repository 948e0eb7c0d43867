//! `dip host`: which hosts there are, and that a wrong seed is noticed before anything is written.

use std::fs;

use diplomatic::Seed;

use crate::device::{Device, OTHER_SEED, SEED, fingerprint, seed};
use crate::host::TestHost;

#[test]
fn an_account_that_the_host_does_not_know_is_refused_and_nothing_is_written() {
    let host = TestHost::start();
    let phone = Device::new();
    let refused = phone.run(&["host", "add", &host.url()]);
    refused.fails(6, &fingerprint());
    refused.fails(6, "--create");
    assert_eq!(refused.out, "");
    assert!(!phone.data().exists());
    assert!(!host.knows(&seed()));

    phone.run(&["host", "add", &host.url(), "--create"]).succeeds();
    phone.cat("hello");
    assert_eq!(host.messages(&seed()).len(), 1);

    // The second device needs no --create, and one with a mistaken seed is noticed.
    let laptop = Device::new();
    laptop.run(&["host", "add", &host.url()]).succeeds();
    let stranger = Device::new().with("DIP_SEED", OTHER_SEED);
    stranger.run(&["host", "add", &host.url()]).fails(6, "has nothing of the account");
    assert!(!stranger.data().exists());
    assert!(!host.knows(&OTHER_SEED.parse::<Seed>().unwrap()));
}

#[test]
fn a_host_in_the_environment_is_asked_too() {
    let host = TestHost::start();
    let phone = Device::new().with("DIP_HOST", &host.url());
    phone.run(&["sync"]).fails(6, "--create");
    phone.run_with(&["cat"], "hello").fails(6, "--create");
    assert!(!phone.data().exists());
    assert!(!host.knows(&seed()));
    phone.run(&["sync", "--create"]).succeeds();
    phone.cat("hello");
    assert_eq!(host.messages(&seed()).len(), 1);
    assert!(!phone.data().join("hosts.json").exists());
}

#[test]
fn a_host_that_cannot_be_reached_is_not_added() {
    let mut host = TestHost::start();
    host.stop();
    let phone = Device::new();
    phone.run(&["host", "add", &host.url(), "--create"]).fails(4, "nothing was written");
    assert!(!phone.data().exists());
    phone.run(&["host", "add", "localhost:31337"]).fails(2, "http://localhost:31337");
}

#[test]
fn hosts_are_listed_and_forgotten() {
    let host = TestHost::start();
    let phone = Device::new();
    phone.run(&["host", "add", &host.url(), "--create"]).succeeds();
    phone.run(&["host", "add", &host.url(), "--create"]).fails(1, "already");
    phone.run(&["host", "add", &host.url(), "--create", "--label", "second"]).succeeds();
    phone.run(&["host", "list"]).prints(&format!("host\t{url}\nsecond\t{url}\n", url = host.url()));
    let json = phone.run(&["host", "list", "--json"]).json();
    assert_eq!(json["hosts"][1]["label"], "second");
    phone.run(&["host", "remove", "third"]).fails(1, "third");
    phone.run(&["host", "remove", "host"]).succeeds();
    phone.run(&["host", "list"]).prints(&format!("second\t{}\n", host.url()));
}

#[test]
fn a_list_of_hosts_that_is_none_is_named() {
    let phone = Device::new();
    phone.keep(SEED);
    fs::write(phone.data().join("hosts.json"), "{").unwrap();
    phone.run(&["sync"]).fails(1, "hosts.json");
}

#[test]
fn a_label_cannot_steer_the_terminal() {
    let host = TestHost::start();
    let phone = Device::new();
    phone.run(&["host", "add", &host.url(), "--create", "--label", "\u{1b}[31mred\u{202e}"]).succeeds();
    for command in [&["host", "list"][..], &["status"], &["sync"], &["host", "list", "--json"]] {
        let outcome = phone.run(command);
        assert!(!outcome.out.contains(['\u{1b}', '\u{202e}']), "{outcome:?}");
        assert!(outcome.out.contains("red"), "{outcome:?}");
    }
}
