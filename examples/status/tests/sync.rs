//! Devices, a host, and what goes wrong between them.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Device, RunningHost, bare_command};

#[test]
fn what_one_device_writes_the_other_reads() {
    let host = RunningHost::start();
    let (phone, laptop) = (Device::new(host.url.clone()), Device::new(host.url.clone()));
    phone.run(&["write", "In a meeting"]).prints("");
    laptop.run(&["read"]).prints("In a meeting\n");
    laptop.run(&["write", "Off for lunch"]).prints("");
    phone.run(&["read"]).prints("Off for lunch\n");
}

#[test]
fn what_was_written_offline_goes_out_with_the_next_command() {
    let mut phone = Device::new(None);
    let written = phone.run(&["write", "In the woods"]);
    assert_eq!((written.code, written.out.as_str()), (Some(0), ""));
    assert!(written.err.contains("DIP_HOST is not set") && written.err.contains("queued"), "{}", written.err);

    let host = RunningHost::start();
    phone.set_host(&host.url);
    phone.run(&["read"]).prints("In the woods\n");
    Device::new(host.url.clone()).run(&["read"]).prints("In the woods\n");
}

#[test]
fn a_host_that_is_down_is_named_and_the_change_queued() {
    // Nobody serves anything at port 1.
    let mut phone = Device::new("http://127.0.0.1:1".to_owned());
    let written = phone.run(&["write", "In the woods"]);
    assert_eq!(written.code, Some(0));
    assert!(written.err.contains("127.0.0.1:1") && written.err.contains("queued"), "{}", written.err);
    let read = phone.run(&["read"]);
    assert_eq!((read.code, read.out.as_str()), (Some(0), "In the woods\n"));

    let host = RunningHost::start();
    phone.set_host(&host.url);
    phone.run(&["read"]).prints("In the woods\n");
    Device::new(host.url.clone()).run(&["read"]).prints("In the woods\n");
}

#[test]
fn a_host_that_never_answers_holds_up_nobody_for_long() {
    // The system accepts connections for it, and nobody ever reads from them.
    let black_hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let phone = Device::new(format!("http://{}", black_hole.local_addr().unwrap()));
    let start = Instant::now();
    let written = phone.run(&["write", "Hello?"]);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(written.code, Some(0));
    assert!(written.err.contains("does not answer") && written.err.contains("queued"), "{}", written.err);
}

#[test]
fn watch_prints_changes_as_they_happen() {
    let host = RunningHost::start();
    let (phone, laptop) = (Device::new(host.url.clone()), Device::new(host.url.clone()));
    phone.run(&["write", "one"]).prints("");
    let watch = laptop.watch();
    assert_eq!(watch.next_line(), "one");
    phone.run(&["write", "two"]).prints("");
    assert_eq!(watch.next_line(), "two");
    phone.run(&["write", "three"]).prints("");
    assert_eq!(watch.next_line(), "three");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_watch_well() {
    let host = RunningHost::start();
    let phone = Device::new(host.url.clone());
    phone.run(&["write", "one"]).prints("");
    let mut watch = phone.watch();
    assert_eq!(watch.next_line(), "one");
    watch.interrupt();
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
    // The data directory is free again.
    phone.run(&["read"]).prints("one\n");
}

#[test]
fn a_reader_who_has_seen_enough_ends_watch_well() {
    let host = RunningHost::start();
    let (phone, laptop) = (Device::new(host.url.clone()), Device::new(host.url.clone()));
    phone.run(&["write", "one"]).prints("");
    let mut watch = laptop.command(&["watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = watch.stdout.take().unwrap();
    out.read_exact(&mut [0; 4]).unwrap();
    drop(out);
    phone.run(&["write", "two"]).prints("");
    let mut err = String::new();
    watch.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((watch.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn a_second_process_on_one_directory_is_told() {
    let host = RunningHost::start();
    let phone = Device::new(host.url.clone());
    phone.run(&["write", "one"]).prints("");
    let watch = phone.watch();
    assert_eq!(watch.next_line(), "one");
    phone.run(&["read"]).fails("--data");
}

#[test]
fn an_address_that_is_none_is_refused() {
    Device::new("localhost:31337".to_owned()).run(&["read"]).fails("write it as http://localhost:31337");
}

#[test]
fn demo_needs_nothing_and_shows_both_devices() {
    let home = tempfile::TempDir::new().unwrap();
    let start = Instant::now();
    let demo = support::Outcome::of(bare_command(home.path()).arg("demo").output().unwrap());
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!((demo.code, demo.err.as_str()), (Some(0), ""), "{}", demo.out);
    let lines: Vec<&str> = demo.out.lines().collect();
    for start in [
        "phone   shows    Good morning",
        "laptop  shows    Good morning",
        "laptop  offline",
        "both    agree    on \"In a meeting\"",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start} is not in\n{}", demo.out);
    }
    assert_eq!(home.path().read_dir().unwrap().count(), 0);
}

#[test]
fn mistakes_on_the_command_line_exit_with_2() {
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_status")).args(arguments).output().unwrap();
    for arguments in [&["write"][..], &["write", "two\nlines"], &["red"], &["read", "x"], &[]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
