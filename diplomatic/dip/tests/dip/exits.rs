//! What the program says of itself: help, exit codes, completions, pages.

use std::fs;

use crate::device::Device;

#[test]
fn help_lists_the_exit_codes_and_the_environment() {
    let device = Device::without_seed();
    let help = device.run(&["--help"]);
    for part in ["DIP_SEED", "DIP_PASSPHRASE", "DIP_HOST", "  5  `verify`", "  7  the store"] {
        assert!(help.succeeds().contains(part), "{part}");
    }
    assert!(device.run(&["log", "--help"]).succeeds().contains("an extension as"));
    assert!(help.out.lines().all(|line| line.chars().count() <= 100), "{}", help.out);
}

#[test]
fn wrong_usage_has_its_code() {
    let device = Device::new();
    for arguments in [&["frobnicate"][..], &["seed"], &["export"], &["log", "--nonsense"], &["host", "add"]] {
        let outcome = device.run(arguments);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn shells_get_their_completions() {
    let device = Device::without_seed();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = device.run(&["completions", shell]);
        assert!(script.succeeds().contains("replay") && script.err.is_empty(), "{shell}");
    }
}

#[test]
fn every_command_has_a_page() {
    let device = Device::without_seed();
    let page = device.run(&["man"]);
    for part in [".TH dip 1", "Exit codes", "DIP_PASSPHRASE"] {
        assert!(page.succeeds().contains(part), "{part}: {}", page.out);
    }
    let pages = device.path("pages");
    device.run(&["man", &pages]).prints("");
    let mut names: Vec<_> = fs::read_dir(&pages).unwrap().map(|page| page.unwrap().file_name()).collect();
    names.sort();
    for name in ["dip.1", "dip-log.1", "dip-seed.1", "dip-seed-new.1", "dip-host-add.1", "dip-wipe.1"] {
        assert!(names.iter().any(|other| other == name), "{names:?}");
    }
    assert!(names.iter().all(|name| !name.to_str().unwrap().contains("help")), "{names:?}");
    let log = fs::read_to_string(device.home().join("pages/dip-log.1")).unwrap();
    assert!(log.contains("an extension as"), "{log}");
}

#[test]
fn quiet_says_nothing_but_results() {
    let device = Device::new();
    let written = device.run_with(&["cat", "-q"], "hello");
    assert!(written.err.is_empty() && !written.succeeds().is_empty(), "{written:?}");
    device.run(&["host", "list", "-q"]).prints("");
    assert!(!device.run(&["host", "list"]).err.is_empty());
}
