//! Where the seed comes from, and who may see it.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use std::fs;

use support::{Device, OTHER_SEED, RunningHost, SEED, bare_command};

#[test]
fn the_first_run_makes_a_seed_that_another_device_can_use() {
    let host = RunningHost::start();
    let phone = Device::without_seed(host.url.clone());
    let first = phone.run(&["write", "hello"]);
    assert_eq!(first.code, Some(0));
    assert!(first.err.contains("made a seed") && first.err.contains("DIP_SEED"), "{}", first.err);
    phone.run(&["read"]).prints("hello\n");

    let laptop = Device::without_seed(host.url.clone());
    fs::create_dir(laptop.data()).unwrap();
    fs::copy(phone.data().join("seed"), laptop.data().join("seed")).unwrap();
    laptop.run(&["read"]).prints("hello\n");
}

#[cfg(unix)]
#[test]
fn the_seed_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let phone = Device::without_seed(None);
    assert_eq!(phone.run(&["read"]).code, Some(0));
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(phone.data()), 0o700);
    assert_eq!(mode(phone.data().join("seed")), 0o600);
}

#[test]
fn a_given_seed_is_not_kept() {
    let phone = Device::new(None);
    assert_eq!(phone.run(&["read"]).code, Some(0));
    assert!(!phone.data().join("seed").exists());
}

#[test]
fn a_malformed_seed_is_refused_with_what_is_wrong() {
    let mut phone = Device::new(None);
    phone.set_seed("0011");
    phone.run(&["read"]).fails("here are 4");
    phone.set_seed("xyz");
    phone.run(&["read"]).fails("character 1 is 'x'");
    assert!(!phone.data().exists());

    let laptop = Device::without_seed(None);
    fs::create_dir(laptop.data()).unwrap();
    fs::write(laptop.data().join("seed"), "").unwrap();
    laptop.run(&["read"]).fails("here are 0");
}

#[test]
fn two_seeds_for_one_directory_are_refused() {
    let mut phone = Device::without_seed(None);
    phone.run(&["write", "hello"]);
    phone.set_seed(SEED);
    phone.run(&["read"]).fails("unset DIP_SEED");

    let mut laptop = Device::new(None);
    laptop.run(&["write", "hello"]);
    laptop.set_seed(OTHER_SEED);
    laptop.run(&["read"]).fails("belongs to another seed");
}

#[test]
fn a_directory_that_was_made_with_a_given_seed_gets_no_new_one() {
    let phone = Device::new(None);
    phone.run(&["write", "hello"]);
    let without = phone.command(&["read"]).env_remove("DIP_SEED").output().unwrap();
    support::Outcome::of(without).fails("set it again");
    assert!(!phone.data().join("seed").exists());
}

#[test]
fn the_default_directory_is_that_of_the_person() {
    let home = tempfile::TempDir::new().unwrap();
    assert!(bare_command(home.path()).arg("read").output().unwrap().status.success());
    assert!(home.path().join(".local/share/diplomatic-status/seed").exists());

    let data = home.path().join("elsewhere");
    assert!(bare_command(home.path()).arg("read").env("XDG_DATA_HOME", &data).output().unwrap().status.success());
    assert!(data.join("diplomatic-status/seed").exists());
}
