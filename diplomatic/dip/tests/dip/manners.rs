//! What `dip` owes to people: one form of text, payloads of a readable length, and ways out that lead out.

use std::fs;

use crate::device::{Device, SEED};
use crate::host::TestHost;

/// The same word, as one keyboard types it and as another does.
const COMPOSED: &str = "caf\u{e9}";
const DECOMPOSED: &str = "cafe\u{301}";

#[test]
fn a_passphrase_is_the_same_on_every_keyboard() {
    let phone = Device::without_seed().with("DIP_PASSPHRASE", DECOMPOSED);
    phone.run_with(&["seed", "import"], SEED).succeeds();
    for passphrase in [COMPOSED, DECOMPOSED] {
        let mut again = Device::without_seed();
        again.set("DIP_PASSPHRASE", passphrase);
        fs::create_dir_all(again.data()).unwrap();
        fs::copy(phone.data().join("seed"), again.data().join("seed")).unwrap();
        again.run(&["seed", "show"]).prints(&format!("{SEED}\n"));
    }
}

#[test]
fn a_label_is_the_same_on_every_keyboard() {
    let host = TestHost::start();
    let (phone, laptop) = (Device::new(), Device::new());
    phone.run(&["host", "add", &host.url(), "--label", DECOMPOSED, "--create"]).succeeds();
    phone.cat("hello");
    laptop.run(&["host", "add", &host.url(), "--label", COMPOSED]).succeeds();
    laptop.run(&["sync"]).succeeds();
    assert_eq!(laptop.payloads(), ["hello"]);
    laptop.run(&["host", "remove", DECOMPOSED]).succeeds();
}

#[test]
fn a_label_has_a_number() {
    let host = TestHost::start();
    let (phone, laptop) = (Device::new(), Device::new());
    phone.run(&["host", "add", &host.url(), "--index", "7", "--create"]).succeeds();
    phone.run(&["host", "add", &host.url(), "--create"]).succeeds();
    phone.cat("hello");
    laptop.run(&["host", "add", &host.url(), "--index", "8"]).fails(6, "host#8");
    laptop.run(&["host", "add", &host.url(), "--index", "7"]).succeeds();
    laptop.run(&["sync"]).prints(&format!("host#7 at {}: in sync\n", host.url()));
    assert_eq!(laptop.payloads(), ["hello"]);
    laptop.run(&["host", "remove", "host"]).fails(1, "dip host list");
    laptop.run(&["host", "remove", "host", "--index", "7"]).succeeds();
    laptop.run(&["host", "list", "--json"]).prints("{\"hosts\":[]}\n");
}

#[test]
fn the_host_of_the_environment_is_listed() {
    let host = TestHost::start();
    let phone = Device::at(&host.url()).with("DIP_HOST", "http://127.0.0.1:1");
    let listed = phone.run(&["host", "list"]);
    assert_eq!(listed.succeeds(), "host\thttp://127.0.0.1:1\n");
    assert!(listed.err.contains("DIP_HOST"), "{listed:?}");
}

#[test]
fn the_first_device_can_begin_with_a_message() {
    let host = TestHost::start();
    let phone = Device::new().with("DIP_HOST", &host.url());
    phone.run_with(&["cat"], "hello").fails(6, "--create");
    phone.run_with(&["cat", "--create"], "hello").succeeds();
    assert_eq!(host.messages(&crate::device::seed()).len(), 1);
}

#[test]
fn a_long_payload_is_shortened_for_people_alone() {
    let phone = Device::new();
    let text = "x".repeat(8192);
    phone.cat(&text);
    let log = phone.run(&["log"]);
    assert!(log.succeeds().len() < 600 && log.out.contains("--full"), "{}", log.out);
    assert!(phone.run(&["log", "--full"]).succeeds().contains(&text));
    assert_eq!(phone.payloads(), [text]);
}

#[test]
fn a_damaged_seed_file_is_put_aside_by_an_import() {
    let phone = Device::without_seed().with("DIP_PASSPHRASE", "a passphrase");
    for damage in ["damaged", "diplomatic sealed seed 1\nfingerprint: a\n"] {
        fs::create_dir_all(phone.data()).unwrap();
        fs::write(phone.data().join("seed"), damage).unwrap();
        phone.run(&["status"]).fails(3, "dip seed import");
        let imported = phone.run_with(&["seed", "import"], SEED);
        assert!(imported.succeeds().contains("has the seed now") && imported.err.contains("damaged-"), "{imported:?}");
        phone.run(&["seed", "show"]).prints(&format!("{SEED}\n"));
        fs::remove_file(phone.data().join("seed")).unwrap();
    }
    let kept = fs::read_dir(phone.data()).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    assert_eq!(kept.filter(|text| text.starts_with('d')).count(), 2);
}

#[test]
fn a_host_that_is_removed_is_forgotten_by_the_store() {
    let (home, mut away) = (TestHost::start(), TestHost::start());
    let phone = Device::at(&home.url());
    phone.run(&["host", "add", &away.url(), "--label", "away", "--create"]).succeeds();
    away.stop();
    phone.cat("hello");
    assert_eq!(phone.run(&["status", "--json"]).json()["hosts"][1]["pending"], 1);
    phone.run(&["host", "remove", "away"]).succeeds();
    phone.run(&["sync"]).succeeds();
    away.resume();
    phone.run(&["host", "add", &away.url(), "--label", "away", "--create"]).succeeds();
    assert_eq!(phone.run(&["status", "--json"]).json()["hosts"][1]["pending"], 1, "it gets everything");
    phone.run(&["sync"]).succeeds();
}
