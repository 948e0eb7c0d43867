//! Files whose numbers lie.

use std::io::Cursor;

use diplomatic::Replay;
use diplomatic::standard::{MAX_VARINT, write_varint};
use proptest::prelude::*;

use crate::files::{file, messages, parts};
use crate::todo::{Todos, seed};

fn varint(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    write_varint(&mut out, number).unwrap();
    out
}

/// Opens and recovers, and returns the most memory that it took.
fn try_all(file: &[u8]) -> u64 {
    let info = allocation_counter::measure(|| {
        if let Ok(mut replay) = Replay::from_source(Cursor::new(file), &seed()) {
            replay.messages().for_each(drop);
            let _ = replay.fold::<Todos>(None);
        }
        if let Ok(mut replay) = Replay::recover_from(Cursor::new(file), &seed()) {
            replay.messages().for_each(|message| drop(message.unwrap()));
        }
    });
    info.bytes_max
}

#[test]
fn numbers_of_the_header_that_lie_cost_no_memory() {
    let whole = file(&messages(20));
    let parts = parts(&whole);
    let label = &whole[..7];
    let middle = &whole[9..9 + 96];
    let rest = &whole[parts.header..];
    for lie in [0, 1, 19, 21, 1 << 20, 1 << 40, MAX_VARINT] {
        let count =
            [label, &[0], &varint(lie), middle, &varint((parts.index_end - parts.header) as u64), rest].concat();
        let index_len = [label, &[0], &varint(20), middle, &varint(lie), rest].concat();
        let label_len = [&varint(lie), &whole[1..]].concat();
        let bodies_len = [&whole[..parts.index_end], &varint(lie), &whole[parts.bodies..]].concat();
        for hostile in [count, index_len, label_len, bodies_len] {
            let most = try_all(&hostile);
            assert!(most < 4 << 20, "{most} bytes for {lie}");
        }
    }
}

#[test]
fn items_that_lie_cost_no_memory() {
    let whole = file(&messages(20));
    let parts = parts(&whole);
    let (start, end) = (parts.items[3].0, parts.items[4].0);
    let item = &whole[start..end];
    // The head's length follows the kdm; body length and place follow the head.
    let head_len = usize::from(item[8]);
    let head = &item[..9 + head_len];
    for lie in [1, 1 << 20, 1 << 40, MAX_VARINT] {
        let lies = [
            [&item[..8], &varint(lie), &item[9..]].concat(),
            [head, &varint(lie), &varint(0)].concat(),
            [head, &varint(100), &varint(lie)].concat(),
            [head, &varint(lie), &varint(lie)].concat(),
        ];
        for item in lies {
            let hostile = [&whole[..start], &item, &whole[end..]].concat();
            let most = try_all(&hostile);
            assert!(most < 4 << 20, "{most} bytes for {lie}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_end_in_messages_or_an_error(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..12),
    ) {
        let mut file = file(&messages(12));
        for (place, byte, act) in changes {
            let place = place.index(file.len().max(1)).min(file.len().saturating_sub(1));
            match act {
                0 if !file.is_empty() => file[place] = byte,
                1 => file.insert(place, byte),
                2 if !file.is_empty() => drop(file.remove(place)),
                _ => file.truncate(file.len().saturating_sub(usize::from(byte) / 8)),
            }
        }
        prop_assert!(try_all(&file) < 4 << 20);
    }
}

#[test]
fn a_label_may_be_long_and_of_any_letters() {
    let label = diplomatic::standard::Label::with_index("ä".repeat(1_000), 7);
    let bytes = diplomatic::standard::export::write(&seed(), &label, &messages(3)).unwrap();
    assert!(bytes.starts_with(&varint(2_000)));
    let replay = Replay::from_source(Cursor::new(bytes), &seed()).unwrap();
    assert_eq!((replay.len(), replay.label()), (3, Some(&label)));
}
