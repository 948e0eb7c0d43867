//! `dip export`, `dip import` and `dip replay`: messages in files.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::device::{Device, OTHER_SEED};
use crate::host::TestHost;

#[test]
fn an_export_comes_in_elsewhere_once_and_goes_on_to_the_hosts() {
    let host = TestHost::start();
    let (phone, laptop) = (Device::new(), Device::at(&host.url()));
    let entities = [phone.cat("one"), phone.cat("two")];
    let file = phone.path("backup.dpl");
    let exported = phone.run(&["export", &file, "--json"]).json();
    assert_eq!(exported["messages"], 2);
    assert_eq!(exported["bytes"], fs::metadata(&file).unwrap().len());

    laptop.cat("three");
    assert_eq!(laptop.run(&["import", &file, "--json"]).json(), json!({"new": 2, "known": 0, "unreadable": 0}));
    assert_eq!(laptop.run(&["import", &file, "--json"]).json(), json!({"new": 0, "known": 2, "unreadable": 0}));
    assert_eq!(laptop.payloads(), ["one", "two", "three"]);
    assert_eq!(laptop.run(&["log", "--json"]).lines()[0]["entity"], json!(entities[0]));
    assert_eq!(laptop.run(&["log", "--json"]).lines()[0]["from"], "file");
    laptop.run(&["sync"]).succeeds();
    assert_eq!(host.messages(&crate::device::seed()).len(), 3);
}

#[test]
fn an_export_takes_no_other_files_place_unless_it_is_told_to() {
    let phone = Device::new();
    phone.cat("one");
    let file = phone.path("backup.dpl");
    fs::write(&file, "precious").unwrap();
    phone.run(&["export", &file]).fails(1, "--force");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    phone.run(&["export", &file, "--force"]).succeeds();
    assert_eq!(phone.run(&["replay", &file]).succeeds().lines().count(), 1);
    let names: Vec<_> = fs::read_dir(phone.home()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn replay_needs_no_store_and_tells_what_counted_at_a_time() {
    let phone = Device::new();
    phone.cat("first");
    let time = phone.run(&["log", "--json"]).lines()[0]["time"].as_str().unwrap().to_owned();
    thread::sleep(Duration::from_millis(5));
    phone.cat("second");
    let file = phone.path("backup.dpl");
    phone.run(&["export", &file]).succeeds();

    let elsewhere = Device::new();
    let payloads = |arguments: &[&str]| {
        let lines = elsewhere.run(&[&["replay", &file, "--json"], arguments].concat()).lines();
        lines.into_iter().map(|line| line["payload"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(payloads(&[]), ["first", "second"]);
    assert_eq!(payloads(&["--at", &time]), ["first"]);
    assert_eq!(payloads(&["--at", "1h"]), Vec::<serde_json::Value>::new());
    let text = elsewhere.run(&["replay", &file]);
    assert!(text.succeeds().lines().next().unwrap().ends_with(r#"-  "first""#), "{text:?}");
    assert!(!elsewhere.data().exists());
}

#[test]
fn what_is_left_of_a_damaged_file_is_read_when_asked_for() {
    let phone = Device::new();
    for number in 0..5 {
        phone.cat(&format!("message {number}"));
    }
    let file = phone.path("backup.dpl");
    phone.run(&["export", &file]).succeeds();
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 20);
    fs::write(&file, bytes).unwrap();

    phone.run(&["replay", &file]).fails(1, "--recover");
    phone.run(&["import", &file]).fails(1, "--recover");
    let recovered = phone.run(&["replay", &file, "--recover"]);
    assert_eq!(recovered.succeeds().lines().count(), 4);
    assert!(recovered.err.contains("damaged") && recovered.err.contains("bytes"), "{recovered:?}");
    let laptop = Device::new();
    assert_eq!(laptop.run(&["import", &file, "--recover", "--json"]).json()["new"], 4);
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let phone = Device::new();
    phone.cat("one");
    let file = phone.path("backup.dpl");
    phone.run(&["export", &file]).succeeds();
    Device::new().with("DIP_SEED", OTHER_SEED).run(&["replay", &file]).fails(3, "another seed");
    Device::new().with("DIP_SEED", OTHER_SEED).run(&["import", &file]).fails(3, "another seed");
    phone.run(&["replay", &phone.path("missing.dpl")]).fails(1, "missing.dpl");
    let text = phone.path("text.dpl");
    fs::write(&text, "this is no export file").unwrap();
    phone.run(&["import", &text]).fails(1, "no export file");
    phone.run(&["export", &phone.path("no/such/folder.dpl")]).fails(1, "cannot be written");
    Device::new().run(&["export", &file, "--force"]).fails(1, "no store");
}
