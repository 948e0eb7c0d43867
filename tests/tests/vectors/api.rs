//! What crosses the wire in the recorded session, read with our types and written again. The host's own tests replay it.

use std::fmt::Debug;

use diplomatic::standard::calls::{
    AuthTimestamp, Call, Notification, PeekItem, PeekRequest, PullItem, PullRequest, PushItem, PushRequest,
    ResponseHead, UserRequest,
};
use diplomatic::standard::{Decode, DecodeError, Encode, HostKeys, Reader, Status, Timestamp};
use serde_json::Value;

use crate::{Fields, from_hex, to_hex, vectors};

/// Decodes a value that fills the bytes, and asserts that it encodes to the same.
fn round_trip<T: Decode + Encode + Debug>(bytes: &[u8]) -> Result<T, DecodeError> {
    let value = T::decode(bytes)?;
    assert_eq!(to_hex(&value.to_bytes()), to_hex(bytes), "{value:?}");
    Ok(value)
}

fn round_trip_request(path: &str, content: &[u8]) -> Result<(), DecodeError> {
    match Call::from_path(path) {
        Some(Call::User) => round_trip::<UserRequest>(content).map(drop),
        Some(Call::Peek) => round_trip::<PeekRequest>(content).map(drop),
        Some(Call::Push) => round_trip::<PushRequest>(content).map(drop),
        Some(Call::Pull) => round_trip::<PullRequest>(content).map(drop),
        None => Ok(()),
    }
}

/// Reads items to the end, and asserts that they encode to the same.
fn round_trip_items<T: Decode + Encode>(bytes: &[u8]) -> Vec<T> {
    let mut reader = Reader::new(bytes);
    let (mut items, mut again) = (Vec::<T>::new(), Vec::new());
    while !reader.is_empty() {
        items.push(T::read(&mut reader).unwrap());
    }
    items.iter().for_each(|item| item.encode(&mut again));
    assert_eq!(to_hex(&again), to_hex(bytes));
    items
}

#[test]
fn requests_read_and_write_or_are_refused_with_the_recorded_status() {
    let session = vectors("api");
    let keys = HostKeys::derive(&session.seed(), &session.label());
    for step in session.cases("steps").iter().filter(|step| step.text("method") == "POST") {
        let (what, request) = (step.text("what"), step.bytes("request"));
        let mut reader = Reader::new(&request);
        let auth = match AuthTimestamp::read(&mut reader) {
            Ok(auth) => auth,
            Err(error) => {
                assert_eq!(error.status(), step.status(), "{what}");
                continue;
            }
        };
        assert!(request.starts_with(&auth.to_bytes()), "{what}");
        match auth.verify(Timestamp::from_millis(step.number("hostNowMs"))) {
            Ok(()) => assert_eq!(keys.authenticate(auth.time), auth, "{what}"),
            Err(error) => {
                assert_eq!(error.status(), step.status(), "{what}");
                continue;
            }
        }
        match round_trip_request(step.text("path"), reader.rest()) {
            Ok(()) => assert!(
                [Status::SUCCESS, Status::USER_NOT_REGISTERED, Status::NOT_FOUND].contains(&step.status()),
                "{what}"
            ),
            Err(error) => assert_eq!(error.status(), step.status(), "{what}"),
        }
    }
}

#[test]
fn responses_read_and_write() {
    let session = vectors("api");
    for step in session.cases("steps").iter().filter(|step| !step.text("response").is_empty()) {
        let (what, response) = (step.text("what"), step.bytes("response"));
        let now = Timestamp::from_millis(step.number("hostNowMs"));
        let mut reader = Reader::new(&response);
        let head = ResponseHead::read(&mut reader).unwrap();
        assert_eq!(head, ResponseHead::unlimited(step.status(), now, now), "{what}");
        assert!(response.starts_with(&head.to_bytes()), "{what}");
        let items = reader.rest();
        match Call::from_path(step.text("path")) {
            Some(Call::Peek) => drop(round_trip_items::<PeekItem>(items)),
            Some(Call::Push) => drop(round_trip_items::<PushItem>(items)),
            Some(Call::Pull) => drop(round_trip_items::<PullItem>(items)),
            Some(Call::User) | None => assert!(items.is_empty(), "{what}"),
        }
    }
}

#[test]
fn notifications_read_and_write_and_their_heads_open() {
    let session = vectors("api");
    let keys = HostKeys::derive(&session.seed(), &session.label());
    let frames = session.cases("steps").iter().flat_map(|step| step["notifications"].as_array().into_iter().flatten());
    let mut bags = 0;
    for frame in frames.filter_map(Value::as_str) {
        let notification: Notification = round_trip(&from_hex(frame)).unwrap();
        for item in notification.items {
            let head = keys.open_head(&item.head).unwrap();
            if head.head().is_delete() || !item.inlined.as_bytes().is_empty() {
                head.open_body(&item.inlined).unwrap();
            }
            bags += 1;
        }
    }
    assert!(bags > 0);
}
