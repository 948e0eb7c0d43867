//! Which integers of an event can become larger than every client reads.

use std::collections::BTreeSet;

use crate::event::{DiplomaticEvent, Draft, Stored};
use crate::fold::read_event;
use crate::standard::message_pack::{Cursor, Value};
use crate::standard::{EntityId, MAX_SAFE};

/// Returns the fields of a payload in which integers above 2^53 survive, by the names that lead there; a bare value has
/// none.
///
/// Each integer is replaced by a large one: if the event reads and writes it, the field is wide enough.
pub(super) fn wide_fields<E: DiplomaticEvent>(type_name: &str, entity: &EntityId, payload: &[u8]) -> BTreeSet<String> {
    let mut large = [0xcf; 9];
    large[1..].copy_from_slice(&(MAX_SAFE + 2).to_be_bytes());
    let mut wide = BTreeSet::new();
    for (path, place) in integers(payload) {
        let probe = [&payload[..place.start], &large, &payload[place.end..]].concat();
        let event: Result<E, _> = read_event(Stored::Content { type_name, entity, payload: &probe });
        if let Ok(event) = event
            && let Ok(Draft::Content { payload, .. }) = event.to_draft()
            && payload.windows(large.len()).any(|bytes| bytes == large)
        {
            wide.insert(path);
        }
    }
    wide
}

/// An array or a map around a place.
struct Around {
    /// How many values are still to come in it.
    left: u64,
    is_map: bool,
    /// In a map, the key of the value at hand.
    key: String,
}

/// Returns the integers of a payload that are not keys of a map: what leads there, and the bytes.
fn integers(payload: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut around: Vec<Around> = Vec::new();
    let mut values = Cursor::new(payload);
    let mut place = 0;
    while let Ok(part) = values.part() {
        let bytes = place..place + part.len();
        place = bytes.end;
        let mut is_key = false;
        if let Some(inner) = around.last_mut() {
            is_key = inner.is_map && inner.left.is_multiple_of(2);
            inner.left = inner.left.saturating_sub(1);
            if is_key {
                inner.key = match Cursor::new(part).value() {
                    Ok(Value::Str(key)) => String::from_utf8_lossy(key).into_owned(),
                    _ => "?".to_owned(),
                };
            }
        }
        if !is_key && matches!(part[0], 0x00..=0x7f | 0xcc..=0xd3 | 0xe0..=0xff) {
            found.push((path(&around), bytes));
        }
        let is_map = matches!(part[0], 0x80..=0x8f | 0xde | 0xdf);
        if is_map || matches!(part[0], 0x90..=0x9f | 0xdc | 0xdd) {
            let len = match part {
                [marker] => u64::from(marker & 0x0f),
                [_, len @ ..] => len.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
                [] => 0,
            };
            around.push(Around { left: if is_map { 2 * len } else { len }, is_map, key: String::new() });
        }
        while around.last().is_some_and(|inner| inner.left == 0) {
            around.pop();
        }
    }
    found
}

fn path(around: &[Around]) -> String {
    let keys: Vec<&str> = around.iter().filter(|inner| inner.is_map).map(|inner| inner.key.as_str()).collect();
    keys.join(".")
}

#[cfg(all(test, feature = "derive"))]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::testing::entity;

    #[derive(Serialize, Deserialize)]
    struct Stock {
        pieces: Option<i64>,
        shelves: Vec<u64>,
        small: u32,
    }

    #[derive(crate::DiplomaticEvent)]
    #[diplomatic(crate = "crate")]
    enum Event {
        Counted { at: u64, day: u16, ratio: f64, stock: Stock, when: crate::Timestamp },
        Bare(i64),
        Small(u32),
    }

    fn wide(event: &Event) -> Vec<String> {
        let Ok(Draft::Content { type_name, payload, .. }) = event.to_draft() else { panic!("it has content") };
        wide_fields::<Event>(type_name, &entity(0), &payload).into_iter().collect()
    }

    #[test]
    fn fields_that_hold_more_than_other_clients_read_are_found_wherever_they_stand() {
        let stock = Stock { pieces: Some(-3), shelves: vec![1, 70_000], small: 4 };
        let counted =
            Event::Counted { at: 1_764_000_000_000, day: 3, ratio: 2.0, stock, when: crate::Timestamp::from_millis(5) };
        assert_eq!(wide(&counted), ["at", "stock.pieces", "stock.shelves"]);
        assert_eq!(wide(&Event::Bare(7)), [""]);
        assert!(wide(&Event::Small(7)).is_empty());
    }
}
