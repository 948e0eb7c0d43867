//! `dip wipe`: after an export, and only when it is meant.

use std::fs;

use crate::device::{Device, OTHER_SEED, SEED};
use crate::host::TestHost;

#[test]
fn wiping_exports_first_and_keeps_the_seed() {
    let host = TestHost::start();
    let phone = Device::without_seed().with("DIP_HOST", "");
    phone.keep(SEED);
    phone.run(&["host", "add", &host.url(), "--create"]).succeeds();
    phone.cat("hello");
    let refused = phone.run(&["wipe"]);
    refused.fails(2, "--yes");
    assert!(phone.data().join("dip.redb").exists());

    let wiped = phone.run(&["wipe", "--yes"]);
    assert!(wiped.succeeds().contains("dip.redb is removed"), "{wiped:?}");
    assert!(wiped.err.contains("The host host has everything"), "{wiped:?}");
    let names = |path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names(phone.data()), ["seed"]);
    let exports: Vec<_> = names(phone.home().to_owned()).into_iter().filter(|name| name != "data").collect();
    let [export] = exports.as_slice() else { panic!("{exports:?}") };
    let export = export.to_str().unwrap();
    assert!(export.starts_with("diplomatic-20") && export.ends_with(".dpl"), "{export}");
    assert!(phone.run(&["replay", export]).succeeds().contains("hello"));
    phone.run(&["wipe", "--yes"]).fails(1, "no store");
}

#[test]
fn what_no_host_has_is_told_before() {
    let mut host = TestHost::start();
    let phone = Device::at(&host.url());
    phone.cat("everywhere");
    host.stop();
    phone.cat("only here");
    let wiped = phone.run(&["wipe", "--yes", "--no-export", "--json"]);
    assert!(wiped.err.contains("lacks 1 message"), "{wiped:?}");
    assert!(wiped.json()["export"].is_null());
    assert!(!phone.data().join("hosts.json").exists());
}

#[test]
fn no_file_is_replaced_by_the_export_and_then_nothing_is_removed() {
    let phone = Device::new();
    phone.cat("hello");
    let file = phone.path("kept.dpl");
    fs::write(&file, "precious").unwrap();
    phone.run(&["wipe", "--yes", "--export", &file]).fails(1, "there already");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert_eq!(phone.payloads(), ["hello"]);
    phone.run(&["wipe", "--yes", "--export", &phone.path("no/folder.dpl")]).fails(1, "cannot be written");
    assert_eq!(phone.payloads(), ["hello"]);
}

#[test]
fn a_store_that_does_not_open_goes_only_without_an_export() {
    let mut phone = Device::new();
    phone.cat("hello");
    phone.set("DIP_SEED", OTHER_SEED);
    phone.run(&["wipe", "--yes"]).fails(3, "another seed");
    assert!(phone.data().join("dip.redb").exists());
    phone.run(&["wipe", "--yes", "--no-export"]).succeeds();
    assert!(!phone.data().join("dip.redb").exists());
}

#[test]
fn the_store_of_another_app_goes_alone() {
    let phone = Device::new();
    phone.cat("hello");
    let moved = phone.path("app.redb");
    fs::rename(phone.data().join("dip.redb"), &moved).unwrap();
    fs::write(phone.data().join("hosts.json"), r#"{"hosts":[]}"#).unwrap();
    phone.run(&["wipe", "--yes", "--no-export", "--store", &moved]).succeeds();
    assert!(phone.data().join("hosts.json").exists() && !fs::exists(&moved).unwrap());
}
