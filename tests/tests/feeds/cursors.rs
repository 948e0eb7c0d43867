//! Cursors of other stores, and of older copies.

use std::fs;

use diplomatic::feed::FeedCursor;
use diplomatic::standard::EntityId;
use diplomatic::{Backing, Device};

use crate::board::{Board, added, at, open};

/// Tells whether both feeds begin anew after a cursor.
fn begins_anew(device: &Device<Board>, cursor: &FeedCursor) -> bool {
    let changed = device.changed_entities(Some(cursor), 10).unwrap();
    let arrivals = device.arrivals(Some(cursor), 10).unwrap();
    assert_eq!(changed.is_anew, arrivals.is_anew);
    changed.is_anew
}

fn emit(device: &mut Device<Board>, count: u64) -> Vec<EntityId> {
    let events: Vec<_> = (0..count).map(|n| added(&n.to_string())).collect();
    device.emit_all(at(1), &events).unwrap()
}

#[test]
fn a_cursor_goes_through_text_and_serde_and_survives_a_restart() {
    let backing = Backing::memory();
    let mut device = open(&backing, 1);
    emit(&mut device, 100);
    let cursor = device.changed_entities(None, 1_000).unwrap().cursor;
    let text = serde_json::to_string(&cursor).unwrap();
    drop(device);
    let mut device = open(&backing, 2);
    let cursor: FeedCursor = serde_json::from_str(&text).unwrap();
    assert!(!begins_anew(&device, &cursor));
    assert_eq!(cursor, device.feed_end().unwrap());
    let new = emit(&mut device, 1);
    assert_eq!(device.changed_entities(Some(&cursor), 10).unwrap().rows, new);
    let from_bytes: FeedCursor = rmp_serde::from_slice(&rmp_serde::to_vec(&cursor).unwrap()).unwrap();
    assert_eq!(from_bytes, cursor);
    for odd in ["", "0", "zz", &"é".repeat(24), &"f".repeat(47), &format!("+{}", "0".repeat(47))] {
        odd.parse::<FeedCursor>().unwrap_err();
    }
}

#[test]
fn a_cursor_of_another_store_begins_anew() {
    let (mut one, mut other) = (open(&Backing::memory(), 1), open(&Backing::memory(), 2));
    let nothing = one.feed_end().unwrap();
    assert!(begins_anew(&other, &nothing), "even one of nothing");
    for count in [1, 100] {
        emit(&mut one, count);
        emit(&mut other, count);
        assert!(begins_anew(&one, &other.feed_end().unwrap()));
        assert!(!begins_anew(&one, &one.feed_end().unwrap()));
    }
    let far: FeedCursor = "f".repeat(48).parse().unwrap();
    assert!(begins_anew(&one, &far));
}

#[test]
fn a_cursor_of_a_newer_copy_begins_anew_and_one_from_before_the_copy_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let [path, copy] = ["board.redb", "copy.redb"].map(|name| folder.path().join(name));
    for before in [0, 10, 78, 79, 80, 200] {
        let _ = fs::remove_file(&path);
        let mut device = open(&Backing::file(&path), before);
        if before > 0 {
            emit(&mut device, before);
        }
        let common = device.feed_end().unwrap();
        drop(device);
        fs::copy(&path, &copy).unwrap();
        let mut device = open(&Backing::file(&path), 1_000 + before);
        emit(&mut device, 3);
        let newer = device.feed_end().unwrap();

        let mut restored = open(&Backing::file(&copy), 2_000 + before);
        assert!(!begins_anew(&restored, &common));
        assert!(begins_anew(&restored, &newer), "what the cursor counts is not there");
        emit(&mut restored, 3);
        assert!(begins_anew(&restored, &newer), "something else is there");
        emit(&mut restored, 100);
        assert!(begins_anew(&restored, &newer), "something else is there, and more");
        assert!(!begins_anew(&restored, &common));
        assert!(!begins_anew(&device, &newer));
    }
}

#[test]
fn an_event_that_was_refused_did_not_arrive() {
    use crate::board::Event;
    let mut device = open(&Backing::memory(), 1);
    emit(&mut device, 1);
    let before = device.feed_end().unwrap();
    let refused = device.emit(at(2), &Event::Set { name: "boom".into(), value: 1 });
    refused.unwrap_err();
    assert_eq!(device.feed_end().unwrap(), before);
    assert!(!begins_anew(&device, &before));
    assert_eq!(device.arrivals(Some(&before), 10).unwrap().rows, []);
}
