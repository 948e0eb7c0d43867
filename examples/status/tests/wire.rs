//! The bytes are those of the standard's own tools.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use diplomatic::standard::{Bag, Body, Encode, EntityId, HostKeys, Label, Message, Seq, Timestamp};
use diplomatic_host::BagStore;
use support::{Device, RunningHost, SEED};

fn keys() -> HostKeys {
    HostKeys::derive(&SEED.parse().unwrap(), &Label::default())
}

#[test]
fn a_status_is_a_singleton_with_a_bare_text() {
    let host = RunningHost::start();
    Device::new(host.url.clone()).run(&["write", "hi"]).prints("");

    let (keys, store, runtime) = (keys(), host.host.store(), &host.runtime);
    let user = *keys.public_key();
    let last = runtime.block_on(store.last(user)).unwrap().unwrap();
    let heads = runtime.block_on(store.heads(user, Seq::ZERO, last, usize::MAX)).unwrap();
    let bodies = runtime.block_on(store.bodies(user, vec![last], usize::MAX)).unwrap();
    assert_eq!((heads.len(), bodies.len()), (1, 1));
    let message = keys.open_head(&heads[0].head).unwrap().open_body(bodies[0].as_ref().unwrap()).unwrap();
    assert_eq!(message.head().entity().to_bytes(), b"\x07\x06status\x00");
    assert_eq!(message.body(), Some(&b"\xa2hi"[..]));
}

#[test]
fn a_status_of_another_tool_is_read() {
    let host = RunningHost::start();
    let keys = keys();
    let entity = EntityId::singleton("status");
    let message = Message::new(entity, Timestamp::from_millis(1_764_000_123_456), 0, Body::new(*b"\xa2hi")).unwrap();
    let bag: Bag = keys.seal(&message);
    let bag = bag.verify(keys.public_key()).unwrap();
    let appended = host.runtime.block_on(host.host.store().append(*keys.public_key(), vec![bag]));
    assert!(appended.cut.is_none());

    Device::new(host.url.clone()).run(&["read"]).prints("hi\n");
}

#[test]
fn a_status_that_is_no_string_or_holds_control_characters_is_read_safely() {
    for (body, line) in [
        (&b"\x07"[..], "7\n"),
        (b"\xc3", "true\n"),
        (b"\x82\xa1a\x92\x01\xa1b\xa1c\xc0", "{\"a\": [1, \"b\"], \"c\": null}\n"),
        (b"\xc4\x02\x00\xff", "00ff\n"),
        (b"\xa5\x1b[31m", "\\u{1b}[31m\n"),
        (b"\xa3a\nb", "a b\n"),
    ] {
        let host = RunningHost::start();
        let keys = keys();
        let entity = EntityId::singleton("status");
        let time = Timestamp::from_millis(1_764_000_123_456);
        let message = Message::new(entity, time, 0, Body::new(body.to_vec())).unwrap();
        let bag: Bag = keys.seal(&message);
        let bag = bag.verify(keys.public_key()).unwrap();
        let appended = host.runtime.block_on(host.host.store().append(*keys.public_key(), vec![bag]));
        assert!(appended.cut.is_none());
        Device::new(host.url.clone()).run(&["read"]).prints(line);
    }
}
