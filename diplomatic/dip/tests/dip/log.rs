//! `dip log`: what happened, filtered and as it comes.

use diplomatic::Backing;
use diplomatic::raw::Raw;
use serde_json::json;

use crate::device::{Device, Running, SEED, seed};
use crate::host::TestHost;

fn add(device: &Device, type_name: &str, json: &str) -> String {
    device.run_with(&["cat", "--quiet", "--type", type_name], json).succeeds().trim().to_owned()
}

#[test]
fn json_lines_have_everything_and_filters_choose() {
    let phone = Device::new();
    let milk = add(&phone, "todo.added", r#"{"title":"milk"}"#);
    add(&phone, "todo.done", "true");
    let note = phone.cat("note");
    let lines = phone.run(&["log", "--json"]).lines();
    assert_eq!(lines.len(), 3);
    let line = &lines[0];
    assert_eq!((&line["entity"], &line["type"]), (&json!(milk), &json!("todo.added")));
    assert_eq!((&line["payload"], &line["from"]), (&json!({"title": "milk"}), &json!("here")));
    assert_eq!((&line["counts"], &line["deleted"]), (&json!(true), &json!(false)));
    assert!(line["time"].as_str().unwrap().ends_with('Z') && line["millis"].is_u64(), "{line}");
    assert_eq!(lines[2].get("type"), None);

    let only = |arguments: &[&str]| phone.run(&[&["log", "--json"], arguments].concat()).lines();
    assert_eq!(only(&["--type", "todo.done"])[0]["payload"], json!(true));
    assert_eq!(only(&["--type", "todo"]).len(), 0);
    assert_eq!(only(&["--entity", &note]), only(&["--entity", &note[..12].to_uppercase()]));
    assert_eq!(only(&["--entity", &note])[0]["payload"], json!("note"));
    assert_eq!(only(&["--since", "1h"]).len(), 3);
    assert_eq!(only(&["--since", "2099-01-01"]).len(), 0);
    let time = lines[1]["time"].as_str().unwrap();
    assert_eq!(only(&["--since", time]).len(), 2);
    phone.run(&["log", "--since", "soon"]).code.filter(|code| *code == 2).expect("wrong usage");
    phone.run(&["log", "--entity", "xyz"]).code.filter(|code| *code == 2).expect("wrong usage");
}

#[test]
fn lines_for_people_are_one_a_message_and_steer_no_terminal() {
    let phone = Device::new();
    add(&phone, "\u{1b}[31mred", r#"{"title":"\u001b[31m\u009b\n\u202e"}"#);
    let log = phone.run(&["log"]);
    assert_eq!(log.succeeds().lines().count(), 1);
    assert!(log.out.contains(r#"{"title":"\u001b[31m\u009b\n\u202e"}"#), "{log:?}");
    assert!(log.out.trim_end().chars().all(|c| !c.is_control()), "{log:?}");
    let entity = phone.run(&["log", "--json"]).lines()[0]["entity"].as_str().unwrap()[..12].to_owned();
    assert!(log.out.contains(&entity), "{log:?}");
}

#[test]
fn followers_see_what_comes_until_ctrl_c() {
    let host = TestHost::start();
    let (phone, laptop) = (Device::at(&host.url()), Device::at(&host.url()));
    laptop.cat("before");
    let following = Running::start(phone.command(&["log", "--follow", "--json"]));
    assert!(following.next_line().contains(r#""payload":"before""#));
    laptop.cat("after");
    let line = following.next_line();
    assert!(line.contains(r#""payload":"after""#) && line.contains(r#""host":"host""#), "{line}");
    // Meanwhile others can read the phone's store, and not write to it.
    assert_eq!(phone.payloads(), ["before", "after"]);
    phone.run_with(&["cat", "--wait", "0"], "x").fails(7, "in use");
    assert_eq!(following.interrupt(), Some(0));
    assert_eq!(phone.payloads(), ["before", "after"]);
}

#[test]
fn what_was_written_late_is_followed_too() {
    let host = TestHost::start();
    let (phone, laptop) = (Device::at(&host.url()), Device::new());
    laptop.cat("written long before, offline");
    phone.cat("now");
    let following = Running::start(phone.command(&["log", "--follow"]));
    assert!(following.next_line().contains("now"));
    laptop.run(&["host", "add", &host.url()]).succeeds();
    laptop.run(&["sync"]).succeeds();
    assert!(following.next_line().contains("written long before"));
    assert_eq!(following.interrupt(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let phone = Device::new();
    phone.cat(&"long ".repeat(100_000));
    let command = format!("'{}' log --data '{}' | head -c 1", env!("CARGO_BIN_EXE_dip"), phone.data().display());
    let script = format!("set -o pipefail; {command}");
    let shell = std::process::Command::new("bash").args(["-c", &script]).env("DIP_SEED", SEED).output().unwrap();
    assert_eq!((shell.status.code(), shell.stdout.len(), shell.stderr.len()), (Some(0), 1, 0), "{shell:?}");
}

#[test]
fn what_devices_tell_each_other_is_shown_on_request_alone() {
    let host = crate::host::TestHost::start();
    let phone = Device::at(&host.url()).with("DIP_WITNESSES", "0");
    let laptop = Device::at(&host.url());
    phone.cat("one");
    phone.run(&["sync"]).succeeds();
    laptop.run(&["sync"]).succeeds();
    for device in [&phone, &laptop] {
        assert_eq!(device.run(&["log", "--json"]).lines().len(), 1);
        let all = device.run(&["log", "--all", "--json"]).lines();
        assert_eq!((all.len(), &all[1]["type"]), (2, &"dip.witness".into()));
        assert_eq!(device.run(&["status", "--json"]).json()["kept"]["messages"], 1);
    }
    let status = laptop.run(&["status", "--json"]).json();
    assert_eq!((&status["missing"], &status["devices"][0]["emitted"]), (&0.into(), &1.into()));
    assert_eq!(status["devices"][0]["forked"], false);
}

#[test]
fn parts_of_attachments_are_shown_on_request_and_do_not_flood_the_terminal() {
    let phone = Device::new();
    let file = phone.path("files.dpl");
    let rng = rand::make_rng::<rand::rngs::StdRng>();
    let mut other = diplomatic::Device::<Raw>::open(Backing::memory(), &seed(), rng).unwrap();
    for number in 0..30 {
        other.attach(&[number; 100][..]).unwrap();
    }
    other.export(&file, &seed()).unwrap();
    phone.run(&["import", &file]).succeeds();
    assert_eq!(phone.run(&["log"]).succeeds(), "");
    let log = phone.run(&["log", "--all"]);
    let all = log.succeeds();
    assert_eq!(all.lines().count(), 21, "{all}");
    assert!(all.contains("on this device") && all.contains("and 10 more parts"), "{all}");
    let all = phone.run(&["log", "--all", "--json"]).lines();
    assert_eq!(all.len(), 30);
    assert_eq!((&all[0]["is_here"], &all[0]["is_removed"]), (&json!(true), &json!(false)));
}
