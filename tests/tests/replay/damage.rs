//! Damaged files: what is refused, what is recovered, and where the damage is said to be.

use std::io::Cursor;
use std::ops::Range;

use diplomatic::Replay;
use diplomatic::replay::{DamageCause, ReplayError};
use diplomatic::standard::{HeadHash, Message};

use crate::files::{Parts, file, hashes, messages, parts};
use crate::todo::{Todos, seed};

fn open(file: &[u8]) -> Result<Replay<Cursor<&[u8]>>, ReplayError> {
    Replay::from_source(Cursor::new(file), &seed())
}

fn recover(file: &[u8]) -> Result<Replay<Cursor<&[u8]>>, ReplayError> {
    Replay::recover_from(Cursor::new(file), &seed())
}

fn read(replay: &mut Replay<Cursor<&[u8]>>) -> Vec<HeadHash> {
    replay.messages().map(|message| message.unwrap().head().hash()).collect()
}

fn without(messages: &[Message], lost: &[usize]) -> Vec<HeadHash> {
    hashes(messages.iter().enumerate().filter(|(place, _)| !lost.contains(place)).map(|(_, message)| message))
}

fn touches(damage: &Range<u64>, place: usize) -> bool {
    damage.start <= place as u64 && place as u64 <= damage.end
}

fn flipped(file: &[u8], place: usize) -> Vec<u8> {
    let mut file = file.to_vec();
    file[place] ^= 0x41;
    file
}

#[test]
fn a_whole_file_recovers_without_damage() {
    let messages = messages(300);
    let file = file(&messages);
    let mut replay = recover(&file).unwrap();
    assert!(replay.damage().is_empty());
    assert_eq!(read(&mut replay), hashes(&messages));
}

#[test]
fn any_damaged_byte_of_the_header_is_noticed_and_costs_no_message() {
    let messages = messages(40);
    let file = file(&messages);
    let Parts { header, index_end, bodies, .. } = parts(&file);
    for place in (0..header).chain(index_end..bodies) {
        let damaged = flipped(&file, place);
        let error = open(&damaged).map(|_| ()).unwrap_err();
        assert!(matches!(error, ReplayError::Damaged(_)), "byte {place}: {error:?}");
        assert!(error.to_string().contains("Replay::recover"), "{error}");
        let mut replay = recover(&damaged).unwrap_or_else(|error| panic!("byte {place}: {error}"));
        assert!(!replay.damage().is_empty(), "byte {place}");
        assert_eq!(read(&mut replay), hashes(&messages), "byte {place}: {:?}", replay.damage());
    }
}

#[test]
fn any_damaged_byte_of_an_item_costs_that_message_at_most() {
    let messages = messages(30);
    let file = file(&messages);
    let Parts { items, index_end, .. } = parts(&file);
    for lost in [0, 1, 9, 14, 29] {
        let end = items.get(lost + 1).map_or(index_end, |item| item.0);
        for place in items[lost].0..end {
            let damaged = flipped(&file, place);
            let error = open(&damaged).map(|_| ()).unwrap_err();
            let is_index = |error: &ReplayError| matches!(error, ReplayError::Damaged(damage) if damage.cause == DamageCause::IndexHash);
            assert!(is_index(&error), "byte {place}: {error:?}");
            let mut replay = recover(&damaged).unwrap();
            let places = replay.damage().places().to_vec();
            assert!(places.iter().any(|damage| touches(&damage.bytes, place)), "byte {place}: {places:?}");
            let found = read(&mut replay);
            let rest = without(&messages, &[lost]);
            assert!(rest.iter().all(|hash| found.contains(hash)), "item {lost}, byte {place}: {places:?}");
        }
    }
}

#[test]
fn a_damaged_head_is_located_by_item_and_bytes() {
    let messages = messages(30);
    let file = file(&messages);
    let Parts { items, .. } = parts(&file);
    let damaged = flipped(&file, items[12].0 + 40);
    let mut replay = recover(&damaged).unwrap();
    let item = replay.damage().places().iter().find(|damage| damage.item == Some(12)).unwrap().clone();
    assert_eq!(item.bytes, items[12].0 as u64..items[13].0 as u64);
    assert!(item.to_string().contains("item 12: the head cannot be decrypted"), "{item}");
    assert_eq!(read(&mut replay), without(&messages, &[12]));
}

