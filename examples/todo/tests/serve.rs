//! The program as a person runs it: devices, a host, and how it begins and ends.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;
use support::page::{Page, titles};
use support::program::{Device, OTHER_SEED, Program, RunningHost, SEED};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_device_does_the_other_shows() {
    let host = tokio::task::spawn_blocking(RunningHost::start).await.unwrap();
    let (phone, laptop) = (Device::with_host(&host), Device::with_host(&host));
    let (phone, laptop) = (phone.serve(), laptop.serve());
    let (mut on_phone, mut on_laptop) = (Page::open(&phone, "this").await, Page::open(&laptop, "this").await);

    let milk = on_phone.add("milk").await;
    assert_eq!(on_phone.titles(), ["milk"], "the answer comes with what it led to");
    on_laptop.until(|shown| titles(shown) == ["milk"]).await;
    on_laptop.ask(json!({ "do": "tick", "item": milk, "done": true })).await;
    on_phone.until(|shown| shown["view"]["lists"][0]["items"][0]["done"] == json!(true)).await;
    on_phone.until(|shown| shown["sync"]["sentence"] == json!("In sync")).await;
    drop((phone, laptop));
    tokio::task::spawn_blocking(move || drop(host)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_host_can_be_reached_changes_wait() {
    // Nobody serves anything at port 1.
    let mut phone = Device::new();
    phone.host = Some("http://127.0.0.1:1".to_owned());
    let program = phone.serve();
    let mut page = Page::open(&program, "this").await;
    page.add("milk").await;
    page.add("bread").await;
    let sentence = "No sync: nothing answers at the host's address (connection refused), 2 changes wait";
    page.until(|shown| shown["sync"]["sentence"] == json!(sentence)).await;
    assert_eq!(page.shown["sync"]["pending"], json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_again_at_the_same_address() {
    let phone = Device::new();
    let program = phone.serve();
    let address = program.address.clone();
    let mut page = Page::open(&program, "this").await;
    assert_eq!(page.shown["sync"]["sentence"], json!("No host"));
    page.add("milk").await;
    page.ask(json!({ "do": "addList", "name": "Shopping" })).await;
    assert_eq!(program.end("-TERM").0, Some(0));
    page.closed().await;

    let program = phone.serve();
    assert_eq!(program.address, address);
    let page = Page::open(&program, "this").await;
    assert_eq!(page.titles(), ["milk"]);
    assert_eq!(page.shown["view"]["lists"][1]["name"], json!("Shopping"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_it_well_with_a_page_open() {
    let phone = Device::new();
    let program = phone.serve();
    let mut page = Page::open(&program, "this").await;
    let (code, said) = program.end("-INT");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Whoever has this address") && said.contains("DIP_HOST is not set"), "{said}");
    page.closed().await;
}

#[test]
fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let phone = Device::new();
    let program = phone.serve();
    let mut stuck = program.connect();
    stuck.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    let idle = program.connect();
    let start = Instant::now();
    assert_eq!(program.end("-TERM").0, Some(0));
    assert!(start.elapsed() < Duration::from_secs(10));
    drop((stuck, idle));
}

#[test]
fn a_port_that_is_taken_is_told_and_another_used() {
    let phone = Device::new();
    let first = phone.serve();
    let (address, port) = (first.address.clone(), first.port());
    assert_eq!(first.end("-TERM").0, Some(0));

    let other_program = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let second = phone.serve();
    assert_ne!(second.port(), port);
    assert_eq!(second.token(), address.split('/').nth(3).unwrap());
    let (_, said) = second.end("-TERM");
    assert!(said.contains(&format!("Port {port} is taken")), "{said}");
    drop(other_program);
    assert_eq!(phone.serve().address, address, "the bookmark is good again");
}

#[test]
fn the_port_can_be_chosen() {
    let phone = Device::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let chosen = Program::start(phone.serve_command(&["--port", &free]));
    assert_eq!(chosen.port().to_string(), free);
    assert_eq!(chosen.end("-TERM").0, Some(0));
    assert_eq!(phone.serve().port().to_string(), free, "and is kept");
}

#[test]
fn a_second_process_on_one_directory_is_told() {
    let phone = Device::new();
    let _program = phone.serve();
    phone.fails("--data");
}

#[test]
fn an_address_file_that_holds_none_is_refused_with_the_mend() {
    let phone = Device::new();
    assert_eq!(phone.serve().end("-TERM").0, Some(0));
    for text in ["", "http://127.0.0.1:80/", "http://127.0.0.1:1/../", "http://127.0.0.1:99999/0123/", "<script>"] {
        fs::write(phone.data().join("address"), text).unwrap();
        phone.fails("remove it, and the page gets a new address");
    }
}

#[cfg(unix)]
#[test]
fn seed_and_address_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let phone = Device::without_seed();
    let (_, said) = phone.serve().end("-TERM");
    assert!(said.contains("has made a seed") && said.contains("DIP_SEED"), "{said}");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(phone.data()), 0o700);
    assert_eq!(mode(phone.data().join("seed")), 0o600);
    assert_eq!(mode(phone.data().join("address")), 0o600);
}

#[test]
fn mistakes_with_seeds_are_told() {
    let mut phone = Device::new();
    phone.seed = Some("0011");
    phone.fails("here are 4");
    assert!(!phone.data().exists());

    phone.seed = Some(SEED);
    assert_eq!(phone.serve().end("-TERM").0, Some(0));
    phone.seed = None;
    phone.fails("set it again");
    phone.seed = Some(OTHER_SEED);
    phone.fails("belongs to another seed");

    let mut laptop = Device::without_seed();
    fs::create_dir(laptop.data()).unwrap();
    fs::write(laptop.data().join("seed"), "xyz").unwrap();
    laptop.fails("copy the file again");
    fs::write(laptop.data().join("seed"), OTHER_SEED).unwrap();
    laptop.seed = Some(SEED);
    laptop.fails("unset DIP_SEED");
}

#[test]
fn an_address_of_a_host_that_is_none_is_refused() {
    let mut phone = Device::new();
    phone.host = Some("localhost:31337".to_owned());
    phone.fails("write it as http://localhost:31337");
}

#[test]
fn mistakes_on_the_command_line_exit_with_2() {
    let device = Device::new();
    let mistakes: [&[&str]; 5] =
        [&[], &["serve"], &["demo", "--port", "0"], &["demo", "--port", "65536"], &["serve", "--data"]];
    for arguments in mistakes {
        assert_eq!(device.command(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_two_devices_and_leaves_nothing_behind() {
    let home = Device::without_seed();
    let mut command = home.command(&["demo"]);
    command.env("TMPDIR", home.home());
    let demo = Program::start(command);
    let (mut phone, mut laptop) = (Page::open(&demo, "phone").await, Page::open(&demo, "laptop").await);
    let start = phone.titles().len();
    assert!(start > 0 && phone.titles() == laptop.titles());

    laptop.ask(json!({ "do": "goOffline" })).await;
    phone.add("bread").await;
    laptop.add("tea").await;
    laptop.until(|shown| shown["sync"]["sentence"] == json!("Offline, 1 change waits")).await;
    assert_eq!((laptop.titles().len(), laptop.shown["sync"]["pending"].as_u64()), (start + 1, Some(1)));
    laptop.ask(json!({ "do": "goOnline" })).await;
    for page in [&mut phone, &mut laptop] {
        page.until(|shown| titles(shown).len() == start + 2).await;
        page.until(|shown| shown["sync"]["sentence"] == json!("In sync")).await;
    }
    assert_eq!(phone.titles(), laptop.titles());
    let log = |page: &Page| -> Vec<String> {
        let lines = page.shown["log"].as_array().unwrap().iter();
        lines.map(|line| format!("{} {}", line["name"].as_str().unwrap(), line["what"].as_str().unwrap())).collect()
    };
    assert_eq!(log(&phone), log(&laptop));
    assert_eq!(log(&phone)[start..], ["Added “bread”", "Added “tea”"]);

    assert_eq!(demo.end("-INT").0, Some(0));
    assert_eq!(home.home().read_dir().unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_demo_each_device_undoes_what_it_did() {
    let home = Device::without_seed();
    let demo = Program::start(home.command(&["demo"]));
    let mut phone = Page::open(&demo, "phone").await;
    let answer = phone.answer_to(r#"{"id": 1, "do": "undo"}"#).await;
    assert_eq!((answer["id"].as_u64(), answer["error"].is_string()), (Some(1), true), "{answer}");
    let before = phone.shown["view"].clone();
    phone.add("bread").await;
    phone.ask(json!({ "do": "undo" })).await;
    assert_eq!(phone.shown["view"], before);
}
