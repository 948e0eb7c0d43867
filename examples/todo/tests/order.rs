//! A row lands where it was dropped.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use diplomatic::EntityId;
use diplomatic::testing::entity;
use proptest::collection::vec;
use proptest::prelude::*;
use support::events::order;
use todo::{OrderKey, place};

fn any_key() -> impl Strategy<Value = OrderKey> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0x7f), Just(0x80), Just(0xfe), Just(0xff), any::<u8>()];
    (vec(byte, 0..5), 1..=0xffu8).prop_map(|(bytes, last)| {
        let hex: String = bytes.iter().chain([&last]).map(|byte| format!("{byte:02x}")).collect();
        order(&hex)
    })
}

/// Rows as a page shows them: sorted, and some of them in the same place.
fn any_rows() -> impl Strategy<Value = Vec<(EntityId, OrderKey)>> {
    vec(any_key(), 1..4)
        .prop_flat_map(|keys| vec(proptest::sample::select(keys), 1..9))
        .prop_map(|keys| sorted((0..).zip(keys).map(|(index, key)| (entity(index), key)).collect()))
}

fn sorted(mut rows: Vec<(EntityId, OrderKey)>) -> Vec<(EntityId, OrderKey)> {
    rows.sort_by(|(one, a), (other, b)| (a, one).cmp(&(b, other)));
    rows
}

fn ids(rows: &[(EntityId, OrderKey)]) -> Vec<EntityId> {
    rows.iter().map(|(id, _)| id.clone()).collect()
}

proptest! {
    #[test]
    fn between_two_places_is_a_third(one in any_key(), other in any_key()) {
        let (low, high) = if one < other { (one, other) } else { (other, one) };
        let between = OrderKey::between(Some(&low), Some(&high));
        prop_assert_eq!(between.is_some(), low < high);
        if let Some(between) = between {
            prop_assert!(low < between && between < high);
        }
        prop_assert!(OrderKey::between(None, Some(&low)).unwrap() < low);
        prop_assert!(OrderKey::between(Some(&high), None).unwrap() > high);
        prop_assert_eq!(OrderKey::between(Some(&high), Some(&low)), None);
    }

    #[test]
    fn places_are_written_as_they_are_read(key in any_key()) {
        let text = String::from(key.clone());
        prop_assert_eq!(OrderKey::try_from(text), Ok(key));
    }

    #[test]
    fn any_text_is_a_place_or_refused(text in "[0-9a-fA-F+ é]{0,9}") {
        if let Ok(key) = OrderKey::try_from(text.clone()) {
            prop_assert_eq!(String::from(key), text.to_lowercase());
        }
    }

    #[test]
    fn a_row_lands_where_it_was_dropped(rows in any_rows(), from in any::<usize>(), to in any::<usize>()) {
        let (item, _) = rows[from % rows.len()].clone();
        let others: Vec<_> = rows.iter().filter(|(id, _)| *id != item).cloned().collect();
        let to = to % (others.len() + 1);
        let next = others.get(to).map(|(id, _)| id.clone());
        let borrowed: Vec<_> = others.iter().map(|(id, key)| (id, key)).collect();

        let places = place(&item, &borrowed, next.as_ref());

        let mut expected = ids(&others);
        expected.insert(to, item.clone());
        let unchanged = rows.into_iter().filter(|(id, _)| places.iter().all(|(placed, _)| placed != id));
        let after = sorted(unchanged.chain(places.iter().cloned()).collect());
        prop_assert_eq!(ids(&after), expected);
        prop_assert_eq!(&places.last().unwrap().0, &item, "an undo takes back the move itself");
    }
}

#[test]
fn a_move_changes_the_moved_row_alone_unless_places_are_equal() {
    let rows = [(entity(0), order("40")), (entity(1), order("80")), (entity(2), order("80")), (entity(3), order("c0"))];
    let others: Vec<_> = rows.iter().map(|(id, key)| (id, key)).collect();
    let moved = |next: u64| ids(&place(&entity(9), &others, Some(&entity(next))));
    assert_eq!(moved(0), [entity(9)]);
    assert_eq!(moved(1), [entity(9)]);
    assert_eq!(moved(2), [entity(2), entity(9)]);
    assert_eq!(moved(3), [entity(9)]);
}

#[test]
fn places_stay_short_in_a_long_list_and_a_busy_spot() {
    let length = |key: &OrderKey| String::from(key.clone()).len() / 2;
    let (mut last, mut first) = (OrderKey::default(), OrderKey::default());
    for _ in 0..2000 {
        last = OrderKey::between(Some(&last), None).unwrap();
        first = OrderKey::between(None, Some(&first)).unwrap();
    }
    assert!(length(&last) <= 17 && length(&first) <= 17, "{} and {}", length(&last), length(&first));
    let (low, mut high) = (order("40"), order("41"));
    for _ in 0..2000 {
        high = OrderKey::between(Some(&low), Some(&high)).unwrap();
    }
    assert!(length(&high) <= 260, "{}", length(&high));
}

#[test]
fn what_is_no_place_is_refused() {
    for text in ["", "8", "00", "8000", "0x80", "g0", "+8", " 80", "é0"] {
        let error = OrderKey::try_from(text.to_owned()).unwrap_err();
        assert!(error.to_string().starts_with("a place in a list"), "{text:?}");
    }
}