#[test]
fn several_damaged_heads_are_told_one_by_one() {
    let messages = messages(30);
    let mut file = file(&messages);
    let Parts { items, .. } = parts(&file);
    for lost in [3, 4, 5, 29] {
        file[items[lost].0 + 40] ^= 1;
    }
    let mut replay = recover(&file).unwrap();
    let lost: Vec<u64> = replay.damage().places().iter().filter_map(|damage| damage.item).collect();
    assert_eq!(lost, [3, 4, 5, 29]);
    assert_eq!(read(&mut replay), without(&messages, &[3, 4, 5, 29]));
}

#[test]
fn a_damaged_body_is_located_and_stops_nothing_else() {
    let messages = messages(30);
    let file = file(&messages);
    let Parts { items, .. } = parts(&file);
    for lost in [0, 7, 28] {
        let body = items[lost].1.clone();
        for place in [body.start, body.start + 25, body.end - 1] {
            let damaged = flipped(&file, place);
            // Bodies are checked when they are read.
            let mut whole = open(&damaged).unwrap();
            let errors: Vec<_> = whole.messages().filter_map(Result::err).collect();
            assert!(matches!(&errors[..], [ReplayError::Damaged(damage)] if damage.item == Some(lost as u64)));
            assert!(matches!(whole.fold::<Todos>(None), Err(ReplayError::Damaged(_))));

            let mut replay = recover(&damaged).unwrap();
            assert_eq!(replay.damage().count(), 1);
            let damage = &replay.damage().places()[0];
            assert_eq!((damage.item, damage.bytes.clone()), (Some(lost as u64), body.start as u64..body.end as u64));
            assert_eq!(read(&mut replay), without(&messages, &[lost]));
            replay.fold::<Todos>(None).unwrap();
        }
    }
}

#[test]
fn a_damaged_newer_message_leaves_the_older_one_counting() {
    let messages = [
        crate::files::message(1, 1, "todo.added", b"\x81\xa5title\xa3old"),
        crate::files::message(1, 2, "todo.added", b"\x81\xa5title\xa3new"),
    ];
    let file = file(&messages);
    let body = parts(&file).items[1].1.clone();
    let damaged = flipped(&file, body.end - 1);
    let folded = recover(&damaged).unwrap().fold::<Todos>(None).unwrap();
    assert!(folded.state.items.values().all(|item| item.0 == "old") && folded.state.items.len() == 1);
}

#[test]
fn a_file_that_is_cut_anywhere_gives_what_is_before_the_cut() {
    let messages = messages(30);
    let file = file(&messages);
    let Parts { header, index_end, items, .. } = parts(&file);
    for cut in 0..file.len() {
        let short = &file[..cut];
        let error = open(short).map(|_| ()).unwrap_err();
        assert!(matches!(error, ReplayError::Damaged(_) | ReplayError::NotAnExport(_)), "cut at {cut}: {error:?}");
        // A message is there if its item is, and its body.
        let end_of = |place: usize| items.get(place + 1).map_or(index_end, |item| item.0);
        let is_there =
            |place: usize| if items[place].1.is_empty() { end_of(place) <= cut } else { items[place].1.end <= cut };
        let there: Vec<usize> = (0..30).filter(|&place| is_there(place)).collect();
        match recover(short) {
            Ok(mut replay) => {
                assert!(!replay.damage().is_empty(), "cut at {cut}");
                let expected = hashes(there.iter().map(|&place| &messages[place]));
                assert_eq!(read(&mut replay), expected, "cut at {cut}: {:?}", replay.damage().places());
            }
            Err(error) => {
                assert!(there.is_empty() && cut < header, "cut at {cut}: {error}");
                assert!(matches!(error, ReplayError::NotAnExport(_)), "cut at {cut}: {error:?}");
            }
        }
    }
}

#[test]
fn bytes_after_the_end_are_noticed_and_cost_nothing() {
    let messages = messages(30);
    let mut file = file(&messages);
    file.extend_from_slice(b"and more");
    let error = open(&file).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("8 bytes after the end"), "{error}");
    let mut replay = recover(&file).unwrap();
    assert_eq!(replay.damage().places()[0].cause, DamageCause::Surplus { surplus: 8 });
    assert_eq!(read(&mut replay), hashes(&messages));
}

#[test]
fn a_file_of_another_kind_is_no_export() {
    for text in [&b""[..], b"hello", &b"dear diary ".repeat(1_000)] {
        let error = open(text).map(|_| ()).unwrap_err();
        assert!(matches!(error, ReplayError::NotAnExport(_) | ReplayError::WrongSeed), "{error:?}");
        assert!(recover(text).is_err());
    }
}
