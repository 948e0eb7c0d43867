//! `dip cat`: standard input becomes one message.

use std::io::Write;
use std::process::Stdio;

use diplomatic::EntityId;
use diplomatic::standard::EntityBody;

use crate::device::{Device, Outcome, seed};
use crate::host::TestHost;

#[test]
fn the_message_is_the_one_that_the_tool_of_the_standard_writes() {
    let host = TestHost::start();
    let phone = Device::at(&host.url());
    let written = phone.run_with(&["cat"], "hello\n");
    let entity: EntityId = written.succeeds().trim().parse().unwrap();
    let messages = host.messages(&seed());
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(message.head().entity(), &entity);
    assert_eq!((message.head().counter(), entity.id().len()), (0, 8));
    assert_eq!(message.head().changed(), entity.created());
    // A MessagePack string of six bytes, and nothing else.
    assert_eq!(message.body().unwrap(), b"\xa6hello\n");
}

#[test]
fn with_a_type_the_input_is_the_payload_of_an_event() {
    let host = TestHost::start();
    let phone = Device::at(&host.url());
    phone
        .run_with(&["cat", "--type", "todo.added"], r#" {"title": "milk", "due": null, "tags": [1, -2.5]} "#)
        .succeeds();
    let messages = host.messages(&seed());
    let body = EntityBody::decode(messages[0].body().unwrap()).unwrap();
    assert_eq!(body.type_name, "todo.added");
    assert_eq!(phone.payloads(), [serde_json::json!({"title": "milk", "due": null, "tags": [1, -2.5]})]);
}

#[test]
fn what_is_no_text_and_no_json_is_refused_and_nothing_is_written() {
    let phone = Device::new();
    phone.run_with(&["cat"], b"\xff\xfe").fails(1, "UTF-8");
    phone.run_with(&["cat", "--type", "x"], "{").fails(1, "JSON");
    assert!(!phone.data().exists());
}

#[test]
fn without_a_host_the_message_waits() {
    let mut host = TestHost::start();
    let phone = Device::new();
    let written = phone.run_with(&["cat"], "one");
    assert!(written.err.contains("queued"), "{written:?}");
    phone.run(&["host", "add", &host.url(), "--create"]).succeeds();
    host.stop();
    let written = phone.run_with(&["cat", "--json"], "two");
    assert!(written.err.contains("queued"), "{written:?}");
    assert_eq!(written.json()["queued"], true);
    host.resume();
    assert_eq!(host.messages(&seed()).len(), 0);
    assert_eq!(phone.run_with(&["cat", "--json"], "three").json()["queued"], false);
    assert_eq!(host.messages(&seed()).len(), 3);
}

#[test]
fn empty_and_long_texts_are_messages_too() {
    let phone = Device::new();
    phone.cat("");
    let long = "ä".repeat(100_000);
    phone.cat(&long);
    assert_eq!(phone.payloads(), ["", &long]);
}

#[test]
fn twenty_at_once_all_write_their_message() {
    for host in [None, Some(TestHost::start())] {
        let phone = host.as_ref().map_or_else(Device::new, |host| Device::at(&host.url()));
        let started: Vec<_> = (0..20)
            .map(|n| {
                let mut command = phone.command(&["cat", "--wait", "300"]);
                let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
                let mut child = child.unwrap();
                write!(child.stdin.take().unwrap(), "{n}").unwrap();
                child
            })
            .collect();
        for child in started {
            Outcome::of(child.wait_with_output().unwrap()).succeeds();
        }
        let mut written: Vec<u32> =
            phone.payloads().iter().map(|payload| payload.as_str().unwrap().parse().unwrap()).collect();
        written.sort_unstable();
        assert!(written.iter().copied().eq(0..20), "{written:?}");
        if let Some(host) = host {
            assert_eq!(host.messages(&seed()).len(), 20);
        }
    }
}
